"""The invariants of a running cluster, looked at as things happen (I1-I10 of the design).

After each turn of the loop, the nodes that did something in it are looked at. What is committed is
what any node has ever had below a high watermark: it is read then, and compared ever after.

    whole        a leader of the newest epoch holds everything that is committed            I1
    in sync      so does each running member of the ISR and the ELR                         I2
    superset     the maximal ISR of a partition's leader holds the ISR and the ELR, unless its
                 own ISR is too small to acknowledge anything                               I3
    same         what two nodes have below their high watermarks is the same, byte by byte  I4, I5
    kept         what is committed stays where it is, on each node that has it; a high
                 watermark never falls while a node lives                                   I6, I9
    early        what a client was told or given is committed                               I7
    chosen       a broker that may have lost records begins outside every ISR and ELR, and
                 leads nothing, unless nobody else is left                                  I8
    one leader   each epoch of a partition, and of the quorum, has one leader               I9
    metadata     of the metadata log all that is said of other logs holds too               I10

The nodes' own objects are read, by name: if those are renamed, this is what has to follow.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from zlib import crc32

from minikafka.protocol.batch import read_header
from minikafka.protocol.records import iterate_batches

from .machine import Machine

SCRATCH = "scratch"
"""A topic that comes and goes, see `operator`."""
METADATA_LOG = ("__cluster_metadata", 0)
READ_BYTES = 1 << 20
Name = tuple[str, int]


class Committed(NamedTuple):
    """A committed batch."""

    base_offset: int
    next_offset: int
    epoch: int
    checksum: int


class Replica(NamedTuple):
    """One log on one node, as it is now."""

    log: Any
    end_offset: int
    high_watermark: int
    is_leader: bool
    epoch: int
    partition: Any = None
    """None for the metadata log."""


class Seen:
    """A log on one node, as it was when it was last looked at."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.end_offset = 0
        self.high_watermark = 0
        self.led_epoch = -1
        self.compared = 0
        """Up to where its content was compared with what is committed."""


