"""confluent-kafka's AdminClient: each operation on topics, options, records and the cluster."""

from importlib import import_module
from typing import Any

import pytest

from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from .clients import DEADLINE_S, record
from .confluent_client import ConfluentClient, confluent
from .operations import check_accounted_for

# The types that it comes with leave most things unknown.
admin: Any = import_module("confluent_kafka.admin")

OPERATIONS = {
    "create_topics": "CreateTopics",
    "delete_topics": "DeleteTopics",
    "list_topics": "Metadata",
    "describe_topics": "Metadata",
    "create_partitions": "CreatePartitions",
    "describe_configs": "DescribeConfigs",
    "alter_configs": "AlterConfigs",
    "incremental_alter_configs": "IncrementalAlterConfigs",
    "list_offsets": "ListOffsets",
    "describe_cluster": "Metadata",
    "cluster_id": "Metadata",
}
"""Method, and what it is on the wire. Each stands in the name of a test."""
LEFT_OUT = {
    "delete_records": "in test_housekeeping.py",
    "elect_leaders": "in test_cluster_admin.py",
    "poll, set_sasl_credentials": "no requests",
    "list_groups": "deprecated",
    "list_consumer_groups, describe_consumer_groups": "in test_group_admin.py",
    "list_consumer_group_offsets, alter_consumer_group_offsets": "in test_group_admin.py",
    "delete_consumer_groups": "in test_group_admin.py",
    "create_acls, describe_acls, delete_acls": "security",
    "describe_user_scram_credentials, alter_user_scram_credentials": "security",
}


@pytest.fixture(scope="module")
def operator(shared_broker: NodeProcess) -> Any:
    """One admin client: its futures end when it is collected."""
    return admin.AdminClient({"bootstrap.servers": shared_broker.bootstrap})


def done(futures: Any) -> Any:
    """The result of the only future."""
    (future,) = futures.values()
    return future.result(DEADLINE_S)


def refused(futures: Any) -> tuple[ErrorCode, str]:
    """The error of the only future."""
    with pytest.raises(confluent.KafkaException) as error:
        done(futures)
    return ErrorCode(error.value.args[0].code()), error.value.args[0].str()


def create(operator: Any, topic: str, partitions: int = 1, **configs: str) -> None:
    """Create a topic, options by Kafka's names with underscores."""
    options = {name.replace("_", "."): value for name, value in configs.items()}
    done(operator.create_topics([admin.NewTopic(topic, partitions, 1, config=options)]))


def topic_resource(topic: str, **configs: str) -> Any:
    """A topic with all its options."""
    options = {name.replace("_", "."): value for name, value in configs.items()}
    return admin.ConfigResource(admin.ConfigResource.Type.TOPIC, topic, set_config=options)


def changes_of(kind: Any, name: str, *changes: tuple[str, str, str | None]) -> Any:
    """Changes of a resource: option, operation, value."""
    entries = [
        admin.ConfigEntry(
            option, value, incremental_operation=admin.AlterConfigOpType[operation.upper()]
        )
        for option, operation, value in changes
    ]
    return admin.ConfigResource(kind, name, incremental_configs=entries)


def options_of(operator: Any, kind: Any, name: str) -> dict[str, Any]:
    """The options of a resource."""
    return done(operator.describe_configs([admin.ConfigResource(kind, name)]))


def values_of(operator: Any, topic: str) -> dict[str, str]:
    """The options of a topic as texts."""
    kind = admin.ConfigResource.Type.TOPIC
    return {name: each.value for name, each in options_of(operator, kind, topic).items()}


def test_every_operation_is_tested_or_left_out_for_a_reason():
    check_accounted_for(admin.AdminClient, OPERATIONS, LEFT_OUT, globals())


def test_create_topics_with_options_or_only_asks_whether_it_could(operator: Any, topic: str):
    new = admin.NewTopic(topic, 2, 1, config={"retention.ms": "7"})
    done(operator.create_topics([new], validate_only=True))
    done(operator.create_topics([new]))
    assert values_of(operator, topic)["retention.ms"] == "7"
    assert refused(operator.create_topics([new]))[0] is ErrorCode.TOPIC_ALREADY_EXISTS


def test_delete_topics(operator: Any, topic: str):
    create(operator, topic)
    done(operator.delete_topics([topic]))
    assert refused(operator.delete_topics([topic]))[0] is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_list_topics(operator: Any, topic: str):
    create(operator, topic, 3)
    assert sorted(operator.list_topics(timeout=DEADLINE_S).topics[topic].partitions) == [0, 1, 2]


def test_describe_topics(operator: Any, topic: str):
    create(operator, topic, 2)
    found = done(operator.describe_topics(confluent.TopicCollection([topic])))
    assert [(each.id, each.leader.id) for each in found.partitions] == [(0, 1), (1, 1)]


