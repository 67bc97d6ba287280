"""A member against scripted coordinators: old, moved, dead, silent, and such as talk nonsense."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from minikafka import KafkaError
from minikafka.client import group_member
from minikafka.client.errors import KafkaTimeout
from minikafka.protocol.api.heartbeat import HeartbeatResponse
from minikafka.protocol.api.join_group import JoinGroupResponse
from minikafka.protocol.api.metadata import MetadataRequest, MetadataResponse
from minikafka.protocol.errors import ErrorCode

from ..broker.in_process import until
from ..transport.scripted_broker import (
    FETCH,
    HANG_UP,
    LIST_OFFSETS,
    METADATA,
    SILENCE,
    ScriptedBroker,
)
from .cluster import Cluster
from .coordination import FIND_COORDINATOR, coordinated_by, serve_up_to
from .scripted_group import (
    DEADLINE_MS,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    MEMBER_ID,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    SYNC_GROUP,
    ScriptedGroup,
    member_at,
    take,
)

KAFKA_0_11 = {
    FETCH: 5,
    LIST_OFFSETS: 2,
    METADATA: 4,
    OFFSET_COMMIT: 3,
    OFFSET_FETCH: 3,
    FIND_COORDINATOR: 1,
    JOIN_GROUP: 2,
    HEARTBEAT: 1,
    LEAVE_GROUP: 1,
    SYNC_GROUP: 1,
}
KAFKA_2_3 = KAFKA_0_11 | {
    FETCH: 11,
    METADATA: 8,
    OFFSET_COMMIT: 7,
    OFFSET_FETCH: 5,
    FIND_COORDINATOR: 2,
    JOIN_GROUP: 5,
    HEARTBEAT: 3,
    LEAVE_GROUP: 2,
    SYNC_GROUP: 3,
}


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A broker that leads t-0."""
    async with ScriptedBroker() as broker:
        yield broker


@pytest.fixture
def cluster(broker: ScriptedBroker) -> Cluster:
    """What the broker says of the cluster."""
    return Cluster(broker)


@pytest.fixture
def group(broker: ScriptedBroker, cluster: Cluster) -> ScriptedGroup:
    """The group `g`, coordinated by the broker."""
    return ScriptedGroup(broker)


@pytest.mark.parametrize("versions", [KAFKA_0_11, KAFKA_2_3, {}])
async def test_brokers_of_every_age_have_members_that_read_commit_and_leave(
    broker: ScriptedBroker, group: ScriptedGroup, versions: dict[int, int]
):
    for key, version in versions.items():
        serve_up_to(broker, key, version)
    async with member_at(broker) as consumer:
        assert await take(consumer, 3) == [0, 1, 2]
        await consumer.commit()
        await until(lambda: broker.requests_of(HEARTBEAT))
    assert group.committed == {("t", 0): 3}
    ((version, leave),) = [each[1:] for each in broker.requests if each[0] == LEAVE_GROUP]
    one = leave.member_id if version < 3 else leave.members[0].member_id
    assert one == MEMBER_ID


async def test_a_static_member_says_on_an_old_broker_that_it_cannot_be_one(
    broker: ScriptedBroker, group: ScriptedGroup
):
    serve_up_to(broker, JOIN_GROUP, 4)
    async with member_at(broker, group_instance_id="till-1") as consumer:
        with pytest.raises(KafkaError, match=r"group 'g'.*group_instance_id") as caught:
            await consumer.getone(timeout_ms=DEADLINE_MS)
        assert caught.value.code is ErrorCode.UNSUPPORTED_VERSION


async def test_a_coordinator_that_dies_is_looked_for_before_the_session_ends():
    async with ScriptedBroker() as leader, ScriptedBroker() as other:
        Cluster(leader, other)
        group = ScriptedGroup(leader, other)
        leader.handlers[FIND_COORDINATOR] = coordinated_by(2)
        async with member_at(leader, session_timeout_ms=DEADLINE_MS) as consumer:
            assert await take(consumer, 1) == [0]
            await other.stop()
            leader.handlers[FIND_COORDINATOR] = coordinated_by(1)
            async with asyncio.timeout(DEADLINE_MS / 1000):
                await until(lambda: leader.requests_of(HEARTBEAT))
            assert await take(consumer, 9) == list(range(1, 10))
        assert group.generation == 1


async def test_a_coordinator_that_has_moved_is_found_without_another_generation():
    async with ScriptedBroker() as old, ScriptedBroker() as new:
        Cluster(old, new)
        group = ScriptedGroup(old, new)
        async with member_at(old) as consumer:
            assert await take(consumer, 1) == [0]
            code = int(ErrorCode.NOT_COORDINATOR)
            old.handlers[HEARTBEAT] = lambda _: HeartbeatResponse(error_code=code)
            old.handlers[FIND_COORDINATOR] = new.handlers[FIND_COORDINATOR] = coordinated_by(2)
            await until(lambda: new.requests_of(HEARTBEAT))
            assert await take(consumer, 1) == [1]
        assert group.generation == 1
        assert new.requests_of(LEAVE_GROUP)


