"""What a program hears of its partitions, when, and what it may do then."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from minikafka import Consumer, KafkaError, TopicPartition
from minikafka.client.rebalance_listener import Listeners, RebalanceListener
from minikafka.protocol.errors import ErrorCode

from ..transport.scripted_broker import ScriptedBroker
from .cluster import Cluster
from .scripted_group import DEADLINE_MS, LEAVE_GROUP, ScriptedGroup, member_at, rejoined, take

T0 = TopicPartition("t", 0)


class Diary(RebalanceListener):
    """Writes down what it hears; `async def` where it gets something, plain where it gives up."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, set[TopicPartition]]] = []

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Given up in good order, or lost."""
        self.heard.append(("revoked", revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """New."""
        await asyncio.sleep(0)
        self.heard.append(("assigned", assigned))


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A broker that leads t-0 and coordinates `g`."""
    async with ScriptedBroker() as broker:
        Cluster(broker)
        yield broker


@pytest.fixture
def group(broker: ScriptedBroker) -> ScriptedGroup:
    """The group."""
    return ScriptedGroup(broker)


def listening(broker: ScriptedBroker, listener: RebalanceListener, **options: object) -> Consumer:
    """A member whose listener is this."""
    consumer = member_at(broker, **options)
    consumer.subscribe(["t"], listener=listener)
    return consumer


async def test_assigned_comes_before_the_first_record_and_revoked_at_the_end(
    broker: ScriptedBroker, group: ScriptedGroup
):
    diary = Diary()
    async with listening(broker, diary) as consumer:
        await take(consumer, 1)
        assert diary.heard == [("assigned", {T0})]
    assert diary.heard == [("assigned", {T0}), ("revoked", {T0})]


async def test_an_eager_member_hears_of_giving_up_and_getting_again(
    broker: ScriptedBroker, group: ScriptedGroup
):
    diary = Diary()
    async with listening(broker, diary, metadata_max_age_ms=20) as consumer:
        await take(consumer, 1)
        consumer.subscribe(["t", "u"], listener=diary)
        while len(consumer.assignment()) < 2:
            await consumer.getmany(timeout_ms=50)
        assert diary.heard[1:] == [("revoked", {T0}), ("assigned", {T0, ("u", 0)})]


async def test_what_is_lost_is_told_as_revoked_unless_the_listener_knows_better(
    broker: ScriptedBroker, group: ScriptedGroup
):
    class Knowing(Diary):
        def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
            self.heard.append(("lost", lost))

    for diary, word in ((Diary(), "revoked"), (Knowing(), "lost")):
        async with listening(broker, diary) as consumer:
            await take(consumer, 1)
            await rejoined(group)
            await take(consumer, 1)
        heard = [("assigned", {T0}), (word, {T0}), ("assigned", {T0}), ("revoked", {T0})]
        assert diary.heard == heard


async def test_what_was_lost_before_the_end_is_not_told_as_revoked(
    broker: ScriptedBroker, group: ScriptedGroup
):
    class Knowing(Diary):
        def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
            self.heard.append(("lost", lost))

    diary = Knowing()
    async with listening(broker, diary) as consumer:
        await take(consumer, 1)
        await rejoined(group)
    assert diary.heard == [("assigned", {T0}), ("lost", {T0})]


async def test_positions_may_be_committed_when_partitions_are_given_up_also_at_the_end(
    broker: ScriptedBroker, group: ScriptedGroup
):
    class Committing(RebalanceListener):
        async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            await consumer.commit()

    consumer = listening(broker, Committing())
    async with consumer:
        await take(consumer, 2)
        consumer.subscribe(["t", "u"], listener=Committing())
        assert await take(consumer, 1) in ([2], [0])
        assert group.commits[0] == {T0: 2}
        await take(consumer, 1)
    assert len(group.commits) == 2


async def test_nothing_can_be_committed_of_what_was_lost(
    broker: ScriptedBroker, group: ScriptedGroup
):
    class Committing(RebalanceListener):
        error: KafkaError | None = None

        async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            try:
                await consumer.commit({T0: 1})
            except KafkaError as error:
                self.error = error

    listener = Committing()
    consumer = listening(broker, listener)
    async with consumer:
        await take(consumer, 1)
        await rejoined(group)
        await take(consumer, 1)
        assert listener.error is not None
        assert listener.error.code is ErrorCode.ILLEGAL_GENERATION
    assert group.commits == [{T0: 1}]  # that of the end


async def test_a_seek_when_partitions_come_is_where_reading_begins(
    broker: ScriptedBroker, group: ScriptedGroup
):
    class Seeking(RebalanceListener):
        def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
            for each in assigned:
                consumer.seek(each, 7)

    group.committed = {T0: 2}
    consumer = listening(broker, Seeking())
    async with consumer:
        assert await take(consumer, 3) == [7, 8, 9]


async def test_what_a_listener_raises_is_raised_once_and_the_change_is_made(
    broker: ScriptedBroker, group: ScriptedGroup
):
    class Failing(Diary):
        def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            super().on_partitions_revoked(revoked)
            raise ZeroDivisionError("the disk is full")

    diary = Failing()
    consumer = listening(broker, diary)
    await consumer.start()
    assert await take(consumer, 1) == [0]
    await rejoined(group)
    group.committed = {T0: 5}
    with pytest.raises(ZeroDivisionError):
        await consumer.getone(timeout_ms=DEADLINE_MS)
    assert diary.heard == [("assigned", {T0}), ("revoked", {T0}), ("assigned", {T0})]
    assert await take(consumer, 1) == [5]
    with pytest.raises(ZeroDivisionError):
        await consumer.close()
    assert not group.is_known


async def test_a_listener_that_asks_for_records_is_told_that_it_cannot(
    broker: ScriptedBroker, group: ScriptedGroup
):
    class Reading(RebalanceListener):
        async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
            await consumer.getone()

    consumer = listening(broker, Reading())
    async with consumer:
        with pytest.raises(RuntimeError, match="cannot ask for records"):
            await consumer.getone(timeout_ms=DEADLINE_MS)
        assert await take(consumer, 1) == [0]


async def test_a_listener_may_unsubscribe(broker: ScriptedBroker, group: ScriptedGroup):
    class Leaving(RebalanceListener):
        async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
            await consumer.unsubscribe()

    consumer = listening(broker, Leaving())
    async with consumer:
        async with asyncio.timeout(DEADLINE_MS / 1000):
            while not broker.requests_of(LEAVE_GROUP):
                assert await consumer.getmany(timeout_ms=20) == {}
        assert await consumer.getmany(timeout_ms=20) == {}
        assert consumer.assignment() == set()


async def test_of_several_listeners_each_hears_in_its_turn_and_by_its_own_rules():
    heard: list[tuple[str, set[TopicPartition]]] = []

    class Plain(RebalanceListener):
        def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            heard.append(("revoked", revoked))

    class Waits(RebalanceListener):
        async def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
            heard.append(("lost", lost))

    both = Listeners(Waits(), Plain())
    await both.on_partitions_assigned({T0})
    await both.on_partitions_revoked({T0})
    await both.on_partitions_lost({T0})
    assert heard == [("revoked", {T0}), ("lost", {T0}), ("revoked", {T0})]
