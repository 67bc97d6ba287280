"""A partition on three brokers: real logs on simulated disks, the real decisions, no network.

    world = World()
    world.produce(1, b"a")                      staged, written, flushed on broker 1
    world.fetch(2)                              one whole Fetch of broker 2 to whom it follows
    question = world.ask(2)                     or in its parts, in any order, or never:
    answer = world.answer(question)
    world.hear(question, answer)

What the controller decides is a record in `log`; a broker knows of it once it has applied it, and
`settled()` lets all of them do so. A proposal for another ISR waits in `proposals` to be sent.
Every acknowledgement is remembered in `acked`, and `check` holds it against the logs.
"""

from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from minikafka.broker.config import BrokerConfig, TopicConfig
from minikafka.broker.controller.decide import Decision
from minikafka.broker.controller.decide_brokers import change_standing, register_broker
from minikafka.broker.controller.decide_configs import Alteration, OptionChange, alter_configs
from minikafka.broker.controller.decide_isr import alter_partition
from minikafka.broker.controller.image import Image, PartitionImage, Record, Standing
from minikafka.broker.handlers.fetch_reading import Reading
from minikafka.broker.log.offset_checkpoints import OffsetCheckpoints
from minikafka.broker.replica.appended import Appended
from minikafka.broker.replica.fetch_sessions import FetchSession
from minikafka.broker.replica.follower_fetch import Asked, take
from minikafka.broker.replica.in_sync import IsrProposal
from minikafka.broker.replica.manager import ReplicaManager
from minikafka.broker.replica.partition import Partition
from minikafka.broker.replica.store import PartitionIdentity, PartitionStore
from minikafka.protocol.api.describe_configs import ConfigResourceType
from minikafka.protocol.api.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponsePartition,
    ReplicaState,
)
from minikafka.protocol.api.incremental_alter_configs import AlterConfigOperation
from minikafka.protocol.control import (
    AlterPartition,
    IsrMember,
    PartitionIsr,
    RegisterBroker,
)
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate, iterate_batches

from ...sim.crash import Way, crash
from ...sim.disk import SimulatedDisk
from ...sim.files import SimulatedFiles
from ..in_process import SetClock, batch_of

TOPIC_ID = b"\x01" * 16
DATA_DIR = "/data"
WALL_MS = 1_700_000_000_000
MAX_LAG_MS = 10_000
BROKERS = (1, 2, 3)


class Clock:
    """The loop that a manager without tasks needs."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def time(self) -> float:
        """Monotonic seconds."""
        return self.now_ms / 1000

    def create_task(self, task: Any) -> None:
        """Flush rounds are made by hand."""
        task.close()


@dataclass(frozen=True)
class Question:
    """A Fetch on its way: who asks whom, as what, and for what."""

    follower_id: int
    leader_id: int
    broker_epoch: int
    asked: Asked
    partition: FetchRequestPartition


@dataclass(frozen=True)
class Acked:
    """A record whose producer was told that it is safe."""

    offset: int
    value: bytes


@dataclass
class Broker:
    """One broker's process and disk."""

    id: int
    clock: Clock
    disk: SimulatedDisk = field(default_factory=SimulatedDisk)
    image: Image = field(default_factory=Image)
    applied: int = 0
    epoch: int = -1
    is_running: bool = True
    partition: Partition | None = None
    waiting: list[tuple[Appended, bytes]] = field(default_factory=list)

    def start(self, config: TopicConfig) -> None:
        """Begin a process on what the disk has; nothing is served before it is unfenced."""
        files = SimulatedFiles(self.disk, is_instant=True)
        files.make_directory(DATA_DIR)
        self.checkpoints = OffsetCheckpoints(files, DATA_DIR)
        self.store = PartitionStore(
            files,
            DATA_DIR,
            SetClock(WALL_MS),
            self.checkpoints,
            flush="fsync",
            is_clean=False,
            max_lag_ms=MAX_LAG_MS,
        )
        self.replicas = ReplicaManager(files, self.clock)  # type: ignore[arg-type]
        self.config = config
        self.partition = None
        self.is_running = True

    def apply(self, record: Record) -> None:
        """Take in one record of the metadata log, as hosting does."""
        self.image.apply(record)
        self.applied += 1
        kind = record["type"]
        if kind in ("PartitionCreated", "PartitionChanged"):
            self.take_role()
        elif kind == "TopicConfigsChanged" and self.partition is not None:
            min_isr = int(record["changes"]["min.insync.replicas"])
            self.partition.configure(TopicConfig(min_insync_replicas=min_isr))
        elif kind == "BrokerRegistered" and record["broker_id"] == self.id:
            self.epoch = record["epoch"]
        standing = self.image.brokers.get(self.id)
        if standing is not None and self.partition is not None:
            is_fenced = standing.standing is Standing.FENCED or standing.epoch != self.epoch
            self.partition.suspend(is_fenced)

    def take_role(self) -> None:
        """Lead or follow as this broker's image says."""
        image = self.image.topics["orders"].partitions[0]
        if self.partition is None:
            identity = PartitionIdentity("orders", TOPIC_ID, 0)
            self.partition = self.store.open(identity, self.config)
            self.replicas.add(self.partition)
        if image.leader == self.id:
            self.partition.lead(image, self.image.brokers, self.clock.now_ms)
        else:
            self.partition.follow(image)
        self.flush()

    def flush(self) -> None:
        """Confirm all that is written."""
        partition = self.partition
        assert partition is not None
        point = partition.log.begin_flush()
        self.store._files.flush_now(point.files)
        partition.flushed(point)
        partition.advance_with_followers(self.clock.now_ms)

    def save_checkpoints(self) -> None:
        """As a node does now and then."""
        assert self.partition is not None
        self.checkpoints.save_now({self.partition.log_name: self.partition.confirmed}, ())


