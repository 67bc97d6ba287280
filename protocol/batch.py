"""The record batch, format 2 (KIP-98), from outside: its header, validated and patched in place.

A batch is the unit of everything: a producer sends it, the log stores it, replication and fetch
answers carry it, all as the same bytes. Its header is 61 bytes; integers are big-endian.

    position  bytes  field
    0         8      base offset                  offset of the first record
    8         4      batch length                 of everything after this field
    12        4      partition leader epoch       set by the leader
    16        1      magic                        2
    17        4      CRC-32C                      of everything after this field
    21        2      attributes                   bits 0-2 codec, 3 timestamp type (1: append time),
                                                  4 transactional, 5 control, 6 delete horizon
    23        4      last offset delta            last record's offset minus the base offset
    27        8      base timestamp               ms since 1970; the first record's, or the delete
                                                  horizon, see `rewrite`
    35        8      max timestamp                the largest; under append time every record's
    43        8      producer id                  -1: none
    51        2      producer epoch               -1: none
    53        4      base sequence                -1: none
    57        4      record count                 below last offset delta + 1 after compaction
    61               the records, see `records`

Invariants: a broker never looks past the header; whether the records inside are well formed is the
business of those who open them. The CRC covers neither base offset, length, leader epoch nor magic:
a broker may set offset and epoch without touching it, and recovery checks those by other means.

Left out: formats 0 and 1, which Kafka 4 does not write either.
"""

import functools
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, cast

from .compression import CompressionType, expansion_limit_bytes
from .crc32c import crc32c
from .errors import ErrorCode
from .primitives import Buffer, ProtocolError

MAGIC: Final = 2
HEADER_BYTES: Final = 61
MIN_RECORD_BYTES: Final = 7  # a record has seven fields, a byte each at least
LENGTH_END: Final = 12  # base offset and batch length come before what the length counts
CRC_POSITION: Final = 17
CRC_END: Final = 21  # the checksum covers everything from here
MAX_SEQUENCE: Final = 2**31 - 1
MAX_BATCH_OFFSETS: Final = 2**31  # offset deltas are int32, in a batch as in an index

CODEC_MASK: Final = 0x07
LOG_APPEND_TIME_BIT: Final = 0x08
TRANSACTIONAL_BIT: Final = 0x10
CONTROL_BIT: Final = 0x20
DELETE_HORIZON_BIT: Final = 0x40

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")  # the table above, field by field
_OFFSET: Final = struct.Struct(">q")  # base offset
_LENGTH: Final = struct.Struct(">i")  # batch length, at position 8
_LEADER_EPOCH: Final = struct.Struct(">i")  # partition leader epoch, at position 12
_CRC: Final = struct.Struct(">I")  # CRC-32C, at position 17
_ATTRIBUTES: Final = struct.Struct(">h")  # attributes, at position 21
_MAX_TIMESTAMP: Final = struct.Struct(">q")  # max timestamp, at position 35


