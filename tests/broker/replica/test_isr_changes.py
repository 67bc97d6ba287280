"""What the controller is asked for, and when again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from minikafka.broker.replica.isr_changes import IsrChanges
from minikafka.protocol.control import (
    AlteredPartition,
    AlteredPartitions,
    AlterPartition,
    IsrMember,
    PartitionIsr,
    Refused,
)

from ..in_process import until
from .replica_world import TOPIC_ID, World

LEADER_EPOCH = 0
Answer = AlteredPartitions | Refused | None


class Controller:
    """Says what the test has it say, when it says so."""

    def __init__(self) -> None:
        self.asked: list[AlterPartition] = []
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()

    async def ask(self, question: AlterPartition) -> Answer:
        self.asked.append(question)
        return await self.answers.get()

    def say(self, error: str) -> None:
        """Answer the next question about `orders`."""
        altered = AlteredPartition(TOPIC_ID, 0, error, 1, LEADER_EPOCH, (1, 2, 3), 2)
        self.answers.put_nowait(AlteredPartitions((altered,)))


class Leader:
    """Broker 1 leads `orders`; broker 3 has left the ISR, and has just caught up."""

    def __init__(self) -> None:
        self.world = world = World()
        world.clock.now_ms += 10_001
        world.fetch(2)
        world.produce(1, b"a", acks=1)
        world.fetch(2)
        self.partition = world.partition(1)
        self.partition.shrink_isr(world.clock.now_ms)
        world.change_isr(1)
        self.controller = Controller()
        self.changes = IsrChanges(
            1,
            lambda: world.brokers[1].epoch,
            self.controller.ask,
            world.brokers[1].replicas,
            asyncio.get_running_loop(),
        )
        world.brokers[1].replicas.on_isr_proposal = self.changes.propose
        world.fetch(3, rounds=2)


@pytest.fixture
async def leader() -> AsyncIterator[Leader]:
    """See the class."""
    leader = Leader()
    yield leader
    await leader.changes.stop()


async def test_a_proposal_goes_to_the_controller_with_its_epochs(leader: Leader) -> None:
    await until(lambda: bool(leader.controller.asked))
    epochs = [leader.world.brokers[each].epoch for each in (1, 2, 3)]
    members = tuple(IsrMember(each, epochs[each - 1]) for each in (1, 2, 3))
    wanted = PartitionIsr(TOPIC_ID, 0, LEADER_EPOCH, 1, members)
    assert leader.controller.asked == [AlterPartition(1, epochs[0], (wanted,))]
    leader.controller.say("NONE")
    await until(lambda: leader.changes._working is None)
    assert len(leader.controller.asked) == 1


@pytest.mark.parametrize("nothing", [None, Refused("NOT_CONTROLLER", ""), AlteredPartitions(())])
async def test_without_an_answer_the_same_is_asked_again(leader: Leader, nothing: Answer) -> None:
    leader.controller.answers.put_nowait(nothing)
    await until(lambda: len(leader.controller.asked) == 2)
    first, second = leader.controller.asked
    assert first == second
    leader.controller.say("NONE")
    await until(lambda: leader.changes._working is None)
    assert len(leader.controller.asked) == 2


async def test_what_is_refused_is_asked_again_when_the_follower_fetches_again(
    leader: Leader,
) -> None:
    leader.controller.say("INELIGIBLE_REPLICA")
    await until(lambda: leader.partition.isr_proposal is None)
    assert len(leader.controller.asked) == 1
    leader.world.fetch(3)
    await until(lambda: len(leader.controller.asked) == 2)


async def test_an_error_without_a_name_here_is_one_that_may_pass(leader: Leader) -> None:
    leader.controller.say("AN_ERROR_OF_THE_FUTURE")
    await until(lambda: len(leader.controller.asked) == 2)


async def test_nothing_is_asked_for_a_lead_that_is_lost(leader: Leader) -> None:
    await until(lambda: bool(leader.controller.asked))
    leader.world.elect(2)
    leader.world.settled()
    leader.controller.say("NONE")
    await until(lambda: leader.changes._working is None)
    assert not leader.partition.is_leader
