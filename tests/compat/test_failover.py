"""A leader is killed while a client with its default settings writes and reads.

Two settings are ours: acks=all, without which aiokafka waits for nobody but the leader, and the
idempotence that the client has by default; aiokafka has none, and may write a record twice.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minikafka import NewTopic
from minikafka.protocol.records import Record
from minikafka.sync import AdminClient as OurAdminClient

from ..chaos.ledger import PARTITIONS, Ledger, judge
from ..chaos.producers import PRODUCERS
from ..nodes import NodeCluster
from .aiokafka_client import AiokafkaClient
from .clients import Client
from .confluent_client import ConfluentClient
from .kafka_python_client import KafkaPythonClient
from .minikafka_client import MinikafkaClient
from .until import until

CLIENTS = (ConfluentClient, KafkaPythonClient, AiokafkaClient, MinikafkaClient)
AT_ONCE = 200
MORE = 1000
"""So many records are acknowledged before the kill, and again after it."""

# Clients leave the sockets of failed connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeCluster]:
    """Three nodes; who is killed comes back."""
    directory: Path = tmp_path_factory.mktemp("failover")
    cluster = NodeCluster(directory).start()
    yield cluster
    cluster.kill()


class Reader:
    """Reads one partition from its start, with one consumer after the other."""

    def __init__(self, client: Client, topic: str, partition: int) -> None:
        self.records: list[Record] = []
        self._read: Callable[[int], list[Record]] = lambda count: client.read(
            topic, count, partition, len(self.records)
        )

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            self.records += self._read(AT_ONCE)

    def finish(self, end_offset: int) -> list[Record]:
        """All records."""
        self.records += self._read(end_offset - len(self.records))
        return self.records


@pytest.mark.parametrize("client_class", CLIENTS, ids=lambda each: each.name)
def test_a_client_with_its_defaults_gets_over_the_death_of_a_leader(
    cluster: NodeCluster, client_class: type[Client]
) -> None:
    name = client_class.name
    topic, is_idempotent = f"failover-{name}", name != "aiokafka"
    with OurAdminClient(bootstrap_servers=cluster.bootstrap) as admin:
        admin.create_topics([NewTopic(topic, PARTITIONS, len(cluster.nodes))])
    client, ledger = client_class(cluster.bootstrap), Ledger(name)
    leader = client.partitions(topic)[0].leader
    reader = Reader(client, topic, 0)
    stop_writing, stop_reading = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(
            PRODUCERS[name], cluster.bootstrap, topic, ledger, is_idempotent, stop_writing
        )
        reading = threads.submit(reader.run, stop_reading)
        try:
            until(lambda: ledger.acknowledged_count > MORE and len(reader.records) > AT_ONCE)
            cluster[leader].kill()
            acknowledged, read = ledger.acknowledged_count, len(reader.records)
            until(lambda: ledger.acknowledged_count > acknowledged + MORE)
            until(lambda: len(reader.records) > read + AT_ONCE)
        finally:
            stop_reading.set()
            reading.result()
            stop_writing.set()
            writing.result()
    # The node stays dead until everything is read, so that nothing comes from it.
    others = [client.read(topic, client.watermarks(topic, each)[1], each) for each in (1, 2)]
    verdict = judge([ledger], [reader.finish(client.watermarks(topic)[1]), *others])
    cluster[leader].start()
    assert not ledger.failures
    assert not verdict.lost
    assert not verdict.unknown
    assert not (is_idempotent and (verdict.duplicated or verdict.disordered))
