"""Up to where this consumer has read, told to the coordinator of its group.

A committed offset is that of the next record to read. Commits of one consumer go one after the
other, in the order in which they were asked for, so that an older one never undoes a newer.

    commit(offsets)     until the coordinator has them, or says why not
    begin_auto_commit   the positions, in the background; a failure is logged and made good later

A commit carries the member's generation at the time when it is sent: who has lost its place in the
group is refused, and whoever owns the partition now is not disturbed. A cooperative member keeps
its partitions while the generation passes, and commits again in the name of the next.
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
        on_refused: Callable[[ErrorCode, Identity, Offsets], bool],
    ) -> None:
        """`on_refused` hears of a code that says something of the membership, and in whose name.

        It says whether the same may be committed later, in the name of the next generation.
        """
        self._network = network
        self._coordinator = coordinator
        self._subscription = subscription
        self._identity = identity
        self._on_refused = on_refused
        self._turn = asyncio.Lock()
        self._background: asyncio.Task[None] | None = None

    def positions(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """Up to where records were handed out, of all that is assigned."""
        return {
            state.name: OffsetAndMetadata(state.position)
            for state in self._subscription.partitions.values()
            if state.position is not None
        }

    async def commit(self, offsets: Offsets, timeout_ms: int) -> None:
        """Commit; raises KafkaTimeout, or the error that no waiting can mend.

        A group that rebalances is waited for, as long as this member keeps the partitions.
        """
        deadline_ms = self._network.now_ms() + timeout_ms
        await self._let_background_go_first(timeout_ms)
        await self._commit(offsets, deadline_ms)

    def begin_auto_commit(self, timeout_ms: int) -> None:
        """Commit the positions in the background, unless that is going on."""
        offsets = self._news()
        if offsets and (self._background is None or self._background.done()):
            deadline_ms = self._network.now_ms() + timeout_ms
            work = self._commit_quietly(offsets, deadline_ms)
            self._background = self._network.loop.create_task(work)

    async def commit_quietly(self, timeout_ms: int) -> None:
        """Commit the positions, for nobody who could do anything about a failure: it is logged."""
        deadline_ms = self._network.now_ms() + timeout_ms
        await self._let_background_go_first(timeout_ms)
        await self._commit_quietly(self._news(), deadline_ms)

    async def close(self) -> None:
        """Give up what goes on in the background."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)

    def _news(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """The positions that differ from what is committed."""
        partitions = self._subscription.partitions
        return {
            name: position
            for name, position in self.positions().items()
            if position.offset != partitions[name].committed
        }

    async def _let_background_go_first(self, timeout_ms: int) -> None:
        """It is of older positions, even if it has not come to begin."""
        if self._background is not None:
            await asyncio.wait((self._background,), timeout=timeout_ms / 1000)

    async def _commit_quietly(self, offsets: Offsets, deadline_ms: int) -> None:
        try:
            await self._commit(offsets, deadline_ms)
        except KafkaError as error:
            log.warning("auto-commit: %s", error)

    async def _commit(self, offsets: Offsets, deadline_ms: int) -> None:
        if not offsets:
            return
        async with self._turn:
            while (error := await self._commit_once(offsets, deadline_ms)) is not None:
                if self._network.now_ms() >= deadline_ms:
                    raise error
                pause_ms = self._network.settings.retry_backoff_ms
                until_ms = min(deadline_ms, self._network.now_ms() + pause_ms)
                await self._network.changed.wait(until_ms)
        for name, committed in offsets.items():
            state = self._subscription.partitions.get(name)
            if state is not None:
                state.committed = committed.offset

    async def _commit_once(self, offsets: Offsets, deadline_ms: int) -> KafkaError | None:
        """Commit in the name of who we are now; returns an error that passes with a rebalance."""
        left_ms = max(deadline_ms - self._network.now_ms(), 1)
        try:
            identity = self._identity()

            def request_of(version: int) -> OffsetCommitRequest:
                return self._request(offsets, identity, version)

            answer = await self._coordinator.request(
                request_of,
                OffsetCommitResponse,
                left_ms,
                _code_of,
                _LAST_VERSION_BY_NAME,
            )
        except KafkaError as error:
            raise type(error)(f"{_named(offsets)} not committed: {error}") from error
        codes = {
            TopicPartition(topic.name, each.partition_index): error_code_of(each.error_code)
            for topic in answer.topics
            for each in topic.partitions
        }
        for name in offsets:
            # A partition that the answer leaves out has not been committed, for all we know.
            code = codes.get(name, ErrorCode.UNKNOWN_SERVER_ERROR)
            if code:
                error = KafkaError.of(code, self._sentence(name, code, identity))
                has_next = code in _LOST_PLACE and self._on_refused(code, identity, offsets)
                if not has_next and code is not ErrorCode.REBALANCE_IN_PROGRESS:
                    raise error
                return error
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

    def _sentence(self, name: TopicPartition, code: ErrorCode, identity: Identity) -> str:
        where = f"{name.topic}-{name.partition}"
        group = f"group {self._coordinator.group_id!r}"
        match code:
            case ErrorCode.UNKNOWN_MEMBER_ID if not identity.member_id:
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


def _named(offsets: Offsets) -> str:
    first, *others = offsets
    more = f" and {len(others)} more partitions were" if others else " was"
    return f"{first.topic}-{first.partition}{more}"


def _code_of(answer: OffsetCommitResponse) -> int:
    """The code for which the same commit is to be sent again, if there is one."""
    codes = [each.error_code for topic in answer.topics for each in topic.partitions]
    return next((code for code in codes if code in NOT_YET), 0)
