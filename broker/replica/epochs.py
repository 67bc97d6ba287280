"""Leader epochs of one partition: which epoch began at which offset. PURE (KIP-101, KIP-320).

    epoch  start offset          end of epoch 3 = start of the next higher epoch = 250
    0      0                     end of the last epoch = the log's end
    3      120
    4      250

Both columns rise. A client or follower that read up to (epoch, offset) asks where that epoch ends
here; if it ends earlier, the two logs part there.
"""

from bisect import bisect_left, bisect_right

UNDEFINED = -1


class LeaderEpochs:
    """The table above."""

    def __init__(self, entries: list[tuple[int, int]] | None = None) -> None:
        self.entries: list[tuple[int, int]] = list(entries or [])
        self.is_saved = True
        """Whether the disk has it as it is; until whoever saves it says so, a change has not."""

    @property
    def latest(self) -> int:
        """The newest epoch, or -1 when there is none."""
        return self.entries[-1][0] if self.entries else UNDEFINED

    def assign(self, epoch: int, start_offset: int) -> None:
        """Epoch `epoch` begins at `start_offset`, unless it is known, or a newer one.

        Entries of a later start give way, so that both columns rise.
        """
        if epoch > self.latest:
            self.truncate_to_end(start_offset)
            self.entries.append((epoch, start_offset))
            self.is_saved = False

    def truncate_to_end(self, end_offset: int) -> None:
        """Forget epochs that began at or after `end_offset`."""
        keep = bisect_left(self.entries, end_offset, key=lambda entry: entry[1])
        if keep < len(self.entries):
            del self.entries[keep:]
            self.is_saved = False

    def truncate_to_start(self, start_offset: int) -> None:
        """Forget what was below `start_offset`; the epoch that goes on there now begins there."""
        index = bisect_right(self.entries, start_offset, key=lambda entry: entry[1])
        first = [(self.entries[index - 1][0], start_offset)] if index else []
        if self.entries[:index] != first:
            self.entries[:index] = first
            self.is_saved = False

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """(the largest epoch up to `epoch`, its end offset), or (-1, -1) when nobody knows.

        An epoch older than all is answered with (itself, the first start we know).
        """
        if epoch == UNDEFINED or not self.entries or epoch > self.latest:
            return UNDEFINED, UNDEFINED
        if epoch == self.latest:
            return epoch, log_end_offset
        higher = bisect_right(self.entries, epoch, key=lambda entry: entry[0])
        end_offset = self.entries[higher][1]
        floor = self.entries[higher - 1][0] if higher else epoch
        return floor, end_offset

    def epoch_at(self, offset: int) -> int:
        """The epoch that the record at `offset` was written in, or -1."""
        index = bisect_right(self.entries, offset, key=lambda entry: entry[1])
        return self.entries[index - 1][0] if index else UNDEFINED