def test_create_partitions(operator: Any, shared_broker: NodeProcess, topic: str):
    create(operator, topic)
    done(operator.create_partitions([admin.NewPartitions(topic, 3)], validate_only=True))
    done(operator.create_partitions([admin.NewPartitions(topic, 3)]))
    plain = ConfluentClient(shared_broker.bootstrap)
    plain.send(topic, [record(b"v")], partition=2)
    assert [each.value for each in plain.read(topic, 1, partition=2)] == [b"v"]
    fewer = operator.create_partitions([admin.NewPartitions(topic, 2)])
    assert refused(fewer)[0] is ErrorCode.INVALID_PARTITIONS


def test_describe_configs_of_a_topic_with_source_and_synonyms(operator: Any, topic: str):
    create(operator, topic, retention_ms="7")
    options = options_of(operator, admin.ConfigResource.Type.TOPIC, topic)
    own = options["retention.ms"]
    assert (own.value, own.is_default, own.is_read_only) == ("7", False, False)
    assert own.source == admin.ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    synonyms = {name: each.value for name, each in own.synonyms.items()}
    assert synonyms == {"retention.ms": "7", "log.retention.ms": "604800000"}
    assert options["segment.bytes"].source == admin.ConfigSource.DEFAULT_CONFIG.value


def test_describe_configs_of_a_broker(operator: Any):
    options = options_of(operator, admin.ConfigResource.Type.BROKER, "1")
    assert options["node.id"].is_read_only
    assert not options["log.retention.ms"].is_read_only
    assert options["node.id"].value == "1"


@pytest.mark.filterwarnings("ignore:alter_configs has been deprecated")
def test_alter_configs_replaces_all_options(operator: Any, topic: str):
    create(operator, topic, retention_ms="7", segment_bytes="2000000")
    done(operator.alter_configs([topic_resource(topic, retention_ms="8")]))
    values = values_of(operator, topic)
    assert (values["retention.ms"], values["segment.bytes"]) == ("8", str(1 << 30))
    wrong = topic_resource(topic, segment_bytes="tiny")
    code, message = refused(operator.alter_configs([wrong]))
    assert code is ErrorCode.INVALID_CONFIG
    assert "'segment.bytes' is a whole number from 14 to 2147483647, not 'tiny'" in message


def test_incremental_alter_configs_sets_deletes_appends_and_subtracts(operator: Any, topic: str):
    create(operator, topic, segment_bytes="2000000")
    kind = admin.ConfigResource.Type.TOPIC
    changes = [
        ("retention.ms", "set", "8"),
        ("segment.bytes", "delete", None),
        ("cleanup.policy", "append", "compact"),
    ]
    done(operator.incremental_alter_configs([changes_of(kind, topic, *changes)]))
    values = values_of(operator, topic)
    assert (values["retention.ms"], values["segment.bytes"]) == ("8", str(1 << 30))
    assert values["cleanup.policy"] == "delete,compact"
    subtract = changes_of(kind, topic, ("cleanup.policy", "subtract", "delete"))
    done(operator.incremental_alter_configs([subtract], validate_only=True))
    done(operator.incremental_alter_configs([subtract]))
    assert values_of(operator, topic)["cleanup.policy"] == "compact"


def test_incremental_alter_configs_of_the_broker_reach_its_topics(operator: Any, topic: str):
    create(operator, topic)
    kind = admin.ConfigResource.Type.BROKER
    option = "log.message.timestamp.before.max.ms"
    try:
        change = changes_of(kind, "1", (option, "set", "99999999999999"))
        done(operator.incremental_alter_configs([change]))
        values = values_of(operator, topic)
        assert values["message.timestamp.before.max.ms"] == "99999999999999"
    finally:
        done(operator.incremental_alter_configs([changes_of(kind, "1", (option, "delete", None))]))
    fixed = changes_of(kind, "1", ("node.id", "set", "2"))
    assert refused(operator.incremental_alter_configs([fixed]))[0] is ErrorCode.INVALID_REQUEST


def test_list_offsets(operator: Any, shared_broker: NodeProcess, topic: str):
    create(operator, topic)
    sent = [record(b"v", timestamp=each) for each in (1000, 3000, 2000)]
    ConfluentClient(shared_broker.bootstrap).send(topic, sent)
    partition = confluent.TopicPartition(topic, 0)
    specs = admin.OffsetSpec
    wanted = [specs.earliest(), specs.latest(), specs.max_timestamp(), specs.for_timestamp(1500)]
    found = [done(operator.list_offsets({partition: spec})).offset for spec in wanted]
    assert found == [0, 3, 1, 1]


def test_describe_cluster(operator: Any, shared_broker: NodeProcess):
    found = operator.describe_cluster().result(DEADLINE_S)
    assert (found.controller.id, [node.id for node in found.nodes]) == (1, [1])
    assert found.nodes[0].port == shared_broker.port


def test_cluster_id(operator: Any):
    assert (
        operator.cluster_id(timeout=DEADLINE_S) == operator.describe_cluster().result().cluster_id
    )
