"""One outcome for a batch, and who hears of it."""

from minikafka import KafkaError, RecordMetadata
from minikafka.client.batch_delivery import NO_OFFSET, BatchDelivery


def batch_of(count: int) -> BatchDelivery:
    """So many records, sent at 100, 101, ..."""
    batch = BatchDelivery("t", 2)
    batch.timestamps.extend(range(100, 100 + count))
    return batch


def test_each_record_has_its_place():
    batch = batch_of(3)
    batch.succeed(50, -1)
    assert batch.metadata(2) == RecordMetadata("t", 2, 52, 102)
    batch.succeed(50, 999)
    assert batch.metadata(2) == RecordMetadata("t", 2, 52, 999)
    batch.succeed(NO_OFFSET, -1)
    assert batch.metadata(2) == RecordMetadata("t", 2, NO_OFFSET, 102)


def test_whoever_waits_is_told_once():
    batch, told = batch_of(3), list[str]()
    for index, name in [(0, "a"), (0, "b"), (2, "c")]:
        batch.waiting.setdefault(index, []).append((print, lambda name=name: told.append(name)))
    batch.cancel(2)
    assert told == ["c"]
    batch.succeed(50, -1)
    assert told == ["c", "a", "b"]
    assert batch.waiting == {}


def test_a_failure_tells_for_how_many_records_nobody_waits():
    batch = batch_of(5)
    batch.waiting[0] = [(print, lambda: None)]
    batch.cancel(3)
    assert batch.fail(KafkaError("refused")) == 3
    assert batch_of(5).fail(KafkaError("refused")) == 5
