"""`minikafka topic reassign` between real brokers: what is moved, how fast, and what is said."""

import time
from pathlib import Path

import pytest

from minikafka import ConfigResource
from minikafka.sync import AdminClient, Producer

from ..nodes import NodeCluster
from .conftest import Command

RECORDS, RECORD_BYTES = 300, 10_000
RATE = 1_000_000
THROTTLED_RATE = "follower.replication.throttled.rate"


@pytest.fixture
def cluster(tmp_path: Path):
    cluster = NodeCluster(tmp_path, count=1).start()
    try:
        cluster.join()
        yield cluster
    finally:
        cluster.kill()


def test_a_throttle_bounds_what_is_moved_and_is_gone_afterwards(
    cluster: NodeCluster, minikafka: Command
) -> None:
    here = ("-b", cluster[1].bootstrap)
    minikafka("topic", "create", "slow", "--replication-factor", "1", *here)
    minikafka("topic", "reassign", "slow", "--brokers", "1", *here)
    with Producer(bootstrap_servers=cluster[1].bootstrap) as producer:
        for _ in range(RECORDS):
            producer.send("slow", b"x" * RECORD_BYTES)
        producer.flush()
    began_s = time.monotonic()
    outcome = minikafka(
        "topic", "reassign", "slow", "--brokers", "2", "--throttle", str(RATE), *here
    )
    assert outcome.status == 0, outcome.err
    # A burst of a second, and an answer of a batch of a megabyte at most on credit.
    assert time.monotonic() - began_s > (RECORDS * RECORD_BYTES - RATE - (1 << 20)) / RATE
    assert (cluster[2].data_dir / "slow-0").is_dir()
    with AdminClient(bootstrap_servers=cluster[1].bootstrap) as admin:
        (entries,) = admin.describe_configs([ConfigResource.broker(2)]).values()
        (topic,) = admin.describe_topics(["slow"])
    assert entries[THROTTLED_RATE].is_default
    assert topic.partitions[0].replicas == (2,)
