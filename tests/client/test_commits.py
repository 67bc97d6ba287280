"""Commits: in order, in the right name, never further than the truth, and with a sentence."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from minikafka.client.commits import Commits, Identity, Offsets
from minikafka.client.committed_offsets import OffsetAndMetadata
from minikafka.client.coordinator import Coordinator
from minikafka.client.errors import KafkaTimeout
from minikafka.client.metadata import TopicPartition
from minikafka.client.network import Network
from minikafka.client.settings import NetworkSettings
from minikafka.client.subscription import Subscription
from minikafka.protocol.api.offset_commit import OffsetCommitResponse
from minikafka.protocol.errors import ErrorCode, KafkaError

from ..transport.scripted_broker import SILENCE, ScriptedBroker
from .cluster import Cluster
from .coordination import FIND_COORDINATOR, coordinated_by, serve_up_to
from .scripted_group import DEADLINE_MS, OFFSET_COMMIT, ScriptedGroup, member_at, take

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)
MEMBER = Identity(1, "m-1")


@asynccontextmanager
async def commits_at(
    broker: ScriptedBroker,
    identity: Callable[[], Identity] = lambda: MEMBER,
    on_refused: Callable[[ErrorCode, Identity, Offsets], bool] = lambda *_: False,
) -> AsyncIterator[tuple[Commits, Subscription]]:
    """Commits of a consumer that has t-0 and t-1, with position 5 in both."""
    settings = NetworkSettings((("127.0.0.1", broker.port),), retry_backoff_ms=1)
    network = Network(settings, Random(1))
    await network.start()
    subscription = Subscription()
    for state in subscription.assign([T0, T1]):
        state.set_position(5)
    commits = Commits(network, Coordinator(network, "g"), subscription, identity, on_refused)
    try:
        yield commits, subscription
    finally:
        await commits.close()
        await network.close()


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A broker that coordinates `g`."""
    async with ScriptedBroker() as broker:
        Cluster(broker)
        yield broker


@pytest.fixture
def group(broker: ScriptedBroker) -> ScriptedGroup:
    """The group, with a member in generation 1."""
    group = ScriptedGroup(broker)
    group.generation, group.is_known = 1, True
    return group


def at(offset: int, *names: TopicPartition) -> dict[TopicPartition, OffsetAndMetadata]:
    """An offset for these partitions."""
    return {name: OffsetAndMetadata(offset) for name in names or (T0,)}


