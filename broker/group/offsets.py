"""What one group has committed: the next offset to read of each partition. PURE.

    commit     an offset of a partition takes the place of the one before
    forget     it is gone: deleted, or too old
    expired    which are too old (KIP-211): the group has been empty, and the offset untouched, for
               the time of retention; in a group that consumes, only of topics nobody subscribes to

Nothing here changes before its record is in the log: the caller writes, and calls `commit` when
that is done, in the order of the log.
"""

from collections.abc import Container, Iterator
from typing import NamedTuple, TypeAlias

NO_EPOCH = -1
TopicPartition: TypeAlias = tuple[str, int]


class CommittedOffset(NamedTuple):
    """The next offset to read, the leader epoch before it, the user's text, and the time."""

    offset: int
    leader_epoch: int
    metadata: str
    timestamp_ms: int


class Offsets:
    """By topic and partition."""

    def __init__(self) -> None:
        self._offsets: dict[str, dict[int, CommittedOffset]] = {}

    def commit(self, topic: str, partition: int, committed: CommittedOffset) -> None:
        """Remember an offset."""
        self._offsets.setdefault(topic, {})[partition] = committed

    def forget(self, topic: str, partition: int) -> None:
        """Remember it no longer; nothing happens when there is none."""
        partitions = self._offsets.get(topic, {})
        partitions.pop(partition, None)
        if not partitions:
            self._offsets.pop(topic, None)

    def find(self, topic: str, partition: int) -> CommittedOffset | None:
        """What was committed."""
        return self._offsets.get(topic, {}).get(partition)

    def topics(self) -> list[str]:
        """The topics of which there is something, sorted."""
        return sorted(self._offsets)

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic of which there is something, sorted."""
        return sorted(self._offsets.get(topic, ()))

    def expired(
        self, before_ms: int, empty_since_ms: int | None, subscribed: Container[str]
    ) -> list[TopicPartition]:
        """What was not touched since `before_ms` (wall time) and is not in use.

        `empty_since_ms` is when the last member left, None while there are members.
        """
        if empty_since_ms is not None and empty_since_ms >= before_ms:
            return []
        return [
            (topic, partition)
            for topic, partition, committed in self
            if committed.timestamp_ms < before_ms and topic not in subscribed
        ]

    def __iter__(self) -> Iterator[tuple[str, int, CommittedOffset]]:
        for topic in self.topics():
            for partition, committed in sorted(self._offsets[topic].items()):
                yield topic, partition, committed

    def __len__(self) -> int:
        return sum(map(len, self._offsets.values()))
