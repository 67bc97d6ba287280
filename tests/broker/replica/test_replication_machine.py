"""Replication with messages in any order: late, lost, and answers that are never heard.

A step is one thing that one broker, the controller or the network does. After each, in
`World.check`: whoever may be elected has every acknowledged record (I1, I2), a leader's maximal ISR
holds all whom the controller counts (I3), logs agree up to their high watermarks (I5). No high
watermark moves back while its replica's process runs.

A request to the controller may be lost or decided late, after one that was sent later too.
"""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, data, integers, sampled_from

from minikafka.broker.controller.image import Standing
from minikafka.broker.replica.following import ReplicaHalted
from minikafka.broker.replica.in_sync import IsrProposal
from minikafka.broker.replica.partition import Partition
from minikafka.protocol.api.fetch import FetchResponsePartition
from minikafka.protocol.errors import ErrorCode

from ...sim.crash import Way
from .replica_world import BROKERS, MAX_LAG_MS, Question, World

BROKER = sampled_from(BROKERS)
MAX_UNDER_WAY = 6


class Replication(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[Question] = []
        self.answers: list[tuple[Question, FetchResponsePartition]] = []
        self.isr_questions: list[tuple[int, IsrProposal]] = []
        self.isr_answers: list[tuple[int, IsrProposal, ErrorCode]] = []
        self.high_watermarks: dict[Partition, int] = {}
        self.number = 0

    @initialize(min_isr=integers(1, 3))
    def begin(self, min_isr: int) -> None:
        """Three brokers in sync."""
        self.world = World(min_isr)

    def runs(self, broker_id: int) -> bool:
        """Whether the broker is up, with its partition open."""
        broker = self.world.brokers[broker_id]
        return broker.is_running and broker.partition is not None

    @rule(broker_id=BROKER, is_flushed=booleans())
    def produce(self, broker_id: int, is_flushed: bool) -> None:
        """A producer sends a record to whom it takes for the leader."""
        if self.runs(broker_id) and self.world.partition(broker_id).is_leader:
            self.number += 1
            send = self.world.produce if is_flushed else self.world.append
            send(broker_id, b"%d" % self.number)

    @rule(broker_id=BROKER)
    def flush(self, broker_id: int) -> None:
        """A flush round ends."""
        if self.runs(broker_id):
            self.world.brokers[broker_id].flush()
            self.world.collect(broker_id)

    @rule(broker_id=BROKER)
    def checkpoint(self, broker_id: int) -> None:
        """A broker writes its checkpoints."""
        if self.runs(broker_id):
            self.world.brokers[broker_id].save_checkpoints()

    @rule(broker_id=BROKER)
    def fetch(self, broker_id: int) -> None:
        """A whole fetch, with nothing in between."""
        if self.runs(broker_id):
            question = self.world.ask(broker_id)
            if question is not None and self.runs(question.leader_id):
                self.take(question, self.world.answer(question))

    @rule(broker_id=BROKER)
    def ask(self, broker_id: int) -> None:
        """A follower's question leaves."""
        if self.runs(broker_id) and len(self.questions) < MAX_UNDER_WAY:
            question = self.world.ask(broker_id)
            if question is not None:
                self.questions.append(question)

    @precondition(lambda self: self.questions)
    @rule(choice=data(), is_kept=booleans())
    def answer(self, choice: Any, is_kept: bool) -> None:
        """Some question arrives, perhaps not for the last time."""
        index = choice.draw(integers(0, len(self.questions) - 1))
        question = self.questions[index]
        if not is_kept:
            del self.questions[index]
        if self.runs(question.leader_id):
            self.answers.append((question, self.world.answer(question)))
            del self.answers[:-MAX_UNDER_WAY]

    @precondition(lambda self: self.answers)
    @rule(choice=data())
    def hear(self, choice: Any) -> None:
        """Some answer arrives."""
        index = choice.draw(integers(0, len(self.answers) - 1))
        self.take(*self.answers.pop(index))

    def take(self, question: Question, answer: FetchResponsePartition) -> None:
        """The follower hears it; it must not be asked to cut what is acknowledged."""
        if self.runs(question.follower_id):
            try:
                self.world.hear(question, answer)
            except ReplicaHalted as error:
                raise AssertionError(str(error)) from error

    @rule(broker_id=BROKER)
    def ask_for_isr(self, broker_id: int) -> None:
        """A leader's proposal leaves, or leaves again."""
        if self.runs(broker_id):
            proposal = self.world.partition(broker_id).isr_proposal
            if proposal is not None:
                self.isr_questions.append((broker_id, proposal))
                del self.isr_questions[:-MAX_UNDER_WAY]

    @precondition(lambda self: self.isr_questions)
    @rule(index=integers(-MAX_UNDER_WAY, -1))
    def decide_isr(self, index: int) -> None:
        """Some proposal reaches the controller."""
        question = self.isr_questions.pop(max(index, -len(self.isr_questions)))
        self.isr_answers.append((*question, self.world.decide_isr(*question)))
        del self.isr_answers[:-MAX_UNDER_WAY]

    @precondition(lambda self: self.isr_answers)
    @rule(index=integers(-MAX_UNDER_WAY, -1))
    def hear_isr(self, index: int) -> None:
        """Some answer of the controller reaches the leader."""
        broker_id, proposal, answer = self.isr_answers.pop(max(index, -len(self.isr_answers)))
        if self.runs(broker_id):
            self.world.hear_isr(broker_id, proposal, answer)

    @rule(broker_id=BROKER)
    def change_isr(self, broker_id: int) -> None:
        """All of that, with nothing in between."""
        before = len(self.isr_questions)
        self.ask_for_isr(broker_id)
        if len(self.isr_questions) > before:
            self.decide_isr(-1)
            self.hear_isr(-1)

    @rule(followers=sampled_from([(1, 2, 3), (1,), (2,), (3,)]), is_settled=booleans())
    def round(self, followers: tuple[int, ...], is_settled: bool) -> None:
        """In quiet times a record comes to some followers, and the ISR is changed."""
        if is_settled:
            self.world.settled()
        leader = self.world.now.leader
        if leader < 0 or not self.runs(leader):
            return
        self.produce(leader, is_flushed=True)
        for follower in (*followers, *followers):
            self.fetch(follower)
        self.change_isr(leader)

    @rule(broker_id=BROKER, way=sampled_from([Way.NOTHING, Way.KILLED]), learns=BROKER)
    def lose(self, broker_id: int, way: Way, learns: int) -> None:
        """A broker dies, the controller sees it, and one of the others hears of it."""
        self.crash(broker_id, way)
        self.fence(broker_id)
        self.world.settled(learns)

    @rule(broker_id=BROKER, wiped=booleans())
    def come_back(self, broker_id: int, wiped: bool) -> None:
        """It is there again, and everybody knows."""
        self.restart(broker_id, wiped)
        self.world.settled()
        self.unfence(broker_id)
        self.world.settled()

    @rule(broker_id=BROKER)
    def apply(self, broker_id: int) -> None:
        """A broker learns what the controller has decided next."""
        self.world.apply_next(broker_id)

    @rule()
    def settle(self) -> None:
        """All brokers know everything."""
        self.world.settled()

    @rule(min_isr=integers(1, 3))
    def alter_min_isr(self, min_isr: int) -> None:
        """Somebody wants more replicas, or fewer, before a record is acknowledged."""
        self.world.set_min_isr(min_isr)

    @rule(broker_id=BROKER)
    def fence(self, broker_id: int) -> None:
        """The controller misses the broker's heartbeats."""
        self.world.stand(broker_id, Standing.FENCED)

    @rule(broker_id=BROKER)
    def unfence(self, broker_id: int) -> None:
        """The broker has shown that it is there, and knows of its registration."""
        broker = self.world.brokers[broker_id]
        if broker.is_running and broker.epoch == self.world.image.brokers[broker_id].epoch:
            self.world.stand(broker_id, Standing.UNFENCED)

    @rule(broker_id=BROKER, way=sampled_from([Way.NOTHING, Way.KILLED, Way.EVERYTHING]))
    def crash(self, broker_id: int, way: Way) -> None:
        """The broker is gone, and what it had not flushed perhaps as well."""
        if self.runs(broker_id):
            self.isr_questions = [each for each in self.isr_questions if each[0] != broker_id]
            self.isr_answers = [each for each in self.isr_answers if each[0] != broker_id]
            self.world.crash(broker_id, way)

    @rule(broker_id=BROKER, wiped=sampled_from([False, False, True]))
    def restart(self, broker_id: int, wiped: bool) -> None:
        """It comes back; what min.insync.replicas is for, it must not be the last that has it."""
        others = [each for each in BROKERS if each != broker_id and self.runs(each)]
        wiped = wiped and len(others) == 2 and self.all_have_everything(others)
        if not self.world.brokers[broker_id].is_running:
            self.world.restart(broker_id, wiped=wiped)

    def all_have_everything(self, broker_ids: list[int]) -> bool:
        """Whether a disk may be lost: what is acknowledged is on these."""
        values = [self.world.values(each) for each in broker_ids]
        return all(each.get(a.offset) == a.value for each in values for a in self.world.acked)

    @rule(seconds=sampled_from([1, 6, 11]))
    def pass_time(self, seconds: int) -> None:
        """Time goes by."""
        self.world.clock.now_ms += seconds * 1000
        assert MAX_LAG_MS < 11_000

    @rule(broker_id=BROKER)
    def shrink(self, broker_id: int) -> None:
        """A leader looks who has fallen behind."""
        if self.runs(broker_id):
            partition = self.world.partition(broker_id)
            partition.shrink_isr(self.world.clock.now_ms)
            partition.advance_with_followers(self.world.clock.now_ms)
            self.world.collect(broker_id)

    @invariant()
    def holds(self) -> None:
        """What is said above."""
        self.world.check()
        for broker in self.world.brokers.values():
            partition = broker.partition
            if partition is not None:
                before = self.high_watermarks.get(partition, 0)
                assert partition.high_watermark >= before
                self.high_watermarks[partition] = partition.high_watermark


TestReplication = Replication.TestCase
TestReplication.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
