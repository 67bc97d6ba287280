"""A quorum in one world without clocks, sockets or disks: the machines are real, the rest is lists.

Messages lie on `wire` until they are delivered, lost or sent twice; writes lie with their node
until they are done, or lost in a crash. `Law` looks at every step: what Raft promises must hold.
"""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from minikafka.broker.controller.raft import Raft, State
from minikafka.broker.controller.raft_log import EMPTY, RaftLog
from minikafka.broker.controller.raft_messages import (
    Answer,
    Append,
    Ask,
    Commit,
    CutLog,
    Download,
    EpochAndOffset,
    Install,
    Proposed,
    SaveVote,
    Truncate,
    Vote,
    Voter,
)


@dataclass(frozen=True)
class Record:
    """What lies at an offset: who would have two of them at one, has broken the law."""

    epoch: int
    value: Any


@dataclass(frozen=True)
class Message:
    """A request, its answer, or a snapshot; it belongs to one life of the node that asked."""

    source: int
    to: int
    asker_life: int
    number: int
    content: Any
    is_answer: bool


@dataclass
class Disk:
    """What a node has when it comes back. `snapshot` has the records below the log's start."""

    directory_id: str
    vote: Vote = field(default_factory=Vote)
    start: EpochAndOffset = EMPTY
    snapshot: list[Record] = field(default_factory=list)
    batches: list[Any] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    """All of them, by offset: those in the snapshot, and those in the batches."""

    def perform(self, write):
        match write:
            case SaveVote():
                assert write.vote.epoch >= self.vote.epoch
                is_new = write.vote.epoch > self.vote.epoch
                assert is_new or self.vote.candidate in (None, write.vote.candidate), "two votes"
                self.vote = write.vote
            case Append():
                self.append(write.batches)
            case Truncate():
                assert any(each.base_offset == write.offset for each in self.batches)
                self.batches = [each for each in self.batches if each.base_offset < write.offset]
                self.records = self.records[: write.offset]
            case Install():
                self.start, self.snapshot, self.batches = write.snapshot, write.data, []
                self.records = list(write.data)

    def append(self, batches):
        self.batches = [*self.batches, *batches]
        new = [Record(batch.epoch, value) for batch in batches for value in batch.data]
        self.records = [*self.records, *new]

    def cut(self, offset):
        self.snapshot = self.records[:offset]
        self.start = EpochAndOffset(self.snapshot[-1].epoch, offset)
        self.batches = [each for each in self.batches if each.next_offset > offset]

    def read(self, start, end, limit):
        found = [each for each in self.batches if start <= each.base_offset < end]
        return tuple(found[:limit])


class Node:
    """A node: its disk and, while it lives, its machine."""

    def __init__(self, node_id):
        self.id = node_id
        self.disk = Disk(f"disk-{node_id}")
        self.life = 0
        self.raft = None
        self.writes = []
        self.is_full = False
        self.applied = []
        self.outcomes = {}


