"""Kafka's admin clients see three nodes as they are, while one after the other dies and comes back.

started               three brokers, one of them the controller; every replica in sync
a follower is killed  two brokers; it is in no ISR; the controller is the same
it comes back         as at the start
the controller dies   another controller, in a later epoch of the quorum
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

from minikafka import KafkaError, NewTopic
from minikafka.sync import AdminClient as OurAdminClient

from ..nodes import NodeCluster
from .clients import DEADLINE_S, Client
from .confluent_client import ConfluentClient, confluent
from .kafka_python_client import KafkaPythonClient, kafka, refusals
from .minikafka_client import MinikafkaClient
from .until import until

# The types that it comes with leave most things unknown.
confluent_admin: Any = import_module("confluent_kafka.admin")

Onlooker: TypeAlias = partial[Client]
TOPIC = "seen"
NODES = {1, 2, 3}

# Clients leave the sockets of failed connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeCluster]:
    """Three nodes with a topic on all of them; each test leaves them running."""
    directory: Path = tmp_path_factory.mktemp("cluster")
    cluster = NodeCluster(directory).start()
    create(
        cluster,
        TOPIC,
        {index: (1 + index, 1 + (index + 1) % 3, 1 + (index + 2) % 3) for index in range(3)},
    )
    yield cluster
    cluster.kill()


@pytest.fixture(params=[ConfluentClient, KafkaPythonClient], ids=lambda each: each.name)
def onlooker(request: pytest.FixtureRequest, cluster: NodeCluster) -> Onlooker:
    """Each of the two that know enough of a cluster, new for each look."""
    return partial(request.param, cluster.bootstrap)


class View(NamedTuple):
    """What a client sees."""

    brokers: set[int]
    controller: int
    leaders: set[int]
    in_sync: list[set[int]]
    """Of each partition."""


def view(new_client: Onlooker) -> View:
    """What a client sees now that has not seen anything before."""
    client = new_client()
    seen, partitions = client.cluster(), client.partitions(TOPIC).values()
    return View(
        set(seen.addresses),
        seen.controller_id,
        {each.leader for each in partitions},
        [set(each.in_sync_replicas) for each in partitions],
    )


def wait_for(onlooker: Onlooker, brokers: set[int]) -> View:
    """Until these are there, lead, and are in sync; what is seen then.

    Ours looks first: librdkafka waits for the controller that it was told of until that is there,
    which one that has just died may never be.
    """

    def is_seen(new_client: Onlooker) -> bool:
        try:
            seen = view(new_client)
        except (kafka.errors.KafkaError, confluent.KafkaException, KafkaError, TimeoutError):
            return False  # Whom it asked may just have been killed.
        return (
            seen.brokers == brokers
            and seen.controller in brokers
            and seen.leaders <= brokers
            and seen.in_sync == [brokers] * len(NODES)
        )

    until(lambda: is_seen(partial(MinikafkaClient, *onlooker.args)))
    until(lambda: is_seen(onlooker))
    return view(onlooker)


def create(cluster: NodeCluster, topic: str, replicas: dict[int, tuple[int, ...]]) -> None:
    """A topic whose replicas are where they are wanted."""
    with OurAdminClient(bootstrap_servers=cluster.bootstrap) as admin:
        admin.create_topics([NewTopic(topic, replica_assignments=replicas)])


def quorum(cluster: NodeCluster) -> dict[str, Any]:
    """By DescribeQuorum, which only kafka-python knows of the three."""
    with closing(kafka.KafkaAdminClient(bootstrap_servers=cluster.bootstrap)) as admin:
        (topic,) = admin.describe_metadata_quorum()["topics"]
    (partition,) = topic["partitions"]
    return partition


def test_who_is_there_and_who_leads_is_seen_at_each_step(cluster: NodeCluster, onlooker: Onlooker):
    seen = wait_for(onlooker, NODES)
    addresses = {id: node.bootstrap for id, node in cluster.nodes.items()}
    assert onlooker().cluster().addresses == addresses
    controller = seen.controller
    assert controller in NODES

    follower = min(NODES - {controller})
    cluster[follower].kill()
    assert wait_for(onlooker, NODES - {follower}).controller == controller
    cluster[follower].start()
    assert wait_for(onlooker, NODES).controller == controller

    cluster[controller].kill()
    assert wait_for(onlooker, NODES - {controller}).controller in NODES - {controller}
    cluster[controller].start()
    wait_for(onlooker, NODES)


def test_the_quorum_is_seen_at_each_step(cluster: NodeCluster):
    onlooker = partial(KafkaPythonClient, cluster.bootstrap)
    controller = wait_for(onlooker, NODES).controller
    before = quorum(cluster)
    assert before["leader_id"] == controller
    assert {each["replica_id"] for each in before["current_voters"]} == NODES
    assert before["observers"] == []
    ends = {each["replica_id"]: each["log_end_offset"] for each in before["current_voters"]}
    assert ends[controller] >= before["high_watermark"] > 0

    follower = min(NODES - {controller})
    cluster[follower].kill()
    wait_for(onlooker, NODES - {follower})
    during = quorum(cluster)
    assert during["leader_id"] == controller
    assert during["leader_epoch"] == before["leader_epoch"]
    ends = {each["replica_id"]: each["log_end_offset"] for each in during["current_voters"]}
    assert ends[follower] < ends[controller]
    cluster[follower].start()
    wait_for(onlooker, NODES)

    def has_caught_up() -> bool:
        voters = quorum(cluster)["current_voters"]
        return len({each["log_end_offset"] for each in voters}) == 1

    until(has_caught_up)
    cluster[controller].kill()
    successor = wait_for(onlooker, NODES - {controller}).controller
    after = quorum(cluster)
    assert after["leader_id"] == successor != controller
    assert after["leader_epoch"] > before["leader_epoch"]
    assert {each["replica_id"] for each in after["current_voters"]} == NODES
    cluster[controller].start()
    wait_for(onlooker, NODES)


def moved_away(cluster: NodeCluster, onlooker: Onlooker) -> int:
    """A partition whose preferred leader does not lead it, as its node was away."""
    wait_for(onlooker, NODES)
    cluster[1].kill()
    wait_for(onlooker, NODES - {1})
    cluster[1].start()
    wait_for(onlooker, NODES)
    return next(
        index
        for index, each in onlooker().partitions(TOPIC).items()
        if each.leader != each.replicas[0] == 1
    )


def test_confluent_elects_the_preferred_leader(cluster: NodeCluster):
    onlooker = partial(ConfluentClient, cluster.bootstrap)
    index = moved_away(cluster, onlooker)
    admin = confluent_admin.AdminClient({"bootstrap.servers": cluster.bootstrap})
    wanted = [confluent.TopicPartition(TOPIC, index)]
    answers = admin.elect_leaders(confluent.ElectionType.PREFERRED, wanted).result(DEADLINE_S)
    assert list(answers.values()) == [None]
    until(lambda: onlooker().partitions(TOPIC)[index].leader == 1)


def test_kafka_python_elects_the_preferred_leader(cluster: NodeCluster):
    onlooker = partial(KafkaPythonClient, cluster.bootstrap)
    index = moved_away(cluster, onlooker)
    with closing(kafka.KafkaAdminClient(bootstrap_servers=cluster.bootstrap)) as admin, refusals():
        admin.elect_leaders(0, {TOPIC: [index]})
    until(lambda: onlooker().partitions(TOPIC)[index].leader == 1)


def test_kafka_python_moves_a_partition(cluster: NodeCluster):
    onlooker = partial(KafkaPythonClient, cluster.bootstrap)
    wait_for(onlooker, NODES)
    create(cluster, "moved", {0: (1, 2)})
    name = kafka.TopicPartition("moved", 0)
    with closing(kafka.KafkaAdminClient(bootstrap_servers=cluster.bootstrap)) as admin, refusals():
        assert admin.alter_partition_reassignments({name: [3, 2]}) == {name: None}
        until(lambda: not admin.list_partition_reassignments())
    moved = onlooker().partitions("moved")[0]
    assert moved.replicas == [3, 2]
    assert set(moved.in_sync_replicas) == {2, 3}
    assert moved.leader in (2, 3)