class World:
    """See the module."""

    def __init__(self, min_isr: int = 2, *, leader: int = 1) -> None:
        self.clock = Clock()
        self.config = BrokerConfig()
        self.topic_config = TopicConfig(min_insync_replicas=min_isr)
        self.log: list[Record] = []
        self.image = Image()
        self.acked: list[Acked] = []
        self.proposals: list[tuple[int, IsrProposal]] = []
        self.random = Random(1)
        self.brokers = {each: Broker(each, self.clock) for each in BROKERS}
        for broker in self.brokers.values():
            broker.start(self.topic_config)
            self._listen(broker)
        for each in BROKERS:
            self._decide(self._registration(each, "first", is_lossless=True))
            self.stand(each, Standing.UNFENCED)
        configs = {"min.insync.replicas": str(min_isr)}
        topic = {"type": "TopicCreated", "topic_id": TOPIC_ID, "name": "orders", "configs": configs}
        partition = {
            "type": "PartitionCreated",
            "topic_id": TOPIC_ID,
            "index": 0,
            "replicas": list(BROKERS),
            "isr": list(BROKERS),
            "leader": leader,
            "leader_epoch": 0,
            "partition_epoch": 0,
        }
        self._decide(Decision([topic, partition]))
        self.settled()

    @property
    def now(self) -> PartitionImage:
        """The partition as the controller has it."""
        return self.image.topics["orders"].partitions[0]

    def partition(self, broker_id: int) -> Partition:
        """A broker's replica."""
        found = self.brokers[broker_id].partition
        assert found is not None
        return found

    def settled(self, *broker_ids: int) -> None:
        """Let these brokers, or all that run, apply what the controller has decided."""
        for broker_id in broker_ids or BROKERS:
            while self.apply_next(broker_id):
                pass

    def apply_next(self, broker_id: int) -> bool:
        """Let a broker apply one record; False if it knows all of them."""
        broker = self.brokers[broker_id]
        if not broker.is_running or broker.applied == len(self.log):
            return False
        broker.apply(self.log[broker.applied])
        self.collect(broker_id)
        return True

    def stand(self, broker_id: int, standing: Standing) -> None:
        """The controller fences or unfences a broker, or lets it leave."""
        epoch = self.image.brokers[broker_id].epoch
        self._decide(change_standing(self.image, self.config, broker_id, epoch, standing))

    def set_min_isr(self, min_isr: int) -> None:
        """Somebody alters the topic's option."""
        self.topic_config = TopicConfig(min_insync_replicas=min_isr)
        change = OptionChange("min.insync.replicas", AlterConfigOperation.SET, str(min_isr))
        alteration = Alteration(ConfigResourceType.TOPIC, "orders", [change])
        self._decide(alter_configs(self.image, alteration))

    def elect(self, leader: int) -> None:
        """Who leads is fenced and comes back, until `leader` leads, who must be in ISR or ELR."""
        assert leader in (*self.now.isr, *self.now.elr)
        while self.now.leader != leader:
            old = self.now.leader
            self.stand(old, Standing.FENCED)
            self.stand(old, Standing.UNFENCED)

    def produce(self, leader_id: int, *values: bytes, acks: int = -1) -> Appended:
        """Append and flush."""
        appended = self.append(leader_id, *values, acks=acks)
        self.brokers[leader_id].flush()
        self.collect(leader_id)
        return appended

    def append(self, leader_id: int, *values: bytes, acks: int = -1) -> Appended:
        """Append and write, without a flush."""
        broker, partition = self.brokers[leader_id], self.partition(leader_id)
        appended = partition.append(memoryview(batch_of(*values)), WALL_MS, acks)
        partition.write()
        if acks == -1 and not appended.error_code:
            broker.waiting += [(appended, value) for value in values[-1:]]
        return appended

    def collect(self, broker_id: int) -> None:
        """Acknowledge what may be; remember what is proposed."""
        broker = self.brokers[broker_id]
        partition = broker.partition
        if partition is None:
            return
        still: list[tuple[Appended, bytes]] = []
        for appended, value in broker.waiting:
            outcome = partition.acks_outcome(appended)
            if outcome is ErrorCode.NONE:
                self.acked.append(Acked(appended.next_offset - 1, value))
            elif outcome is None:
                still.append((appended, value))
        broker.waiting = still

    def ask(self, follower_id: int, leader_id: int | None = None) -> Question | None:
        """A follower's next Fetch, to whom it follows; None if there is none."""
        broker, partition = self.brokers[follower_id], self.partition(follower_id)
        asked = Asked.now(partition, 1 << 20)
        leader_id = partition.leader_id if leader_id is None else leader_id
        if asked is None or partition.is_led_here or leader_id < 0:
            return None
        return Question(follower_id, leader_id, broker.epoch, asked, asked.request())

    def answer(self, question: Question) -> FetchResponsePartition:
        """What the broker that is asked says to it, now."""
        broker = self.brokers[question.leader_id]
        replica_state = ReplicaState(
            replica_id=question.follower_id, replica_epoch=question.broker_epoch
        )
        topic = FetchRequestTopic(topic_id=TOPIC_ID, partitions=[question.partition])
        request = FetchRequest(
            replica_state=replica_state, max_wait_ms=0, min_bytes=1, topics=[topic]
        )
        session = FetchSession(True, True)
        session.update([topic])
        context = SimpleNamespace(
            config=self.config,
            controller=SimpleNamespace(image=broker.image),
            replicas=broker.replicas,
        )
        reading = Reading(request, context)  # type: ignore[arg-type]
        for asking in list(session.moved):
            reading.read(asking)
        session.close()
        answer = reading.answers[0][1]
        if answer.records:  # As it goes over the wire: bytes, not a slice of a file.
            answer.records = memoryview(answer.records.read())  # type: ignore[attr-defined]
        self.collect(question.leader_id)
        return answer

    def hear(self, question: Question, answer: FetchResponsePartition) -> bool:
        """The follower takes the answer, and flushes what came; False if it came too late."""
        broker = self.brokers[question.follower_id]
        if question.asked.partition is not broker.partition or not question.asked.is_current:
            return False
        take(question.asked.partition, answer, WALL_MS)
        broker.flush()
        return True

    def fetch(self, *follower_ids: int, rounds: int = 1) -> FetchResponsePartition:
        """Whole Fetches of these followers in turn; the last answer."""
        answer = None
        for _ in range(rounds):
            for follower_id in follower_ids:
                question = self.ask(follower_id)
                assert question is not None
                answer = self.answer(question)
                self.hear(question, answer)
        assert answer is not None
        return answer

    def propose(self, leader_id: int) -> IsrProposal:
        """What a leader wants to ask the controller for."""
        proposal = self.partition(leader_id).isr_proposal
        assert proposal is not None
        return proposal

    def decide_isr(self, leader_id: int, proposal: IsrProposal) -> ErrorCode:
        """What the controller says to it, and does."""
        members = tuple(IsrMember(*each) for each in proposal.members)
        wanted = PartitionIsr(TOPIC_ID, 0, proposal.leader_epoch, proposal.partition_epoch, members)
        question = AlterPartition(leader_id, self.brokers[leader_id].epoch, (wanted,))
        decision = self._decide(alter_partition(self.image, self.config, question))
        if decision.error_code:
            return decision.error_code
        (altered,) = decision.value.partitions
        return ErrorCode[altered.error]

    def change_isr(self, leader_id: int) -> ErrorCode:
        """Ask, decide, answer, and let the leader apply what was decided."""
        proposal = self.propose(leader_id)
        answer = self.decide_isr(leader_id, proposal)
        self.hear_isr(leader_id, proposal, answer)
        self.settled(leader_id)
        return answer

    def hear_isr(self, leader_id: int, proposal: IsrProposal, answer: ErrorCode) -> bool:
        """The leader takes the controller's answer; True if it wants to ask again."""
        partition = self.partition(leader_id)
        is_asked_again = partition.isr_answered(proposal, answer)
        partition.advance_with_followers(self.clock.now_ms)
        self.collect(leader_id)
        return is_asked_again

    def crash(self, broker_id: int, way: Way = Way.NOTHING) -> None:
        """A broker's machine loses its power, and what no flush has confirmed."""
        broker = self.brokers[broker_id]
        broker.is_running = False
        broker.waiting = []
        broker.disk = crash(broker.disk, way, self.random)

    def restart(self, broker_id: int, *, wiped: bool = False) -> None:
        """It starts again and registers, as one that has lost something if its disk is `wiped`."""
        broker = self.brokers[broker_id]
        if wiped:
            broker.disk = SimulatedDisk()
        broker.start(self.topic_config)
        self._listen(broker)
        if "orders" in broker.image.topics:
            broker.take_role()
            self.partition(broker_id).suspend(True)
        incarnation = f"from {len(self.log)}"
        self._decide(self._registration(broker_id, incarnation, is_lossless=not wiped))

    def values(self, broker_id: int) -> dict[int, bytes]:
        """Offset to value of all that a broker's log has."""
        partition = self.partition(broker_id)
        log, found = partition.log, dict[int, bytes]()
        offset = log.log_start_offset
        while offset < log.written_offset:
            part = partition.read(offset, 1 << 20, True, log.written_offset)
            assert part is not None
            for batch in iterate_batches(part.read()):
                found.update({each.offset: each.value or b"" for each in iterate(batch)})
            offset = part.end_offset
        return found

    def check(self) -> None:
        """The invariants I1, I2, I3 and I5 of replication, as they hold at every moment."""
        now = self.now
        min_isr = min(self.topic_config.min_insync_replicas, len(now.replicas))
        for broker_id in {*now.isr, *now.elr, now.leader} - {-1}:
            self._check_acked(broker_id)
        for broker in self.brokers.values():
            partition = broker.partition
            if partition is None or not broker.is_running or partition.in_sync is None:
                continue
            if partition.leader_epoch == now.leader_epoch and len(partition.isr) >= min_isr:
                known = partition.in_sync.maximal_isr
                assert known >= {*now.isr, *now.elr}, f"I3: {known} lacks some of {now}"
        self._check_logs_agree()

    def _check_acked(self, broker_id: int) -> None:
        if not self.brokers[broker_id].is_running or self.brokers[broker_id].partition is None:
            return
        values = self.values(broker_id)
        for acked in self.acked:
            found = values.get(acked.offset)
            assert found == acked.value, f"I1, I2: broker {broker_id} has {found} for {acked}"

    def _check_logs_agree(self) -> None:
        running = [b.id for b in self.brokers.values() if b.is_running and b.partition is not None]
        for first in running:
            for second in running:
                end = min(
                    self.partition(first).high_watermark, self.partition(second).high_watermark
                )
                ours, theirs = self.values(first), self.values(second)
                for offset in range(end):
                    assert ours.get(offset) == theirs.get(offset), (
                        f"I5: brokers {first} and {second} differ at offset {offset}"
                    )

    def _listen(self, broker: Broker) -> None:
        def proposed(partition: Partition) -> None:
            proposal = partition.isr_proposal
            assert proposal is not None
            self.proposals.append((broker.id, proposal))

        broker.replicas.on_isr_proposal = proposed

    def _registration(self, broker_id: int, incarnation: str, *, is_lossless: bool) -> Decision:
        registration = RegisterBroker(
            broker_id, incarnation, f"host-{broker_id}", 9092, "", 0, is_lossless
        )
        epoch = len(self.log)
        return register_broker(self.image, self.config, registration, epoch, Standing.FENCED)

    def _decide(self, decision: Decision) -> Decision:
        for record in decision.records:
            self.image.apply(record)
            self.log.append(record)
        return decision
