"""A peer of the node that a test has."""

from collections.abc import AsyncIterator

import pytest_asyncio

from ..in_process import ServedNode
from .peer import Peer


@pytest_asyncio.fixture
async def peer(node: ServedNode) -> AsyncIterator[Peer]:
    """A connection to the control port."""
    peer = await Peer.connect(node)
    yield peer
    await peer.close()