class World:
    def __init__(self, voters=3, observers=0, seed=0, *, slow_disks=False, founding=()):
        self.now_ms = 0
        self.random = Random(seed)
        self.slow_disks = slow_disks
        self.founding = founding
        self.batches_in_answer = 3
        self.voter_ids = list(range(1, voters + 1))
        self.directories = dict.fromkeys(self.voter_ids, "")
        self.nodes = {each: Node(each) for each in range(1, voters + observers + 1)}
        self.wire = []
        self.cuts = set()
        self.transcript = []
        self.law = Law(self)
        for node_id in self.nodes:
            self.boot(node_id)

    def boot(self, node_id):
        """A node starts with what its disk has."""
        node = self.nodes[node_id]
        node.life += 1
        log = RaftLog(node.disk.start)
        log.append(node.disk.batches)
        me = Voter(node_id, node.disk.directory_id)
        random = Random(self.random.random())
        node.raft = Raft(me, self.directories, node.disk.vote, log, random)
        node.applied = list(node.disk.snapshot)
        self.perform(node, node.raft.start(self.now_ms, self.founding))

    def crash(self, node_id, durable_batches=0):
        """A node ends. Of a write that is under way, nothing is left, or some batches."""
        node = self.nodes[node_id]
        node.raft = None
        for write in node.writes:
            if isinstance(write, Append):
                node.disk.append(write.batches[:durable_batches])
            elif durable_batches:
                node.disk.perform(write)
        node.writes = []
        self.law.look()

    def wipe(self, node_id, directory_id):
        """A node that is down loses its disk and gets another."""
        self.nodes[node_id].disk = Disk(directory_id)

    def raft(self, node_id):
        return self.nodes[node_id].raft

    def perform(self, node, effects):
        while effects:
            effect, *effects = effects
            match effect:
                case SaveVote() | Append() | Truncate() | Install():
                    assert not node.writes, "two writes at a time"
                    node.writes.append(effect)
                    if not self.slow_disks:
                        effects += self.written(node)
                case Ask():
                    self.send(node, effect.to, node.life, effect.number, effect.request)
                case Answer():
                    self.answer(node, effect)
                case Download():
                    self.download(node, effect)
                case Commit():
                    self.apply(node, effect.high_watermark)
                case CutLog():
                    node.disk.cut(effect.offset)
                case Proposed():
                    node.outcomes[effect.handle] = effect.outcome.value
        self.law.look()

    def written(self, node):
        """The write that is under way is on the disk, or finds no room there."""
        write = node.writes.pop()
        if node.is_full and not isinstance(write, Truncate):
            return node.raft.not_written(self.now_ms)
        node.disk.perform(write)
        if isinstance(write, Install):
            node.applied = list(write.data)
        return write.then(self.now_ms)

    def send(self, node, to, asker_life, number, content, *, is_answer=False):
        self.wire.append(Message(node.id, to, asker_life, number, content, is_answer))

    def answer(self, node, effect):
        assert not node.writes, "an answer before the disk knows of it"
        response, (to, life, number) = effect.response, effect.handle
        if effect.read is not None:
            batches = node.disk.read(*effect.read, self.batches_in_answer)
            response = replace(response, batches=batches)
        self.send(node, to, life, number, response, is_answer=True)

    def download(self, node, effect):
        """A snapshot's way is short: it is there at once, or not at all."""
        source = self.nodes[effect.source]
        if source.raft is not None and source.disk.start == effect.snapshot:
            content = effect.snapshot, source.disk.snapshot
            self.send(source, node.id, node.life, 0, content, is_answer=True)

    def apply(self, node, high_watermark):
        records = node.disk.records[len(node.applied) : high_watermark]
        node.applied += records
        assert len(node.applied) == high_watermark
        self.law.committed(node)

    def finish_write(self, node_id):
        node = self.nodes[node_id]
        if node.writes:
            self.perform(node, self.written(node))

    def deliver(self, index=0, *, keep=False):
        """A message arrives, if there is a way and somebody to take it."""
        message = self.wire[index] if keep else self.wire.pop(index)
        node = self.nodes[message.to]
        if node.raft is None or (message.source, message.to) in self.cuts:
            return
        self.note(message)
        if not message.is_answer:
            handle = message.source, message.asker_life, message.number
            effects = node.raft.asked(handle, message.content, self.now_ms)
        elif message.asker_life != node.life:
            return
        elif isinstance(message.content, tuple):
            effects = node.raft.downloaded(*message.content, self.now_ms)
        else:
            effects = node.raft.answered(message.number, message.content, self.now_ms)
        self.perform(node, effects)

    def tell_who_is_gone(self, node_id):
        """The connections of a dead node close: who has asked it something knows."""
        for node in self.nodes.values():
            if node.raft is not None and node.raft._asked_node == node_id:
                self.perform(node, node.raft.unreachable(node.raft._asked, self.now_ms))

    def note(self, message):
        kind = type(message.content).__name__
        if kind in ("VoteRequest", "VoteResponse"):
            what = "pre-vote" if message.content.is_pre_vote else "vote"
            if kind == "VoteResponse":
                what += " granted" if message.content.is_granted else " refused"
            epoch = message.content.epoch
            self.transcript.append(f"{message.source} to {message.to}: {what}, epoch {epoch}")

    def settle(self):
        """Everything that is under way arrives."""
        for _ in range(1000):
            if not self.wire:
                return
            self.deliver()
        raise AssertionError("they talk without end")

    def tick(self, node_id):
        node = self.nodes[node_id]
        for _ in range(10):
            deadline = node.raft and node.raft.deadline_ms()
            if deadline is None or deadline > self.now_ms:
                return
            self.perform(node, node.raft.tick(self.now_ms))
        raise AssertionError("a deadline that tick does not move")

    def step(self, *awake):
        """One message arrives, or if there is none, a little time passes for these."""
        if self.wire:
            self.deliver()
            return
        self.now_ms += 10
        for node_id in awake:
            self.tick(node_id)

    def run(self, ms, *, but=()):
        """Time passes for all but some, and nothing is lost on a way that is not cut."""
        until_ms = self.now_ms + ms
        awake = [each for each in self.nodes if each not in but]
        while True:
            for node_id in awake:
                self.tick(node_id)
            self.settle()
            rafts = [self.raft(each) for each in awake if self.raft(each) is not None]
            deadlines = [each.deadline_ms() for each in rafts]
            next_ms = min((each for each in deadlines if each is not None), default=until_ms)
            if next_ms >= until_ms:
                self.now_ms = until_ms
                return
            self.now_ms = max(self.now_ms + 1, next_ms)

    def stand(self, node_id):
        """This one has not heard of a leader for long, and is the first to notice."""
        self.now_ms += 2000
        self.tick(node_id)
        self.settle()

    def elect(self, node_id):
        """This one is elected and followed."""
        self.stand(node_id)
        self.run(200)
        assert self.leader() == node_id

    def propose(self, node_id, *values):
        """The handle of a proposal."""
        node = self.nodes[node_id]
        handle = f"proposal {values}"
        self.perform(node, node.raft.propose(handle, values))
        return handle

    def snapshot(self, node_id):
        """The state machine of this node takes a snapshot of what it has applied."""
        node = self.nodes[node_id]
        self.perform(node, node.raft.snapshotted(len(node.applied), self.now_ms))

    def isolate(self, *node_ids):
        """No way between these and the others."""
        others = set(self.nodes) - set(node_ids)
        self.cuts |= {(a, b) for a in node_ids for b in others}
        self.cuts |= {(b, a) for a in node_ids for b in others}

    def heal(self):
        self.cuts.clear()

    def leader(self):
        """The leader with the highest epoch."""
        leaders = [
            (node.raft.epoch, node.id)
            for node in self.nodes.values()
            if node.raft is not None and node.raft.state is State.LEADER
        ]
        return max(leaders)[1] if leaders else None

    def states(self):
        return [node.raft and node.raft.state.value for node in self.nodes.values()]

    def values(self, node_id):
        """What is in the log of a node, without the records of leaders."""
        return [each.value for each in self.nodes[node_id].disk.records if is_proposed(each)]

    def applied(self, node_id):
        return [each.value for each in self.nodes[node_id].applied if is_proposed(each)]


