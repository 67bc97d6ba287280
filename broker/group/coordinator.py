"""The coordinator of consumer groups: whose group is it, and what do its members ask?

    group id -> Java's hash of it, modulo the partitions of `__consumer_offsets` -> shard -> group

A shell: it finds the group, hands the request to the machine, carries out the effects (answer, or
write and then go on), and keeps one timer a group. Group ids are refused, and looked for, in one
place (`_find`); who asks for a group that is being read or lives elsewhere learns that here.

Who leads a partition of `__consumer_offsets` coordinates its groups, from leader epoch to leader
epoch: `lead` when one begins here, `resign_partition` when it is over. Then whoever waits is told
NOT_COORDINATOR, to look for the one who comes after us; what was under way here counts only if it
is in the log that the next one reads.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from ...protocol.consumer_protocol import CONSUMER_PROTOCOL_TYPE
from ...protocol.errors import ErrorCode
from ..clock import WallClock
from ..config import BrokerConfig
from ..log.files import StorageError
from ..log.scan import CorruptLog
from ..replica.manager import ReplicaManager
from ..replica.partition import Partition
from . import records
from .group import Group, GroupLimits, State
from .member import Effect, Identity, Join, Joined, Save, Sync, Synced, topics_of
from .offsets import CommittedOffset, TopicPartition
from .placement import partition_of
from .shard import Done, GroupState, Shard

MEMBER_ID_BYTES = 16

Commit = tuple[str, int, CommittedOffset]

log = logging.getLogger("minikafka.group")


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """Options of the node that concern groups."""

    limits: GroupLimits
    retention_ms: int
    retention_check_interval_ms: int


class GroupCoordinator:
    """All groups that this node coordinates."""

    def __init__(
        self,
        replicas: ReplicaManager,
        clock: WallClock,
        random: Random,
        options: GroupOptions,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._partition_count = 0
        """Of `__consumer_offsets`; 0 while there is none."""
        self._shards: dict[int, Shard] = {}
        self._replicas = replicas
        self._clock = clock
        self._random = random
        self._options = options
        self._loop = loop
        self._expiry: asyncio.TimerHandle | None = None

    def lead(self, partition: Partition, partition_count: int) -> None:
        """Coordinate the groups of this partition, once they have been read; again by a new epoch.

        It is one of so many, whether the others are here yet, or can be, or not.
        """
        self._partition_count = partition_count
        present = self._shards.get(partition.index)
        if present is not None and present.leader_epoch == partition.leader_epoch:
            return
        self._begin(partition)
        if self._expiry is None:
            self._expire_later()

    def resign_partition(self, index: int) -> None:
        """Coordinate the groups of this partition no longer; who waits for one is told so."""
        shard = self._shards.pop(index, None)
        if shard is None:
            return
        shard.is_resigned = True
        if shard.loading is not None:
            shard.loading.cancel()
        for group_id, state in list(shard.groups.items()):
            shard.forget(group_id)
            self._carry_out(shard, state, state.group.resign())

    def resign(self) -> None:
        """Coordinate nothing any more: the topic is gone, or the node stops."""
        for index in list(self._shards):
            self.resign_partition(index)
        self._partition_count = 0
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def join(self, group_id: str, join: Join) -> None:
        """A member joins; `join.handle` is called with the `Joined` that answers it."""
        found = self._find(group_id)
        if isinstance(found, ErrorCode):
            join.handle(Joined(join.handle, found, join.member_id))
            return
        shard, state = found
        if state is None:
            if join.member_id:
                error = ErrorCode.UNKNOWN_MEMBER_ID
                join.handle(Joined(join.handle, error, join.member_id))
                return
            state = shard.state_of(group_id)
        self._carry_out(shard, state, state.group.join(join, self._replicas.now_ms()))

    def sync(self, group_id: str, sync: Sync) -> None:
        """A member asks what it owns; `sync.handle` is called with the `Synced`."""
        found = self._find_known(group_id, ErrorCode.UNKNOWN_MEMBER_ID)
        if isinstance(found, ErrorCode):
            sync.handle(Synced(sync.handle, found))
            return
        shard, state = found
        self._carry_out(shard, state, state.group.sync(sync, self._replicas.now_ms()))

    def heartbeat(self, group_id: str, identity: Identity) -> ErrorCode:
        """A member lives."""
        found = self._find_known(group_id, ErrorCode.UNKNOWN_MEMBER_ID)
        if isinstance(found, ErrorCode):
            return found
        return found[1].group.heartbeat(identity, self._replicas.now_ms())

    def leave(self, group_id: str, leaving: Sequence[Identity]) -> ErrorCode | list[ErrorCode]:
        """Members leave: an error for all of them, or one or none for each."""
        found = self._find_known(group_id, ErrorCode.UNKNOWN_MEMBER_ID)
        if found is ErrorCode.UNKNOWN_MEMBER_ID:
            return [found for _ in leaving]
        if isinstance(found, ErrorCode):
            return found
        shard, state = found
        errors: list[ErrorCode] = []
        for identity in leaving:
            error, effects = state.group.leave(identity, self._replicas.now_ms())
            self._carry_out(shard, state, effects)
            errors.append(error)
        return errors

    def lost(self, group_id: str, handle: object) -> None:
        """The connection of a join that waits is gone."""
        found = self._find_known(group_id, ErrorCode.UNKNOWN_MEMBER_ID)
        if not isinstance(found, ErrorCode):
            found[1].group.lost(handle, self._replicas.now_ms())
            self._arm(*found)

    def commit(
        self, group_id: str, identity: Identity, commits: Sequence[Commit], done: Done
    ) -> None:
        """Remember offsets; `done` is told NONE once they are safe, or the error."""
        found = self._find(group_id)
        if isinstance(found, ErrorCode):
            done(found)
            return
        shard, state = found
        if state is None:
            if identity.generation >= 0:
                done(ErrorCode.ILLEGAL_GENERATION)
                return
            state = shard.state_of(group_id)
        error = state.group.check_commit(identity, self._replicas.now_ms())
        if error or not commits:
            done(error)
            return
        entries = [
            (records.encode_key(records.OffsetKey(group_id, topic, partition)),
             records.encode_offset(committed))
            for topic, partition, committed in commits
        ]  # fmt: skip

        def appended(error: ErrorCode) -> None:
            if not error:
                for commit in commits:
                    state.offsets.commit(*commit)

        shard.append(entries, appended, done)

    def find(self, group_id: str) -> GroupState | ErrorCode | None:
        """The group as it is now, None when there is none, or why nobody can say."""
        found = self._find(group_id)
        return found if isinstance(found, ErrorCode) else found[1]

    def groups(self) -> Iterator[GroupState] | ErrorCode:
        """All groups of this node, or COORDINATOR_LOAD_IN_PROGRESS."""
        if not all(shard.is_loaded for shard in self._shards.values()):
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        return (state for shard in self._shards.values() for state in shard.groups.values())

    def delete(self, group_id: str, done: Done) -> None:
        """Forget a group that nobody is in, and all that it committed."""
        found = self._find_known(group_id, ErrorCode.GROUP_ID_NOT_FOUND)
        if isinstance(found, ErrorCode):
            done(found)
            return
        shard, state = found
        error = state.group.delete()
        if error:
            done(error)
            return
        gone = [(topic, partition) for topic, partition, _ in state.offsets]
        self._write_tombstones(shard, state, gone, is_end=True, done=done)

    def delete_offsets(
        self, group_id: str, partitions: Sequence[TopicPartition], done: Done
    ) -> None:
        """Forget offsets of topics that nobody in the group is subscribed to."""
        found = self._find_known(group_id, ErrorCode.GROUP_ID_NOT_FOUND)
        if isinstance(found, ErrorCode):
            done(found)
            return
        shard, state = found
        known = [each for each in partitions if state.offsets.find(*each) is not None]
        self._write_tombstones(shard, state, known, is_end=False, done=done)

    def forget_topic(self, topic: str) -> None:
        """A topic was deleted: what groups have committed of it means nothing any more."""
        for shard in self._shards.values():
            for state in list(shard.groups.values()):
                gone = [(topic, partition) for partition in state.offsets.partitions(topic)]
                self._write_tombstones(shard, state, gone, is_end=False, done=_ignore)

    def subscribed_topics(self, group: Group) -> set[str] | None:
        """The topics that the members want; None when nobody can tell."""
        if group.roster.protocol_type != CONSUMER_PROTOCOL_TYPE:
            return None
        topics: set[str] = set()
        for view in group.roster.views():
            wanted = topics_of(view.subscription)
            if wanted is None:
                return None
            topics |= wanted
        return topics

    def expire(self) -> None:
        """Forget offsets that are too old, and groups of which nothing is left."""
        before_ms = self._clock.now_ms() - self._options.retention_ms
        for shard in self._shards.values():
            for state in list(shard.groups.values()):
                self._expire_group(shard, state, before_ms)

    def _expire_group(self, shard: Shard, state: GroupState, before_ms: int) -> None:
        group = state.group
        is_empty = group.state is State.EMPTY
        subscribed = set[str]() if is_empty else self.subscribed_topics(group)
        if subscribed is None:
            return
        # A group that only ever committed has no life of its own: its offsets count alone.
        empty_since_ms = state.empty_since_ms if is_empty and state.is_saved else None
        old = state.offsets.expired(before_ms, empty_since_ms, subscribed)
        is_end = is_empty and len(old) == len(state.offsets)
        if state.is_saved and state.empty_since_ms >= before_ms:
            is_end = False
        if is_end:
            group.delete()
        if old or is_end:
            self._write_tombstones(shard, state, old, is_end=is_end, done=_ignore)

    def _write_tombstones(
        self,
        shard: Shard,
        state: GroupState,
        gone: Sequence[TopicPartition],
        *,
        is_end: bool,
        done: Done,
    ) -> None:
        group_id = state.group.group_id
        keys: list[records.Key] = [records.OffsetKey(group_id, *each) for each in gone]
        if is_end and state.is_saved:
            keys.append(records.GroupKey(group_id))

        def appended(error: ErrorCode) -> None:
            if not error:
                for topic, partition in gone:
                    state.offsets.forget(topic, partition)
            if is_end and error:
                state.group.revive()
            elif is_end:
                shard.forget(group_id)

        if not keys:
            appended(ErrorCode.NONE)
            done(ErrorCode.NONE)
            return
        shard.append([(records.encode_key(key), None) for key in keys], appended, done)

    def _begin(self, partition: Partition) -> Shard:
        """Let the log tell what holds in this partition."""
        self.resign_partition(partition.index)
        shard = Shard(partition, self._replicas, self._clock, self._new_group, self._loop)
        self._shards[partition.index] = shard
        if shard.is_empty:
            shard.is_loaded = True
        else:
            shard.loading = self._loop.create_task(self._load(shard, partition))
        return shard

    def _find(self, group_id: str) -> tuple[Shard, GroupState | None] | ErrorCode:
        if not group_id:
            return ErrorCode.INVALID_GROUP_ID
        if not self._partition_count:
            return ErrorCode.NOT_COORDINATOR
        shard = self._shards.get(partition_of(group_id, self._partition_count))
        if shard is None or not shard.partition.is_leader:
            return ErrorCode.NOT_COORDINATOR
        if shard.is_outdated:
            shard = self._begin(shard.partition)
        if not shard.is_loaded:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        return shard, shard.groups.get(group_id)

    def _find_known(self, group_id: str, absent: ErrorCode) -> tuple[Shard, GroupState] | ErrorCode:
        found = self._find(group_id)
        if isinstance(found, ErrorCode):
            return found
        shard, state = found
        return absent if state is None else (shard, state)

    def _new_group(self, group_id: str) -> Group:
        return Group(group_id, self._options.limits, self._new_id)

    def _new_id(self, prefix: str) -> str:
        number = self._random.getrandbits(8 * MEMBER_ID_BYTES).to_bytes(MEMBER_ID_BYTES, "big")
        text = number.hex()
        return f"{prefix}-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _carry_out(self, shard: Shard, state: GroupState, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Save():
                    self._save(shard, state, effect)
                case Joined() | Synced():
                    effect.handle(effect)
        self._arm(shard, state)

    def _save(self, shard: Shard, state: GroupState, save: Save) -> None:
        now_ms = self._clock.now_ms()

        def appended(error: ErrorCode) -> None:
            if not error:
                state.is_saved = True
                state.empty_since_ms = now_ms
            self._carry_out(shard, state, save.then(error, self._replicas.now_ms()))

        key = records.encode_key(records.GroupKey(state.group.group_id))
        shard.append([(key, records.encode_group(save.group, now_ms))], appended)

    def _arm(self, shard: Shard, state: GroupState) -> None:
        """Have the group's timer run at its deadline, or earlier: then it is armed again."""
        deadline_ms = state.group.deadline_ms()
        timer = state.timer
        if deadline_ms is None or shard.is_resigned:
            return
        if timer is not None and not timer.cancelled() and timer.when() * 1000 <= deadline_ms:
            return
        if timer is not None:
            timer.cancel()
        when_s = deadline_ms / 1000
        state.timer = self._loop.call_at(when_s, self._tick, shard, state, deadline_ms)

    def _tick(self, shard: Shard, state: GroupState, deadline_ms: int) -> None:
        state.timer = None
        # Rounding may put the present a moment before the deadline that has just come.
        now_ms = max(self._replicas.now_ms(), deadline_ms)
        self._carry_out(shard, state, state.group.tick(now_ms))

    async def _load(self, shard: Shard, partition: Partition) -> None:
        try:
            await shard.load()
        except (CorruptLog, StorageError) as error:
            log.error("the groups of %s cannot be read, and are not served: %s", partition, error)
            return
        for state in shard.groups.values():
            self._arm(shard, state)

    def _expire_later(self) -> None:
        interval_s = self._options.retention_check_interval_ms / 1000
        self._expiry = self._loop.call_later(interval_s, self._expire_now)

    def _expire_now(self) -> None:
        self.expire()
        self._expire_later()


def options_of(config: BrokerConfig) -> GroupOptions:
    """What of a node's options concerns groups."""
    return GroupOptions(
        GroupLimits(config.group_max_size, config.group_initial_rebalance_delay_ms),
        config.offsets_retention_minutes * 60_000,
        config.offsets_retention_check_interval_ms,
    )


def _ignore(error: ErrorCode) -> None:
    """Nobody waits for it: what could not be written will be tried again."""
    if error:
        log.warning("what is too old could not be forgotten: %s", error.name)
