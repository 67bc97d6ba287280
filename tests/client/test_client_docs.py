"""The examples of docs/client.md, each typed into a session of its own against a fresh node."""

import ast
import asyncio
import inspect
import re
from pathlib import Path

import pytest

import minikafka
from minikafka import NewTopic
from minikafka.sync import AdminClient, Producer

from ..nodes import NodeProcess

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "client.md"
TEXT = DOCUMENT.read_text()
ADDRESS = "localhost:9092"
DEADLINE_S = 60.0
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def examples() -> list[tuple[int, str]]:
    """Each program, and the line before its first one."""
    return [(TEXT.count("\n", 0, each.start(1)), each[1]) for each in EXAMPLE.finditer(TEXT)]


def name(example: tuple[int, str]) -> str:
    """Heading and line, by which a test is known."""
    line, _ = example
    heading = HEADING.findall("\n".join(TEXT.splitlines()[:line]))[-1]
    return f"{heading}, line {line + 1}".lower().replace(" ", "-")


@pytest.fixture
def orders(broker: NodeProcess) -> NodeProcess:
    """A node with some records in each partition of `orders`."""
    with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.create_topics([NewTopic("orders", 3, 1)])
    with Producer(bootstrap_servers=broker.bootstrap) as producer:
        for number in range(30):
            producer.send("orders", b"order %d" % number, partition=number % 3)
    return broker


@pytest.mark.parametrize("example", examples(), ids=name)
def test_an_example_runs(
    orders: NodeProcess, example: tuple[int, str], capsys: pytest.CaptureFixture[str]
):
    line, program = example
    # As many lines before it as in the document, so that a traceback names the right one.
    source = "\n" * line + program.replace(ADDRESS, orders.bootstrap)
    code = compile(source, str(DOCUMENT), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    begun = eval(code, {"__name__": "__main__"})  # noqa: S307
    if inspect.iscoroutine(begun):
        asyncio.run(asyncio.wait_for(begun, DEADLINE_S))
    assert bool(capsys.readouterr().out) == ("print(" in program)


@pytest.mark.parametrize("public", minikafka.__all__)
def test_every_public_name_is_in_the_document(public: str):
    assert re.search(rf"\b{public}\b", TEXT)
