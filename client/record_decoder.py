"""From a fetched batch to consumer records, one at a time. PURE.

The generator moves the partition's position with each record that it hands out, so that it may be
left at any record and gone on with later.
"""

from collections.abc import Callable, Iterator
from typing import Any

from ..protocol.batch import BatchHeader
from ..protocol.errors import ErrorCode, KafkaError
from ..protocol.primitives import ProtocolError
from ..protocol.records import iterate
from .record import CREATE_TIME, LOG_APPEND_TIME, ConsumerRecord
from .subscription import PartitionState

Deserializer = Callable[[bytes], Any]


def decode_records(
    state: PartitionState,
    view: memoryview,
    header: BatchHeader,
    key_deserializer: Deserializer | None,
    value_deserializer: Deserializer | None,
) -> Iterator[ConsumerRecord]:
    """Yield the batch's records from the partition's position on.

    A record that cannot be decoded raises KafkaError and leaves the position at it; the error stays
    with the partition until somebody seeks past the record.
    """
    records = _records(state, view, header)
    if key_deserializer is not None or value_deserializer is not None:
        records = _deserialized(state, records, key_deserializer, value_deserializer)
    return records


def pass_over(state: PartitionState, header: BatchHeader) -> Iterator[ConsumerRecord]:
    """Hand out nothing of this batch, and go on behind it."""
    state.position = max(state.position or 0, header.next_offset)
    state.decoding = None
    yield from ()


def _records(
    state: PartitionState, view: memoryview, header: BatchHeader
) -> Iterator[ConsumerRecord]:
    # A named tuple's own constructor takes twice the time of the tuple's. Its type is not known.
    make: Callable[[type[ConsumerRecord], tuple[Any, ...]], ConsumerRecord]
    make = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    (topic, partition), wanted = state.name, state.position or 0
    timestamp_type = LOG_APPEND_TIME if header.is_log_append_time else CREATE_TIME
    epoch = header.partition_leader_epoch
    try:
        for offset, timestamp, key, value, headers in iterate(view, header):
            if offset < wanted:
                continue
            state.position = offset + 1
            yield make(
                ConsumerRecord,
                (topic, partition, offset, timestamp, timestamp_type, key, value, headers, epoch),
            )
    except ProtocolError as error:
        raise _stop_at(state, state.position or 0, ErrorCode.CORRUPT_MESSAGE, error) from error
    # Compaction may have removed the last records of the batch; their offsets are passed as well.
    state.position = max(state.position or 0, header.next_offset)
    state.decoding = None


def _deserialized(
    state: PartitionState,
    records: Iterator[ConsumerRecord],
    key_deserializer: Deserializer | None,
    value_deserializer: Deserializer | None,
) -> Iterator[ConsumerRecord]:
    for record in records:
        key, value = record.key, record.value
        try:
            if key is not None and key_deserializer is not None:
                key = key_deserializer(key)
            if value is not None and value_deserializer is not None:
                value = value_deserializer(value)
        except Exception as error:
            # Whatever a user's function raises, the record must not be lost silently.
            raise _stop_at(state, record.offset, ErrorCode.INVALID_RECORD, error) from error
        yield record._replace(key=key, value=value)


def _stop_at(state: PartitionState, offset: int, code: ErrorCode, error: Exception) -> KafkaError:
    """Leave the partition standing at `offset` with this error."""
    state.set_position(offset)
    where = f"{state.name.topic}-{state.name.partition} offset {offset}"
    state.error = KafkaError.of(code, f"{where} cannot be decoded: {error}; seek past it to go on")
    return state.error
