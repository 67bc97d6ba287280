"""Up to where this consumer has read, told to the coordinator of its group.

A committed offset is that of the next record to read. Commits of one consumer go one after the
other, so that an older one never undoes a newer.

    commit(offsets)     until the coordinator has them, or says why not
    begin_auto_commit   the positions, in the background; a failure is logged and made good later

A commit carries the member's generation at the time when it is sent: who has lost its place in the
group is refused, and whoever owns the partition now is not disturbed.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..protocol.api.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ..protocol.errors import ErrorCode, KafkaError
from .committed_offsets import OffsetAndMetadata
from .coordinator import NOT_YET, Coordinator
from .metadata import TopicPartition, error_code_of
from .network import Network
from .subscription import Subscription

log = logging.getLogger(__name__)

Offsets = Mapping[TopicPartition, OffsetAndMetadata]

_LAST_VERSION_BY_NAME = 9
_FIRST_VERSION_WITH_INSTANCE = 7
_LOST_PLACE = frozenset(
    {
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.FENCED_INSTANCE_ID,
    }
)


class Identity(NamedTuple):
    """In whose name something is committed; generation -1 and no member id for nobody's."""

    generation: int = -1
    member_id: str = ""
    instance_id: str | None = None


class Commits:
    """Commits for one consumer."""

    def __init__(
        self,
        network: Network,
        coordinator: Coordinator,
        subscription: Subscription,
        identity: Callable[[], Identity],
        on_refused: Callable[[ErrorCode, int], None],
    ) -> None:
        """`on_refused` hears of a code that says something of the membership, and a generation."""
        self._network = network
        self._coordinator = coordinator
        self._subscription = subscription
        self._identity = identity
        self._on_refused = on_refused
        self._turn = asyncio.Lock()
        self._background: asyncio.Task[None] | None = None

    def positions(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """What was handed out and not yet committed, of all that is assigned."""
        return {
            state.name: OffsetAndMetadata(state.position)
            for state in self._subscription.partitions.values()
            if state.position is not None and state.position != state.committed
        }

    async def commit(self, offsets: Offsets, timeout_ms: int) -> None:
        """Commit; raises KafkaTimeout, or the error that no waiting can mend.

        A group that rebalances is waited for, as long as this member keeps the partitions.
        """
        if not offsets:
            return
        deadline_ms = self._network.now_ms() + timeout_ms
        async with self._turn:
            while True:
                left_ms = max(deadline_ms - self._network.now_ms(), 1)
                error = await self._commit_once(offsets, left_ms)
                if error is None:
                    break
                is_passing = error.code is ErrorCode.REBALANCE_IN_PROGRESS
                if not is_passing or self._network.now_ms() >= deadline_ms:
                    raise error
                pause_ms = self._network.settings.retry_backoff_ms
                until_ms = min(deadline_ms, self._network.now_ms() + pause_ms)
                await self._network.changed.wait(until_ms)
        for name, committed in offsets.items():
            state = self._subscription.partitions.get(name)
            if state is not None:
                state.committed = committed.offset

    def begin_auto_commit(self, timeout_ms: int) -> None:
        """Commit the positions in the background, unless that is going on."""
        offsets = self.positions()
        if offsets and (self._background is None or self._background.done()):
            work = self._commit_quietly(offsets, timeout_ms)
            self._background = self._network.loop.create_task(work)

    async def commit_quietly(self, timeout_ms: int) -> None:
        """Commit the positions, for nobody who could do anything about a failure: it is logged."""
        await self._commit_quietly(self.positions(), timeout_ms)

    async def close(self) -> None:
        """Give up what goes on in the background."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)

    async def _commit_quietly(self, offsets: Offsets, timeout_ms: int) -> None:
        try:
            await self.commit(offsets, timeout_ms)
        except KafkaError as error:
            log.warning("auto-commit: %s", error)

    async def _commit_once(self, offsets: Offsets, timeout_ms: int) -> KafkaError | None:
        """Commit in the name of who we are now; returns what the coordinator has against it."""
        identity = self._identity()

        def request_of(version: int) -> OffsetCommitRequest:
            return self._request(offsets, identity, version)

        answer = await self._coordinator.request(
            request_of, OffsetCommitResponse, timeout_ms, _code_of, _LAST_VERSION_BY_NAME
        )
        for topic in answer.topics:
            for each in topic.partitions:
                code = error_code_of(each.error_code)
                if code:
                    if code in _LOST_PLACE:
                        self._on_refused(code, identity.generation)
                    where = f"{topic.name}-{each.partition_index}"
                    return KafkaError.of(code, self._sentence(where, code))
        return None

    def _request(self, offsets: Offsets, identity: Identity, version: int) -> OffsetCommitRequest:
        topics: dict[str, OffsetCommitRequestTopic] = {}
        for (name, index), committed in offsets.items():
            topic = topics.setdefault(name, OffsetCommitRequestTopic(name=name, partitions=[]))
            topic.partitions.append(
                OffsetCommitRequestPartition(
                    partition_index=index,
                    committed_offset=committed.offset,
                    committed_leader_epoch=committed.leader_epoch,
                    committed_metadata=committed.metadata,
                )
            )
        return OffsetCommitRequest(
            group_id=self._coordinator.group_id,
            generation_id_or_member_epoch=identity.generation,
            member_id=identity.member_id,
            group_instance_id=(
                identity.instance_id if version >= _FIRST_VERSION_WITH_INSTANCE else None
            ),
            topics=list(topics.values()),
        )

    def _sentence(self, where: str, code: ErrorCode) -> str:
        group = f"group {self._coordinator.group_id!r}"
        match code:
            case ErrorCode.UNKNOWN_MEMBER_ID if not self._identity().member_id:
                return (
                    f"{where} was not committed: {group} has members, and this consumer is none: "
                    f"subscribe, or stop them"
                )
            case ErrorCode.UNKNOWN_MEMBER_ID | ErrorCode.ILLEGAL_GENERATION:
                return (
                    f"{where} was not committed: this consumer lost its place in {group}, and "
                    f"another may read the partition now; poll again to go on, and see "
                    f"max_poll_interval_ms and session_timeout_ms"
                )
            case ErrorCode.REBALANCE_IN_PROGRESS:
                return f"{where} was not committed: {group} rebalances; poll again, then commit"
            case _:
                return f"{where} was not committed in {group}: {code.message}"


def _code_of(answer: OffsetCommitResponse) -> int:
    """The code for which the same commit is to be sent again, if there is one."""
    codes = [each.error_code for topic in answer.topics for each in topic.partitions]
    return next((code for code in codes if code in NOT_YET), 0)
