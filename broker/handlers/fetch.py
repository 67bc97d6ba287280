"""Fetch: slices of the log as they lie on disk, or a parked request until there are some.

A request is answered at once if it has `min_bytes`, if some partition has an error or is read in an
older segment, if it names no partition, or if it does not want to wait. Otherwise it is parked and
read again whenever one of its partitions moves, until `max_wait_ms` has passed.

Partitions are read in the order in which the client names them (it rotates them itself); the first
batch found is sent whole even if it is larger than the limits, or the client could never get past
it (KIP-74).

Left out: fetch sessions. Every answer says session 0, which a client takes as "none" (KIP-227).
"""

import logging

from ...protocol.api.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchResponse,
    FetchResponsePartition,
    FetchResponseTopic,
)
from ...protocol.errors import ErrorCode
from ..controller.image import TopicImage
from ..log.files import StorageError
from ..log.log import OffsetOutOfRange
from ..log.scan import CorruptLog
from ..replica.manager import Unserved
from ..replica.partition import Partition
from .context import Context, Exchange
from .topics import find_topic, unreadable

NO_OFFSET = -1
MAX_WAIT_MS = 3_600_000
NO_SESSION_EPOCHS = (-1, 0)

log = logging.getLogger("minikafka.fetch")


class FetchWait:
    """A fetch request that found too little so far."""

    __slots__ = ("_context", "_exchange", "_reading", "_request")

    def __init__(
        self, exchange: Exchange, request: FetchRequest, context: Context, reading: "Reading"
    ) -> None:
        self._exchange = exchange
        self._request = request
        self._context = context
        self._reading = reading

    def is_ready(self) -> bool:
        """Read again, and see whether that is enough."""
        self._reading = Reading(self._request, self._context)
        return self._reading.is_enough

    def finish(self) -> None:
        """Answer with what the last reading found."""
        self._exchange.answer(self._reading.response)


class Reading:
    """One pass over the partitions of a request."""

    __slots__ = ("_left_bytes", "_read_bytes", "is_enough", "partitions", "response")

    def __init__(self, request: FetchRequest, context: Context) -> None:
        self.response = FetchResponse(responses=[])
        self.partitions: list[Partition] = []
        self.is_enough = False
        self._read_bytes = 0
        self._left_bytes = min(request.max_bytes, context.config.fetch_max_bytes)
        image = context.controller.image
        for topic in request.topics:
            found = find_topic(image, topic.topic, topic.topic_id)
            answers = [self._read(found, wanted, context) for wanted in topic.partitions]
            self.response.responses.append(
                FetchResponseTopic(topic=topic.topic, topic_id=topic.topic_id, partitions=answers)
            )
        min_bytes = min(request.min_bytes, request.max_bytes, context.config.fetch_max_bytes)
        self.is_enough |= self._read_bytes >= min_bytes or not self.partitions

    def _read(
        self, found: TopicImage | ErrorCode, wanted: FetchRequestPartition, context: Context
    ) -> FetchResponsePartition:
        if isinstance(found, ErrorCode):
            return self._error(wanted, found)
        partition = context.replicas.look_up(found.name, wanted.partition)
        if isinstance(partition, Unserved):
            return self._error(wanted, partition.error_code)
        fenced = partition.check_leader_epoch(wanted.current_leader_epoch)
        if fenced:
            return self._error(wanted, fenced)
        self.partitions.append(partition)
        # Read once: it moves with each flush, and the answer must not contradict itself.
        high_watermark = partition.high_watermark
        max_bytes = min(wanted.partition_max_bytes, self._left_bytes)
        try:
            records = partition.read(wanted.fetch_offset, max_bytes, self._read_bytes == 0)
        except OffsetOutOfRange:
            answer = self._error(wanted, ErrorCode.OFFSET_OUT_OF_RANGE)
            answer.log_start_offset = partition.log.log_start_offset
            return answer
        except (CorruptLog, StorageError) as error:
            log.error("%s cannot be read at offset %d: %s", partition, wanted.fetch_offset, error)
            return self._error(wanted, unreadable(error))
        if records is not None and wanted.fetch_offset < partition.log.segments[-1].base_offset:
            # One read ends with its segment: there is more behind, and nothing to wait for.
            self.is_enough = True
        size = len(records) if records is not None else 0
        self._read_bytes += size
        self._left_bytes = max(self._left_bytes - size, 0)
        return FetchResponsePartition(
            partition_index=wanted.partition,
            error_code=0,
            high_watermark=high_watermark,
            last_stable_offset=high_watermark,
            log_start_offset=partition.log.log_start_offset,
            records=records if records is not None else b"",  # pyright: ignore[reportArgumentType]
        )

    def _error(
        self, wanted: FetchRequestPartition, error_code: ErrorCode
    ) -> FetchResponsePartition:
        self.is_enough = True
        return FetchResponsePartition(
            partition_index=wanted.partition,
            error_code=error_code,
            high_watermark=NO_OFFSET,
            records=b"",
        )


def handle(exchange: Exchange, request: FetchRequest, context: Context) -> FetchResponse | None:
    """Answer now, or park."""
    if request.session_epoch not in NO_SESSION_EPOCHS:
        return FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses=[])
    reading = Reading(request, context)
    if reading.is_enough or request.max_wait_ms <= 0:
        return reading.response
    wait = FetchWait(exchange, request, context, reading)
    number = context.replicas.park(wait, reading.partitions, min(request.max_wait_ms, MAX_WAIT_MS))
    exchange.when_lost(lambda: context.replicas.cancel(number))
    return None
