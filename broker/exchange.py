"""One request on its way to its answer, and its place among the others of its connection.

Answers leave in the order of the requests: an exchange that is answered waits until all before it
are. What is parked elsewhere learns through `when_lost` that nobody waits for it any more.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..protocol.codec import encode
from ..protocol.header import encode_response
from ..transport.outbox import Chunk
from .handlers.route import Route

if TYPE_CHECKING:
    from .connection import Connection


class RequestExchange:
    """One request, and its place in the order of answers."""

    __slots__ = (
        "_connection",
        "_route",
        "cancel",
        "chunks",
        "correlation_id",
        "memory_bytes",
        "version",
    )

    def __init__(
        self, connection: "Connection", route: Route | None, correlation_id: int, version: int
    ) -> None:
        self._connection = connection
        self.memory_bytes = 0
        """What its request takes while it waits; of a small one nothing is counted."""
        self._route = route
        self.correlation_id = correlation_id
        self.version = version
        self.chunks: list[Chunk] | None = None
        self.cancel: Callable[[], None] | None = None

    @property
    def local_address(self) -> tuple[str, int]:
        """The address by which the client reached this node."""
        return self._connection.local_address

    @property
    def client_id(self) -> str:
        """What the client calls itself, empty for nothing."""
        return self._connection.client_id or ""

    @property
    def client_host(self) -> str:
        """The address that the client comes from."""
        return self._connection.peer_host

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended, so that nobody waits for the answer."""
        return self._connection.is_closing

    def answer(self, response: Any) -> None:
        """Encode the answer, to be sent in its turn."""
        route = self._route
        chunks: list[Any] = []
        if route is None:
            self.chunks = [*encode_response(encode(response, 0), self.correlation_id, False)]
        else:
            route.encode(response, chunks.append)
            self.chunks = [
                *encode_response(chunks, self.correlation_id, route.has_flexible_response)
            ]
        self._connection.answered()

    def answer_frame(self, frame: bytes) -> None:
        """Send this frame in its turn."""
        self.chunks = [frame]
        self._connection.answered()

    def answer_nothing(self) -> None:
        """Give up the place in the order."""
        self.chunks = []
        self._connection.answered()

    def when_lost(self, cancel: Callable[[], None]) -> None:
        """Call `cancel` if the connection ends before the answer is sent."""
        self.cancel = cancel

    def close(self, reason: str) -> None:
        """End the connection."""
        self.chunks = []
        self._connection.fail(reason)
