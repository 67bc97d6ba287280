"""What the documents print comes from the code, and what the README tells people to type works.

    <!-- printed: NAME -->                 a table or listing: what PRINTED[NAME] returns
    <!-- printed: the program above -->    what the ```python block before it prints
    <!-- printed: $ minikafka ... -->      what the command prints where the programs before it ran
    ...
    <!-- end -->

After a change that shows in a document, `python -m tests.test_docs` prints it anew.

In the README each `$ ` line of a ```console block is typed into a shell, and the lines behind it
are what is expected, in any order; each ```python block is run, as those of control-plane.md are.
All meet a fresh node.
"""

import contextlib
import dataclasses
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from minikafka.broker.config import STORED_ONLY, BrokerConfig, TopicConfig
from minikafka.broker.controller import raft
from minikafka.broker.group import group
from minikafka.broker.handlers.chapters import chapter_of
from minikafka.broker.handlers.table import SERVED_VERSIONS
from minikafka.broker.options import OptionRule, option_rules, option_texts
from minikafka.cli import main
from minikafka.cli.api import list_row
from minikafka.cli.kafka_differences import DIFFERENCES
from minikafka.protocol.api import request_class
from minikafka.protocol.codec import source

from .nodes import NodeProcess
from .state_diagrams import diagram

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
KOREAN_README = ROOT / "README.ko.md"
CONTROL_PLANE = ROOT / "docs/control-plane.md"
DOCUMENTS = (README, *sorted((ROOT / "docs").glob("*.md")))
DEFAULT_ADDRESS = "127.0.0.1:9092"
COMMAND_DEADLINE_S = 20.0

