"""What every handler is given: one request's exchange, and the parts of the node it may use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..clock import WallClock
from ..config import BrokerConfig
from ..controller.live_config import LiveConfig
from ..controller.producer_ids import ProducerIds
from ..controller.service import Controller
from ..replica.fetch_sessions import FetchSessions
from ..replica.housekeeping import Housekeeping
from ..replica.manager import ReplicaManager
from ..replica.store import PartitionStore

if TYPE_CHECKING:
    from ..group.coordinator import GroupCoordinator


class Exchange(Protocol):
    """One request on its way to its answer; answers leave in the order of the requests."""

    version: int
    correlation_id: int

    @property
    def client_id(self) -> str:
        """What the client calls itself, empty for nothing."""
        ...

    @property
    def client_host(self) -> str:
        """The address that the client comes from."""
        ...

    @property
    def local_address(self) -> tuple[str, int]:
        """The address by which the client reached this node."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended, so that nobody waits for the answer."""
        ...

    def answer(self, response: Any) -> None:
        """Send this, once."""
        ...

    def answer_frame(self, frame: bytes) -> None:
        """Send this frame, which is an encoded answer already."""
        ...

    def answer_nothing(self) -> None:
        """The protocol has no answer here: a produce with acks 0."""
        ...

    def when_lost(self, cancel: Callable[[], None]) -> None:
        """Call `cancel` if the connection ends while the answer has not been sent."""
        ...

    def close(self, reason: str) -> None:
        """End the connection instead of answering."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a node that handlers use."""

    live: LiveConfig
    controller: Controller
    producer_ids: ProducerIds
    replicas: ReplicaManager
    store: PartitionStore
    housekeeping: Housekeeping
    fetch_sessions: FetchSessions
    start_groups: Callable[[], "GroupCoordinator"]
    """The coordinator of groups, made when it is first asked for."""
    clock: WallClock
    advertised: tuple[str, int] | None
    control: tuple[str, int]
    """Where the control plane listens; without a host: where clients reach this node."""

    @property
    def groups(self) -> "GroupCoordinator":
        """The coordinator of groups."""
        return self.start_groups()

    @property
    def config(self) -> BrokerConfig:
        """The node's options as they are now."""
        return self.live.config

    def address_for(self, exchange: Exchange) -> tuple[str, int]:
        """What clients of this connection are told to connect to."""
        return self.advertised or exchange.local_address

    def control_address_for(self, exchange: Exchange) -> tuple[str, int]:
        """Where clients of this connection are told to find the control plane."""
        host, port = self.control
        return host or self.address_for(exchange)[0], port


Handle = Callable[[Exchange, Any, Context], Any]
"""(exchange, request, context) -> the response, or a coroutine that ends in it, or None: parked,
then whoever holds the exchange answers it later."""
