"""One partition of `__consumer_offsets`, and the groups whose state it holds.

    load      read the partition from its start: the newest record of each key is what holds now
    append    records to its end; told when they are as safe as acks=all, in the order of the log
    groups    made when somebody asks for one, forgotten when nothing of it is left

A shard is what one leader epoch of the partition makes of it, and ends with it: the next one reads
the log anew. What an earlier leader has acknowledged is in the log, but may lie above the high
watermark as we know it; so a shard first waits until that has passed all that the log held when the
leader epoch began.

What is in memory never runs ahead of what is safe in the log: offsets are taken in, and members are
told what they own, when the append is done. It may be long before the replicas have it: who waits
for a commit is told so in time, and it still counts when they do. A shard that is loading answers
nobody.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ProtocolError
from ...protocol.records import Record, build_batch, iterate, iterate_batches, read_header
from ..clock import WallClock
from ..replica.manager import ReplicaManager
from ..replica.partition import Appended, Partition
from . import records
from .group import Group
from .offsets import Offsets

READ_BYTES = 1 << 20
"""Loading reads so much between two turns of the event loop."""
COMMIT_TIMEOUT_MS = 5_000
"""Kafka's offsets.commit.timeout.ms: so long a client waits for a commit to be safe."""
NO_DEADLINE_MS = 2**53
"""What becomes of an append is known when replicas and disk have answered, however late."""

KeyValue: TypeAlias = tuple[bytes, bytes | None]
Done: TypeAlias = Callable[[ErrorCode], None]

log = logging.getLogger("minikafka.group")


@dataclass(slots=True)
class GroupState:
    """A group, what it committed, and since when it has no members (wall time)."""

    group: Group
    empty_since_ms: int
    offsets: Offsets = field(default_factory=Offsets)
    is_saved: bool = False
    """Whether the log holds metadata of it, which its end must take back."""
    timer: asyncio.TimerHandle | None = None


class AppendWait:
    """Records on their way to being safe; `done` is told, once, what became of them."""

    __slots__ = ("_appended", "_done", "_partition")

    def __init__(self, partition: Partition, appended: Appended, done: Done) -> None:
        self._partition = partition
        self._appended = appended
        self._done = done

    def partitions(self) -> list[Partition]:
        """Where it waits."""
        return [self._partition]

    def is_ready(self) -> bool:
        """Whether they are safe, or will never be."""
        return self._partition.has_all_acks(self._appended)

    def finish(self) -> None:
        """Say what became of them, or that nobody knows: it takes too long, or the node stops."""
        outcome = self._partition.acks_outcome(self._appended)
        if outcome is None:
            outcome = ErrorCode.REQUEST_TIMED_OUT
        self._done(_as_seen_by_members(outcome))


class HighWatermarkWait:
    """Is over when the high watermark has come to `offset`, or nobody asks any more."""

    __slots__ = ("_offset", "_partition", "over")

    def __init__(self, partition: Partition, offset: int, over: asyncio.Future[None]) -> None:
        self._partition = partition
        self._offset = offset
        self.over = over

    def is_ready(self) -> bool:
        """Whether it has come there."""
        return self._partition.high_watermark >= self._offset or self.over.done()

    def finish(self) -> None:
        """Wake who waits."""
        if not self.over.done():
            self.over.set_result(None)


