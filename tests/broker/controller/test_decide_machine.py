"""Brokers that come, go, lose records and act on old news: nothing acknowledged is ever given up.

The controller is the real one, as far as it decides. A broker has what it was told last of the
partition, a log of numbers, and what it has heard from followers. Every step is one of these, in
any order: a process dies, is replaced, forgets everything; news arrives; a leader, or one who still
thinks so, appends, is fetched from, acknowledges, asks for another ISR; that question is answered
late, twice or never. Acknowledged is what a leader believes all its in-sync replicas to have, if
they are as many as min.insync.replicas (KIP-966's rules for the high watermark). What one believes
whom an unclean election has passed over does not count: that is what such an election gives up.

MINIKAFKA_DECIDE_EXAMPLES=5000 looks at more lives than a hundred.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from minikafka.broker.controller.decide_isr import alter_partition
from minikafka.broker.controller.image import NOBODY, PartitionImage, Standing
from minikafka.broker.controller.leadership import effective_min_isr
from minikafka.protocol.control import AlterPartition, IsrMember, PartitionIsr

from .story import Story

BROKERS = st.integers(1, 4)
TARGETS = st.lists(BROKERS, min_size=1, max_size=4, unique=True).map(tuple)
EXAMPLES = int(os.environ.get("MINIKAFKA_DECIDE_EXAMPLES", "100"))


@dataclass
class Broker:
    """One process, and its disk."""

    epoch: int
    view: PartitionImage | None = None
    """The partition, by the last news."""
    log: set[int] = field(default_factory=set[int])
    fetched: dict[int, tuple[int, set[int]]] = field(
        default_factory=dict[int, tuple[int, set[int]]]
    )
    """By follower: the epoch in which it fetched, and what it had then."""
    proposed: set[int] | None = None


@dataclass(frozen=True)
class Question:
    """A leader's, on its way."""

    sender: int
    asked: AlterPartition


