"""What became of the records of a batch, and who waits for it. PURE.

One per batch, shared by the deliveries of its records (see `delivery`). It does not hold the batch:
a delivery that is kept for long keeps no record's bytes alive. When the last of them is gone, and
records failed without anybody having asked, the log is told.
"""

import logging
from array import array
from collections.abc import Callable
from typing import Final

from .record import RecordMetadata

log = logging.getLogger(__name__)

NO_OFFSET: Final = -1

Callback = Callable[..., object]
Schedule = Callable[[], object]


class BatchDelivery:
    """From `send` to the base offset, or the error."""

    __slots__ = (
        "append_time_ms",
        "base_offset",
        "cancelled",
        "error",
        "heard",
        "is_over",
        "partition",
        "timestamps",
        "topic",
        "waiting",
    )

    def __init__(self, topic: str, partition: int) -> None:
        """Of records that are still on their way."""
        self.topic = topic
        self.partition = partition
        self.timestamps = array("q")
        """One per record."""
        self.is_over = False
        self.base_offset = NO_OFFSET
        self.append_time_ms = -1
        """The broker's time for all records, if the topic goes by that; else below 0."""
        self.error: BaseException | None = None
        self.cancelled: frozenset[int] = frozenset()
        """The indexes of the records for which nobody waits any more."""
        self.heard: set[int] = set()
        """The indexes of failed records of which somebody knows."""
        self.waiting: dict[int, list[tuple[Callback, Schedule]]] = {}
        """By the record's index: the callbacks, and how to have each called."""

    def succeed(self, base_offset: int, append_time_ms: int) -> None:
        """The records are written; NO_OFFSET where the broker did not say where."""
        self.base_offset = base_offset
        self.append_time_ms = append_time_ms
        self._end()

    def __del__(self) -> None:
        """Nobody can ask any more."""
        unheard = len(self.timestamps) - len(self.heard)
        if self.error is not None and unheard:
            name = f"{self.topic}-{self.partition}"
            log.error("%d records of %s failed, and nobody asked: %s", unheard, name, self.error)

    def fail(self, error: BaseException) -> None:
        """The records are given up."""
        self.error = error
        self.heard.update(self.waiting, self.cancelled)
        self._end()

    def error_of(self, index: int) -> BaseException | None:
        """Why this record failed, for somebody who asks."""
        if self.error is not None:
            self.heard.add(index)
        return self.error

    def cancel(self, index: int) -> None:
        """Nobody waits for this record any more."""
        self.cancelled |= {index}
        self._notify(index)

    def metadata(self, index: int) -> RecordMetadata:
        """The place of a record that is written."""
        offset = self.base_offset + index if self.base_offset != NO_OFFSET else NO_OFFSET
        timestamp_ms = self.append_time_ms if self.append_time_ms >= 0 else self.timestamps[index]
        return RecordMetadata(self.topic, self.partition, offset, timestamp_ms)

    def _end(self) -> None:
        self.is_over = True
        for index in list(self.waiting):
            self._notify(index)

    def _notify(self, index: int) -> None:
        for _, schedule in self.waiting.pop(index, ()):
            schedule()
