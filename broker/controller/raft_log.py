"""What a Raft machine knows of its log: which epoch wrote which offsets, not the records. PURE.

        start              high watermark            end
    ----|--------------|---------|---|---------------|
    in a epoch 1        epoch 2       epoch 5
    snapshot
        40             55        66  70              90       offsets

Everything here is durable: the machine changes it when a write is done, and so does the start, with
the headers of what is on disk.

Invariants: offsets and epochs rise; start <= high watermark <= end; nothing below the high
watermark is cut (RaftError).
"""

from collections.abc import Iterable

from .raft_messages import Batch, Commit, EpochAndOffset

EMPTY = EpochAndOffset(0, 0)


class RaftError(Exception):
    """What the quorum agreed on would be undone: the node must stop."""


class RaftLog:
    """The picture above; `start` is the place up to which a snapshot has everything."""

    def __init__(self, start: EpochAndOffset = EMPTY) -> None:
        self.start = start
        self.high_watermark = start.offset
        self.end = start
        self._epochs: list[tuple[int, int]] = []
        """Epochs and the offsets at which they begin; the first may begin before the start."""

    def append(self, batches: Iterable[Batch]) -> None:
        """These are in the log as well, at its end."""
        for batch in batches:
            if not self._epochs or batch.epoch > self._epochs[-1][0]:
                self._epochs.append((batch.epoch, batch.base_offset))
            self.end = EpochAndOffset(batch.epoch, batch.next_offset)

    def commit(self, offset: int) -> list[Commit]:
        """What is below `offset` and in this log is committed; the result says so if it is news."""
        high_watermark = min(offset, self.end.offset)
        if high_watermark <= self.high_watermark:
            return []
        self.high_watermark = high_watermark
        return [Commit(high_watermark)]

    def where_to_cut(self, leaders: EpochAndOffset) -> int:
        """The offset where this log parts from the leader's, or one nearer to that than its end.

        `leaders` is where the leader's log ends the last epoch that both may have.
        """
        offset = min(leaders.offset, self.end_of(leaders.epoch).offset)
        if offset < self.high_watermark:
            raise RaftError(f"to be cut at {offset}, but {self.high_watermark} is committed")
        return offset

    def truncate(self, offset: int) -> None:
        """What was at and after `offset` is not in the log any more."""
        self.end = self.at(offset)
        self._epochs = [each for each in self._epochs if each[1] < offset]

    def cut(self, offset: int) -> None:
        """What was below `offset`, and is committed, is in a snapshot."""
        if offset > self.high_watermark:
            raise RaftError(f"a snapshot up to {offset}, but only {self.high_watermark} committed")
        self.start = self.at(offset)
        self._epochs = [
            (epoch, begin) for (epoch, begin) in self._epochs if self.end_of(epoch).offset > offset
        ]

    def reset(self, snapshot: EpochAndOffset) -> None:
        """Nothing is in the log; it begins where the snapshot ends."""
        self.start = self.end = snapshot
        self.high_watermark = snapshot.offset
        self._epochs = []

    def at(self, offset: int) -> EpochAndOffset:
        """The place at an offset between start and end."""
        begun = [epoch for epoch, begin in self._epochs if begin < offset]
        return EpochAndOffset(begun[-1], offset) if begun else self.start

    def contains(self, place: EpochAndOffset) -> bool:
        """Whether this log is the same as another one up to that place of the other's."""
        is_between = self.start.offset <= place.offset <= self.end.offset
        return is_between and self.at(place.offset) == place

    def end_of(self, epoch: int) -> EpochAndOffset:
        """The last epoch up to `epoch` that is known here, and where it ends.

        Below the start nothing is known, and the answer is offset 0.
        """
        if epoch < self.start.epoch:
            return EpochAndOffset(epoch, 0)
        known = [self.start.epoch, *(each for each, _ in self._epochs)]
        ends = [begin for later, begin in self._epochs if later > epoch]
        return EpochAndOffset(
            max(each for each in known if each <= epoch), ends[0] if ends else self.end.offset
        )

    def fits(self, batches: Iterable[Batch], epoch: int) -> bool:
        """Whether these can come next, from a leader of this epoch."""
        end = self.end
        for batch in batches:
            if batch.base_offset != end.offset or batch.next_offset <= batch.base_offset:
                return False
            if not end.epoch <= batch.epoch <= epoch:
                return False
            end = EpochAndOffset(batch.epoch, batch.next_offset)
        return True
