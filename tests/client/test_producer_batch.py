"""One batch: its bytes are made once, and made again only with another number."""

import pytest

from minikafka.client.producer_batch import NO_SEQUENCE, ProducerBatch
from minikafka.protocol.records import crc_matches, iterate, read_header


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4])
def test_another_number_changes_the_header_alone(compression: int):
    batch = ProducerBatch("t", 0, compression, 0, 100)
    for number in range(20):
        batch.builder.append(1000 + number, b"k", b"%d" % number)
    batch.encode(7, 1, 40)
    before = batch.encoded
    batch.give_up_number()
    assert batch.base_sequence == NO_SEQUENCE
    batch.encode(8, 0, 0)
    header = read_header(batch.encoded)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (8, 0, 0)
    assert crc_matches(batch.encoded, header)
    assert list(iterate(batch.encoded)) == list(iterate(before))
    assert read_header(before).producer_id == 7, "the old bytes may still be on their way"
