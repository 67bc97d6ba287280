"""Transactions that were aborted: hidden from those who read committed records, and only those."""

from typing import Any

import pytest

from minikafka.client.aborted import Aborted
from minikafka.protocol.api.fetch import (
    AbortedTransaction,
    FetchRequest,
    FetchResponse,
    FetchResponsePartition,
    FetchResponseTopic,
)
from minikafka.protocol.batch import iterate_batches, read_header
from minikafka.protocol.records import BatchBuilder

from ..transport.scripted_broker import FETCH, SILENCE, ScriptedBroker
from .cluster import Cluster
from .scripted_group import ScriptedGroup, member_at, take

ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"


def batch(offset: int, count: int = 1, *, pid: int = -1) -> bytes:
    """Records whose values are their offsets; transactional where there is a producer id."""
    builder = BatchBuilder(transactional=pid >= 0)
    for each in range(offset, offset + count):
        builder.append(5, None, b"%d" % each)
    return bytes(builder.build(offset, producer_id=pid, producer_epoch=0))


def marker(offset: int, key: bytes | None, *, pid: int) -> bytes:
    """A control batch."""
    builder = BatchBuilder(transactional=True, control=True)
    builder.append(5, key, b"\0\0\0\0\0\0")
    return bytes(builder.build(offset, producer_id=pid, producer_epoch=0))


def aborted(pid: int, first_offset: int) -> AbortedTransaction:
    """What a broker says of one."""
    return AbortedTransaction(producer_id=pid, first_offset=first_offset)


def seen(log: bytes, *transactions: AbortedTransaction) -> list[int]:
    """The first offsets of the batches that are not hidden, markers included."""
    hidden = Aborted(transactions)
    views = list(iterate_batches(memoryview(log)))
    headers = [read_header(view) for view in views]
    return [
        header.base_offset
        for view, header in zip(views, headers, strict=True)
        if not hidden.hides(view, header)
    ]


def test_without_aborted_transactions_everything_counts():
    assert seen(batch(0, pid=7) + marker(1, COMMIT, pid=7) + batch(2)) == [0, 1, 2]


def test_a_transaction_is_void_from_its_first_offset_to_its_marker():
    log = batch(0, pid=7) + marker(1, COMMIT, pid=7)
    log += batch(2, 3, pid=7) + batch(5, pid=7) + marker(6, ABORT, pid=7) + batch(7, pid=7)
    assert seen(log, aborted(7, 2)) == [0, 1, 6, 7]


def test_other_producers_and_records_outside_of_transactions_count_meanwhile():
    log = batch(0, pid=7) + batch(1, pid=8) + batch(2) + marker(3, ABORT, pid=7)
    assert seen(log, aborted(7, 0)) == [1, 2, 3]


def test_a_producer_may_abort_again():
    log = batch(0, pid=7) + marker(1, ABORT, pid=7) + batch(2, pid=7) + marker(3, COMMIT, pid=7)
    log += batch(4, pid=7) + marker(5, ABORT, pid=7) + batch(6, pid=7)
    assert seen(log, aborted(7, 4), aborted(7, 0)) == [1, 2, 3, 5, 6]


def test_a_fetch_from_the_middle_of_a_transaction_hides_the_rest_of_it():
    assert seen(batch(8, pid=7) + marker(9, ABORT, pid=7), aborted(7, 2)) == [9]


@pytest.mark.parametrize("key", [None, b"\0"])
def test_a_marker_that_says_nothing_ends_no_transaction(key: bytes | None):
    log = batch(0, pid=7) + marker(1, key, pid=7) + batch(2, pid=7)
    assert 2 not in seen(log, aborted(7, 0))


def fetched(log: bytes, *transactions: AbortedTransaction, end: int = 99) -> Any:
    """A Fetch handler: the whole log once, with what was aborted; then silence."""
    answers = [log]

    def handle(request: FetchRequest) -> Any:
        if not answers:
            return SILENCE
        (topic,) = request.topics
        partition = FetchResponsePartition(
            partition_index=0,
            error_code=0,
            high_watermark=99,
            last_stable_offset=end,
            aborted_transactions=list(transactions) if request.isolation_level else None,
            records=answers.pop(),
        )
        answer = FetchResponseTopic(
            topic=topic.topic, topic_id=topic.topic_id, partitions=[partition]
        )
        return FetchResponse(responses=[answer])

    return handle


async def test_a_committed_transaction_after_an_aborted_one_of_its_producer_is_read():
    log = batch(0, 2, pid=7) + marker(2, ABORT, pid=7)
    log += batch(3, 2, pid=7) + marker(5, COMMIT, pid=7) + batch(6)
    async with ScriptedBroker({FETCH: fetched(log, aborted(7, 0))}) as broker:
        Cluster(broker)
        ScriptedGroup(broker)
        async with member_at(broker, group_id=None, isolation_level="read_committed") as consumer:
            assert await take(consumer, 3) == [3, 4, 6]
            assert await consumer.position(("t", 0)) == 7
        assert {each.isolation_level for each in broker.requests_of(FETCH)} == {1}


async def test_what_is_hidden_moves_the_position_and_so_the_commit():
    log = batch(0, 5, pid=7) + marker(5, ABORT, pid=7)
    async with ScriptedBroker({FETCH: fetched(log, aborted(7, 0), end=6)}) as broker:
        Cluster(broker)
        group = ScriptedGroup(broker)
        async with member_at(broker, isolation_level="read_committed") as consumer:
            while await consumer.position(("t", 0)) < 6 if consumer.assignment() else True:
                assert await consumer.getmany(timeout_ms=20) == {}
            await consumer.commit()
        assert group.committed == {("t", 0): 6}


async def test_who_reads_uncommitted_records_reads_the_aborted_ones():
    log = batch(0, 2, pid=7) + marker(2, ABORT, pid=7) + batch(3)
    async with ScriptedBroker({FETCH: fetched(log, aborted(7, 0))}) as broker:
        Cluster(broker)
        ScriptedGroup(broker)
        async with member_at(broker, group_id=None) as consumer:
            assert await take(consumer, 3) == [0, 1, 3]
