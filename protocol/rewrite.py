"""Batches that a broker makes anew: in another codec, with some of their records, or with none.

    recompress      topics whose compression.type is not the producer's
    BatchRewriter   compaction keeps some of the records
    empty_batch     compaction keeps none, but what the header says of offsets and sequences

Whatever becomes of the records, base offset, last offset delta, leader epoch, producer id, producer
epoch and base sequence stay. So a reader sees that offsets are missing and goes on behind them, and
a producer is remembered with its last sequence. Records keep their offsets and times.

A compacted batch with tombstones carries the time at which they may go, its *delete horizon*, in
place of the base timestamp: the times of its records count from there. Attribute bit 6 says so.
"""

from collections.abc import Sequence
from typing import Final

from .batch import (
    CODEC_MASK,
    DELETE_HORIZON_BIT,
    HEADER_BYTES,
    LENGTH_END,
    BatchHeader,
    write_header,
)
from .compression import compress, decompress
from .primitives import Buffer, ProtocolError
from .records import Record, encode_nullable, encode_record_headers, encode_varint

NO_TIMESTAMP: Final = -1
_LEAST_INT64: Final = -(2**63)
_LARGEST_INT64: Final = 2**63 - 1


def recompress(batch: Buffer, header: BatchHeader, codec: int) -> bytearray:
    """Return the batch with its records packed by another codec; ProtocolError for bad bytes.

    The records are not looked at, only unpacked.
    """
    body = decompress(header.compression, memoryview(batch)[HEADER_BYTES:])
    attributes = header.attributes & ~CODEC_MASK | codec
    return _join(header._replace(attributes=attributes), compress(codec, body))


def empty_batch(header: BatchHeader) -> bytearray:
    """Return a batch without records that stands for the one with this header."""
    emptied = header._replace(
        attributes=header.attributes & ~(CODEC_MASK | DELETE_HORIZON_BIT),
        base_timestamp=NO_TIMESTAMP,
        record_count=0,
    )
    return _join(emptied, b"")


class BatchRewriter:
    """Takes the records of a batch that stay, in order, and makes the batch that has them alone."""

    __slots__ = ("_base_timestamp", "_body", "_count", "_header", "_max_timestamp")

    def __init__(self, header: BatchHeader, first: Record, delete_horizon_ms: int | None) -> None:
        """`first` is the first record that stays; it must be given to append() as well."""
        attributes = header.attributes & ~DELETE_HORIZON_BIT
        self._base_timestamp = first.timestamp
        if delete_horizon_ms is not None:
            attributes |= DELETE_HORIZON_BIT
            self._base_timestamp = delete_horizon_ms
        self._header = header._replace(attributes=attributes)
        self._max_timestamp = NO_TIMESTAMP
        self._body = bytearray()
        self._count = 0

    def append(self, record: Record) -> None:
        """Take the next record that stays; ProtocolError if its time does not fit."""
        delta_ms = record.timestamp - self._base_timestamp
        if not (_fits(delta_ms) and _fits(record.timestamp)):
            raise ProtocolError(f"a record's time is {record.timestamp}")
        encoded = b"".join(
            (
                b"\0",  # attributes
                encode_varint(delta_ms),
                encode_varint(record.offset - self._header.base_offset),
                encode_nullable(record.key),
                encode_nullable(record.value),
                encode_record_headers(record.headers),
            )
        )
        self._body += encode_varint(len(encoded))
        self._body += encoded
        self._count += 1
        self._max_timestamp = max(self._max_timestamp, record.timestamp)

    def build(self) -> bytearray:
        """Return the batch, in the codec of the original."""
        header = self._header._replace(
            base_timestamp=self._base_timestamp,
            max_timestamp=self._max_timestamp,
            record_count=self._count,
        )
        return _join(header, compress(header.compression, self._body))


def rewrite(
    header: BatchHeader, records: Sequence[Record], delete_horizon_ms: int | None
) -> bytearray:
    """Return the batch with these of its records, one at least, alone."""
    rewriter = BatchRewriter(header, records[0], delete_horizon_ms)
    for record in records:
        rewriter.append(record)
    return rewriter.build()


def _fits(number: int) -> bool:
    return _LEAST_INT64 <= number <= _LARGEST_INT64


def _join(header: BatchHeader, body: bytes) -> bytearray:
    """Return header and body as one batch, with the right length and CRC."""
    batch = bytearray(HEADER_BYTES)
    batch += body
    write_header(batch, header._replace(batch_length=len(batch) - LENGTH_END))
    return batch
