"""Where a worker puts the records that could not be processed.

Key, value and headers are the record's own; beside them these headers, in UTF-8:

    dead-letter.topic, .partition, .offset     where it stands
    dead-letter.timestamp                      its time; the letter's is that of its writing, or
                                               retention would count from the record's
    dead-letter.error                          type and message of the last failure, cut off at
                                               MAX_ERROR_BYTES
    dead-letter.attempts                       how often the handler was called
"""

from typing import Final

from ..protocol.records import RecordHeader
from .consumer import Consumer
from .producer import Producer
from .record import ConsumerRecord

MAX_ERROR_BYTES: Final = 4096


class DeadLetters:
    """A topic, and a producer for it."""

    def __init__(self, topic: str, consumer: Consumer, producer: Producer | None) -> None:
        """The user's producer, or one of our own for the consumer's cluster."""
        self._topic = topic
        self._is_own = producer is None
        self._producer = producer or Producer(bootstrap_servers=consumer.bootstrap_servers)

    async def start(self) -> None:
        """Start our own producer."""
        if self._is_own:
            await self._producer.start()

    async def close(self) -> None:
        """Close it."""
        if self._is_own:
            await self._producer.close()

    async def send(self, record: ConsumerRecord, error: str, attempts: int) -> None:
        """Put a record aside, and return when it is written.

        Raises KafkaError, or TypeError where deserializers made of the record what the producer
        has no serializers for.
        """
        headers = (*record.headers, *reasons(record, error, attempts))
        await self._producer.send_and_wait(self._topic, record.value, record.key, headers)


def reasons(record: ConsumerRecord, error: str, attempts: int) -> list[RecordHeader]:
    """The headers that say where a letter comes from, and why it is there."""
    told = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp),
        "error": error,
        "attempts": str(attempts),
    }
    return [
        (f"dead-letter.{name}", text.encode(errors="replace")[:MAX_ERROR_BYTES])
        for name, text in told.items()
    ]