class InvalidBatch(ProtocolError):
    """A producer's batch is refused; `error_code` is the answer that Kafka gives."""

    def __init__(self, error_code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code


class BatchHeader(NamedTuple):
    """The 61 bytes before the records, as numbers."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size_bytes(self) -> int:
        """The size of the whole batch, header included."""
        return self.batch_length + LENGTH_END

    @property
    def last_offset(self) -> int:
        """The offset of the last record, which compaction may have removed."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The offset after the batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last record: after 2^31 - 1 comes 0; -1 without sequences."""
        if self.base_sequence < 0:
            return -1
        return (self.base_sequence + self.last_offset_delta) & MAX_SEQUENCE

    @property
    def compression(self) -> int:
        """The codec's number, see compression.CompressionType; 5 to 7 are none."""
        return self.attributes & CODEC_MASK

    @property
    def is_log_append_time(self) -> bool:
        """Whether every record's timestamp is the broker's, the max timestamp."""
        return self.attributes & LOG_APPEND_TIME_BIT != 0

    @property
    def is_transactional(self) -> bool:
        """Whether the batch belongs to a transaction."""
        return self.attributes & TRANSACTIONAL_BIT != 0

    @property
    def is_control(self) -> bool:
        """Whether the batch holds a transaction's marker instead of a user's records."""
        return self.attributes & CONTROL_BIT != 0

    @property
    def delete_horizon_ms(self) -> int | None:
        """When the tombstones of the batch may go; None until it was compacted with some."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON_BIT else None

    @property
    def has_producer_id(self) -> bool:
        """Whether an idempotent or transactional producer sent it."""
        return self.producer_id >= 0


_new_header = cast(
    Callable[[tuple[int, ...]], BatchHeader],
    functools.partial(cast(Any, tuple).__new__, BatchHeader),
)
"""What `BatchHeader._make` does, without two calls of Python on the hottest path there is."""


def read_header(view: Buffer, position: int = 0) -> BatchHeader:
    """Return the header of the batch that begins at `position`; nothing in it is checked."""
    if len(view) - position < HEADER_BYTES:
        raise ProtocolError("a record batch is shorter than its header", position)
    return _new_header(_HEADER.unpack_from(view, position))


def header_at(header: BatchHeader, base_offset: int) -> BatchHeader:
    """Return the header with another base offset, faster than `_replace` does it."""
    return _new_header((base_offset, *header[1:]))


def crc_matches(view: Buffer, header: BatchHeader) -> bool:
    """Return whether the CRC in `header` is that of `view`, which must be the whole batch."""
    return crc32c(memoryview(view)[CRC_END:]) == header.crc


def validate_batch(view: memoryview) -> BatchHeader:
    """Return the header of the one batch that a producer sent, or raise InvalidBatch.

    Looks at the header and the CRC alone (Kafka's LogValidator also opens the records).
    """
    if len(view) < HEADER_BYTES:
        raise InvalidBatch(ErrorCode.CORRUPT_MESSAGE, f"a record batch of {len(view)} bytes")
    header = _new_header(_HEADER.unpack_from(view))
    if header.magic != MAGIC:
        raise InvalidBatch(ErrorCode.INVALID_RECORD, f"record batch of magic {header.magic}, not 2")
    if header.batch_length + LENGTH_END != len(view):
        raise _wrong_size(header, len(view))
    if crc32c(view[CRC_END:]) != header.crc:
        raise InvalidBatch(ErrorCode.CORRUPT_MESSAGE, "the record batch's CRC does not match")
    if header.record_count <= 0 or header.last_offset_delta != header.record_count - 1:
        message = f"{header.record_count} records end at offset delta {header.last_offset_delta}"
        raise InvalidBatch(ErrorCode.INVALID_RECORD, message)
    body_bytes = len(view) - HEADER_BYTES
    if header.record_count * MIN_RECORD_BYTES > body_bytes and not _fits(header, body_bytes):
        message = f"{header.record_count} records in {body_bytes} bytes"
        raise InvalidBatch(ErrorCode.INVALID_RECORD, message)
    if header.attributes & CONTROL_BIT:
        raise InvalidBatch(ErrorCode.INVALID_RECORD, "clients may not write control batches")
    if header.attributes & CODEC_MASK > CompressionType.zstd:
        message = f"unknown compression codec {header.compression}"
        raise InvalidBatch(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, message)
    if header.producer_id >= 0 and header.base_sequence < 0:
        message = f"producer {header.producer_id} sent sequence {header.base_sequence}"
        raise InvalidBatch(ErrorCode.INVALID_RECORD, message)
    return header


def _fits(header: BatchHeader, body_bytes: int) -> bool:
    """Whether so many records can lie in a compressed body.

    A batch takes as many offsets as it counts records, and a segment has but 2^31.
    """
    if not header.compression:
        return False
    return header.record_count * MIN_RECORD_BYTES <= expansion_limit_bytes(body_bytes)


def _wrong_size(header: BatchHeader, view_bytes: int) -> InvalidBatch:
    """Return the error for a length that is not that of the view: cut, or followed by something."""
    if HEADER_BYTES <= header.size_bytes < view_bytes:
        return InvalidBatch(ErrorCode.INVALID_RECORD, "more than one record batch in a partition")
    message = f"record batch length {header.batch_length} in {view_bytes} bytes"
    return InvalidBatch(ErrorCode.CORRUPT_MESSAGE, message)


def assign_offset(view: bytearray | memoryview, base_offset: int, leader_epoch: int) -> None:
    """Write the base offset and the partition leader epoch in place; the CRC covers neither."""
    _OFFSET.pack_into(view, 0, base_offset)
    _LEADER_EPOCH.pack_into(view, LENGTH_END, leader_epoch)


def stamp_log_append_time(view: bytearray | memoryview, timestamp_ms: int) -> None:
    """Make `timestamp_ms` the time of every record, in place, with a new CRC (KIP-32)."""
    (attributes,) = _ATTRIBUTES.unpack_from(view, CRC_END)
    _ATTRIBUTES.pack_into(view, CRC_END, attributes | LOG_APPEND_TIME_BIT)
    _MAX_TIMESTAMP.pack_into(view, 35, timestamp_ms)
    _CRC.pack_into(view, CRC_POSITION, crc32c(memoryview(view)[CRC_END:]))


def write_header(batch: bytearray, header: BatchHeader) -> None:
    """Write `header` in front of a batch, with the CRC of the batch in place of the header's."""
    _HEADER.pack_into(batch, 0, *header)
    _CRC.pack_into(batch, CRC_POSITION, crc32c(memoryview(batch)[CRC_END:]))


def iterate_batches(view: Buffer) -> Iterator[memoryview]:
    """Yield the whole batches of a fetch answer; a last one that is cut is left out.

    ProtocolError when a batch claims to be shorter than its own header.
    """
    view = memoryview(view)
    position, end = 0, len(view)
    while end - position >= HEADER_BYTES:
        (length,) = _LENGTH.unpack_from(view, position + 8)
        if length < HEADER_BYTES - LENGTH_END:
            raise ProtocolError(f"a record batch of length {length}", position)
        if length + LENGTH_END > end - position:
            return
        yield view[position : position + LENGTH_END + length]
        position += LENGTH_END + length
