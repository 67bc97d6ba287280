"""Records go, by DeleteRecords and by compaction, and every client goes on where there are some."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate, iterate_batches

from ..nodes import NodeProcess
from .clients import DEADLINE_S, AdminClient, Client, Refused, contents, record
from .confluent_client import ConfluentClient, admin, confluent
from .conftest import CLIENTS
from .kafka_python_client import kafka

COMPACTED = {
    "cleanup.policy": "compact",
    "segment.bytes": "2000",
    "min.cleanable.dirty.ratio": "0.01",
}
KEYS = 5
SENT = 200
ROUNDS = 10
"""Of the cleaner, in which nothing changes."""

DeleteRecords = Callable[[str, str, int], int]


def by_confluent(bootstrap: str, topic: str, offset: int) -> int:
    """The low watermark that confluent-kafka's admin client reports."""
    wanted = [confluent.TopicPartition(topic, 0, offset)]
    client = admin.AdminClient({"bootstrap.servers": bootstrap})
    (future,) = client.delete_records(wanted).values()
    try:
        return future.result(DEADLINE_S).low_watermark
    except confluent.KafkaException as error:
        raise Refused(error.args[0].code(), error) from error


def by_kafka_python(bootstrap: str, topic: str, offset: int) -> int:
    """The low watermark that kafka-python's admin client reports."""
    with closing(kafka.KafkaAdminClient(bootstrap_servers=bootstrap)) as client:
        partition = kafka.TopicPartition(topic, 0)
        try:
            answer = client.delete_records({partition: offset})
        except kafka.errors.BrokerResponseError as error:
            raise Refused(error.errno, error) from error
        return answer[partition]["low_watermark"]


def by_aiokafka(bootstrap: str, topic: str, offset: int) -> int:
    """The low watermark that aiokafka's admin client reports."""
    return asyncio.run(_by_aiokafka(bootstrap, topic, offset))


async def _by_aiokafka(bootstrap: str, topic: str, offset: int) -> int:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    partition = TopicPartition(topic, 0)
    try:
        answer = await client.delete_records({partition: RecordsToDelete(before_offset=offset)})
    except KafkaError as error:
        raise Refused(error.errno, error) from error
    finally:
        await client.close()
    return answer[partition]


@pytest.fixture(
    params=[by_confluent, by_kafka_python, by_aiokafka],
    ids=["confluent", "kafka-python", "aiokafka"],
)
def delete_records(request: pytest.FixtureRequest) -> DeleteRecords:
    """Each admin client in turn."""
    return request.param


def test_admin_clients_delete_records(
    shared_broker: NodeProcess, anybody: AdminClient, delete_records: DeleteRecords, topic: str
):
    anybody.send(topic, [record(b"%d" % number) for number in range(10)])
    assert delete_records(shared_broker.bootstrap, topic, 4) == 4
    assert anybody.watermarks(topic) == (4, 10)
    assert [each.value for each in anybody.read(topic, 6, start=4)] == [
        b"%d" % number for number in range(4, 10)
    ]
    with pytest.raises(Refused) as refused:
        delete_records(shared_broker.bootstrap, topic, 11)
    assert refused.value.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert delete_records(shared_broker.bootstrap, topic, -1) == 10
    assert anybody.watermarks(topic) == (10, 10)


def test_deleted_records_stay_deleted_when_the_node_is_killed(
    tmp_path: Path, delete_records: DeleteRecords
):
    node = NodeProcess(tmp_path / "node").start()
    try:
        ConfluentClient(node.bootstrap).send("orders", [record(b"v")] * 10)
        delete_records(node.bootstrap, "orders", 7)
        node.kill()
        node.start()
        assert ConfluentClient(node.bootstrap).watermarks("orders") == (7, 10)
    finally:
        node.kill()


def test_each_client_sees_where_the_log_starts(
    client: Client, shared_broker: NodeProcess, anybody: AdminClient, topic: str
):
    anybody.send(topic, [record(b"%d" % number) for number in range(10)])
    by_confluent(shared_broker.bootstrap, topic, 4)
    assert client.watermarks(topic) == (4, 10)
    assert [each.offset for each in client.read(topic, 6, start=4)] == list(range(4, 10))


@pytest.fixture(scope="module")
def compacted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node with a topic `compacted` of which most records are gone, and no more will go."""
    data_dir = tmp_path_factory.mktemp("compacted") / "node"
    node = NodeProcess(data_dir, "-c", "log.cleaner.backoff.ms=50").start()
    client = ConfluentClient(node.bootstrap)
    client.create_topic("compacted", configs=COMPACTED)
    for start in range(0, SENT, 10):
        client.send("compacted", [_numbered(number) for number in range(start, start + 10)])
    looks: list[list[bytes | None]] = []

    def is_done() -> bool:
        looks.append(_on_disk(data_dir))
        return len(looks[-1]) < SENT / 4 and looks[-ROUNDS:] == [looks[-1]] * ROUNDS

    _wait_until(is_done)
    yield node
    node.kill()


def _numbered(number: int):
    return record(b"value %d" % number * 5, b"key %d" % (number % KEYS))


def _on_disk(data_dir: Path) -> list[bytes | None]:
    """The keys in the files, or nothing while they change."""
    try:
        paths = sorted((data_dir / "compacted-0").glob("*.log"))
        batches = [each for path in paths for each in iterate_batches(path.read_bytes())]
    except FileNotFoundError:
        return [None] * SENT
    return [each.key for batch in batches for each in iterate(batch)]


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("make", CLIENTS, ids=lambda each: each.name)
def test_each_client_reads_a_compacted_topic_from_its_start(
    compacted: NodeProcess, make: type[Client]
):
    """And never stalls: the last record is there, and no offset before it is waited for."""
    client = make(compacted.bootstrap)
    left = len(_on_disk(compacted.data_dir))
    found = client.read("compacted", left)
    assert found[-1].offset == SENT - 1
    newest = {each.key: each.value for each in found}
    assert newest == {each.key: each.value for each in map(_numbered, range(SENT - KEYS, SENT))}
    assert client.watermarks("compacted") == (0, SENT)


@pytest.mark.parametrize("make", CLIENTS, ids=lambda each: each.name)
def test_each_client_reads_on_from_an_offset_that_is_gone(
    compacted: NodeProcess, make: type[Client]
):
    on_disk = make(compacted.bootstrap).read("compacted", len(_on_disk(compacted.data_dir)))
    gone = next(number for number in range(SENT) if number not in {e.offset for e in on_disk})
    following = [each for each in on_disk if each.offset > gone]
    found = make(compacted.bootstrap).read("compacted", len(following), start=gone)
    assert contents(found) == contents(following)


def test_a_compacted_topic_outlives_a_kill(compacted: NodeProcess):
    before = ConfluentClient(compacted.bootstrap).read(
        "compacted", len(_on_disk(compacted.data_dir))
    )
    compacted.kill()
    compacted.start()
    client = ConfluentClient(compacted.bootstrap)
    assert client.read("compacted", len(before)) == before
    client.send("compacted", [record(b"new", b"key 0")])
    assert client.watermarks("compacted") == (0, SENT + 1)