class Shard:
    """See the module. `new_group(group_id)` makes an empty group."""

    def __init__(
        self,
        partition: Partition,
        replicas: ReplicaManager,
        clock: WallClock,
        new_group: Callable[[str], Group],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.partition = partition
        self.leader_epoch = partition.leader_epoch
        self.groups: dict[str, GroupState] = {}
        self.loading: asyncio.Task[None] | None = None
        self.is_loaded = False
        self.is_outdated = False
        """Some append may be in the log or not, so only the log can tell what holds."""
        self.is_resigned = False
        """Another leader epoch of the partition has begun: nobody is answered here any more."""
        self._end_offset = partition.log.log_end_offset
        self._replicas = replicas
        self._clock = clock
        self._new_group = new_group
        self._loop = loop

    @property
    def is_empty(self) -> bool:
        """Whether the log held nothing when it was led first."""
        return self.partition.log.log_start_offset == self._end_offset

    async def load(self) -> None:
        """Read the partition, and be what it says; raises CorruptLog and StorageError."""
        await self._wait_for_high_watermark()
        newest: dict[bytes, bytes | None] = {}
        offset = self.partition.log.log_start_offset
        while offset < self._end_offset:
            part = self.partition.read(offset, READ_BYTES, True)
            if part is None:
                break
            for batch in iterate_batches(part.read()):
                header = read_header(batch)
                if not header.is_control:
                    newest.update((each.key or b"", each.value) for each in iterate(batch, header))
                offset = header.next_offset
            await asyncio.sleep(0)
        for key, value in newest.items():
            self._replay(key, value)
        self.is_loaded = True

    def state_of(self, group_id: str) -> GroupState:
        """The group, made when it is not there."""
        state = self.groups.get(group_id)
        if state is None:
            state = GroupState(self._new_group(group_id), self._clock.now_ms())
            self.groups[group_id] = state
        return state

    def append(self, entries: Sequence[KeyValue], done: Done, answer: Done | None = None) -> None:
        """Write records; `done` is told NONE when they are safe, or why they may not be there.

        So is `answer` after it, but no later than COMMIT_TIMEOUT_MS.
        """
        now_ms = self._clock.now_ms()
        batch = build_batch([Record(0, now_ms, key, value) for key, value in entries])
        appended = self._replicas.append(self.partition, memoryview(batch), now_ms)

        def known(error: ErrorCode) -> None:
            self.is_outdated |= error is ErrorCode.NOT_COORDINATOR
            done(error)

        wait = AppendWait(self.partition, appended, known)
        self._replicas.finish_after_write(wait, NO_DEADLINE_MS)
        if answer is not None:
            wait = AppendWait(self.partition, appended, answer)
            self._replicas.finish_after_write(wait, COMMIT_TIMEOUT_MS)
        # Within a readable event this comes after its end, and finds nothing to do.
        self._loop.call_soon(self._replicas.settle)

    def forget(self, group_id: str) -> None:
        """Nothing is left of the group."""
        state = self.groups.pop(group_id, None)
        if state is not None and state.timer is not None:
            state.timer.cancel()

    async def _wait_for_high_watermark(self) -> None:
        over: asyncio.Future[None] = self._loop.create_future()
        wait = HighWatermarkWait(self.partition, self._end_offset, over)
        if not wait.is_ready():
            self._replicas.park(wait, [self.partition], NO_DEADLINE_MS)
            await over

    def _replay(self, key: bytes, value: bytes | None) -> None:
        """Take in one record; one that cannot be read is left where it is, and said."""
        if value is None:
            return
        try:
            match records.decode_key(key):
                case records.OffsetKey(group_id, topic, partition):
                    committed = records.decode_offset(value)
                    self.state_of(group_id).offsets.commit(topic, partition, committed)
                case records.GroupKey(group_id):
                    self._replay_group(group_id, value)
                case None:
                    pass
        except ProtocolError as error:
            log.error("%s holds a record that cannot be read: %s", self.partition, error)

    def _replay_group(self, group_id: str, value: bytes) -> None:
        saved, since_ms = records.decode_group(value)
        state = self.state_of(group_id)
        state.group.replay(saved, self._replicas.now_ms())
        state.is_saved = True
        if since_ms >= 0:
            state.empty_since_ms = since_ms


def _as_seen_by_members(error: ErrorCode) -> ErrorCode:
    """What a member is told when the log did not take its record: to ask again, or to look anew.

    What has become safe is safe, even if there are too few replicas by now.
    """
    match error:
        case ErrorCode.NONE | ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND:
            return ErrorCode.NONE
        case ErrorCode.NOT_LEADER_OR_FOLLOWER | ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            return ErrorCode.NOT_COORDINATOR
        case ErrorCode.MESSAGE_TOO_LARGE | ErrorCode.INVALID_RECORD:
            return ErrorCode.UNKNOWN_SERVER_ERROR
        case _:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
