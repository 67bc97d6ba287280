"""What was appended to a partition, and what was promised of it when the crash came."""

from typing import NamedTuple

from minikafka.protocol.records import read_header

from .crash import Way


class Batch(NamedTuple):
    """A batch as it was sent, and as it lies in the log."""

    base_offset: int
    next_offset: int
    sent: bytes
    data: bytes

    @property
    def producer_id(self) -> int:
        """Whose it is, -1 for nobody's."""
        return read_header(self.data).producer_id


class Promise(NamedTuple):
    """What a start must find, at some moment of a partition's life."""

    batches: tuple[Batch, ...]
    """The log as it should be, with what is staged and not yet written."""
    ever: frozenset[tuple[int, bytes]] | set[tuple[int, bytes]]
    """All that was ever handed to the log, by offset, cut and failed batches as well."""
    start_offset: int
    flushed_offset: int
    """Below it everything is promised, whatever happens."""
    written_offset: int
    """Below it everything is promised if only the process ends."""

    def end_offset(self, way: Way) -> int:
        """Where the promise ends after this kind of crash."""
        return max(self.flushed_offset, self.written_offset if way is Way.KILLED else 0)


class History:
    """The life of one partition, as those outside of it know it."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.ever: set[tuple[int, bytes]] = set()
        self.start_offset = self.flushed_offset = self.written_offset = 0

    @property
    def end_offset(self) -> int:
        """Where the next batch goes."""
        return self.batches[-1].next_offset if self.batches else 0

    def appended(self, batch: Batch) -> None:
        """It was taken and is staged."""
        self.batches.append(batch)
        self.ever.add((batch.base_offset, batch.data))

    def cut(self, offset: int) -> None:
        """Everything that ends above `offset` is on its way out."""
        self.batches = [batch for batch in self.batches if batch.next_offset <= offset]
        self.written_offset = min(self.written_offset, self.end_offset)
        self.flushed_offset = min(self.flushed_offset, self.end_offset)

    def promise(self) -> Promise:
        """What holds now."""
        return Promise(
            tuple(self.batches),
            self.ever,
            self.start_offset,
            self.flushed_offset,
            self.written_offset,
        )
