"""From a fetched batch to consumer records, one at a time or many at once. PURE.

Whoever takes records moves the partition's position past them, so that decoding may be left at any
record and gone on with later.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import chain, islice, repeat
from typing import Any

from ..protocol.batch import BatchHeader
from ..protocol.errors import ErrorCode, KafkaError
from ..protocol.primitives import ProtocolError
from ..protocol.records import iterate_columns
from .record import CREATE_TIME, LOG_APPEND_TIME, ConsumerRecord
from .subscription import PartitionState

Deserializer = Callable[[bytes], Any]

# A named tuple's own constructor takes twice the time of the tuple's. Its type is not known.
_make: Callable[[type[ConsumerRecord], tuple[Any, ...]], ConsumerRecord]
_make = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class RecordDecoder:
    """The records of one batch, from the partition's position on.

    A record that cannot be decoded raises KafkaError and leaves the position at it; the error stays
    with the partition until somebody seeks past the record.
    """

    __slots__ = ("_records", "_state")

    def __init__(
        self,
        state: PartitionState,
        view: memoryview,
        header: BatchHeader,
        key_deserializer: Deserializer | None,
        value_deserializer: Deserializer | None,
    ) -> None:
        """Nothing is decoded before it is asked for."""
        self._state = state
        self._records: Iterator[ConsumerRecord]
        self._records = chain.from_iterable(_decode(state, view, header))
        if key_deserializer is not None or value_deserializer is not None:
            self._records = _deserialize(state, self._records, key_deserializer, value_deserializer)

    def __iter__(self) -> Iterator[ConsumerRecord]:
        """The records that are left; the position moves with each one."""
        state = self._state
        for record in self._records:
            state.position = record.offset + 1
            yield record

    def take(self, records: list[ConsumerRecord], count: int) -> None:
        """Add up to `count` records to the list, those before a damaged one before the error."""
        state, taken = self._state, len(records)
        try:
            records.extend(islice(self._records, count))
        finally:
            if len(records) > taken:
                state.position = max(state.position or 0, records[-1].offset + 1)


def _decode(
    state: PartitionState, view: memoryview, header: BatchHeader
) -> Iterator[Iterator[ConsumerRecord]]:
    """Yield the records in runs, each decoded when those before it were taken."""
    (topic, partition), wanted = state.name, state.position or 0
    timestamp_type = LOG_APPEND_TIME if header.is_log_append_time else CREATE_TIME
    epoch, next_offset = header.partition_leader_epoch, wanted
    try:
        for columns in iterate_columns(view, header):
            next_offset = max(next_offset, columns.offsets[-1] + 1)
            if header.base_offset < wanted:
                below = bisect_left(columns.offsets, wanted)
                for column in columns:
                    del column[:below]
            offsets, timestamps, keys, values, headers = columns
            yield map(
                _make,
                repeat(ConsumerRecord),
                zip(
                    repeat(topic),
                    repeat(partition),
                    offsets,
                    timestamps,
                    repeat(timestamp_type),
                    keys,
                    values,
                    headers,
                    repeat(epoch),
                    strict=False,
                ),
            )
    except ProtocolError as error:
        raise _stop_at(state, next_offset, ErrorCode.CORRUPT_MESSAGE, error) from error
    # Compaction may have removed the last records of the batch; their offsets are passed as well.
    state.position = max(next_offset, header.next_offset)
    state.decoding = None


def _deserialize(
    state: PartitionState,
    records: Iterator[ConsumerRecord],
    key_deserializer: Deserializer | None,
    value_deserializer: Deserializer | None,
) -> Iterator[ConsumerRecord]:
    for record in records:
        topic, partition, offset, timestamp, timestamp_type, key, value, headers, epoch = record
        try:
            if key is not None and key_deserializer is not None:
                key = key_deserializer(key)
            if value is not None and value_deserializer is not None:
                value = value_deserializer(value)
        except Exception as error:
            # Whatever a user's function raises, the record must not be lost silently.
            raise _stop_at(state, offset, ErrorCode.INVALID_RECORD, error) from error
        yield _make(
            ConsumerRecord,
            (topic, partition, offset, timestamp, timestamp_type, key, value, headers, epoch),
        )


def _stop_at(state: PartitionState, offset: int, code: ErrorCode, error: Exception) -> KafkaError:
    """Leave the partition standing at `offset` with this error."""
    state.set_position(offset)
    where = f"{state.name.topic}-{state.name.partition} offset {offset}"
    state.error = KafkaError.of(code, f"{where} cannot be decoded: {error}; seek past it to go on")
    return state.error