class Watch:
    """See the module."""

    def __init__(self, machines: list[Machine]) -> None:
        self.violations: list[str] = []
        self.looks = 0
        self.leader_changes = 0
        self.moves = 0
        """How often another node led a log than before."""
        self._last_leader: dict[Name, int] = {}
        self._newest: tuple[int, Any] = -1, None
        """The most that was ever known to be committed of the metadata, and the image of it."""
        self._machines = machines
        self._committed: dict[Name, list[Committed]] = {}
        self._seen: dict[tuple[str, Name], Seen] = {}
        self._leaders: dict[tuple[Name, int], int] = {}

    def committed_offset(self, name: Name) -> int:
        """Up to where a log is known to be committed."""
        batches = self._committed.get(name)
        return batches[-1].next_offset if batches else 0

    def told(self, client: str, name: Name, offset: int) -> None:
        """A client was told that a record is at an offset, or was given it."""
        committed = self.committed_offset(name)
        if offset >= committed:
            self._say(f"early: {client} has {name[0]}-{name[1]}@{offset}, {committed} is committed")

    def stands_loss_of(self, machine: Machine) -> bool:
        """Whether its disk may forget: in each partition two others that run are in sync."""
        image = self._newest_image()
        running = {
            each.config.node_id for each in self._machines if each is not machine and each.is_ready
        }
        return image is not None and all(
            len(running.intersection(partition.isr)) > 1
            for topic in image.topics.values()
            if topic.name != SCRATCH
            for partition in topic.partitions.values()
        )

    def look(self, machine: Machine) -> None:
        """Look at a node that has done something."""
        if machine.node is None or machine.process is None:
            return
        self.looks += 1
        self._look_at_image(machine.node)
        for each in self._machines:
            if each.may_have_lost:
                self._look_at_newcomer(each)
        for name, replica in replicas_of(machine.node):
            if name[0] == SCRATCH:
                continue  # Its logs are of several topics.
            life = machine.process.name, name
            seen = self._seen.get(life)
            if seen is None or seen.log is not replica.log:  # It may have been away meanwhile.
                seen = self._seen[life] = Seen(replica.log)
            if replica.is_leader and seen.led_epoch != replica.epoch:
                seen.led_epoch = replica.epoch
                self._look_at_leader(machine, name, replica)
            is_same = (replica.end_offset, replica.high_watermark) == (
                seen.end_offset,
                seen.high_watermark,
            )
            if not is_same:
                self._look_at(machine, name, replica, seen)

    def _look_at(self, machine: Machine, name: Name, replica: Replica, seen: Seen) -> None:
        where = f"{name[0]}-{name[1]} on {machine.name}"
        if replica.high_watermark < seen.high_watermark:
            self._say(
                f"kept: the high watermark of {where} falls from {seen.high_watermark} "
                f"to {replica.high_watermark}"
            )
        if replica.end_offset < min(seen.end_offset, seen.high_watermark):
            self._say(f"kept: {where} is cut at {replica.end_offset}, below its high watermark")
        if replica.high_watermark > replica.end_offset:
            self._say(
                f"kept: the high watermark {replica.high_watermark} of {where} is beyond its "
                f"end {replica.end_offset}"
            )
        if replica.high_watermark > seen.compared:
            self._compare(where, name, replica, seen)
            self._look_at_members(name)
            self._look_at_maximal_isr(where, name, replica)
        seen.end_offset, seen.high_watermark = replica.end_offset, replica.high_watermark

    def _compare(self, where: str, name: Name, replica: Replica, seen: Seen) -> None:
        known = self._committed.setdefault(name, [])
        by_offset = {each.base_offset: each for each in known if each.next_offset > seen.compared}
        for batch in batches_of(replica.log, seen.compared, replica.high_watermark):
            before = by_offset.get(batch.base_offset)
            if before is not None and before != batch:
                self._say(f"same: {where} has {batch}, committed is {before}")
            elif before is None and batch.base_offset < self.committed_offset(name):
                self._say(f"same: {where} has {batch}, where others have another batch")
            elif before is None:
                if batch.base_offset != self.committed_offset(name):
                    self._say(f"same: {where} has a gap before {batch}")
                known.append(batch)
        seen.compared = replica.high_watermark

    def _look_at_leader(self, machine: Machine, name: Name, replica: Replica) -> None:
        node_id = machine.config.node_id
        key = name, replica.epoch
        if key not in self._leaders:
            self._leaders[key] = node_id
            self.leader_changes += 1
            self.moves += self._last_leader.get(name, node_id) != node_id
            self._last_leader[name] = node_id
        elif self._leaders[key] != node_id:
            self._say(
                f"one leader: nodes {self._leaders[key]} and {node_id} lead {name[0]}-{name[1]} "
                f"in epoch {replica.epoch}"
            )
        newest = max(epoch for each, epoch in self._leaders if each == name)
        committed = self.committed_offset(name)
        if replica.epoch == newest and replica.end_offset < committed:
            self._say(
                f"whole: {machine.name} leads {name[0]}-{name[1]} in epoch {replica.epoch} and "
                f"ends at {replica.end_offset}; {committed} is committed"
            )

    def _look_at_members(self, name: Name) -> None:
        """Everybody in the ISR and the ELR who runs has what is committed."""
        members, committed = self._members(name), self.committed_offset(name)
        for machine in self._machines:
            if machine.config.node_id in members and machine.is_ready and machine.node is not None:
                replica = dict(replicas_of(machine.node)).get(name)
                if replica is not None and replica.end_offset < committed:
                    self._say(
                        f"in sync: {machine.name} is in the ISR or ELR of {name[0]}-{name[1]} and "
                        f"ends at {replica.end_offset}; {committed} is committed"
                    )

    def _look_at_maximal_isr(self, where: str, name: Name, replica: Replica) -> None:
        """Who counts for the high watermark is at least everybody who may be elected."""
        in_sync, image = getattr(replica.partition, "in_sync", None), self._image(name)
        if in_sync is None or image is None or image.leader_epoch != replica.epoch:
            return
        least = in_sync.effective_min_isr(replica.partition.config.min_insync_replicas)
        missing = {*image.isr, *getattr(image, "elr", ())} - set(in_sync.maximal_isr)
        if missing and len(in_sync.isr) >= least:
            self._say(f"superset: {where} moves its high watermark without {sorted(missing)}")

    def _look_at_newcomer(self, machine: Machine) -> None:
        """Once it has registered, see where it is still counted on."""
        session = getattr(getattr(machine.node, "_member", None), "_session", None)
        image, node_id = self._newest_image(), machine.config.node_id
        if session is None or image is None or node_id not in image.brokers:
            return
        if image.brokers[node_id].incarnation != session._registration.incarnation:
            return
        machine.may_have_lost = False
        for topic in image.topics.values():
            for index, partition in topic.partitions.items():
                trusted = {*partition.isr, *partition.elr, partition.leader}
                if node_id in trusted and len(trusted) > 1:
                    where = f"{machine.name}, which may have lost records of {topic.name}-{index}"
                    self._say(f"chosen: {where}: {partition}")

    def _members(self, name: Name) -> set[int]:
        """The ISR and the ELR."""
        image = self._image(name)
        return set() if image is None else {*image.isr, *getattr(image, "elr", ())}

    def _image(self, name: Name) -> Any:
        """A partition as the node knows it that has applied most."""
        image = self._newest_image()
        topic = image.topics.get(name[0]) if image is not None else None
        return topic.partitions.get(name[1]) if topic is not None else None

    def _newest_image(self) -> Any:
        """The cluster as the node knows it that has applied most, or knew it before it died."""
        return self._newest[1]

    def _look_at_image(self, node: Any) -> None:
        controller = getattr(node, "_controller", None)
        if controller is not None and controller.committed_offset >= self._newest[0]:
            self._newest = controller.committed_offset, controller.image

    def _say(self, sentence: str) -> None:
        if sentence not in self.violations:
            self.violations.append(sentence)


def replicas_of(node: Any) -> Iterator[tuple[Name, Replica]]:
    """All logs of a node, the metadata log first; none before they are open."""
    controller = getattr(node, "_controller", None)
    if controller is not None and controller.committed_offset is not None:
        log = getattr(controller._log, "_log", controller._log)
        leads = getattr(controller, "is_active", True)
        yield (
            METADATA_LOG,
            Replica(log, log.log_end_offset, controller.committed_offset, leads, controller.epoch),
        )
    manager = getattr(node, "_replicas", None)
    if manager is not None:
        for name, partition in manager.partitions.items():
            yield (
                name,
                Replica(
                    partition.log,
                    partition.log.log_end_offset,
                    partition.high_watermark,
                    getattr(partition, "is_leader", True),
                    partition.leader_epoch,
                    partition,
                ),
            )


def batches_of(log: Any, from_offset: int, end_offset: int) -> Iterator[Committed]:
    """The batches of a log between two offsets."""
    offset = max(from_offset, log.log_start_offset)
    while offset < end_offset:
        piece = log.read(offset, READ_BYTES, end_offset)
        if piece is None:
            return
        for batch in iterate_batches(piece.read()):
            header = read_header(batch)
            offset = header.next_offset
            yield Committed(
                header.base_offset, offset, header.partition_leader_epoch, crc32(bytes(batch))
            )
