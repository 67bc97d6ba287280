"""A record that could not be processed, as it is put aside for people to look at. PURE.

Key, value and headers are the record's own; beside them these headers, in UTF-8:

    dead-letter.topic, .partition, .offset     where it stands
    dead-letter.timestamp                      its time; the letter's is that of its writing, or
                                               retention would count from the record's
    dead-letter.error                          type and message of the last failure, cut off at
                                               MAX_ERROR_BYTES
    dead-letter.attempts                       how often the handler was called
"""

from typing import Any, Final, NamedTuple

from ..protocol.records import RecordHeader
from .record import ConsumerRecord

MAX_ERROR_BYTES: Final = 4096


class DeadLetter(NamedTuple):
    """What to send."""

    value: Any
    key: Any
    headers: tuple[RecordHeader, ...]


def dead_letter(record: ConsumerRecord, error: str, attempts: int) -> DeadLetter:
    """The letter for a record whose last attempt failed with this error."""
    told = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp),
        "error": error,
        "attempts": str(attempts),
    }
    headers = [
        (f"dead-letter.{name}", text.encode(errors="replace")[:MAX_ERROR_BYTES])
        for name, text in told.items()
    ]
    return DeadLetter(record.value, record.key, (*record.headers, *headers))
