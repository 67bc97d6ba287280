"""`minikafka topic` and `cluster-info` against a real broker."""

import json

import pytest

from ..nodes import NodeProcess
from .conftest import Command, run_process


def test_a_topic_is_created_listed_described_and_deleted(on_broker: Command) -> None:
    outcome = on_broker(
        "topic", "create", "life", "--partitions", "3", "-c", "retention.ms=3600000"
    )
    assert outcome == (0, "created topic life\n", "")
    rows = [json.loads(line) for line in on_broker("topic", "list", "-o", "json").out.splitlines()]
    assert {"topic": "life", "partitions": 3, "replication_factor": 1} in rows
    described = on_broker("topic", "describe", "life", "-o", "json").out.splitlines()
    assert [json.loads(line) for line in described] == [
        {
            "topic": "life",
            "partition": index,
            "leader": 1,
            "replicas": [1],
            "in_sync_replicas": [1],
            "start_offset": 0,
            "end_offset": 0,
            "configs": {"retention.ms": "3600000"},
        }
        for index in range(3)
    ]
    assert on_broker("topic", "delete", "life") == (0, "deleted topic life\n", "")
    assert "life" not in on_broker("topic", "list").out


def test_a_table_has_a_header_and_a_line_for_each_row(on_broker: Command) -> None:
    on_broker("topic", "create", "table", "--partitions", "2")
    header, *rows = on_broker("topic", "describe", "table").out.splitlines()
    assert header.split()[:4] == ["TOPIC", "PARTITION", "LEADER", "REPLICAS"]
    assert [row.split() for row in rows] == [
        ["table", "0", "1", "1", "1", "0", "0"],
        ["table", "1", "1", "1", "1", "0", "0"],
    ]


def test_segments_are_described(on_broker: Command, shared_broker: NodeProcess) -> None:
    environment = {"MINIKAFKA_BOOTSTRAP": shared_broker.bootstrap}
    on_broker("topic", "create", "parts", "--partitions", "2", "-c", "segment.bytes=100")
    for number in range(3):
        lines = f"line {number} of some length\n".encode()
        produced = run_process("produce", "parts", "--partition", "0", stdin=lines, **environment)
        assert produced.status == 0, produced.err
    described = on_broker("topic", "describe", "parts", "--segments", "-o", "json").out
    first, second = (json.loads(line) for line in described.splitlines())
    assert [each["base_offset"] for each in first["segments"]] == [0, 1, 2]
    assert [each["record_count"] for each in first["segments"]] == [1, 1, 1]
    assert [each["name"] for each in second["segments"]] == [f"{0:020d}.log"]
    _, table = on_broker("topic", "describe", "parts", "--segments").out.split("\n\n")
    header, *rows = table.splitlines()
    assert header.split()[:4] == ["TOPIC", "PARTITION", "BASE", "OFFSET"]
    assert [row.split()[:5] for row in rows] == [
        ["parts", "0", "0", "1", "1"],
        ["parts", "0", "1", "2", "1"],
        ["parts", "0", "2", "3", "1"],
        ["parts", "1", "0", "0", "0"],
    ]