class ClusterMachine(RuleBasedStateMachine):
    """See above."""

    questions = Bundle("questions")

    @initialize(replicas=TARGETS, min_isr=st.integers(1, 3), unclean=st.booleans())
    def begin(self, replicas: tuple[int, ...], min_isr: int, *, unclean: bool) -> None:
        self.story = Story(replicas, min_isr, unclean=unclean)
        self.min_isr = min_isr
        self.brokers = {each: Broker(each) for each in range(1, 6)}
        self.acknowledged: set[int] = set()
        self.unclean_epoch = 0
        """The leader epoch that the last unclean election began."""
        self.next_record = 0
        self.before = self.partition
        for each in self.brokers:
            self.hear(each)

    @property
    def partition(self) -> PartitionImage:
        return self.story.partition

    def leads(self, broker_id: int) -> bool:
        """Whether a broker thinks so."""
        view = self.brokers[broker_id].view
        return view is not None and view.leader == broker_id

    @rule(broker=BROKERS, standing=st.sampled_from(Standing))
    def change_standing(self, broker: int, standing: Standing) -> None:
        registered = self.story.image.brokers.get(broker)
        if registered is None:
            return
        if standing is Standing.LEAVING and registered.standing is not Standing.UNFENCED:
            return
        if standing is Standing.UNFENCED and registered.epoch != self.brokers[broker].epoch:
            return
        self.story.stand(broker, standing)
        self.settled()

    @rule(broker=BROKERS, is_lossless=st.booleans(), is_own=st.booleans())
    def restart(self, broker: int, *, is_lossless: bool, is_own: bool) -> None:
        standing = Standing.UNFENCED if is_own else Standing.FENCED
        log = self.brokers[broker].log if is_lossless else set[int]()
        self.brokers[broker] = Broker(self.story.next_epoch, log=log)
        self.story.register(broker, is_lossless=is_lossless, standing=standing)
        self.settled(lost=NOBODY if is_lossless else broker)

    @rule(broker=BROKERS)
    def unregister(self, broker: int) -> None:
        self.story.play(f"unregister {broker}")
        self.settled()

    @rule(broker=BROKERS)
    def hear(self, broker: int) -> None:
        """News arrives: a new epoch makes a leader forget what it heard from followers."""
        self.learn(broker, self.partition)

    def learn(self, broker: int, news: PartitionImage) -> None:
        process, before = self.brokers[broker], self.brokers[broker].view
        if before is not None and before.partition_epoch >= news.partition_epoch:
            return
        if before is None or before.leader_epoch != news.leader_epoch:
            process.fetched = {}
        process.view, process.proposed = news, None

    @rule(broker=BROKERS)
    def append(self, broker: int) -> None:
        if self.leads(broker):
            self.brokers[broker].log.add(self.next_record)
            self.next_record += 1

    @rule(follower=BROKERS, leader=BROKERS)
    def fetch(self, follower: int, leader: int) -> None:
        """A follower makes its log that of the leader, and the leader knows."""
        led, following = self.brokers[leader], self.brokers[follower]
        if not self.leads(leader) or follower == leader or following.view is None or not led.view:
            return
        epochs = (led.view.leader_epoch, leader)
        if (following.view.leader_epoch, following.view.leader) == epochs:
            following.log = set(led.log)
            led.fetched[follower] = (following.epoch, set(led.log))

    @rule(broker=BROKERS)
    def acknowledge(self, broker: int) -> None:
        process = self.brokers[broker]
        if not self.leads(broker) or process.view is None:
            return
        view = process.view
        if view.leader_epoch < self.unclean_epoch:
            return
        if len(view.isr) < effective_min_isr(self.min_isr, view.replicas):
            return
        maximal = {*view.isr, *(process.proposed or ())} - {broker}
        had = [process.fetched.get(each, (0, set[int]()))[1] for each in maximal]
        self.acknowledged |= process.log.intersection(*had)

    @rule(broker=BROKERS)
    def replicate(self, broker: int) -> None:
        """All goes well for a moment."""
        self.append(broker)
        for each in self.brokers:
            self.fetch(each, broker)
        self.acknowledge(broker)

    @rule(target=questions, broker=BROKERS, wanted=TARGETS)
    def propose(self, broker: int, wanted: tuple[int, ...]) -> Question | None:
        """A leader wants an ISR: members may stay, others must have all that it has."""
        process = self.brokers[broker]
        if not self.leads(broker) or process.proposed is not None or process.view is None:
            return None
        members = [IsrMember(broker, process.epoch)]
        for each in wanted:
            epoch, had = process.fetched.get(each, (self.brokers[each].epoch, set[int]()))
            is_caught_up = each in process.fetched and had >= process.log
            is_replica = each in process.view.replicas and each != broker
            if is_replica and (each in process.view.isr or is_caught_up):
                members.append(IsrMember(each, epoch))
        process.proposed = {each.broker_id for each in members}
        view, topic = process.view, self.story.image.topics["orders"]
        isr = PartitionIsr(
            topic.topic_id, 0, view.leader_epoch, view.partition_epoch, tuple(members)
        )
        return Question(broker, AlterPartition(broker, process.epoch, (isr,)))

    @rule(question=questions, is_answer_lost=st.booleans())
    def ask(self, question: Question | None, *, is_answer_lost: bool) -> None:
        if question is None:
            return
        decision = self.story.commit(
            alter_partition(self.story.image, self.story.config, question.asked)
        )
        (isr,) = question.asked.partitions
        answers = () if decision.error_code else decision.value.partitions
        is_done = any(each.error in ("NONE", "NEW_LEADER_ELECTED") for each in answers)
        self.settled(joined={each.broker_id for each in isr.isr} if is_done else ())
        process = self.brokers[question.sender]
        if is_answer_lost or decision.error_code or process.epoch != question.asked.broker_epoch:
            return
        (answer,) = decision.value.partitions
        view = process.view
        if answer.error == "NONE":
            self.learn(question.sender, self.partition)
        is_of_now = view is not None and view.partition_epoch == isr.partition_epoch
        if answer.error == "INELIGIBLE_REPLICA" and is_of_now:
            process.proposed = None

    @rule(election=st.sampled_from(["preferred", "unclean"]))
    def elect(self, election: str) -> None:
        self.story.play(f"elect {election}")
        self.settled(is_forced=election == "unclean")

    @rule(replicas=TARGETS)
    def move(self, replicas: tuple[int, ...]) -> None:
        self.story.play(f"move {' '.join(map(str, replicas))}")
        self.settled()

    @rule()
    def cancel(self) -> None:
        self.story.play("cancel")
        self.settled()

    def settled(
        self, lost: int = NOBODY, joined: Collection[int] = (), *, is_forced: bool = False
    ) -> None:
        """Compare with what was before the decision."""
        before, after = self.before, self.partition
        self.before = after
        had_all = {*before.isr, *before.elr, *joined} - {lost}
        is_led_anew = after.leader_epoch > before.leader_epoch
        assert (after.partition_epoch > before.partition_epoch) == (after != before)
        assert after.leader_epoch >= before.leader_epoch
        assert is_led_anew or after.leader == before.leader
        assert after.isr or after.elr or not had_all, "the last one was given up"
        if is_led_anew and after.leader != NOBODY and after.leader not in had_all:
            options = self.story.image.topics["orders"].configs
            is_allowed = options["unclean.leader.election.enable"] == "true"
            assert is_forced or is_allowed or not had_all
            assert (after.isr, after.elr) == ((after.leader,), ())
            self.acknowledged &= self.brokers[after.leader].log
            self.unclean_epoch = after.leader_epoch

    @invariant()
    def sets_are_of_replicas_and_disjoint(self) -> None:
        at = self.partition
        assert set(at.isr) | set(at.elr) <= set(at.replicas)
        assert not set(at.isr) & set(at.elr)
        assert set(at.adding) | set(at.removing) <= set(at.replicas)
        assert len(set(at.replicas)) == len(at.replicas)

    @invariant()
    def who_leads_lives_and_is_in_sync(self) -> None:
        at, brokers = self.partition, self.story.image.brokers
        assert at.leader == NOBODY or at.leader in at.isr
        for each in at.isr:
            assert brokers[each].standing is Standing.UNFENCED
        assert (at.last_known_leader == NOBODY) == (at.leader != NOBODY)

    @invariant()
    def the_elr_is_empty_where_the_isr_is_large_enough(self) -> None:
        at = self.partition
        if len(at.isr) >= effective_min_isr(self.min_isr, at.replicas):
            assert at.elr == ()

    @invariant()
    def whoever_may_lead_has_all_that_was_acknowledged(self) -> None:
        for each in (*self.partition.isr, *self.partition.elr):
            assert self.acknowledged <= self.brokers[each].log, f"broker {each} lacks records"

    def teardown(self) -> None:
        """All are well again: somebody leads, all come into the ISR, what moves arrives."""
        if not hasattr(self, "story"):
            return
        for each in range(1, 6):
            self.restart(each, is_lossless=True, is_own=False)
            self.change_standing(each, Standing.UNFENCED)
        leader = self.partition.leader
        assert leader != NOBODY
        for each in range(1, 6):
            self.hear(each)
        for each in range(1, 6):
            self.fetch(each, leader)
        replicas = self.partition.replicas
        self.ask(self.propose(leader, replicas), is_answer_lost=False)
        at = self.partition
        assert set(at.isr) == set(at.replicas)
        assert at.adding == at.removing == ()
        self.whoever_may_lead_has_all_that_was_acknowledged()


ClusterMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestCluster = ClusterMachine.TestCase
