"""Fixtures that many tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .nodes import NodeProcess


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