def test_a_cluster_without_control_plane_has_no_segments_to_show(
    on_broker: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_broker("topic", "create", "opaque")
    monkeypatch.setattr("minikafka.client.control_plane.CONTROL_LISTENER", "no.such.config")
    outcome = on_broker("topic", "describe", "opaque", "--segments")
    assert (outcome.status, outcome.out) == (1, "")
    assert "broker 1 has no control plane" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_topic_is_altered_and_what_was_set_is_described(on_broker: Command) -> None:
    on_broker("topic", "create", "grown", "-c", "segment.ms=700")
    assert on_broker(
        *("topic", "alter", "grown", "--partitions", "2"),
        *("-c", "retention.ms=5", "--delete-config", "segment.ms"),
    ) == (0, "altered topic grown\n", "")
    setting, header, *rows = on_broker("topic", "describe", "grown").out.splitlines()
    assert setting == "grown: retention.ms=5"
    assert header.startswith("TOPIC")
    assert len(rows) == 2


def test_a_topic_that_cannot_be_altered_as_asked_stays_as_it_is(on_broker: Command) -> None:
    on_broker("topic", "create", "stays", "--partitions", "2")
    for arguments, sentence in (
        (("--partitions", "1", "-c", "retention.ms=5"), "topic 'stays'"),
        (("-c", "retention.ms=soon"), "retention.ms"),
        (("-c", "retention.ms=5", "-c", "retention.m=5"), "retention.m"),
    ):
        outcome = on_broker("topic", "alter", "stays", *arguments)
        assert (outcome.status, outcome.err.count("\n")) == (1, 1)
        assert sentence in outcome.err
    described = on_broker("topic", "describe", "stays", "-o", "json").out.splitlines()
    assert [json.loads(line)["configs"] for line in described] == [{}, {}]


def test_a_topic_that_exists_is_refused(on_broker: Command) -> None:
    on_broker("topic", "create", "twice")
    outcome = on_broker("topic", "create", "twice")
    assert outcome.status == 1
    assert "topic 'twice'" in outcome.err
    assert "exists already" in outcome.err


def names(on_broker: Command) -> list[str]:
    """The topics of a broker that other tests use as well."""
    return [line.split()[0] for line in on_broker("topic", "list").out.splitlines()]


def test_a_wrong_option_of_a_topic_is_refused_by_name(on_broker: Command) -> None:
    outcome = on_broker("topic", "create", "wrong", "-c", "retention.m=1")
    assert outcome.status == 1
    assert "retention.m" in outcome.err
    assert "wrong" not in names(on_broker)


def test_a_topic_that_is_not_there_is_status_1(on_broker: Command) -> None:
    for command in (("topic", "describe"), ("topic", "delete"), ("consume",), ("topic", "alter")):
        change = ("-c", "retention.ms=5") if "alter" in command else ()
        outcome = on_broker(*command, "nowhere", *change)
        assert outcome.status == 1
        assert "'nowhere'" in outcome.err
        assert outcome.err.count("\n") == 1
    assert "nowhere" not in names(on_broker)


def test_a_topic_whose_leaders_are_right_is_left_alone(on_broker: Command) -> None:
    on_broker("topic", "create", "led", "--partitions", "2")
    outcome = on_broker("topic", "elect", "led", "--partition", "1")
    assert outcome == (0, "every partition has the right leader already\n", "")
    assert on_broker("topic", "elect", "led", "--unclean", "-o", "json") == (0, "", "")
    outcome = on_broker("topic", "elect", "led", "--partition", "7")
    assert outcome.status == 1
    assert "partition led-7" in outcome.err


def test_partitions_that_are_where_they_should_be_are_left_alone(on_broker: Command) -> None:
    on_broker("topic", "create", "placed")
    outcome = on_broker("topic", "reassign", "placed", "--brokers", "1")
    assert outcome == (0, "every partition is where it should be\n", "")
    assert on_broker("topic", "reassign", "placed", "--cancel") == (
        0,
        "nothing is being moved\n",
        "",
    )
    outcome = on_broker("topic", "reassign", "--all", "--brokers", "1,9")
    assert outcome == (1, "", "minikafka: no broker 9 is alive; those that are: 1\n")


def test_the_quorum_of_a_lone_node_is_the_node(on_broker: Command) -> None:
    info = json.loads(on_broker("cluster-info", "--quorum", "-o", "json").out)
    (node,) = info["quorum"]["nodes"]
    assert (node["node"], node["role"], node["lag"]) == (1, "leader", 0)
    table = on_broker("cluster-info", "--quorum").out
    assert "quorum: node 1 leads in epoch " in table


def test_cluster_info_names_the_broker_and_the_controller(
    on_broker: Command, shared_broker: NodeProcess
) -> None:
    info = json.loads(on_broker("cluster-info", "-o", "json").out)
    broker = {"broker": 1, "host": "127.0.0.1", "port": shared_broker.port, "rack": None}
    assert info["brokers"] == [broker | {"is_controller": True}]
    assert info["controller_id"] == 1
    assert info["under_replicated"] == []
    table = on_broker("cluster-info").out
    assert f"cluster {info['cluster_id']}" in table
    assert str(shared_broker.port) in table
