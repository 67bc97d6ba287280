"""Record batches: as a producer sends them, as a fetch answers them, and the records inside."""

from contextlib import suppress

from minikafka.protocol.batch import (
    BatchHeader,
    crc_matches,
    iterate_batches,
    read_header,
    validate_batch,
    write_header,
)
from minikafka.protocol.compression import compress
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.primitives import ProtocolError
from minikafka.protocol.records import (
    HEADER_BYTES,
    LENGTH_END,
    InvalidBatch,
    Record,
    build_batch,
    iterate,
)

from .choices import Choices

_REFUSALS = {
    ErrorCode.CORRUPT_MESSAGE,
    ErrorCode.INVALID_RECORD,
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
}


def batches(data: bytes) -> None:
    """A batch is accepted whole and with a good CRC, or refused with the code for that."""
    choices = Choices(data)
    is_mended = choices.byte() & 1
    batch = bytearray(choices.rest())
    if is_mended and len(batch) >= HEADER_BYTES:
        write_header(
            batch, read_header(batch)._replace(batch_length=len(batch) - LENGTH_END, magic=2)
        )
    header = _validated(batch)
    if isinstance(header, ErrorCode):
        assert header in _REFUSALS
    else:
        assert header.size_bytes == len(batch)
        assert crc_matches(batch, header)
        assert header.record_count == header.last_offset_delta + 1 > 0
        _iterate(batch)
    with suppress(ProtocolError):
        for part in iterate_batches(batch):
            _iterate(part)


def records(data: bytes) -> None:
    """Any bytes as the records of a batch, with every codec: records, or ProtocolError."""
    choices = Choices(data)
    codec, attributes = choices.below(6), choices.byte() & 0x38
    count = choices.below(40)
    body = choices.rest()
    if codec <= 4 and choices.byte() == 0:
        body = compress(codec, body)
    header = BatchHeader(0, 0, 0, 2, 0, attributes | codec, count - 1, 7, 9, -1, -1, -1, count)
    batch = bytearray(HEADER_BYTES) + body
    write_header(batch, header._replace(batch_length=len(batch) - LENGTH_END))
    found = _iterate(batch)
    if found and codec == 0:
        again = [record._replace(offset=0) for record in found]
        rebuilt = list(iterate(build_batch(found)))
        assert [record._replace(offset=0) for record in rebuilt] == again


def _validated(batch: bytearray) -> BatchHeader | ErrorCode:
    try:
        return validate_batch(memoryview(batch))
    except InvalidBatch as refused:
        return refused.error_code


def _iterate(batch: bytearray | memoryview) -> list[Record]:
    """All records, or none when the batch breaks on the way."""
    try:
        return list(iterate(batch))
    except ProtocolError:
        return []
