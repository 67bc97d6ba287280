"""Records from stdin into the broker and back to stdout."""

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import DEADLINE_S, Command, run_process

FORMAT = r"%t [%p] %o %k %v %K %S %h\n"


def _file(tmp_path: Path, text: bytes) -> str:
    path = tmp_path / "lines"
    path.write_bytes(text)
    return str(path)


def test_lines_of_stdin_come_back_in_order(on_broker: Command) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(20_000))
    produced = run_process("produce", "stdin", stdin=lines)
    assert (produced.status, produced.out) == (0, "")
    assert produced.err == "20000 records acknowledged\n"
    assert on_broker("consume", "stdin", "--exit-at-end").out.encode() == lines


def test_keys_headers_and_partitions_are_what_the_options_say(
    on_broker: Command, tmp_path: Path
) -> None:
    on_broker("topic", "create", "options", "--partitions", "3")
    file = _file(tmp_path, b"k:v\nno key\n:empty key\n")
    options = ["--key-delimiter", ":", "--header", "a=1", "--partition", "2", "--acks", "1"]
    on_broker("produce", "options", "--file", file, *options, "--compression", "gzip")
    assert on_broker(
        "consume", "options", "--exit-at-end", "--format", FORMAT
    ).out.splitlines() == [
        "options [2] 0 k v 1 1 a=1",
        "options [2] 1  no key -1 6 a=1",
        "options [2] 2  empty key 0 9 a=1",
    ]


def test_from_and_max_choose_the_records(on_broker: Command, tmp_path: Path) -> None:
    on_broker("produce", "choose", "--file", _file(tmp_path, b"0\n1\n2\n3\n4\n"))

    def values(*options: str) -> list[str]:
        return on_broker("consume", "choose", *options).out.split()

    assert values("--exit-at-end") == ["0", "1", "2", "3", "4"]
    assert values("--exit-at-end", "--from", "3") == ["3", "4"]
    assert values("--exit-at-end", "--from", "-1") == ["4"]
    assert values("--exit-at-end", "--from", "end") == []
    assert values("--exit-at-end", "--from", "@0", "--max", "2") == ["0", "1"]
    assert values("--exit-at-end", "--from", "@4102444800000") == []
    assert values("--max", "0") == []


def test_json_output_is_a_line_for_each_record(on_broker: Command, tmp_path: Path) -> None:
    on_broker("produce", "json", "--file", _file(tmp_path, b"\xff\nb\n"))
    out = on_broker("consume", "json", "--exit-at-end", "-o", "json").out
    values = [json.loads(line)["value"] for line in out.splitlines()]
    assert values == [{"base64": "/w=="}, "b"]


def test_several_topics_are_read_at_once(on_broker: Command, tmp_path: Path) -> None:
    for topic in ("first", "second"):
        on_broker("produce", topic, "--file", _file(tmp_path, topic.encode()))
    out = on_broker("consume", "first", "second", "--exit-at-end").out
    assert sorted(out.split()) == ["first", "second"]


def test_a_group_reads_on_where_it_left_off(on_broker: Command, tmp_path: Path) -> None:
    on_broker("topic", "create", "shared", "--partitions", "3")
    read = ("consume", "shared", "--group", "billing", "--exit-at-end")
    for values in ("0\n1\n2\n", "3\n4\n"):
        on_broker("produce", "shared", "--file", _file(tmp_path, values.encode()))
        assert "".join(sorted(on_broker(*read).out.splitlines(True))) == values
    assert on_broker(*read).out == ""
    assert len(on_broker("consume", "shared", "--exit-at-end").out.splitlines()) == 5


def test_max_commits_what_was_written_and_no_more(on_broker: Command, tmp_path: Path) -> None:
    on_broker("produce", "counted", "--file", _file(tmp_path, b"0\n1\n2\n3\n"))
    read = ("consume", "counted", "--group", "counting", "--max", "2")
    assert on_broker(*read).out == "0\n1\n"
    assert on_broker(*read).out == "2\n3\n"


def test_where_a_group_begins_is_not_for_a_member_to_say(on_broker: Command) -> None:
    refused = on_broker("consume", "shared", "--group", "billing", "--from", "7")
    assert refused.status == 2
    assert "minikafka group reset-offsets" in refused.err
    refused = on_broker("consume", "shared", "--from", "stored")
    assert refused.status == 2
    assert "give --group" in refused.err


def test_a_record_that_is_too_large_fails_and_the_others_are_written(
    on_broker: Command, tmp_path: Path
) -> None:
    file = _file(tmp_path, b"before\n" + b"x" * 2_000_000 + b"\nafter\n")
    outcome = on_broker("produce", "large", "--file", file)
    assert outcome.status == 1
    assert "2 records acknowledged\n" in outcome.err
    assert "1 records failed: a record of 2000000 bytes" in outcome.err
    assert on_broker("consume", "large", "--exit-at-end").out == "before\nafter\n"


def test_a_partition_that_is_not_there_fails(on_broker: Command, tmp_path: Path) -> None:
    file = _file(tmp_path, b"a\n")
    outcome = on_broker("produce", "narrow", "--file", file, "--partition", "9")
    assert outcome.status == 1
    assert "no 9" in outcome.err


@pytest.mark.usefixtures("on_broker")
def test_a_reader_that_leaves_ends_consume_quietly() -> None:
    run_process("produce", "head", stdin=b"line\n" * 50_000)
    with _started("consume", "head") as consume:
        assert consume.stdout is not None
        assert consume.stdout.readline() == b"line\n"
        consume.stdout.close()
        assert consume.wait(DEADLINE_S) == 0
        assert consume.stderr is not None
        assert consume.stderr.read() == b""


@pytest.mark.usefixtures("on_broker")
def test_ctrl_c_ends_consume_with_status_130() -> None:
    run_process("produce", "ctrl-c", stdin=b"line\n")
    with _started("consume", "ctrl-c") as consume:
        assert consume.stdout is not None
        assert consume.stdout.readline() == b"line\n"
        consume.send_signal(signal.SIGINT)
        out, err = consume.communicate(timeout=DEADLINE_S)
        assert (consume.returncode, out, err) == (130, b"", b"")


def test_ctrl_c_commits_what_was_written(on_broker: Command) -> None:
    run_process("produce", "ctrl-c-group", stdin=b"line\n")
    with _started("consume", "ctrl-c-group", "--group", "ctrl-c") as consume:
        assert consume.stdout is not None
        assert consume.stdout.readline() == b"line\n"
        consume.send_signal(signal.SIGINT)
        assert consume.wait(DEADLINE_S) == 130
    described = on_broker("group", "describe", "ctrl-c", "-o", "json")
    assert json.loads(described.out)["lag"] == 0


@pytest.mark.usefixtures("on_broker")
def test_ctrl_c_ends_produce_and_delivers_what_it_read() -> None:
    run_process("topic", "create", "ctrl-c-2")
    with _started("consume", "ctrl-c-2") as consume, _started("produce", "ctrl-c-2") as produce:
        assert produce.stdin is not None
        produce.stdin.write(b"one\n")
        produce.stdin.flush()
        assert consume.stdout is not None
        assert consume.stdout.readline() == b"one\n"
        produce.send_signal(signal.SIGINT)
        assert produce.wait(DEADLINE_S) == 130
        assert produce.stderr is not None
        assert produce.stderr.read() == b"1 records acknowledged\n"


@contextmanager
def _started(*arguments: str) -> Generator[subprocess.Popen[bytes]]:
    """A command as a process, which is killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "minikafka.cli.main", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
