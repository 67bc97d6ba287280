"""Fixtures that many tests share."""

import gc
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from .nodes import NodeProcess


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Collect what other clients left to the garbage collector: no later test is to be blamed.

    Files whose tests let them do so are marked to ignore ResourceWarning.
    """
    result = yield
    is_last_of_file = nextitem is None or nextitem.path != item.path
    if is_last_of_file and any(
        "ignore::ResourceWarning" in mark.args for mark in item.iter_markers("filterwarnings")
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    return result


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node of this test alone, with default options."""
    node = NodeProcess(tmp_path / "node-1").start()
    yield node
    node.kill()


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node for tests that only need some broker and topics of their own."""
    node = NodeProcess(tmp_path_factory.mktemp("shared") / "node-1").start()
    yield node
    node.kill()
