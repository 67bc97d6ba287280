"""Each broken invariant, made by hand, is said; what a cluster may do is not."""

from types import SimpleNamespace
from typing import Any

import pytest

from minikafka.protocol.batch import assign_offset
from minikafka.protocol.records import BatchBuilder

from .watch import Watch

NAME = ("orders", 0)
A, B, C = b"a", b"b", b"c"


class Log:
    """As much of a log as the watch reads: a batch a record."""

    log_start_offset = 0

    def __init__(self, *records: tuple[bytes, int]) -> None:
        self.batches = list[bytearray]()
        for value, epoch in records:
            self.append(value, epoch)

    def append(self, value: bytes, epoch: int) -> None:
        builder = BatchBuilder()
        builder.append(0, None, value)
        batch = builder.build(0, -1, -1, -1)
        assign_offset(memoryview(batch), len(self.batches), epoch)
        self.batches.append(batch)

    @property
    def log_end_offset(self) -> int:
        return len(self.batches)

    def read(self, offset: int, max_bytes: int, end_offset: int) -> Any:
        data = b"".join(self.batches[offset:end_offset])
        return SimpleNamespace(read=lambda: data)


class Node:
    """A machine with one partition, and what its node knows of the cluster."""

    def __init__(self, node_id: int, log: Log, isr: tuple[int, ...] = (1, 2, 3)) -> None:
        self.log = log
        self.partition = SimpleNamespace(
            log=log,
            high_watermark=0,
            is_leader=node_id == 1,
            leader_epoch=0,
            in_sync=None,
            config=SimpleNamespace(min_insync_replicas=2),
        )
        self.image = SimpleNamespace(isr=isr, elr=(), leader=1, leader_epoch=0)
        topic = SimpleNamespace(name="orders", partitions={0: self.image})
        brokers = {each: SimpleNamespace(incarnation=f"life-{each}") for each in (1, 2, 3)}
        registration = SimpleNamespace(incarnation=f"life-{node_id}")
        session = SimpleNamespace(_registration=registration)
        controller = SimpleNamespace(
            committed_offset=0,
            image=SimpleNamespace(topics={"orders": topic}, brokers=brokers),
            is_active=node_id == 1,
            epoch=1,
            _log=Log(),
        )
        self.controller = controller
        self.machine: Any = SimpleNamespace(
            name=f"node-{node_id}",
            config=SimpleNamespace(node_id=node_id),
            is_ready=True,
            may_have_lost=False,
            process=SimpleNamespace(name=f"node-{node_id}.1"),
            node=SimpleNamespace(
                _controller=controller,
                _replicas=SimpleNamespace(partitions={NAME: self.partition}),
                _member=SimpleNamespace(_session=session),
            ),
        )


class Cluster:
    """A leader and two followers with the same three records."""

    def __init__(self) -> None:
        self.nodes = [Node(node_id, Log((A, 0), (B, 0), (C, 0))) for node_id in (1, 2, 3)]
        self.watch = Watch([each.machine for each in self.nodes])

    def look(self) -> list[str]:
        for node in self.nodes:
            self.watch.look(node.machine)
        return [sentence.partition(":")[0] for sentence in self.watch.violations]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_nothing_is_said_of_a_healthy_cluster(cluster: Cluster) -> None:
    leader, follower, _ = cluster.nodes
    assert cluster.look() == []
    leader.partition.high_watermark = 3
    assert cluster.look() == []
    follower.partition.high_watermark = 2
    leader.log.append(b"d", 0)
    assert cluster.look() == []
    assert cluster.watch.committed_offset(NAME) == 3


def test_two_nodes_have_other_bytes_below_their_high_watermarks(cluster: Cluster) -> None:
    cluster.nodes[0].partition.high_watermark = 3
    cluster.nodes[1].log.batches = Log((A, 0), (B, 0), (C, 1)).batches
    cluster.nodes[1].partition.high_watermark = 3
    assert cluster.look() == ["same"]


def test_they_may_differ_above(cluster: Cluster) -> None:
    cluster.nodes[0].partition.high_watermark = 3
    cluster.nodes[1].log.batches = Log((A, 0), (B, 0), (C, 1)).batches
    cluster.nodes[1].partition.high_watermark = 2
    assert cluster.look() == []


def test_a_high_watermark_falls(cluster: Cluster) -> None:
    cluster.nodes[1].partition.high_watermark = 2
    cluster.look()
    cluster.nodes[1].partition.high_watermark = 1
    assert cluster.look() == ["kept"]