@pytest.mark.parametrize("key", [JOIN_GROUP, SYNC_GROUP])
@pytest.mark.parametrize("nonsense", [HANG_UP, b"\x7f\xff\xff\xff", b"\0\0\0\5\0\0\0\1\xff"])
async def test_nonsense_is_asked_again_and_the_timeout_says_what_is_in_the_way(
    broker: ScriptedBroker, group: ScriptedGroup, key: int, nonsense: Any
):
    broker.handlers[key] = lambda _: nonsense
    async with member_at(broker) as consumer:
        sentence = ""
        async with asyncio.timeout(DEADLINE_MS / 1000):
            while "it is not in group 'g' yet: connection to" not in sentence:
                with pytest.raises(KafkaTimeout, match="no record of no topic") as caught:
                    await consumer.getone(timeout_ms=50)
                sentence = str(caught.value)
        del broker.handlers[key]
        ScriptedGroup(broker)
        assert await take(consumer, 1) == [0]


async def test_what_no_waiting_can_mend_is_told_at_each_poll(
    broker: ScriptedBroker, group: ScriptedGroup
):
    code = ErrorCode.GROUP_MAX_SIZE_REACHED
    broker.handlers[JOIN_GROUP] = lambda _: JoinGroupResponse(
        error_code=int(code), generation_id=-1, leader="", member_id="", members=[]
    )
    async with member_at(broker) as consumer:
        for _ in range(2):
            with pytest.raises(KafkaError, match="group 'g'") as caught:
                await consumer.getmany(timeout_ms=DEADLINE_MS)
            assert caught.value.code is code
        with pytest.raises(KafkaError, match="t-0 was not committed: group 'g'"):
            await consumer.commit({("t", 0): 1})  # pyright: ignore[reportArgumentType]


async def test_a_goodbye_that_nobody_answers_does_not_keep_close_waiting(
    broker: ScriptedBroker, group: ScriptedGroup, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(group_member, "LEAVE_TIMEOUT_MS", 50)
    broker.handlers[LEAVE_GROUP] = lambda _: SILENCE
    consumer = await member_at(broker).start()
    await take(consumer, 1)
    async with asyncio.timeout(5):
        await consumer.close()
    assert broker.requests_of(LEAVE_GROUP)


async def test_a_topic_that_is_not_there_does_not_hold_up_the_group(
    broker: ScriptedBroker,
    cluster: Cluster,
    group: ScriptedGroup,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(group_member, "LOOK_UP_TIMEOUT_MS", 10 * DEADLINE_MS)
    is_there = False

    def metadata(request: MetadataRequest) -> MetadataResponse:
        answer = cluster.metadata(request)
        for topic in answer.topics:
            if topic.name == "later" and not is_there:
                topic.error_code = int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                topic.partitions = []
        return answer

    broker.handlers[METADATA] = metadata
    async with member_at(broker) as consumer:
        consumer.subscribe(["t", "later"])
        assert await take(consumer, 1) == [0]
        assert {name.topic for name in consumer.assignment()} == {"t"}
        is_there = True
        async with asyncio.timeout(DEADLINE_MS / 1000):
            while len(consumer.assignment()) < 2:
                await consumer.getmany(timeout_ms=50)


async def test_partitions_that_are_added_are_dealt_out(
    broker: ScriptedBroker, cluster: Cluster, group: ScriptedGroup
):
    async with member_at(broker, metadata_max_age_ms=20) as consumer:
        assert await take(consumer, 10) == list(range(10))
        await consumer.commit()
        cluster.leaders = {0: 1, 1: 1}
        assert await take(consumer, 10) == list(range(10))
        assert consumer.assignment() == {("t", 0), ("t", 1)}


async def test_a_fault_that_nobody_foresaw_is_told_and_does_not_hang(
    broker: ScriptedBroker, group: ScriptedGroup, monkeypatch: pytest.MonkeyPatch
):
    def fault(*_: object) -> None:
        raise ZeroDivisionError("out of the blue")

    monkeypatch.setattr(group_member, "_in_version", fault)
    async with member_at(broker) as consumer:
        with pytest.raises(KafkaError, match=r"group 'g': the group member failed.*the blue"):
            await consumer.getone(timeout_ms=DEADLINE_MS)


async def test_a_member_that_left_hears_nothing_more(broker: ScriptedBroker, group: ScriptedGroup):
    async with member_at(broker) as consumer:
        assert consumer._running is not None  # pyright: ignore[reportPrivateUsage]
        listeners = consumer._running.network.on_change  # pyright: ignore[reportPrivateUsage]
        before = len(listeners)
        for _ in range(3):
            await consumer.unsubscribe()
            consumer.subscribe(["t"])
        assert len(listeners) == before
