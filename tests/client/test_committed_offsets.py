"""Committed offsets, from coordinators of every version, also while they move or wait."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from minikafka.client.committed_offsets import OffsetAndMetadata, fetch_committed
from minikafka.client.coordinator import Coordinator
from minikafka.client.errors import KafkaTimeout, UnsupportedByCluster
from minikafka.client.metadata import TopicPartition
from minikafka.client.network import Network
from minikafka.client.settings import NetworkSettings
from minikafka.protocol.api.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minikafka.protocol.api.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from minikafka.protocol.errors import ErrorCode, KafkaError

from ..broker.in_process import serving
from ..transport.scripted_broker import HANG_UP, ScriptedBroker
from .cluster import Cluster
from .coordination import FIND_COORDINATOR, coordinated_by, serve_up_to

OFFSET_FETCH = 9
DEADLINE_MS = 10_000
T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)
COMMITTED = {0: (70, "note", 5)}
"""Partition, and what the scripted group has committed for it."""


def told(request: OffsetFetchRequest, code: ErrorCode, partition_code: ErrorCode) -> object:
    """The answer of a group that has committed COMMITTED, in the form of the request."""
    if request.groups:
        wanted = request.groups[0].topics
        indexes = list(COMMITTED) if wanted is None else wanted[0].partition_indexes
        partitions = [
            OffsetFetchResponsePartitions(**_fields(index, partition_code)) for index in indexes
        ]
        topics = [OffsetFetchResponseTopics(name="t", partitions=[] if code else partitions)]
        group = OffsetFetchResponseGroup(group_id="g", topics=topics, error_code=int(code))
        return OffsetFetchResponse(groups=[group])
    wanted = request.topics
    indexes = list(COMMITTED) if wanted is None else wanted[0].partition_indexes
    partitions = [
        OffsetFetchResponsePartition(**_fields(index, partition_code)) for index in indexes
    ]
    topics = [OffsetFetchResponseTopic(name="t", partitions=[] if code else partitions)]
    return OffsetFetchResponse(topics=topics, error_code=int(code))


def _fields(index: int, code: ErrorCode) -> dict[str, object]:
    offset, metadata, epoch = COMMITTED.get(index, (-1, "", -1))
    return {
        "partition_index": index,
        "committed_offset": -1 if code else offset,
        "committed_leader_epoch": epoch,
        "metadata": metadata,
        "error_code": int(code),
    }


def group_with(*codes: ErrorCode | object) -> Callable[[OffsetFetchRequest], object]:
    """An OffsetFetch handler: the n-th request gets the n-th error, later ones the offsets."""
    left = list(codes)

    def handle(request: OffsetFetchRequest) -> object:
        code = left.pop(0) if left else ErrorCode.NONE
        return told(request, code, ErrorCode.NONE) if isinstance(code, ErrorCode) else code

    return handle


@asynccontextmanager
async def coordinator_at(port: int) -> AsyncIterator[Coordinator]:
    """The coordinator of the group `g`, found through a broker at this port."""
    settings = NetworkSettings((("127.0.0.1", port),), retry_backoff_ms=1)
    network = Network(settings, Random(1))
    await network.start()
    try:
        yield Coordinator(network, "g")
    finally:
        await network.close()


@pytest.mark.parametrize("version", range(1, 11))
async def test_what_was_committed_is_read_from_coordinators_of_each_version(version: int):
    handlers = {OFFSET_FETCH: group_with(), FIND_COORDINATOR: coordinated_by(1)}
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        serve_up_to(broker, OFFSET_FETCH, version, first=1)
        async with coordinator_at(broker.port) as coordinator:
            committed = await fetch_committed(coordinator, [T0, T1], DEADLINE_MS)
            epoch = 5 if version >= 5 else -1
            assert committed == {T0: OffsetAndMetadata(70, "note", epoch)}
            if version >= 2:
                assert await fetch_committed(coordinator, None, DEADLINE_MS) == committed
        assert {spoken for key, spoken, _ in broker.requests if key == OFFSET_FETCH} == {
            min(version, 9)
        }


async def test_a_coordinator_that_cannot_list_what_was_committed_says_so():
    async with ScriptedBroker({FIND_COORDINATOR: coordinated_by(1)}) as broker:
        Cluster(broker)
        serve_up_to(broker, OFFSET_FETCH, 1)
        async with coordinator_at(broker.port) as coordinator:
            with pytest.raises(UnsupportedByCluster, match="name the partitions"):
                await fetch_committed(coordinator, None, DEADLINE_MS)
        assert not broker.requests_of(OFFSET_FETCH)


async def test_no_partitions_are_no_question():
    async with ScriptedBroker() as broker:
        Cluster(broker)
        async with coordinator_at(broker.port) as coordinator:
            assert await fetch_committed(coordinator, [], DEADLINE_MS) == {}
        assert not broker.requests_of(FIND_COORDINATOR)


@pytest.mark.parametrize("version", [7, 9])
async def test_unstable_offsets_are_asked_for_until_they_are_stable(version: int):
    answers = [ErrorCode.UNSTABLE_OFFSET_COMMIT] * 2

    def handle(request: OffsetFetchRequest) -> object:
        assert request.require_stable
        return told(request, ErrorCode.NONE, answers.pop() if answers else ErrorCode.NONE)

    handlers = {OFFSET_FETCH: handle, FIND_COORDINATOR: coordinated_by(1)}
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        serve_up_to(broker, OFFSET_FETCH, version)
        async with coordinator_at(broker.port) as coordinator:
            committed = await fetch_committed(coordinator, [T0], DEADLINE_MS, require_stable=True)
        assert committed[T0].offset == 70
        assert len(broker.requests_of(OFFSET_FETCH)) == 3
        assert len(broker.requests_of(FIND_COORDINATOR)) == 1


async def test_stable_offsets_are_asked_of_an_old_coordinator_as_it_understands_it():
    handlers = {OFFSET_FETCH: group_with(), FIND_COORDINATOR: coordinated_by(1)}
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        serve_up_to(broker, OFFSET_FETCH, 6)
        async with coordinator_at(broker.port) as coordinator:
            assert await fetch_committed(coordinator, [T0], DEADLINE_MS, require_stable=True)


@pytest.mark.parametrize("answer", [ErrorCode.NOT_COORDINATOR, HANG_UP])
async def test_the_next_coordinator_is_asked_when_the_group_has_moved(answer: object):
    async with ScriptedBroker() as old, ScriptedBroker() as new:
        Cluster(old, new)
        old.handlers[OFFSET_FETCH] = group_with(answer, answer, answer, answer)
        new.handlers[OFFSET_FETCH] = group_with(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        old.handlers[FIND_COORDINATOR] = new.handlers[FIND_COORDINATOR] = coordinated_by(1, 2)
        async with coordinator_at(old.port) as coordinator:
            assert (await fetch_committed(coordinator, [T0], DEADLINE_MS))[T0].offset == 70
        assert len(old.requests_of(OFFSET_FETCH)) == 1
        assert len(new.requests_of(OFFSET_FETCH)) == 2


async def test_a_coordinator_that_is_dead_does_not_use_up_the_time():
    async with ScriptedBroker() as old, ScriptedBroker() as new:
        Cluster(old, new)
        new.handlers[OFFSET_FETCH] = group_with()
        new.handlers[FIND_COORDINATOR] = coordinated_by(1, 1, 2)
        async with coordinator_at(new.port) as coordinator:
            await old.stop()
            assert (await fetch_committed(coordinator, [T0], DEADLINE_MS))[T0].offset == 70


async def test_version_1_says_of_each_partition_that_the_group_has_moved():
    answers = [ErrorCode.NOT_COORDINATOR]

    def handle(request: OffsetFetchRequest) -> object:
        return told(request, ErrorCode.NONE, answers.pop() if answers else ErrorCode.NONE)

    handlers = {OFFSET_FETCH: handle, FIND_COORDINATOR: coordinated_by(1)}
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        serve_up_to(broker, OFFSET_FETCH, 1)
        async with coordinator_at(broker.port) as coordinator:
            assert (await fetch_committed(coordinator, [T0], DEADLINE_MS))[T0].offset == 70
        assert len(broker.requests_of(FIND_COORDINATOR)) == 2


async def test_an_error_that_no_waiting_can_mend_names_the_group_or_the_partition():
    group_error, partition_error = (
        ErrorCode.GROUP_AUTHORIZATION_FAILED,
        ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    )
    async with ScriptedBroker({FIND_COORDINATOR: coordinated_by(1)}) as broker:
        Cluster(broker)
        async with coordinator_at(broker.port) as coordinator:
            broker.handlers[OFFSET_FETCH] = lambda asked: told(asked, group_error, group_error)
            with pytest.raises(KafkaError, match="group 'g'") as caught:
                await fetch_committed(coordinator, [T0], DEADLINE_MS)
            assert caught.value.code is group_error
            broker.handlers[OFFSET_FETCH] = lambda asked: told(
                asked, ErrorCode.NONE, partition_error
            )
            with pytest.raises(KafkaError, match="t-0") as caught:
                await fetch_committed(coordinator, [T0], DEADLINE_MS)
            assert caught.value.code is partition_error


async def test_a_coordinator_that_goes_on_loading_is_a_timeout():
    busy = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    handlers = {
        OFFSET_FETCH: lambda asked: told(asked, busy, ErrorCode.NONE),
        FIND_COORDINATOR: coordinated_by(1),
    }
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        async with coordinator_at(broker.port) as coordinator:
            with pytest.raises(KafkaTimeout, match="group 'g'"):
                await fetch_committed(coordinator, None, 50)


async def test_our_broker_tells_what_was_committed(tmp_path: Path):
    async with serving(tmp_path) as node:
        await node.create("t", partitions=2)
        async with coordinator_at(node.address[1]) as coordinator:
            assert await fetch_committed(coordinator, None, DEADLINE_MS) == {}
            written = OffsetCommitRequestPartition(
                partition_index=1,
                committed_offset=7,
                committed_leader_epoch=0,
                committed_metadata="so far",
            )
            topic = OffsetCommitRequestTopic(name="t", partitions=[written])
            answer = await node.call(OffsetCommitRequest(group_id="g", topics=[topic]), 9)
            assert answer.topics[0].partitions[0].error_code == 0
            committed = {T1: OffsetAndMetadata(7, "so far", 0)}
            assert await fetch_committed(coordinator, None, DEADLINE_MS) == committed
            assert await fetch_committed(coordinator, [T0, T1], DEADLINE_MS) == committed