def test_a_partition_that_went_away_and_came_back_begins_anew(cluster: Cluster) -> None:
    cluster.nodes[1].partition.high_watermark = 2
    cluster.look()
    cluster.nodes[1].partition.log = Log((A, 0))
    cluster.nodes[1].partition.high_watermark = 0
    assert cluster.look() == []


def test_a_log_is_cut_below_its_high_watermark(cluster: Cluster) -> None:
    cluster.nodes[0].partition.high_watermark = 1
    cluster.nodes[2].partition.high_watermark = 3
    cluster.look()
    del cluster.nodes[2].log.batches[2:]
    assert set(cluster.look()) == {"kept"}


def test_a_leader_lacks_what_is_committed(cluster: Cluster) -> None:
    cluster.nodes[0].partition.high_watermark = 3
    cluster.look()
    new = cluster.nodes[1]
    del new.log.batches[2:]
    new.partition.is_leader, new.partition.leader_epoch = True, 1
    assert cluster.look() == ["whole"]


def test_a_stale_leader_may_lack_it(cluster: Cluster) -> None:
    new, old = cluster.nodes[0], cluster.nodes[1]
    new.partition.leader_epoch = 5
    new.partition.high_watermark = 3
    cluster.look()
    del old.log.batches[2:]
    old.partition.is_leader, old.partition.leader_epoch = True, 4
    assert cluster.look() == []


def test_two_leaders_of_one_epoch(cluster: Cluster) -> None:
    cluster.nodes[1].partition.is_leader = True
    assert cluster.look() == ["one leader"]


def test_two_controllers_of_one_epoch(cluster: Cluster) -> None:
    cluster.nodes[1].controller.is_active = True
    assert cluster.look() == ["one leader"]


def test_a_member_of_the_isr_lacks_what_is_committed(cluster: Cluster) -> None:
    del cluster.nodes[2].log.batches[2:]
    cluster.nodes[0].partition.high_watermark = 3
    assert cluster.look() == ["in sync"]


def test_a_broker_that_may_have_lost_records_is_still_counted_on(cluster: Cluster) -> None:
    cluster.nodes[2].machine.may_have_lost = True
    assert cluster.look() == ["chosen"]


def test_a_broker_that_may_have_lost_records_is_left_out_or_all_that_is_left(
    cluster: Cluster,
) -> None:
    leader, _, newcomer = cluster.nodes
    leader.image.isr = (1, 2)
    newcomer.machine.may_have_lost = True
    assert cluster.look() == []
    leader.image.isr = (1,)
    leader.machine.may_have_lost = True
    assert cluster.look() == []
    assert not leader.machine.may_have_lost


def test_it_is_not_looked_for_before_it_has_registered(cluster: Cluster) -> None:
    cluster.nodes[2].machine.may_have_lost = True
    cluster.nodes[2].machine.node._member._session._registration.incarnation = "life-4"
    assert cluster.look() == []
    assert cluster.nodes[2].machine.may_have_lost


def test_who_is_not_in_the_isr_may_lack_it() -> None:
    cluster = Cluster()
    for node in cluster.nodes:
        topic = node.controller.image.topics["orders"]
        topic.partitions[0] = SimpleNamespace(isr=(1,), elr=(2,))
    del cluster.nodes[2].log.batches[2:]
    cluster.nodes[0].partition.high_watermark = 3
    assert cluster.look() == []
    del cluster.nodes[1].log.batches[2:]
    cluster.nodes[0].log.append(b"d", 0)
    cluster.nodes[0].partition.high_watermark = 4
    assert cluster.look() == ["in sync"]


def test_what_is_committed_of_the_metadata_differs(cluster: Cluster) -> None:
    first, second, _ = cluster.nodes
    first.controller._log = Log((A, 1))
    second.controller._log = Log((B, 1))
    first.controller.committed_offset = second.controller.committed_offset = 1
    assert cluster.look() == ["same"]


@pytest.mark.parametrize(("least", "said"), [(2, ["superset"]), (3, [])])
def test_a_leader_counts_fewer_than_may_be_elected(
    cluster: Cluster, least: int, said: list[str]
) -> None:
    leader = cluster.nodes[0].partition
    leader.in_sync = SimpleNamespace(
        isr=(1, 2), maximal_isr=(1, 2), effective_min_isr=lambda wanted: least
    )
    leader.high_watermark = 3
    assert cluster.look() == said


def test_a_client_is_told_of_what_is_not_committed(cluster: Cluster) -> None:
    cluster.nodes[0].partition.high_watermark = 2
    cluster.look()
    cluster.watch.told("reader", NAME, 1)
    assert cluster.look() == []
    cluster.watch.told("reader", NAME, 2)
    assert cluster.look() == ["early"]
