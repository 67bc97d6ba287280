"""One outcome for a batch, and who hears of it."""

import pytest

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


def test_a_failure_of_which_nobody_asks_is_logged_when_nobody_can(
    caplog: pytest.LogCaptureFixture,
):
    batch = batch_of(5)
    batch.waiting[0] = [(print, lambda: None)]
    batch.cancel(3)
    error = KafkaError("refused")
    batch.fail(error)
    assert batch.error_of(4) is error
    assert caplog.records == []
    del batch
    assert [each.getMessage() for each in caplog.records] == [
        "2 records of t-2 failed, and nobody asked: refused"
    ]


def test_nothing_is_logged_of_what_is_known(caplog: pytest.LogCaptureFixture):
    batch = batch_of(2)
    batch.fail(KafkaError("refused"))
    for index in range(2):
        batch.error_of(index)
    del batch
    written = batch_of(2)
    written.succeed(50, -1)
    del written
    unsent = batch_of(2)
    del unsent
    assert caplog.records == []