async def test_positions_are_those_of_all_partitions_that_have_one(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with commits_at(broker) as (commits, subscription):
        subscription.partitions[T1].position = None
        assert commits.positions() == at(5)
        await commits.commit(commits.positions(), DEADLINE_MS)
        assert group.committed == {T0: 5}
        assert commits.positions() == at(5)


async def test_a_commit_in_the_background_never_undoes_a_later_one(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with commits_at(broker) as (commits, subscription):
        commits.begin_auto_commit(DEADLINE_MS)
        subscription.partitions[T0].set_position(9)
        await commits.commit(at(9), DEADLINE_MS)
        assert group.commits == [{T0: 5, T1: 5}, {T0: 9}]
        assert group.committed == {T0: 9, T1: 5}


async def test_what_is_committed_already_is_not_committed_by_itself(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with commits_at(broker) as (commits, subscription):
        await commits.commit_quietly(DEADLINE_MS)
        commits.begin_auto_commit(DEADLINE_MS)
        await commits.commit_quietly(DEADLINE_MS)
        assert group.commits == [{T0: 5, T1: 5}]
        subscription.partitions[T1].set_position(3)
        await commits.commit_quietly(DEADLINE_MS)
        assert group.commits[1:] == [{T1: 3}]


async def test_an_auto_commit_that_fails_is_logged_and_made_good_later(
    broker: ScriptedBroker, group: ScriptedGroup, caplog: pytest.LogCaptureFixture
):
    group.commit_codes = [ErrorCode.GROUP_AUTHORIZATION_FAILED]
    async with commits_at(broker) as (commits, _):
        with caplog.at_level(logging.WARNING):
            await commits.commit_quietly(DEADLINE_MS)
        assert "auto-commit: t-0 was not committed in group 'g'" in caplog.text
        await commits.commit_quietly(DEADLINE_MS)
        assert group.committed == {T0: 5, T1: 5}


async def test_a_rebalance_that_passes_is_waited_for(broker: ScriptedBroker, group: ScriptedGroup):
    group.commit_codes = [ErrorCode.REBALANCE_IN_PROGRESS] * 3
    async with commits_at(broker) as (commits, _):
        await commits.commit(at(7), DEADLINE_MS)
        assert group.committed == {T0: 7}


async def test_a_rebalance_that_does_not_end_is_an_error_in_time(
    broker: ScriptedBroker, group: ScriptedGroup
):
    group.commit_codes = [ErrorCode.REBALANCE_IN_PROGRESS] * 10_000
    async with commits_at(broker) as (commits, _):
        with pytest.raises(KafkaError, match="t-0 was not committed") as caught:
            await commits.commit(at(7), 100)
        late = {ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.REQUEST_TIMED_OUT}
        assert caught.value.code in late


@pytest.mark.parametrize("code", [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION])
async def test_who_lost_its_place_hears_of_which_partition_and_what_to_do(
    broker: ScriptedBroker, group: ScriptedGroup, code: ErrorCode
):
    refused: list[object] = []
    names = [MEMBER]

    def on_refused(code: ErrorCode, identity: Identity, offsets: Offsets) -> bool:
        refused.append((code, identity, offsets))
        names.clear()  # as the membership does, which has no place any more
        return False

    group.commit_codes = [code]
    async with commits_at(broker, lambda: names[0], on_refused) as (commits, _):
        with pytest.raises(KafkaError, match=r"t-0 was not .*max_poll_interval_ms") as caught:
            await commits.commit(at(7), DEADLINE_MS)
        assert caught.value.code is code
        assert refused == [(code, MEMBER, at(7))]


async def test_who_keeps_its_partitions_commits_in_the_name_of_the_next_generation(
    broker: ScriptedBroker, group: ScriptedGroup
):
    group.generation = 2
    names = [Identity(1, "m-1"), Identity(2, "m-1")]
    async with commits_at(broker, lambda: names.pop(0), lambda *_: True) as (commits, _):
        await commits.commit(at(7), DEADLINE_MS)
        assert group.committed == {T0: 7}


async def test_who_is_no_member_is_told_that_the_group_has_some(
    broker: ScriptedBroker, group: ScriptedGroup
):
    group.commit_codes = [ErrorCode.UNKNOWN_MEMBER_ID]
    async with commits_at(broker, Identity) as (commits, _):
        with pytest.raises(KafkaError, match="this consumer is none: subscribe, or stop them"):
            await commits.commit(at(7), DEADLINE_MS)


async def test_what_keeps_us_from_being_somebody_names_the_partitions(
    broker: ScriptedBroker, group: ScriptedGroup
):
    def nobody() -> Identity:
        raise KafkaError.of(ErrorCode.ILLEGAL_GENERATION, "no place")

    async with commits_at(broker, nobody) as (commits, _):
        with pytest.raises(KafkaError, match=r"t-0 and 1 more .*: no place") as caught:
            await commits.commit(at(7, T0, T1), DEADLINE_MS)
        assert caught.value.code is ErrorCode.ILLEGAL_GENERATION


async def test_a_partition_that_the_answer_leaves_out_is_not_taken_for_committed(
    broker: ScriptedBroker, group: ScriptedGroup
):
    broker.handlers[OFFSET_COMMIT] = lambda _: OffsetCommitResponse(topics=[])
    async with commits_at(broker) as (commits, subscription):
        with pytest.raises(KafkaError, match="t-0 was not committed"):
            await commits.commit(at(7), DEADLINE_MS)
        assert subscription.partitions[T0].committed is None


async def test_a_coordinator_that_is_silent_is_a_timeout_that_names_the_partition(
    broker: ScriptedBroker, group: ScriptedGroup
):
    broker.handlers[OFFSET_COMMIT] = lambda _: SILENCE
    async with commits_at(broker) as (commits, _):
        with pytest.raises(KafkaTimeout, match="t-0 was not committed: group 'g' got no answer"):
            await commits.commit(at(7), 50)


@pytest.mark.parametrize("version", range(2, 11))
async def test_coordinators_of_each_version_are_told_the_same(
    broker: ScriptedBroker, group: ScriptedGroup, version: int
):
    serve_up_to(broker, OFFSET_COMMIT, version, first=2)
    async with commits_at(broker, lambda: Identity(1, "m-1", "i")) as (commits, _):
        await commits.commit({T0: OffsetAndMetadata(7, "note", 3)}, DEADLINE_MS)
    (request,) = broker.requests_of(OFFSET_COMMIT)
    (topic,) = request.topics
    (partition,) = topic.partitions
    assert (request.group_id, request.member_id, topic.name) == ("g", "m-1", "t")
    assert request.group_instance_id == ("i" if version >= 7 else None)
    assert (partition.committed_offset, partition.committed_metadata) == (7, "note")


async def test_the_next_coordinator_is_told_when_the_group_has_moved():
    async with ScriptedBroker() as old, ScriptedBroker() as new:
        Cluster(old, new)
        refusing, group = ScriptedGroup(old), ScriptedGroup(new)
        refusing.commit_codes = [ErrorCode.NOT_COORDINATOR]
        for each in (refusing, group):
            each.generation, each.is_known = 1, True
        old.handlers[FIND_COORDINATOR] = new.handlers[FIND_COORDINATOR] = coordinated_by(1, 2)
        async with commits_at(old) as (commits, _):
            await commits.commit(at(7), DEADLINE_MS)
        assert (refusing.committed, group.committed) == ({}, {T0: 7})


async def test_nothing_to_commit_is_no_request(broker: ScriptedBroker, group: ScriptedGroup):
    async with commits_at(broker) as (commits, _):
        await commits.commit({}, DEADLINE_MS)
    assert not broker.requests_of(OFFSET_COMMIT)


async def test_what_goes_on_in_the_background_ends_with_close(
    broker: ScriptedBroker, group: ScriptedGroup
):
    broker.handlers[OFFSET_COMMIT] = lambda _: SILENCE
    async with commits_at(broker) as (commits, _):
        commits.begin_auto_commit(DEADLINE_MS)
        await asyncio.wait_for(commits.close(), 5)


async def test_a_record_or_a_number_may_be_committed(broker: ScriptedBroker):
    group = ScriptedGroup(broker)
    async with member_at(broker) as consumer:
        assert await take(consumer, 3) == [0, 1, 2]
        record = await consumer.getone()
        await take(consumer, 2)
        await consumer.commit(record)
        assert group.committed == {T0: 4}
        await consumer.commit({T0: 2})
        assert await consumer.committed(T0) == 2
        await consumer.commit()
        assert group.commits[-1] == {T0: 6}
