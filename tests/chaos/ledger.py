"""What a producer sent and what was acknowledged, and what became of it.

A record's value is `<producer> <number> <padding>`; a producer's numbers count up from 0, and a
record goes to partition number % 3. So two bytes per record are enough to judge a million of them.
"""

import threading
from collections.abc import Iterable
from typing import NamedTuple

from minikafka.protocol.records import Record

PARTITIONS = 3
IN_FLIGHT = 500
MAX_PADDING_BYTES = 400


class Ledger:
    """The records of one producer; acknowledgements may come from any thread."""

    def __init__(self, producer: str) -> None:
        self.producer = producer
        self.failures: list[str] = []
        self._acknowledged = bytearray()
        self._acknowledged_count = 0
        self._room = threading.BoundedSemaphore(IN_FLIGHT)

    @property
    def sent_count(self) -> int:
        """How many records were handed to the client."""
        return len(self._acknowledged)

    @property
    def acknowledged_count(self) -> int:
        """How many of them the broker acknowledged."""
        return self._acknowledged_count

    def take_number(self, timeout_s: float) -> int | None:
        """The number of the next record; None if too many are under way for that long."""
        if not self._room.acquire(timeout=timeout_s):
            return None
        self._acknowledged.append(0)
        return len(self._acknowledged) - 1

    def value(self, number: int) -> bytes:
        """The record of that number; sizes differ, so that batches end anywhere in a file."""
        return b"%s %d " % (self.producer.encode(), number) + b"." * (number % MAX_PADDING_BYTES)

    def settle(self, number: int, error: object) -> None:
        """Note the end of a record: acknowledged if there is no error."""
        if error is None:
            self._acknowledged[number] = 1
            self._acknowledged_count += 1
        else:
            self.failures.append(f"{self.producer} {number}: {error}")
        self._room.release()

    def is_acknowledged(self, number: int) -> bool:
        """Whether the broker promised to keep the record."""
        return bool(self._acknowledged[number])


class Verdict(NamedTuple):
    """What was found in the partitions."""

    read: int
    lost: list[str]
    duplicated: list[str]
    disordered: list[str]
    unknown: list[str]


def judge(ledgers: Iterable[Ledger], partitions: Iterable[Iterable[Record]]) -> Verdict:
    """Compare all records of all partitions with what the producers know."""
    by_name = {each.producer.encode(): each for each in ledgers}
    counts = {name: bytearray(each.sent_count) for name, each in by_name.items()}
    read, disordered, unknown = 0, list[str](), list[str]()
    for index, records in enumerate(partitions):
        last = dict.fromkeys(by_name, -1)
        for record in records:
            read += 1
            producer, number_text, _ = (record.value or b"  ").split(b" ", 2)
            number = int(number_text)
            if number >= len(counts[producer]) or number % PARTITIONS != index:
                unknown.append(f"{producer.decode()} {number} in partition {index}")
                continue
            counts[producer][number] = min(counts[producer][number] + 1, 255)
            if number < last[producer]:
                disordered.append(f"{producer.decode()} {number} after {last[producer]}")
            last[producer] = number
    return Verdict(
        read,
        [
            f"{name.decode()} {number}"
            for name, each in by_name.items()
            for number in range(each.sent_count)
            if each.is_acknowledged(number) and not counts[name][number]
        ],
        [
            f"{name.decode()} {number}"
            for name, count in counts.items()
            for number in range(len(count))
            if count[number] > 1
        ],
        disordered,
        unknown,
    )
