"""Offsets altered and deleted from outside of a group, which has to be empty."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minikafka import AdminClient, KafkaError, OffsetAndMetadata, TopicPartition
from minikafka.client.errors import UnsupportedByCluster
from minikafka.protocol.api.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from minikafka.protocol.api.offset_delete import OffsetDeleteResponse
from minikafka.protocol.errors import ErrorCode

from ..broker.handlers.group_member import GROUP, RawMember
from ..broker.in_process import ServedNode, serving
from ..transport.scripted_broker import HANG_UP, ScriptedBroker
from .cluster import Cluster
from .coordination import FIND_COORDINATOR, coordinated_by, serve_up_to

OFFSET_COMMIT, OFFSET_DELETE = 8, 47
ORDERS_0, ORDERS_1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
T0 = TopicPartition("t", 0)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    """A node with a topic that the member of a group reads, and another."""
    async with serving(tmp_path) as node:
        await node.create("orders", partitions=2)
        await node.create("other")
        yield node


@pytest.fixture
async def admin(node: ServedNode) -> AsyncIterator[AdminClient]:
    """An administrator of it."""
    async with AdminClient(bootstrap_servers=f"127.0.0.1:{node.address[1]}") as admin:
        yield admin


async def test_the_offsets_of_an_empty_group_are_altered_read_and_deleted(admin: AdminClient):
    noted = OffsetAndMetadata(7, "by hand", 0)
    await admin.alter_group_offsets(GROUP, {ORDERS_0: 3, ORDERS_1: noted})
    expected = {ORDERS_0: OffsetAndMetadata(3), ORDERS_1: noted}
    assert await admin.list_group_offsets(GROUP) == expected
    assert await admin.list_group_offsets(GROUP, [ORDERS_1]) == {ORDERS_1: noted}
    await admin.delete_group_offsets(GROUP, [ORDERS_1])
    assert await admin.list_group_offsets(GROUP) == {ORDERS_0: OffsetAndMetadata(3)}


async def test_nothing_to_do_is_no_question(admin: AdminClient):
    await admin.alter_group_offsets(GROUP, {})
    await admin.delete_group_offsets(GROUP, [])
    assert await admin.list_groups() == []


async def test_offsets_of_a_group_with_members_stay_and_the_error_says_what_to_do(
    node: ServedNode, admin: AdminClient
):
    member = await RawMember.of(node)
    await member.settle()
    assert await member.commit(1) is ErrorCode.NONE
    with pytest.raises(
        KafkaError, match="group 'billing': it still has members; stop them"
    ) as caught:
        await admin.alter_group_offsets(GROUP, {ORDERS_0: 0, ORDERS_1: 0})
    assert caught.value.code is ErrorCode.UNKNOWN_MEMBER_ID
    assert str(caught.value).count("stop them") == 1
    assert await admin.list_group_offsets(GROUP) == {ORDERS_0: OffsetAndMetadata(1)}


async def test_offsets_of_a_topic_that_members_read_are_not_deleted(
    node: ServedNode, admin: AdminClient
):
    await admin.alter_group_offsets(GROUP, {ORDERS_0: 1, TopicPartition("other", 0): 2})
    await (await RawMember.of(node)).settle()
    with pytest.raises(KafkaError, match="orders-0 of group 'billing'") as caught:
        await admin.delete_group_offsets(GROUP, [ORDERS_0, TopicPartition("other", 0)])
    assert caught.value.code is ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    assert await admin.list_group_offsets(GROUP) == {ORDERS_0: OffsetAndMetadata(1)}


async def test_a_partition_that_is_not_there_is_named_and_the_others_are_done(
    admin: AdminClient,
):
    with pytest.raises(KafkaError, match="orders-9 of group 'billing'") as caught:
        await admin.alter_group_offsets(GROUP, {TopicPartition("orders", 9): 1, ORDERS_0: 1})
    assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await admin.list_group_offsets(GROUP) == {ORDERS_0: OffsetAndMetadata(1)}


async def test_deleting_offsets_of_a_group_that_is_not_there_is_an_error(admin: AdminClient):
    with pytest.raises(KafkaError, match="group 'nobody'") as caught:
        await admin.delete_group_offsets("nobody", [ORDERS_0])
    assert caught.value.code is ErrorCode.GROUP_ID_NOT_FOUND


def committed(request: OffsetCommitRequest, code: ErrorCode) -> OffsetCommitResponse:
    """Every partition is committed, or has this error."""
    topics = [
        OffsetCommitResponseTopic(
            name=topic.name,
            partitions=[
                OffsetCommitResponsePartition(
                    partition_index=each.partition_index, error_code=int(code)
                )
                for each in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    return OffsetCommitResponse(topics=topics)


@pytest.mark.parametrize("version", range(2, 11))
async def test_offsets_are_committed_to_coordinators_of_each_version(version: int):
    handlers = {
        OFFSET_COMMIT: lambda request: committed(request, ErrorCode.NONE),
        FIND_COORDINATOR: coordinated_by(1),
    }
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        serve_up_to(broker, OFFSET_COMMIT, version, first=2)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            await admin.alter_group_offsets("g", {T0: OffsetAndMetadata(7, "text", 3)})
        (request,) = broker.requests_of(OFFSET_COMMIT)
        assert (request.generation_id_or_member_epoch, request.member_id) == (-1, "")
        (partition,) = request.topics[0].partitions
        assert (partition.committed_offset, partition.committed_metadata) == (7, "text")
        assert partition.committed_leader_epoch == (3 if version >= 6 else -1)


@pytest.mark.parametrize("answer", [ErrorCode.NOT_COORDINATOR, HANG_UP])
async def test_a_commit_goes_on_to_the_new_coordinator(answer: object):
    def old_answer(request: OffsetCommitRequest) -> object:
        return committed(request, answer) if isinstance(answer, ErrorCode) else answer

    async with ScriptedBroker() as old, ScriptedBroker() as new:
        Cluster(old, new)
        old.handlers[FIND_COORDINATOR] = new.handlers[FIND_COORDINATOR] = coordinated_by(1, 2)
        old.handlers[OFFSET_COMMIT] = old_answer
        new.handlers[OFFSET_COMMIT] = lambda request: committed(request, ErrorCode.NONE)
        async with AdminClient(bootstrap_servers=old.bootstrap, retry_backoff_ms=1) as admin:
            await admin.alter_group_offsets("g", {T0: 7})
        assert len(new.requests_of(OFFSET_COMMIT)) == 1


@pytest.mark.parametrize(
    "code", [ErrorCode.ILLEGAL_GENERATION, ErrorCode.REBALANCE_IN_PROGRESS], ids=str
)
async def test_each_way_to_refuse_an_outsider_says_what_to_do(code: ErrorCode):
    handlers = {
        OFFSET_COMMIT: lambda request: committed(request, code),
        FIND_COORDINATOR: coordinated_by(1),
    }
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            with pytest.raises(KafkaError, match="group 'g': it still has members") as caught:
                await admin.alter_group_offsets("g", {T0: 7})
        assert caught.value.code is code


async def test_a_group_of_others_than_consumers_keeps_its_offsets():
    code = int(ErrorCode.NON_EMPTY_GROUP)
    handlers = {
        OFFSET_DELETE: lambda _: OffsetDeleteResponse(error_code=code, topics=[]),
        FIND_COORDINATOR: coordinated_by(1),
    }
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            with pytest.raises(KafkaError, match="group 'g': it still has members"):
                await admin.delete_group_offsets("g", [T0])


async def test_a_cluster_that_cannot_delete_offsets_says_so():
    async with ScriptedBroker({FIND_COORDINATOR: coordinated_by(1)}) as broker:
        Cluster(broker)
        serve_up_to(broker, OFFSET_DELETE, -1)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            with pytest.raises(UnsupportedByCluster, match="OffsetDelete"):
                await admin.delete_group_offsets("g", [T0])
