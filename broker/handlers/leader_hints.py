"""Who leads instead: what an answer tells a client that came to the wrong broker (KIP-951).

So it can go on at once, without asking for metadata first. A partition names the leader and its
epoch, and the answer says once where each leader that it names is.
"""

from ...protocol.errors import ErrorCode
from ..controller.image import NOBODY
from .context import Context, Exchange
from .endpoints import Endpoint, alive_endpoint
from .topics import find_topic

UNKNOWN_EPOCH = -1


class LeaderHints:
    """The hints of one answer."""

    __slots__ = ("_context", "_exchange", "_leaders")

    def __init__(self, exchange: Exchange, context: Context) -> None:
        self._exchange = exchange
        self._context = context
        self._leaders: dict[int, None] = {}

    def leader_of(self, topic: str, topic_id: bytes, index: int) -> tuple[int, int]:
        """The leader of a partition and its epoch, as the controller has decided."""
        found = find_topic(self._context.controller.image, topic, topic_id)
        partition = None if isinstance(found, ErrorCode) else found.partitions.get(index)
        if partition is None:
            return NOBODY, UNKNOWN_EPOCH
        self._leaders[partition.leader] = None
        return partition.leader, partition.leader_epoch

    def endpoints(self) -> list[Endpoint]:
        """Where the leaders are that were named, as far as they are alive."""
        found = (alive_endpoint(each, self._exchange, self._context) for each in self._leaders)
        return [endpoint for endpoint in found if endpoint is not None]
