"""A batch is opened within bounds, whatever its producer put into it."""

import pytest

from minikafka.broker.log.opened_batch import MAX_OPENED_BYTES, MAX_OPENED_RECORDS, open_batch
from minikafka.protocol.batch import read_header
from minikafka.protocol.compression import CompressionType
from minikafka.protocol.primitives import ProtocolError
from minikafka.protocol.records import BatchBuilder


def batch_of(count: int, value: bytes | None, codec: CompressionType) -> bytearray:
    """So many records of one value."""
    builder = BatchBuilder(codec)
    for _ in range(count):
        builder.append(1, b"k", value)
    return builder.build()


@pytest.mark.parametrize("codec", CompressionType)
def test_an_honest_batch_is_opened(codec: CompressionType) -> None:
    batch = batch_of(1000, b"v" * 100, codec)
    assert [each.offset for each in open_batch(batch, read_header(batch))] == list(range(1000))


def test_as_many_records_as_may_be_are_opened_and_no_more() -> None:
    most = batch_of(MAX_OPENED_RECORDS, None, CompressionType.zstd)
    assert sum(1 for _ in open_batch(most, read_header(most))) == MAX_OPENED_RECORDS
    more = batch_of(MAX_OPENED_RECORDS + 1, None, CompressionType.zstd)
    with pytest.raises(ProtocolError, match=str(MAX_OPENED_RECORDS + 1)):
        next(open_batch(more, read_header(more)))


def test_a_batch_that_opens_into_too_many_bytes_is_refused() -> None:
    bomb = batch_of(1, bytes(MAX_OPENED_BYTES), CompressionType.zstd)
    with pytest.raises(ProtocolError):
        next(open_batch(bomb, read_header(bomb)))
