"""The picture of a cluster: leaders, replicas in sync, and how far each is."""

import pytest

from minikafka import AdminClient, Cluster, NewTopic, Producer
from minikafka.cli import cluster_watch
from minikafka.cli.cluster_watch import ClusterWatch
from minikafka.cli.failure import Failure

from ..nodes import NodeProcess


async def test_the_picture_shows_how_far_each_replica_is(shared_broker: NodeProcess) -> None:
    bootstrap = shared_broker.bootstrap
    async with AdminClient(bootstrap_servers=bootstrap) as admin:
        await admin.create_topics([NewTopic("seen", 2, 1)])
    async with Producer(bootstrap_servers=bootstrap) as producer:
        await producer.send_many("seen", [b"x"] * 1234, partition=1)
    async with (
        Cluster(bootstrap_servers=bootstrap) as cluster,
        AdminClient(bootstrap_servers=bootstrap) as admin,
    ):
        watch = ClusterWatch(cluster, admin, "seen", node_count=2)
        await watch.until("the topic", lambda: "seen" in cluster.topics)
        await watch.until_in_sync()
        header, *rows = await watch.picture()
    assert header.split() == [
        "leader",
        "in",
        "sync",
        "node",
        "1",
        "node",
        "2",
        "node",
        "1",
        "is",
        "the",
        "controller",
    ]
    assert [row.split() for row in rows] == [
        ["seen-0", "1", "1", "0", "-"],
        ["seen-1", "1", "1", "1,234", "-"],
    ]


async def test_what_never_comes_is_a_sentence(
    shared_broker: NodeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_watch, "DEADLINE_S", 0.1)
    bootstrap = shared_broker.bootstrap
    async with (
        Cluster(bootstrap_servers=bootstrap) as cluster,
        AdminClient(bootstrap_servers=bootstrap) as admin,
    ):
        watch = ClusterWatch(cluster, admin, "seen", 1)
        with pytest.raises(Failure, match="not within 0 s: better times"):
            await watch.until("better times", lambda: False)
