"""The blocking face against our broker: the same methods, from any thread."""

import inspect
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import minikafka
from minikafka import (
    KafkaError,
    NewTopic,
    RebalanceListener,
    RecordMetadata,
    TopicPartition,
    sync,
)
from minikafka.client import sync_cluster, views
from minikafka.client.errors import CannotConnect, ClientNotRunning, KafkaTimeout
from minikafka.protocol.errors import ErrorCode
from minikafka.sync import AdminClient, Cluster, Consumer, Producer

from ..nodes import NodeProcess

TWINS = [(getattr(minikafka, name), getattr(sync, name)) for name in sync.__all__]

FOR_THE_WORKER = {"hand_over", "group_id", "bootstrap_servers"}
"""What a Worker asks of an asyncio consumer, and nobody of a blocking one."""


def parameters_of(function: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of every parameter."""
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters]


@pytest.mark.parametrize(("client", "face"), TWINS, ids=lambda each: each.__name__)
def test_every_method_has_its_blocking_twin(client: Any, face: Any):
    assert parameters_of(face) == parameters_of(client)
    for name, method in inspect.getmembers(client):
        if name.startswith("_") or name in FOR_THE_WORKER:
            continue
        assert hasattr(face, name), f"{client.__name__}.{name} has no blocking twin"
        twin = getattr(face, name)
        if callable(method):
            assert parameters_of(twin) == parameters_of(method), name
        assert inspect.getdoc(twin), name
    assert hasattr(face, "__iter__") == hasattr(client, "__aiter__")


def write(broker: NodeProcess, topic: str, count: int) -> None:
    """Numbers 0, 1, 2... as records of a new topic with one partition."""
    with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.create_topics([NewTopic(topic, 1, 1)])
    with Producer(bootstrap_servers=broker.bootstrap) as producer:
        producer.send_many(topic, [b"%d" % number for number in range(count)])


def consumer_of(broker: NodeProcess, *topics: str) -> Consumer:
    """A consumer that begins at the beginning."""
    return Consumer(*topics, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")


def test_records_go_in_and_come_out(shared_broker: NodeProcess):
    write(shared_broker, "sync", 0)
    with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        future = producer.send("sync", b"0", key=b"k", headers={"a": b"1"})
        assert isinstance(future, Future)
        assert future.result(timeout=30)[:3] == ("sync", 0, 0)
        assert not future.cancel()
        assert producer.send_and_wait("sync", b"1").offset == 1
        assert len(producer.send_many("sync", [b"2", b"3"])) == 2
        producer.flush()
        assert producer.partitions_for("sync") == [0]
    with consumer_of(shared_broker, "sync") as consumer:
        numbers: list[int] = []
        for record in consumer:
            numbers.append(int(record.value))
            if len(numbers) == 2:
                break
        assert consumer.position(("sync", 0)) == 2
        assert int(consumer.getone(timeout_ms=10_000).value) == 2
        assert [int(each.value) for each in take_batch(consumer)] == [3]
        consumer.seek(("sync", 0), 1)
        assert int(next(iter(consumer)).value) == 1
        with pytest.raises(ValueError, match="not assigned"):
            consumer.seek(("other", 0), 1)


def take_batch(consumer: Consumer) -> list[Any]:
    """The records of the one partition that is read."""
    (records,) = consumer.getmany(timeout_ms=10_000).values()
    return records


def test_errors_are_raised_where_they_are_made(shared_broker: NodeProcess):
    with Producer(bootstrap_servers=shared_broker.bootstrap, max_request_bytes=1000) as producer:
        with pytest.raises(KafkaError) as caught:
            producer.send("sync-errors", b"x" * 1000)
        assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
        with pytest.raises(TypeError, match="encode them"):
            producer.send("sync-errors", 5)
    with pytest.raises(ClientNotRunning, match="is closed"):
        producer.send("sync-errors", b"v")
    with pytest.raises(CannotConnect), Producer(bootstrap_servers="127.0.0.1:1"):
        pass
    with consumer_of(shared_broker, "sync-errors") as consumer, pytest.raises(KafkaTimeout):
        consumer.getone(timeout_ms=10)


def test_records_that_fail_fail_their_futures_and_one_line_is_logged(
    shared_broker: NodeProcess, caplog: pytest.LogCaptureFixture
):
    with Producer(bootstrap_servers=shared_broker.bootstrap, linger_ms=60_000) as producer:
        futures = producer.send_many("sync-late", [b"v"] * 10)
        with pytest.raises(KafkaTimeout):
            producer.close(timeout=0)
        for future in futures:
            assert isinstance(future.exception(timeout=30), KafkaTimeout)
    assert [each.getMessage() for each in caplog.records] == [
        "records were not delivered: the producer was closed before this record was delivered"
    ]


def test_threads_share_a_producer_and_a_consumer(shared_broker: NodeProcess):
    threads, each = 4, 50
    write(shared_broker, "sync-threads", 0)

    def send(number: int) -> list[Future[RecordMetadata]]:
        return [producer.send("sync-threads", b"%d" % (number * each + i)) for i in range(each)]

    with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        with ThreadPoolExecutor(threads) as pool:
            futures = [future for part in pool.map(send, range(threads)) for future in part]
        offsets = sorted(future.result(timeout=30).offset for future in futures)
    assert offsets == list(range(threads * each))

    def read(_: int) -> list[int]:
        return [int(consumer.getone(timeout_ms=10_000).value) for _ in range(each)]

    with consumer_of(shared_broker, "sync-threads") as consumer, ThreadPoolExecutor(4) as pool:
        numbers = [number for part in pool.map(read, range(threads)) for number in part]
    assert sorted(numbers) == list(range(threads * each))


def test_the_administrator_blocks_as_well(shared_broker: NodeProcess):
    with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        admin.create_topics([NewTopic("sync-admin", 2, 1)])
        (topic,) = admin.describe_topics(["sync-admin"])
        assert len(topic.partitions) == 2
        with pytest.raises(KafkaError) as caught:
            admin.create_topics([NewTopic("sync-admin", 2, 1)])
        assert caught.value.code is ErrorCode.TOPIC_ALREADY_EXISTS


def test_the_cluster_is_looked_at_down_to_its_segments(shared_broker: NodeProcess):
    write(shared_broker, "sync-cluster", 5)
    with Cluster(bootstrap_servers=shared_broker.bootstrap) as cluster:
        (broker,) = cluster.brokers
        assert (broker.host, broker.port) == ("127.0.0.1", shared_broker.port)
        topic = cluster.topics["sync-cluster"]
        (partition,) = topic.partitions
        assert (partition.topic, partition.index) == (topic.name, 0)
        assert partition.leader == broker.id
        assert partition.replicas == partition.in_sync_replicas == (broker.id,)
        assert partition.offsets() == (0, 5, 5)
        (segment,) = partition.segments()
        assert (segment.base_offset, segment.record_count) == (0, 5)
        cluster.refresh()
        assert len(list(cluster.events())) > 1
        with pytest.raises(KafkaError, match="no topic 'nowhere'"):
            _ = cluster.topics["nowhere"]
    with pytest.raises(ClientNotRunning):
        _ = partition.leader


VIEWS = [(views.Topic, sync_cluster.Topic), (views.Partition, sync_cluster.Partition)]


@pytest.mark.parametrize(("view", "face"), VIEWS, ids=lambda each: each.__name__)
def test_every_view_has_its_blocking_twin(view: Any, face: Any):
    told = {name for name in dir(view) if not name.startswith("_")} - {"look"}
    assert told - set(dir(face)) == set()


def test_a_call_from_the_loop_itself_is_refused_instead_of_hanging(shared_broker: NodeProcess):
    found: list[BaseException] = []
    called = threading.Event()

    def call_again(_: Any) -> None:
        try:
            producer.flush()
        except RuntimeError as error:
            found.append(error)
        called.set()

    with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        producer.send("sync-callback", b"v").add_done_callback(call_again)
        assert called.wait(30)
    assert "hand the work to another thread" in str(found[0])


def test_a_reader_is_told_when_another_thread_closes(shared_broker: NodeProcess):
    write(shared_broker, "sync-close", 1)
    got_one = threading.Event()

    def read() -> None:
        for _ in consumer:
            got_one.set()

    consumer = consumer_of(shared_broker, "sync-close").start()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        assert got_one.wait(30)
        consumer.close()
        assert isinstance(reading.exception(timeout=30), ClientNotRunning)


class Watch(RebalanceListener):
    """Remembers what came and went, and commits before it goes, as programs do."""

    def __init__(self) -> None:
        self.consumer: Consumer | None = None
        self.heard: list[tuple[str, set[TopicPartition]]] = []

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Remember."""
        self.heard.append(("assigned", assigned))

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Commit and remember."""
        assert self.consumer is not None
        self.consumer.commit()
        self.heard.append(("revoked", revoked))


def test_a_group_is_joined_and_its_listener_may_call_the_consumer(shared_broker: NodeProcess):
    write(shared_broker, "sync-group", 3)
    watch = Watch()
    consumer = Consumer(
        bootstrap_servers=shared_broker.bootstrap,
        group_id="sync",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    watch.consumer = consumer
    partition = TopicPartition("sync-group", 0)
    with consumer:
        consumer.subscribe(["sync-group"], listener=watch)
        assert consumer.subscription() == {"sync-group"}
        assert int(consumer.getone(timeout_ms=10_000).value) == 0
        assert consumer.assignment() == {partition}
        consumer.commit(consumer.getone(timeout_ms=10_000))
        assert consumer.committed(partition) == 2
        assert int(consumer.getone(timeout_ms=10_000).value) == 2
        consumer.unsubscribe()
    assert watch.heard == [("assigned", {partition}), ("revoked", {partition})]
    with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        assert admin.list_group_offsets("sync")[partition].offset == 3
