"""The shell around `membership`: its requests to the coordinator, its timer, its look-ups.

    timer ──tick──> Membership ──effects──> requests, each a task ──answers──> Membership ...
                                 └──Notify──> the user's task, at its next poll

Joins and syncs, which wait at the coordinator for other members, have a connection of their own, so
that heartbeats and commits never wait behind them.

Left out: rules; they are all in `membership`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from ..protocol.api.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..protocol.api.join_group import JoinGroupRequest, JoinGroupResponse
from ..protocol.api.leave_group import LeaveGroupRequest, LeaveGroupResponse
from ..protocol.api.sync_group import SyncGroupRequest, SyncGroupResponse
from ..protocol.errors import ErrorCode, KafkaError
from .coordinator import CONNECT_MS, MOVED, Coordinator
from .member import Answer, Ask, Effect, LookUp, MemberSettings, Notify, Warn
from .membership import Membership
from .network import Lane, Network
from .wakeup import Wakeup

log = logging.getLogger(__name__)

JOIN_SLACK_MS: Final = 5000
"""How much later than the slowest member may join the coordinator may answer."""
LEAVE_TIMEOUT_MS: Final = 5000
LOOK_UP_TIMEOUT_MS: Final = 3000
"""How long the others wait for numbers of partitions that nobody tells the leader."""

_FIRST_VERSION_OF_MANY_LEAVERS: Final = 3
_RESPONSES: Final[dict[type, type[Answer]]] = {
    JoinGroupRequest: JoinGroupResponse,
    SyncGroupRequest: SyncGroupResponse,
    HeartbeatRequest: HeartbeatResponse,
    LeaveGroupRequest: LeaveGroupResponse,
}


class GroupMember:
    """Runs one membership over one network."""

    def __init__(
        self,
        network: Network,
        coordinator: Coordinator,
        membership: Membership,
        settings: MemberSettings,
        on_notify: Callable[[], None],
        progress: Callable[[], object],
    ) -> None:
        """`on_notify` brings the user to poll; `progress` changes with each record handed out."""
        self.membership = membership
        self._network = network
        self._coordinator = coordinator
        self._settings = settings
        self._on_notify = on_notify
        self._progress = progress
        self._last_progress: object = None
        self._wakeup = Wakeup(network.loop)
        self._tasks: dict[asyncio.Task[None], None] = {}

    def start(self) -> None:
        """Start the timer."""
        self._network.on_change.append(self._count_again)
        self._begin(self._run())

    def perform(self, effects: list[Effect]) -> None:
        """Do what the machine asks for, and look at its deadline anew."""
        self._carry_out(effects)
        self._wakeup.set()

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask():
                    self._begin(self._ask(effect))
                case LookUp():
                    self._begin(self._look_up(effect.topics))
                case Notify():
                    self._on_notify()
                case Warn():
                    log.warning("%s", effect.sentence)

    async def close(self) -> None:
        """Say goodbye, wait a little until that has been heard, and stop."""
        self._network.on_change.remove(self._count_again)
        effects = self.membership.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for effect in effects:
            if isinstance(effect, Ask) and self._coordinator.node_id is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LEAVE_TIMEOUT_MS / 1000):
                        await self._answer(effect.request, LEAVE_TIMEOUT_MS)

    async def _run(self) -> None:
        """The timer."""
        membership = self.membership
        while True:
            now_ms = self._network.now_ms()
            progress = self._progress()
            if progress != self._last_progress:
                self._last_progress = progress
                membership.went_on(now_ms)
            self._carry_out(membership.tick(now_ms))
            due_ms = membership.deadline_ms()
            if due_ms is None or due_ms > now_ms:
                await self._wakeup.wait(due_ms)

    async def _ask(self, ask: Ask) -> None:
        """Send a request, and take the answer back."""
        answer = await self._answer(ask.request, self._timeout_ms(ask.request))
        self.perform(self.membership.answered(ask.number, answer, self._network.now_ms()))

    async def _answer(self, request: object, timeout_ms: int) -> Answer | KafkaError:
        """The coordinator's answer, or what kept it from coming."""
        waits = isinstance(request, JoinGroupRequest | SyncGroupRequest)
        response_class = _RESPONSES[type(request)]
        try:
            node_id = await self._coordinator.find(self._network.settings.request_timeout_ms)
            lane = Lane.JOINS if waits else Lane.QUESTIONS
            connection = await self._network.connection(node_id, CONNECT_MS, lane)
            if waits and connection.waiting_count:
                # A join that counts no more would keep this one waiting behind it.
                connection.abort("overtaken by another join")
                connection = await self._network.connection(node_id, CONNECT_MS, lane)
            version = connection.version_of(type(request))
            answer = await connection.request(
                _in_version(request, version), response_class, timeout_ms, version
            )
        except KafkaError as error:
            if error.retriable:
                self._coordinator.forget()
            return error
        except ValueError as error:
            return KafkaError.of(ErrorCode.UNSUPPORTED_VERSION, str(error))
        if answer.error_code in MOVED:
            self._coordinator.forget()
        return answer

    def _timeout_ms(self, request: object) -> int:
        if isinstance(request, JoinGroupRequest | SyncGroupRequest):
            return self._settings.max_poll_interval_ms + JOIN_SLACK_MS
        return min(self._settings.session_timeout_ms, self._network.settings.request_timeout_ms)

    async def _look_up(self, topics: tuple[str, ...]) -> None:
        """Find the numbers of partitions; a topic that is not there has none, until it is."""
        network, metadata = self._network, self._network.metadata
        network.want(topics)
        deadline_ms = network.now_ms() + LOOK_UP_TIMEOUT_MS
        while not all(name in metadata.topics or name in metadata.errors for name in topics):
            if not await network.changed.wait(deadline_ms):
                break
        # Of this generation, which may be another than the one that asked; with the newest news.
        counts = self._counts(self.membership.wanted_counts())
        self.perform(self.membership.counted(counts, network.now_ms()))
        self._count_again()

    def _count_again(self) -> None:
        """Metadata may have changed: as leader, see to it that new partitions are assigned."""
        membership = self.membership
        if membership.is_leader:
            counts = self._counts(membership.wanted_counts())
            self.perform(membership.counted_again(counts, self._network.now_ms()))

    def _counts(self, topics: Iterable[str]) -> dict[str, int]:
        known = self._network.metadata.topics
        return {name: len(known[name].partitions) for name in topics if name in known}

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._network.loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            failure = KafkaError(f"the group member failed: {error!r}")
            self.perform(self.membership.fail(failure))


def _in_version(request: object, version: int) -> object:
    """The request as this version carries it: one leaver has another form than many."""
    if isinstance(request, LeaveGroupRequest) and version < _FIRST_VERSION_OF_MANY_LEAVERS:
        return LeaveGroupRequest(group_id=request.group_id, member_id=request.members[0].member_id)
    return request
