"""Wrong usage is one sentence on stderr and exit status 2; no broker is 3."""

import socket

import click
import pytest

from minikafka.cli.main import COMMANDS, LazyGroup, cli

from .conftest import Command, run_process


def _commands() -> list[tuple[str, ...]]:
    """Every command with its group: ("topic", "create")."""
    context = click.Context(cli)
    paths: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            paths += [(name, each) for each in command.commands]
        else:
            paths.append((name,))
    return paths


@pytest.mark.parametrize("path", _commands(), ids=" ".join)
def test_help_of_each_command_shows_an_example(minikafka: Command, path: tuple[str, ...]) -> None:
    outcome = minikafka(*path, "--help")
    assert outcome.status == 0
    example = outcome.out.partition("Example")[2]
    assert f"\n    minikafka {' '.join(path)}" in example


def test_help_lists_every_command_with_a_line(minikafka: Command) -> None:
    assert isinstance(cli, LazyGroup)
    outcome = minikafka("--help")
    assert all(f"\n  {name} " in outcome.out for name in COMMANDS)


def test_version_is_the_packages(minikafka: Command) -> None:
    assert minikafka("--version").out.startswith("minikafka 0.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sevre",), "No such command 'sevre'"),
        (("topic",), "Usage: minikafka topic"),
        (("topic", "create"), "Missing argument 'NAME'"),
        (("topic", "create", "t", "--partitions", "0"), "0 is not in the range x>=1"),
        (("topic", "create", "t", "-c", "retention.ms"), "-c takes KEY=VALUE, not 'retention.ms'"),
        (("topic", "alter", "t"), "nothing to change: give --partitions, -c or --delete-config"),
        (("topic", "reassign"), "name the topics to reassign, or give --all"),
        (("topic", "reassign", "t", "--throttle", "1", "--no-wait"), "drop --no-wait"),
        (("topic", "reassign", "t", "--all"), "name the topics to reassign, or give --all"),
        (("topic", "reassign", "t", "--brokers", "1,x"), "--brokers is a list of ids"),
        (("cluster", "--port", "65536"), "65536 is not in the range"),
        (("topic", "list", "-o", "xml"), "'xml' is not one of 'table', 'json'"),
        (("topic", "list", "-b", "nowhere:port"), "'nowhere:port' is not HOST:PORT"),
        (("produce", "t", "--acks", "2"), "'2' is not one of 'all', '1', '0'"),
        (("produce", "t", "--header", "x"), "--header takes NAME=VALUE, not 'x'"),
        (("produce", "t", "--file", "/no/such/file"), "cannot read /no/such/file"),
        (("consume", "t", "--from", "middle"), "'middle' is none of beginning, end"),
        (("consume", "t", "--format", "%q"), "'%q' is no format token"),
        (("group", "reset-offsets", "g", "--topic", "t"), "Missing option '--to'"),
        (("group", "reset-offsets", "g", "--to", "end"), "say what to move: --topic TOPIC or"),
        (
            ("group", "reset-offsets", "g", "--to", "end", "--topic", "t", "--all-topics"),
            "say what to move: --topic TOPIC or --all-topics",
        ),
        (
            ("group", "reset-offsets", "g", "--to", "end", "--topic", "t:x"),
            "--topic takes TOPIC or TOPIC:0,2, not 't:x'",
        ),
        (
            ("group", "reset-offsets", "g", "--to", "middle", "--topic", "t"),
            "'middle' is none of beginning, end",
        ),
        (("demo", "--records", "5"), "5 is not in the range"),
        (("log", "dump"), "Missing argument 'FILE...'"),
        (("log", "dump", "notes.txt"), "notes.txt has no name that a node gives to a file"),
        (("config", "explain", "retension.ms"), "did you mean 'retention.ms'?"),
        (("api", "Fetsh"), "did you mean Fetch?"),
        (("api", "InitProducerId", "--source", "9"), "has versions 0 to 5, not 9"),
        (("api", "--source", "9"), "--source needs the NAME of an API"),
        (("serve", "--lisen", "x"), "No such option '--lisen'"),
        (("serve", "--flush", "never"), "'never' is not one of 'fsync', 'os'"),
        (("serve", "--listen", "9092"), "option 'listen' is HOST:PORT, not '9092'"),
        (("serve", "--node-id", "-1"), "option 'node.id' is a whole number from 0 to"),
        (("serve", "-c", "log.segmnt.bytes=1"), "did you mean 'log.segment.bytes'?"),
        (("serve", "-c", "num.partitions=x"), "option 'num.partitions' is a whole number"),
        (("serve", "--config", "/no/such/file"), "cannot read /no/such/file"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(
    minikafka: Command, arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = minikafka(*arguments)
    assert outcome.status == 2
    assert sentence in outcome.err
    assert outcome.out == ""
    assert sentence.startswith("Usage") or outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("topic", "list"),
        ("topic", "alter", "t", "-c", "retention.ms=5"),
        ("cluster-info",),
        ("group", "list"),
        ("consume", "t"),
        ("produce", "t", "--file", "/dev/null"),
        ("bench", "consume"),
    ],
    ids=" ".join,
)
def test_no_broker_at_the_address_is_status_3(
    minikafka: Command, arguments: tuple[str, ...]
) -> None:
    with socket.socket() as taken:  # Bound, and nobody listens: a connection is refused.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = minikafka(*arguments, "-b", address)
    assert outcome.status == 3
    assert f"cannot connect to {address}" in outcome.err


def test_the_process_exits_with_the_status_of_the_command() -> None:
    outcome = run_process("serve", "--flush", "never")
    assert outcome.status == 2
    assert outcome.err.startswith("minikafka: ")
