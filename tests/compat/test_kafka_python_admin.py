"""kafka-python's KafkaAdminClient: each operation on topics, options, records and log dirs."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from minikafka.broker.handlers.table import SERVED_VERSIONS, advertised_versions
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from .clients import Refused, record
from .kafka_python_client import KafkaPythonClient, kafka, refusals
from .operations import check_accounted_for

OPERATIONS = {
    "create_topics": "CreateTopics",
    "delete_topics": "DeleteTopics",
    "list_topics": "Metadata",
    "describe_topics": "Metadata",
    "describe_topic_partitions": "DescribeTopicPartitions",
    "wait_for_topics": "Metadata",
    "create_partitions": "CreatePartitions",
    "describe_configs": "DescribeConfigs",
    "alter_configs": "IncrementalAlterConfigs and AlterConfigs",
    "reset_configs": "IncrementalAlterConfigs and AlterConfigs",
    "list_config_resources": "ListConfigResources",
    "describe_log_dirs": "DescribeLogDirs",
    "alter_replica_log_dirs": "AlterReplicaLogDirs",
    "list_partition_offsets": "ListOffsets",
    "describe_producers": "DescribeProducers",
    "describe_cluster": "DescribeCluster",
    "api_versions": "ApiVersions",
    "get_broker_version_data": "ApiVersions",
}
"""Method, and what it is on the wire. Each stands in the name of a test."""
LEFT_OUT = {
    "close": "no request",
    "delete_records": "in test_housekeeping.py",
    "elect_leaders, describe_metadata_quorum": "in test_cluster_admin.py",
    "alter_partition_reassignments, list_partition_reassignments": "in test_cluster_admin.py",
    "list_groups, describe_groups, delete_groups, remove_group_members": "groups",
    "list_group_offsets, alter_group_offsets, reset_group_offsets, delete_group_offsets": "groups",
    "list_transactions, describe_transactions, abort_transaction": "transactions",
    "find_hanging_transactions": "transactions",
    "create_acls, describe_acls, delete_acls": "security",
    "describe_user_scram_credentials, alter_user_scram_credentials": "security",
    "describe_features, update_features": "no features to choose from",
}


@pytest.fixture(scope="module")
def operator(shared_broker: NodeProcess) -> Iterator[Any]:
    """One admin operator."""
    with closing(kafka.KafkaAdminClient(bootstrap_servers=shared_broker.bootstrap)) as admin:
        yield admin


def resource_of(kind: str, name: str, configs: Any = None) -> Any:
    """A topic or broker with options."""
    types = kafka.admin.ConfigResourceType
    return kafka.admin.ConfigResource(types[kind], name, configs)


def options_of(operator: Any, kind: str, name: str, **options: Any) -> dict[str, Any]:
    """All options of a resource."""
    given = {"config_filter": "all"} | options
    found = operator.describe_configs([resource_of(kind, name)], **given)
    return found[kind.lower()][name]


def values_of(operator: Any, topic: str) -> dict[str, str]:
    """All options of a topic as texts."""
    return {name: each["value"] for name, each in options_of(operator, "TOPIC", topic).items()}


def test_every_operation_is_tested_or_left_out_for_a_reason():
    check_accounted_for(kafka.KafkaAdminClient, OPERATIONS, LEFT_OUT, globals())


def test_create_topics_with_options_or_only_asks_whether_it_could(operator: Any, topic: str):
    new = {topic: {"num_partitions": 2, "configs": {"retention.ms": "7"}}}
    operator.create_topics(new, validate_only=True)
    operator.create_topics(new, wait_for_metadata=True)
    assert values_of(operator, topic)["retention.ms"] == "7"
    with pytest.raises(Refused) as refused, refusals():
        operator.create_topics(new)
    assert refused.value.error_code is ErrorCode.TOPIC_ALREADY_EXISTS


def test_delete_topics(operator: Any, topic: str):
    operator.create_topics([topic])
    operator.delete_topics([topic])
    assert topic not in operator.list_topics()


def test_list_topics(operator: Any, topic: str):
    operator.create_topics([topic])
    assert topic in operator.list_topics()


def test_describe_topics(operator: Any, topic: str):
    operator.create_topics({topic: {"num_partitions": 2}})
    (found,) = operator.describe_topics([topic])
    assert [each["partition_index"] for each in found["partitions"]] == [0, 1]


def test_describe_topic_partitions(operator: Any, topic: str):
    operator.create_topics({topic: {"num_partitions": 2}})
    (found,) = operator.describe_topic_partitions([topic])["topics"]
    assert [each["leader_id"] for each in found["partitions"]] == [1, 1]


def test_wait_for_topics(operator: Any, topic: str):
    operator.create_topics([topic])
    operator.wait_for_topics([topic])


def test_create_partitions(operator: Any, shared_broker: NodeProcess, topic: str):
    operator.create_topics([topic])
    operator.create_partitions({topic: 2}, validate_only=True)
    operator.create_partitions({topic: {"count": 3, "assignments": [[1], [1]]}})
    plain = KafkaPythonClient(shared_broker.bootstrap)
    plain.send(topic, [record(b"v")], partition=2)
    assert [each.value for each in plain.read(topic, 1, partition=2)] == [b"v"]
    with pytest.raises(Refused) as refused, refusals():
        operator.create_partitions({topic: 2})
    assert refused.value.error_code is ErrorCode.INVALID_PARTITIONS


def test_describe_configs_with_source_synonyms_and_type(operator: Any, topic: str):
    operator.create_topics({topic: {"configs": {"retention.ms": "7"}}})
    options = options_of(operator, "TOPIC", topic, include_synonyms=True)
    assert options["retention.ms"] == {
        "value": "7",
        "read_only": False,
        "config_source": "DYNAMIC_TOPIC_CONFIG",
        "is_sensitive": False,
        "synonyms": [
            {"name": "retention.ms", "value": "7", "source": "DYNAMIC_TOPIC_CONFIG"},
            {"name": "log.retention.ms", "value": "604800000", "source": "DEFAULT_CONFIG"},
        ],
        "config_type": "LONG",
        "documentation": None,
    }


def test_describe_configs_tells_what_was_changed(operator: Any, topic: str):
    operator.create_topics({topic: {"configs": {"retention.ms": "7"}}})
    assert list(options_of(operator, "TOPIC", topic, config_filter="modified")) == ["retention.ms"]


def test_describe_configs_of_a_broker(operator: Any):
    assert options_of(operator, "BROKER", "1")["node.id"]["read_only"]
    dynamic = options_of(operator, "BROKER", "1", config_filter="dynamic")
    assert "log.retention.ms" in dynamic
    assert "node.id" not in dynamic


@pytest.mark.parametrize("incremental", [True, False])
def test_alter_configs_leaves_the_other_options_alone(operator: Any, topic: str, incremental: bool):
    operator.create_topics({topic: {"configs": {"segment.bytes": "2000000"}}})
    change = resource_of("TOPIC", topic, {"retention.ms": "8"})
    operator.alter_configs([change], validate_only=True, incremental=incremental)
    assert values_of(operator, topic)["retention.ms"] == "604800000"
    operator.alter_configs([change], incremental=incremental)
    values = values_of(operator, topic)
    assert (values["retention.ms"], values["segment.bytes"]) == ("8", "2000000")


def test_alter_configs_appends_to_a_list(operator: Any, topic: str):
    operator.create_topics([topic])
    change = resource_of("TOPIC", topic, {"cleanup.policy": ("APPEND", "compact")})
    operator.alter_configs([change])
    assert values_of(operator, topic)["cleanup.policy"] == "delete,compact"


def test_alter_configs_says_what_is_wrong(operator: Any, topic: str):
    operator.create_topics([topic])
    answer = operator.alter_configs([resource_of("TOPIC", topic, {"segment.bytes": "tiny"})])
    message = "option 'segment.bytes' is a whole number from 14 to 2147483647, not 'tiny'"
    assert answer["topic"][topic] == f"[Error 40] InvalidConfigurationError: {message}"


def test_alter_configs_of_the_broker_reach_its_topics_until_they_are_reset(
    operator: Any, topic: str
):
    operator.create_topics([topic])
    option = "log.message.timestamp.after.max.ms"
    try:
        operator.alter_configs([resource_of("BROKER", "1", {option: "77777777"})])
        assert values_of(operator, topic)["message.timestamp.after.max.ms"] == "77777777"
    finally:
        operator.reset_configs([resource_of("BROKER", "1", [option])])
    assert values_of(operator, topic)["message.timestamp.after.max.ms"] == "3600000"


@pytest.mark.parametrize("incremental", [True, False])
def test_reset_configs(operator: Any, topic: str, incremental: bool):
    configs = {"segment.bytes": "2000000", "retention.ms": "7"}
    operator.create_topics({topic: {"configs": configs}})
    operator.reset_configs([resource_of("TOPIC", topic, ["retention.ms"])], incremental=incremental)
    values = values_of(operator, topic)
    assert (values["retention.ms"], values["segment.bytes"]) == ("604800000", "2000000")


def test_list_config_resources(operator: Any, topic: str):
    operator.create_topics([topic])
    found = operator.list_config_resources()
    assert topic in operator.list_config_resources(["TOPIC"])["topic"]
    assert found["broker"] == ["1"]


def test_describe_log_dirs(operator: Any, shared_broker: NodeProcess, topic: str):
    operator.create_topics({topic: {"num_partitions": 2}})
    KafkaPythonClient(shared_broker.bootstrap).send(topic, [record(b"v" * 1000)])
    for wanted in ({topic: [0, 1]}, [topic]):
        (answer,) = operator.describe_log_dirs(wanted)
        (directory,) = answer["log_dirs"]
        assert (answer["broker"], directory["log_dir"]) == (1, str(shared_broker.data_dir))
        assert directory["total_bytes"] >= directory["usable_bytes"] > 0
        (found,) = directory["topics"]
        sizes = [each["partition_size"] for each in found["partitions"]]
        assert (sizes[0] > 1000, sizes[1]) == (True, 0)


def test_alter_replica_log_dirs(operator: Any, shared_broker: NodeProcess, topic: str):
    operator.create_topics([topic])
    replica = (topic, 0, 1)
    for path, name in ((str(shared_broker.data_dir), "NoError"), ("/other", "LogDirNotFoundError")):
        (error,) = operator.alter_replica_log_dirs({replica: path}).values()
        assert error.__name__ == name


def test_list_partition_offsets(operator: Any, shared_broker: NodeProcess, topic: str):
    operator.create_topics([topic])
    sent = [record(b"v", timestamp=each) for each in (1000, 3000, 2000)]
    KafkaPythonClient(shared_broker.bootstrap).send(topic, sent)
    partition = kafka.TopicPartition(topic, 0)
    specs = kafka.admin.OffsetSpec
    wanted = [specs.EARLIEST, specs.LATEST, specs.MAX_TIMESTAMP, 1500]
    found = [
        operator.list_partition_offsets({partition: each})[partition].offset for each in wanted
    ]
    assert found == [0, 3, 1, 1]


def test_describe_producers(operator: Any, shared_broker: NodeProcess, topic: str):
    operator.create_topics([topic])
    KafkaPythonClient(shared_broker.bootstrap).send(topic, [record(b"v")] * 3)
    partition = kafka.TopicPartition(topic, 0)
    (producer,) = operator.describe_producers([partition])[partition].active_producers
    assert (producer.producer_epoch, producer.last_sequence) == (0, 2)
    assert producer.current_transaction_start_offset == -1


def test_describe_cluster(operator: Any):
    found = operator.describe_cluster()
    assert (found["controller_id"], [each["broker_id"] for each in found["brokers"]]) == (1, [1])


def test_api_versions(operator: Any):
    found = {int(key): versions for key, versions in operator.api_versions().items()}
    assert found == {key: advertised_versions(key) for key in SERVED_VERSIONS}


def test_get_broker_version_data_which_is_what_the_client_takes_us_for(operator: Any):
    assert operator.get_broker_version_data(1).broker_version >= (4, 0)