PRINTED_PART = re.compile(r"(<!-- printed: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
SESSION = re.compile(r"```console\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
THE_PROGRAM_ABOVE = "the program above"
COMMAND_START = "$ minikafka "
OPTION_READ = re.compile(r"config\.(\w+)")
OPTION_READ_BY_PROPERTY = re.compile(r"self\.(\w+)")


def api_table() -> str:
    """The APIs that the broker serves."""
    titles = "| key | API | versions | flexible from | what it asks | chapter |"
    rows = [titles, "|---|---|---|---|---|---|"]
    for key in sorted(SERVED_VERSIONS):
        row = (*list_row(key), chapter_of(key))
        cells = ("never" if cell is None else str(cell) for cell in row)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def request_of(key: int) -> type[Any]:
    """The request's class of an API that is served."""
    request = request_class(key)
    assert request is not None
    return request


def generated_source() -> str:
    """The compiled form of one small message."""
    return f"```python\n{source(request_of(22), 2).strip()}\n```"


def node_options() -> str:
    """The options of a node."""
    return option_table(BrokerConfig, option_texts(BrokerConfig()))


def topic_options() -> str:
    """The options of a topic; the default is the node's where there is one."""
    node_names = {name: f"`{node}`" for name, node in node_options_of_topics().items()}
    return option_table(TopicConfig, option_texts(TopicConfig()) | node_names)


def option_table(config_class: type, defaults: dict[str, str]) -> str:
    """One row for each option."""
    rows = ["| option | default | values | meaning |", "|---|---|---|---|"]
    for name, rule in option_rules(config_class).items():
        meaning = rule.meaning
        if rule.is_dynamic and not rule.inherits:
            meaning += " *(dynamic)*"
        if name in STORED_ONLY:
            meaning += " *(nothing reads it yet)*"
        rows.append(f"| `{name}` | {defaults[name]} | {values(rule)} | {meaning} |")
    return "\n".join(rows)


def values(rule: OptionRule) -> str:
    """What an option can be, as far as that is bounded."""
    if rule.choices:
        return ", ".join(rule.choices)
    if rule.minimum is not None and rule.maximum is not None:
        return f"{rule.minimum} to {rule.maximum}"
    return "" if rule.minimum is None else f"from {rule.minimum}"


def options_read() -> set[str]:
    """The fields of both classes that some code reads; a node's also by way of a topic's."""
    paths = [path for folder in ("broker", "cli") for path in (ROOT / folder).rglob("*.py")]
    read = {name for path in paths for name in OPTION_READ.findall(path.read_text())}
    read.update(OPTION_READ_BY_PROPERTY.findall((ROOT / "broker/config.py").read_text()))
    for name, node_name in node_options_of_topics().items():
        if name.replace(".", "_") in read:
            read.add(node_name.replace(".", "_"))
    return read


def node_options_of_topics() -> dict[str, str]:
    """The topic's options that the node has a default for, and the node's name of it."""
    rules = option_rules(TopicConfig).items()
    return {name: rule.inherits for name, rule in rules if rule.inherits}


def differences() -> str:
    """Where options differ from Kafka's."""
    rows = ["| option | Kafka | here | why |", "|---|---|---|---|"]
    for each in DIFFERENCES:
        names = ", ".join(f"`{name}`" for name in each.options)
        rows.append(f"| {names} | {each.kafka} | {each.here} | {each.why} |")
    return "\n".join(rows)


def decisions() -> str:
    """The pages about decisions, by their titles."""
    paths = sorted((ROOT / "docs/decisions").glob("*.md"))
    titles = [path.read_text().splitlines()[0].removeprefix("# ") for path in paths]
    return "\n".join(
        f"- [{title}](decisions/{path.name})" for title, path in zip(titles, paths, strict=True)
    )


PRINTED: dict[str, Callable[[], str]] = {
    "the decisions": decisions,
    "the APIs served": api_table,
    "the source of InitProducerIdRequest v2": generated_source,
    "the options of a node": node_options,
    "the options of a topic": topic_options,
    "the differences from Kafka": differences,
    "the states of a group": lambda: diagram(group),
    "the states of a voter": lambda: diagram(raft),
}


def printed_parts(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each printed part of a document, and what it should be."""
    for part in PRINTED_PART.finditer(text):
        if part[2] == THE_PROGRAM_ABOVE:
            yield part, f"```text\n{output_of(program_above(text, part.start()))}```"
        elif part[2].startswith(COMMAND_START):
            programs = PROGRAM.findall(text, 0, part.start())
            yield part, f"```\n{part[2]}\n{output_of_command(part[2], programs)}```"
        else:
            yield part, PRINTED[part[2]]()


def program_above(text: str, position: int) -> str:
    """The last program that ends before this position."""
    return PROGRAM.findall(text, 0, position)[-1]


def output_of(program: str) -> str:
    """What a program of a document prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(program, "<document>", "exec"), {"__name__": "__main__"})  # noqa: S102
    return output.getvalue()


def output_of_command(command: str, programs: list[str]) -> str:
    """What a command prints, in a directory in which these programs have run before."""
    output = io.StringIO()
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        for program in programs:
            output_of(program)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            main.run(shlex.split(command.removeprefix(COMMAND_START)))
    return "".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_print_what_the_code_says(document: Path):
    for part, expected in printed_parts(document.read_text()):
        assert part[3] == f"{expected}\n", f"{part[2]}: run `python -m tests.test_docs`"


def test_everything_that_can_be_printed_is_in_a_document():
    text = "".join(document.read_text() for document in DOCUMENTS)
    printed = {part[2] for part in PRINTED_PART.finditer(text)}
    commands = {name for name in printed if name.startswith(COMMAND_START)}
    assert printed - commands == {*PRINTED, THE_PROGRAM_ABOVE}


@pytest.mark.parametrize("readme", [README, KOREAN_README], ids=lambda path: path.name)
def test_what_the_readme_types_works(readme: Path, broker: NodeProcess):
    for session in SESSION.findall(readme.read_text()):
        for command, expected in COMMAND.findall(session):
            if "kcat " in command and not shutil.which("kcat"):
                continue
            assert sorted(typed(command, broker)) == sorted(expected.splitlines()), command


def typed(command: str, broker: NodeProcess) -> list[str]:
    """The lines that a command prints when it is typed into a shell; it must succeed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        command.replace(DEFAULT_ADDRESS, broker.bootstrap),
        shell=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_DEADLINE_S,
        env=os.environ | {"MINIKAFKA_BOOTSTRAP": broker.bootstrap, "PATH": path},
    )
    assert ended.returncode == 0, f"{command}: {ended.stdout}"
    return ended.stdout.splitlines()


@pytest.mark.parametrize(
    "document", [README, KOREAN_README, CONTROL_PLANE], ids=lambda path: path.name
)
def test_the_programs_that_need_a_node_run(document: Path, broker: NodeProcess):
    for program in PROGRAM.findall(document.read_text()):
        assert output_of(program.replace(DEFAULT_ADDRESS, broker.bootstrap))


@pytest.mark.parametrize("package", ["broker", "client", "protocol"])
def test_the_map_of_a_package_names_every_file(package: str):
    text = import_module(f"minikafka.{package}").__doc__ or ""
    named = set(re.findall(r"[\w/]+", text))
    for path in (ROOT / package).rglob("*.py"):
        name = path.relative_to(ROOT / package).with_suffix("").as_posix()
        folder, _, _ = name.rpartition("/")
        assert {name, f"{folder}/"} & named or path.name == "__init__.py", name


def print_documents() -> None:
    """Write the printed parts of all documents anew."""
    for document in DOCUMENTS:
        text = document.read_text()
        for part, expected in reversed(list(printed_parts(text))):
            text = f"{text[: part.start(3)]}{expected}\n{text[part.end(3) :]}"
        document.write_text(text)


def test_options_that_nothing_reads_are_those_that_are_called_so():
    declared = {
        field.name
        for config_class in (BrokerConfig, TopicConfig)
        for field in dataclasses.fields(config_class)
    }
    unread = {name.replace("_", ".") for name in declared - options_read()}
    assert unread == STORED_ONLY


if __name__ == "__main__":
    print_documents()
