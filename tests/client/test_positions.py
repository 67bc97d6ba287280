"""Where a consumer begins: what is committed, else what the option says, else an error."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from minikafka import Consumer, KafkaError, TopicPartition
from minikafka.client.errors import NoOffset
from minikafka.protocol.api.list_offsets import ListOffsetsRequest
from minikafka.protocol.api.offset_fetch import OffsetFetchRequest
from minikafka.protocol.errors import ErrorCode

from ..transport.scripted_broker import FETCH, LIST_OFFSETS, ScriptedBroker
from .cluster import Cluster
from .scripted_group import DEADLINE_MS, OFFSET_FETCH, ScriptedGroup, member_at, take

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A broker that leads t-0 and coordinates `g`."""
    async with ScriptedBroker() as broker:
        yield broker


@pytest.fixture
def cluster(broker: ScriptedBroker) -> Cluster:
    """What the broker says of the cluster."""
    return Cluster(broker)


@pytest.fixture
def group(broker: ScriptedBroker, cluster: Cluster) -> ScriptedGroup:
    """Each partition has the records 0 to 9."""
    return ScriptedGroup(broker)


def assigned(broker: ScriptedBroker, *names: TopicPartition, **options: Any) -> Consumer:
    """A consumer of these partitions that is in no group's rounds."""
    consumer = member_at(broker, **options)
    consumer._selection = None  # pyright: ignore[reportPrivateUsage]
    consumer.assign(names)
    return consumer


async def test_what_is_committed_comes_first(broker: ScriptedBroker, group: ScriptedGroup):
    group.committed = {T0: 6}
    async with member_at(broker) as consumer:
        assert await take(consumer, 1) == [6]
    assert not broker.requests_of(LIST_OFFSETS)


@pytest.mark.parametrize(("option", "position"), [("earliest", 0), ("latest", 10)])
async def test_where_nothing_is_committed_the_option_says_where(
    broker: ScriptedBroker, group: ScriptedGroup, option: str, position: int
):
    async with assigned(broker, T0, auto_offset_reset=option) as consumer:
        assert await consumer.position(T0) == position


async def test_with_none_the_user_has_to_seek(broker: ScriptedBroker, group: ScriptedGroup):
    async with assigned(broker, T0, auto_offset_reset="none") as consumer:
        with pytest.raises(NoOffset, match="t-0 has no position, and auto_offset_reset is none"):
            await consumer.getone(timeout_ms=DEADLINE_MS)
        consumer.seek(T0, 3)
        assert await take(consumer, 1) == [3]


async def test_a_seek_while_the_question_is_asked_is_not_undone(
    broker: ScriptedBroker, group: ScriptedGroup
):
    group.committed = {T0: 6}
    consumer = assigned(broker, T0)

    def seek_meanwhile(request: OffsetFetchRequest) -> Any:
        consumer.seek(T0, 2)
        return group.fetch_offsets(request)

    broker.handlers[OFFSET_FETCH] = seek_meanwhile
    async with consumer:
        assert await take(consumer, 1) == [2]


async def test_a_partition_that_the_group_deals_out_before_it_is_known_is_waited_for(
    broker: ScriptedBroker, cluster: Cluster, group: ScriptedGroup
):
    group.committed = {T0: 6}
    async with assigned(broker, T0, T1) as consumer:
        while not broker.requests_of(OFFSET_FETCH):
            await asyncio.sleep(0)
        assert await take(consumer, 1) == [6]
        cluster.leaders = {0: 1, 1: 1}
        assert sorted(await take(consumer, 13)) == sorted([7, 8, 9, *range(10)])


async def test_without_a_group_a_partition_that_is_not_there_is_an_error(
    broker: ScriptedBroker, group: ScriptedGroup
):
    with pytest.raises(ValueError, match="topic t has no partition 1"):
        await assigned(broker, T1, group_id=None).start()


async def test_an_offset_that_may_not_be_asked_for_is_an_error_that_names_the_partition(
    broker: ScriptedBroker, group: ScriptedGroup
):
    def refuse(request: ListOffsetsRequest) -> Any:
        answer = group.list_offsets(request)
        answer.topics[0].partitions[0].error_code = int(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
        return answer

    broker.handlers[LIST_OFFSETS] = refuse
    async with assigned(broker, T0) as consumer:
        with pytest.raises(KafkaError, match="t-0") as caught:
            await consumer.getone(timeout_ms=DEADLINE_MS)
        assert caught.value.code is ErrorCode.TOPIC_AUTHORIZATION_FAILED


async def test_what_may_pass_is_asked_again(broker: ScriptedBroker, group: ScriptedGroup):
    codes = [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.OFFSET_NOT_AVAILABLE]

    def answer_later(request: ListOffsetsRequest) -> Any:
        answer = group.list_offsets(request)
        if codes:
            answer.topics[0].partitions[0].error_code = int(codes.pop())
        return answer

    broker.handlers[LIST_OFFSETS] = answer_later
    async with assigned(broker, T0) as consumer:
        assert await take(consumer, 1) == [0]


async def test_offsets_of_open_transactions_are_waited_for(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with assigned(broker, T0) as consumer:
        assert await take(consumer, 1) == [0]
    assert all(each.require_stable for each in broker.requests_of(OFFSET_FETCH))


async def test_a_fault_that_nobody_foresaw_is_told_and_does_not_hang(
    broker: ScriptedBroker, group: ScriptedGroup, monkeypatch: pytest.MonkeyPatch
):
    async with assigned(broker) as consumer:

        async def fault() -> None:
            raise ZeroDivisionError("out of the blue")

        assert consumer._running is not None  # pyright: ignore[reportPrivateUsage]
        positions = consumer._running.fetcher.positions  # pyright: ignore[reportPrivateUsage]
        monkeypatch.setattr(positions, "find", fault)
        consumer.assign([T0])
        with pytest.raises(KafkaError, match="out of the blue"):
            await consumer.getone(timeout_ms=DEADLINE_MS)
    assert not broker.requests_of(FETCH)
