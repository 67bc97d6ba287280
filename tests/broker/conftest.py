"""The node that most tests of the broker need."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from .in_process import ServedNode, SetClock, serving


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    """A node with default options, whose wall clock stands still."""
    async with serving(tmp_path / "node", clock=SetClock()) as served:
        yield served