class Law:
    """What must hold after every step: Figure 3 of the Raft paper."""

    def __init__(self, world):
        self.world = world
        self.leaders = {}
        self.ledger = []
        """Committed records in order, each with the epoch in which that was first known."""
        self.epochs = {}
        self.watermarks = {}
        self.seen = []

    def committed(self, node):
        """A node applies: all apply the same (state machine safety)."""
        for offset, record in enumerate(node.applied):
            if offset == len(self.ledger):
                self.ledger.append((record, node.raft.epoch))
            assert self.ledger[offset][0] == record, f"offset {offset} is committed twice"
        if node.raft.state is State.LEADER:
            assert node.applied[-1].epoch == node.raft.epoch, (
                "committed without a record of its own"
            )
        self.ledger_is_safe()

    def look(self):
        for node in self.world.nodes.values():
            if node.raft is not None:
                self.look_at(node)
        seen = [node.disk.records for node in self.world.nodes.values()]
        if [id(each) for each in seen] != [id(each) for each in self.seen]:
            self.seen = seen
            self.logs_match()
            self.ledger_is_safe()

    def look_at(self, node):
        raft, life = node.raft, (node.id, node.life)
        assert raft.epoch >= self.epochs.get(raft.me, 0)
        assert raft.vote == node.disk.vote, "an epoch or vote that the disk does not know"
        assert raft.log.end.offset == len(node.disk.records), "a log that the disk does not have"
        assert raft.log.high_watermark >= self.watermarks.get(life, 0)
        assert raft.log.high_watermark == len(node.applied)
        assert node.disk.records[: len(node.applied)] == node.applied, "committed, and cut"
        self.epochs[raft.me] = raft.epoch
        self.watermarks[life] = raft.log.high_watermark
        if raft.state is State.LEADER:
            self.look_at_leader(node)

    def look_at_leader(self, node):
        """One leader an epoch, with all that was committed in earlier ones."""
        leader = self.leaders.setdefault(node.raft.epoch, (node.id, node.life))
        assert leader == (node.id, node.life), f"two leaders in epoch {node.raft.epoch}"
        earlier = [record for record, epoch in self.ledger if epoch < node.raft.epoch]
        assert node.disk.records[: len(earlier)] == earlier, "a leader without what is committed"

    def logs_match(self):
        """Logs with the same epoch at an offset are the same up to it."""
        logs = [node.disk.records for node in self.world.nodes.values()]
        for index, one in enumerate(logs):
            for other in logs[:index]:
                common = min(len(one), len(other))
                same = [at for at in range(common) if one[at].epoch == other[at].epoch]
                assert not same or one[: same[-1] + 1] == other[: same[-1] + 1], "logs differ"

    def ledger_is_safe(self):
        """A majority of the voters has on disk what is committed."""
        committed = [record for record, _ in self.ledger]
        disks = [self.world.nodes[each].disk for each in self.world.voter_ids]
        having = sum(disk.records[: len(committed)] == committed for disk in disks)
        assert having > len(disks) // 2, "what is committed is not on a majority"


def is_proposed(record):
    return not isinstance(record.value, dict)
