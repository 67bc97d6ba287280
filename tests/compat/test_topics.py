"""Topics and the cluster as each client sees and changes them."""

import pytest

from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from .clients import DEADLINE_S, AdminClient, Client, Refused, record
from .confluent_client import confluent


def test_a_topic_is_created_by_writing_to_it(client: Client, topic: str):
    client.send(topic, [record(b"v")])
    assert topic in client.topics()
    assert list(client.partitions(topic)) == [0]


def test_a_created_topic_is_usable_at_once(admin: AdminClient, topic: str):
    admin.create_topic(topic, partitions=3)
    admin.send(topic, [record(b"v")], partition=2)
    assert [each.value for each in admin.read(topic, 1, partition=2)] == [b"v"]


def test_each_client_sees_the_partitions_of_a_topic(
    client: Client, anybody: AdminClient, topic: str
):
    anybody.create_topic(topic, partitions=4)
    assert client.partitions(topic) == {index: (1, [1], [1]) for index in range(4)}


def test_a_topic_cannot_be_created_twice(admin: AdminClient, topic: str):
    admin.create_topic(topic)
    with pytest.raises(Refused) as refused:
        admin.create_topic(topic)
    assert refused.value.error_code == ErrorCode.TOPIC_ALREADY_EXISTS


def test_an_unknown_option_of_a_topic_is_refused(admin: AdminClient, topic: str):
    with pytest.raises(Refused) as refused:
        admin.create_topic(topic, configs={"retention.mss": "1"})
    assert refused.value.error_code == ErrorCode.INVALID_CONFIG
    assert topic not in admin.topics()


def test_a_name_with_a_slash_is_refused(admin: AdminClient, topic: str):
    with pytest.raises(Refused) as refused:
        admin.create_topic(f"{topic}/..")
    assert refused.value.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


def test_a_deleted_topic_is_gone(admin: AdminClient, topic: str):
    admin.create_topic(topic)
    admin.delete_topic(topic)
    assert topic not in admin.topics()


def test_an_unknown_topic_cannot_be_deleted(admin: AdminClient, topic: str):
    with pytest.raises(Refused) as refused:
        admin.delete_topic(topic)
    assert refused.value.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_topic_created_again_under_its_name_is_empty(admin: AdminClient, topic: str):
    admin.create_topic(topic, partitions=2)
    admin.send(topic, [record(b"old")] * 5)
    admin.delete_topic(topic)
    admin.create_topic(topic)
    admin.send(topic, [record(b"new")])
    assert [(each.offset, each.value) for each in admin.read(topic, 1)] == [(0, b"new")]
    assert list(admin.partitions(topic)) == [0]


def test_an_idempotent_producer_goes_on_after_its_topic_was_created_again(
    anybody: AdminClient, shared_broker: NodeProcess, topic: str
):
    settings = {"bootstrap.servers": shared_broker.bootstrap, "enable.idempotence": True}
    producer = confluent.Producer(settings)
    for value in (b"old", b"new"):
        anybody.create_topic(topic)
        for _ in range(3):
            producer.produce(topic, value, partition=0)
        assert producer.flush(DEADLINE_S) == 0
        assert [each.value for each in anybody.read(topic, 3)] == [value] * 3
        anybody.delete_topic(topic)


def test_a_node_that_does_not_create_topics_names_an_unknown_one_unknown(
    stranger: Client, topic: str
):
    with pytest.raises(Refused) as refused:
        stranger.partitions(topic)
    assert refused.value.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert topic not in stranger.topics()


def test_each_client_sees_the_cluster(client: Client, shared_broker: NodeProcess):
    cluster = client.cluster()
    assert cluster.controller_id == 1
    assert cluster.addresses == {1: shared_broker.bootstrap}
    if cluster.cluster_id is not None:
        assert len(cluster.cluster_id) == 22
