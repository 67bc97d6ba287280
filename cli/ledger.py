"""What was acknowledged and what was read, by record id: the proof of the demo. PURE.

    record id    0  1  2  3  4 ...
    acknowledged 1  1  1  1  0     by the producer
    times read   1  1  2  0  0     by the consumer: 2 is doubled, 3 is lost, 4 was never promised

A record is its id, a space, and a line of text that follows from the id, so that the reader can
tell a changed record from the right one without having kept it. Two bytes a record, whatever their
number; a record that is read more often than MAX_TIMES counts as read MAX_TIMES times.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MAX_TIMES: Final = 255


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a log, in records; all zero is what Kafka promises."""

    lost: int
    """Acknowledged, and not in the log."""
    doubled: int
    """In the log more than once."""
    out_of_order: int
    """Behind a record of its partition that was sent later."""
    changed: int
    """With another text than was sent, or with an id that nobody sent."""
    unacknowledged: int
    """Sent, and never acknowledged."""

    @property
    def is_good(self) -> bool:
        """Whether everything was acknowledged, and is there once, in order and unchanged."""
        return not any(
            (self.lost, self.doubled, self.out_of_order, self.changed, self.unacknowledged)
        )


class Ledger:
    """The books of `record_count` records, whose lines repeat `lines`."""

    def __init__(self, record_count: int, lines: Sequence[bytes]) -> None:
        self.record_count = record_count
        self.acknowledged_count = 0
        self.read_count = 0
        self._lines = lines
        self._acknowledged = bytearray(record_count)
        self._times_read = bytearray(record_count)
        self._last_id: dict[int, int] = {}
        self._out_of_order = 0
        self._changed = 0

    def record(self, id: int) -> bytes:
        """The record of this id."""
        return b"%d %s" % (id, self._lines[id % len(self._lines)])

    def acknowledge(self, id: int) -> None:
        """The broker promised to keep this record."""
        self._acknowledged[id] = 1
        self.acknowledged_count += 1

    def read(self, partition: int, values: Iterable[bytes]) -> None:
        """These records stand in this partition, in this order, behind those told before."""
        lines, times_read, count = self._lines, self._times_read, self.record_count
        last_id = self._last_id.get(partition, -1)
        for value in values:
            self.read_count += 1
            number, _, line = value.partition(b" ")
            id = int(number) if number.isdigit() else count
            if id >= count or line != lines[id % len(lines)]:
                self._changed += 1
                continue
            times_read[id] = min(times_read[id] + 1, MAX_TIMES)
            if id < last_id:
                self._out_of_order += 1
            last_id = id
        self._last_id[partition] = last_id

    def verdict(self) -> Verdict:
        """What is wrong, now that everything was read."""
        both = zip(self._acknowledged, self._times_read, strict=True)
        return Verdict(
            lost=sum(1 for promised, times in both if promised and not times),
            doubled=sum(times - 1 for times in self._times_read if times > 1),
            out_of_order=self._out_of_order,
            changed=self._changed,
            unacknowledged=self.record_count - self.acknowledged_count,
        )
