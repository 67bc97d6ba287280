"""Where a consumer begins in each partition: what its group has committed, else a time's offset.

    wants_committed ──OffsetFetch──> committed? ──yes──> position
                                         └─no──> reset_to ──ListOffsets──> position
                                                    └─ None: NoOffset, the user has to seek

Runs in the background whenever a partition lacks its position. An error that waiting can mend is
tried again; any other becomes the error of the partitions that it concerns.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..protocol.errors import ErrorCode, KafkaError
from .committed_offsets import fetch_committed
from .coordinator import Coordinator
from .errors import NoOffset
from .network import Network
from .offsets import list_offsets
from .subscription import PartitionState, Subscription

log = logging.getLogger(__name__)

READ_UNCOMMITTED: Final = 0
READ_COMMITTED: Final = 1


@dataclass(frozen=True, slots=True)
class PositionSettings:
    """What a consumer's user may say about beginnings."""

    reset_to: int | None
    """The time (see offsets) to go to where nothing is committed; None to fail."""
    isolation_level: int


class Positions:
    """Finds the positions of one subscription; `coordinator` where there is a group."""

    def __init__(
        self,
        network: Network,
        subscription: Subscription,
        coordinator: Coordinator | None,
        settings: PositionSettings,
        on_news: Callable[[], None],
    ) -> None:
        """`on_news` is called when positions or errors came; the network has been started."""
        self._network = network
        self._subscription = subscription
        self._coordinator = coordinator
        self._settings = settings
        self._on_news = on_news
        self._task: asyncio.Task[None] | None = None

    def begin(self, new: list[PartitionState]) -> None:
        """Say where partitions without a position are to begin."""
        for state in new:
            if self._coordinator is not None:
                state.wants_committed = True
            else:
                self.reset(state)

    def reset(self, state: PartitionState) -> None:
        """Go where auto_offset_reset says."""
        if self._settings.reset_to is not None:
            state.reset(self._settings.reset_to)
            return
        offset = state.fetch_offset
        state.forget()
        state.position = None
        name = f"{state.name.topic}-{state.name.partition}"
        lacks = "no position" if offset < 0 else f"no offset {offset}"
        state.error = NoOffset(f"{name} has {lacks}, and auto_offset_reset is none: seek")

    def find_in_background(self) -> None:
        """Begin to find what is missing, unless that is going on."""
        lacks_some = any(map(_lacks_position, self._subscription.partitions.values()))
        if lacks_some and (self._task is None or self._task.done()):
            self._task = self._network.loop.create_task(self._find_patiently())
            self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def find(self) -> None:
        """Find the positions of the partitions that lack one; KafkaError if that fails."""
        await self._find_committed()
        lacking = [
            state
            for state in self._subscription.partitions.values()
            if state.position is None and state.reset_to is not None
        ]
        times = {state.name: state.reset_to or 0 for state in lacking}
        asked = [(state, state.seeks) for state in lacking]
        timeout_ms = self._network.settings.request_timeout_ms
        found = await list_offsets(self._network, times, timeout_ms, self._settings.isolation_level)
        for state, seeks in asked:
            if state.seeks == seeks:
                state.set_position(found[state.name].offset)
        self._on_news()

    async def _find_committed(self) -> None:
        """Take the positions that the group has committed; the others are to be reset."""
        states = list(self._subscription.partitions.values())
        asked = [(state, state.seeks) for state in states if state.wants_committed]
        if self._coordinator is None or not asked:
            return
        names = [state.name for state, _ in asked]
        timeout_ms = self._network.settings.request_timeout_ms
        # Stable whatever is read: an offset in an open transaction is about to be another.
        found = await fetch_committed(self._coordinator, names, timeout_ms, require_stable=True)
        for state, seeks in asked:
            if state.seeks != seeks or not state.wants_committed:
                continue
            committed = found.get(state.name)
            state.wants_committed = False
            if committed is not None:
                state.set_position(committed.offset)
                state.committed = committed.offset
            else:
                self.reset(state)

    async def _find_patiently(self) -> None:
        try:
            await self.find()
        except (KafkaError, ValueError) as error:
            # The group deals out what its leader has seen: that may be news to us.
            is_new = isinstance(error, ValueError) and self._coordinator is not None
            if is_new or (isinstance(error, KafkaError) and error.retriable):
                log.warning("no position yet: %s", error)
                self._network.request_refresh()
                await asyncio.sleep(self._network.settings.retry_backoff_ms / 1000)
            else:
                self._fail(error)
        self._task = None
        # Others may have come to lack a position meanwhile; and those that have one may be fetched.
        self.find_in_background()
        self._on_news()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """The task ended: on purpose, or by a fault that nobody foresaw, which must not hang."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(KafkaError(f"the search for positions failed: {error!r}"))
            self._on_news()

    def _fail(self, error: KafkaError | ValueError) -> None:
        """No position can be found: tell the consumer."""
        if isinstance(error, ValueError):
            error = KafkaError.of(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, str(error))
        for state in self._subscription.partitions.values():
            if _lacks_position(state):
                state.reset_to = None
                state.wants_committed = False
                state.error = error


def _lacks_position(state: PartitionState) -> bool:
    return state.position is None and (state.wants_committed or state.reset_to is not None)
