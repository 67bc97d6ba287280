"""This broker's life in the cluster: it registers, says that it lives, and says when it leaves.

    register   until a controller takes it              -> an epoch, that all it says carries
    live       a heartbeat every 500 ms                 -> fenced or not, and a lease
    leave      heartbeats that say so, until it may go  -> others lead what it led; of those who
                                                        leave together the controller is the last

While no controller answers, it goes on asking whoever may lead. A broker that was unregistered
meanwhile registers again. One whose epoch is stale was replaced by another process of the same id:
it must stop.

The *lease* is how a leader that is cut off finds out. The controller fences whoever is silent for
the session's time; so a broker that has no answer to a heartbeat sent within that time must expect
to have successors, and stops to serve as a leader. Records are safe without it, since a leader that
is deposed can acknowledge nothing; it keeps what its clients read from being too old.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from ...protocol.control import (
    Heartbeat,
    HeartbeatAnswer,
    Refused,
    RegisterBroker,
    Registered,
)
from ...protocol.errors import ErrorCode
from ..config import BrokerConfig
from .image import Standing
from .membership import CannotTakePart
from .service import Controller, ControllerUnavailable

RETRY_S = 0.1
LEAVING_INTERVAL_S = 0.05
LEAVE_TIMEOUT_S = 10.0
UNREACHABLE_S = 3.0
"""Nobody to ask for so long while leaving: the others have left already."""
CLAIMS = 2
"""How many sessions of another process of this id are waited for, before it is taken to live."""

log = logging.getLogger("minikafka.session")


class BrokerIdTaken(CannotTakePart):
    """Another process is this broker; the message is one sentence."""


class BrokerSession:
    """What this broker is to the active controller."""

    def __init__(
        self, controller: Controller, config: BrokerConfig, registration: RegisterBroker
    ) -> None:
        self.epoch = -1
        """Of the registration; -1 before there is one."""
        self.on_replaced: Callable[[BrokerIdTaken], None] = _raise
        """Called when another process has registered as this broker."""
        self._controller = controller
        self._config = config
        self._registration = registration
        self._wants_to_leave = asyncio.Event()
        self._may_leave = False
        self._leased_until_ms = 0
        self._answered_s = 0.0
        self._beating: asyncio.Task[None] | None = None

    @property
    def is_fenced(self) -> bool:
        """Whether this broker may lead nothing, as far as it knows."""
        broker = self._controller.image.brokers.get(self._registration.broker_id)
        if broker is None or broker.epoch != self.epoch:
            return True
        return broker.standing is Standing.FENCED

    def has_lease(self, now_ms: int) -> bool:
        """Whether the controller cannot have fenced this broker for its silence; monotonic time."""
        return now_ms < self._leased_until_ms

    async def register(self) -> int:
        """Register, and live from then on; the epoch. Raises BrokerIdTaken."""
        self.epoch = await self._register()
        self._beating = asyncio.get_running_loop().create_task(self._live())
        return self.epoch

    async def leave(self) -> bool:
        """Hand over all that this broker leads; whether that was done before time was up."""
        self._wants_to_leave.set()
        loop = asyncio.get_running_loop()
        end_s = loop.time() + LEAVE_TIMEOUT_S
        self._answered_s = loop.time()
        while loop.time() < min(end_s, self._answered_s + UNREACHABLE_S):
            if self._is_free_to_go():
                return True
            await asyncio.sleep(LEAVING_INTERVAL_S)
        return False

    def _is_free_to_go(self) -> bool:
        """Whether it was told that it may go, or nobody is there to take over from it.

        The controller stays for the others who leave: without it they would need another first.
        """
        brokers = self._controller.image.brokers.values()
        own_id = self._registration.broker_id
        others = [each.standing for each in brokers if each.broker_id != own_id]
        if all(each is Standing.FENCED for each in others):
            return True
        return self._may_leave and not (self._controller.is_active and Standing.LEAVING in others)

    async def stop(self) -> None:
        """No more heartbeats."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])

    async def _register(self) -> int:
        loop = asyncio.get_running_loop()
        timeout_ms = self._config.broker_session_timeout_ms
        patience_s = CLAIMS * timeout_ms / 1000
        taken_since_s: float | None = None
        while True:
            answer = await self._ask(self._registration)
            match answer:
                case Registered(epoch):
                    return epoch
                case Refused(error, message) if error == _name(
                    ErrorCode.DUPLICATE_BROKER_REGISTRATION
                ):
                    if taken_since_s is None:
                        taken_since_s = loop.time()
                        log.warning("waiting up to %.0f s: %s", patience_s, message)
                    if loop.time() - taken_since_s > patience_s:
                        raise BrokerIdTaken(f"{message}; give one of them another --node-id")
                case Refused(error, message):
                    log.debug("not registered: %s: %s", error, message)
                case _:
                    pass
            await asyncio.sleep(RETRY_S)

    async def _live(self) -> None:
        try:
            while True:
                await self._beat()
                await self._pause()
        except BrokerIdTaken as taken:
            self.on_replaced(taken)

    async def _pause(self) -> None:
        """Until the next heartbeat is due, which is at once when this broker begins to leave."""
        if self._wants_to_leave.is_set():
            await asyncio.sleep(LEAVING_INTERVAL_S)
            return
        # Once it has caught up with its own registration, it is in its interest to say so.
        interval_s = self._config.broker_heartbeat_interval_ms / 1000
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S if self.is_fenced else interval_s):
                await self._wants_to_leave.wait()

    async def _beat(self) -> None:
        """One heartbeat, and what follows from the answer."""
        sent_s = asyncio.get_running_loop().time()
        applied = self._controller.committed_offset - 1
        broker_id = self._registration.broker_id
        is_leaving = self._wants_to_leave.is_set()
        answer = await self._ask(Heartbeat(broker_id, self.epoch, applied, is_leaving))
        match answer:
            case HeartbeatAnswer(is_fenced, may_leave):
                if not is_fenced:
                    timeout_ms = self._config.broker_session_timeout_ms
                    self._leased_until_ms = int(sent_s * 1000) + timeout_ms
                if may_leave:
                    self._may_leave = True
            case Refused(error, _) if error == _name(ErrorCode.BROKER_ID_NOT_REGISTERED):
                self.epoch = await self._register()
            case Refused(error, _) if error == _name(ErrorCode.STALE_BROKER_EPOCH):
                raise BrokerIdTaken(
                    f"another process has registered as broker {broker_id}; "
                    "give one of them another --node-id"
                )
            case _:
                pass

    async def _ask(self, question: RegisterBroker | Heartbeat) -> object:
        """The active controller's answer, or None if there is none."""
        timeout_ms = self._config.broker_session_timeout_ms // 4
        try:
            answer = await self._controller.ask(question, timeout_ms)
        except ControllerUnavailable:
            return None
        self._answered_s = asyncio.get_running_loop().time()
        return answer


def _name(error_code: ErrorCode) -> str:
    return error_code.name


def _raise(taken: BrokerIdTaken) -> None:
    raise taken
