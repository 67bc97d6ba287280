"""Where a node's options come from, and which source wins."""

from pathlib import Path

import click
import pytest

from minikafka.cli.node_options import build_config, read_environment, read_file, read_pairs

NAME = "log.segment.bytes"


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return str(path)


def test_command_line_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = _file(tmp_path, f"{NAME} = 3000\n")
    environment = {"MINIKAFKA_LOG_SEGMENT_BYTES": "2000"}
    command_line = {NAME: "1000"}
    assert build_config(command_line, environment, file).log_segment_bytes == 1000
    assert build_config({}, environment, file).log_segment_bytes == 2000
    assert build_config({}, {}, file).log_segment_bytes == 3000
    assert build_config({}, {}, None).log_segment_bytes == 1 << 30


def test_only_our_variables_of_the_environment_are_options() -> None:
    environment = {
        "MINIKAFKA_NODE_ID": "7",
        "MINIKAFKA_BOOTSTRAP": "127.0.0.1:9092",
        "HOME": "/root",
    }
    assert read_environment(environment) == {"node.id": "7"}


@pytest.mark.parametrize(
    "text",
    [
        "log.segment.bytes = 5000\nauto.create.topics.enable = false\n",
        '"log.segment.bytes" = 5000\n"auto.create.topics.enable" = false\n',
        "[log]\nsegment.bytes = 5000\n[auto.create]\ntopics.enable = false\n",
    ],
    ids=["dotted", "quoted", "tables"],
)
def test_a_toml_key_may_be_dotted_quoted_or_in_tables(tmp_path: Path, text: str) -> None:
    values = read_file(_file(tmp_path, text))
    assert values == {NAME: "5000", "auto.create.topics.enable": "false"}


def test_a_toml_list_is_a_list_with_commas(tmp_path: Path) -> None:
    text = 'log.cleanup.policy = ["compact", "delete"]\n'
    assert read_file(_file(tmp_path, text)) == {"log.cleanup.policy": "compact,delete"}


def test_a_wrong_name_is_refused_with_its_source_and_the_nearest_name(tmp_path: Path) -> None:
    file = _file(tmp_path, "log.segment.byte = 1\n")
    with pytest.raises(click.UsageError, match=r"node\.toml: .*did you mean 'log.segment.bytes'"):
        build_config({}, {}, file)
    with pytest.raises(click.UsageError, match=r"environment: .*did you mean 'num.partitions'"):
        build_config({}, {"MINIKAFKA_NUM_PARTITION": "1"}, None)


def test_a_file_that_is_not_toml_is_refused_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=r"is not TOML: .*line 1"):
        read_file(_file(tmp_path, "log.segment.bytes=\n"))


def test_a_value_may_hold_an_equals_sign() -> None:
    assert read_pairs(["data.dir=a=b"]) == {"data.dir": "a=b"}
