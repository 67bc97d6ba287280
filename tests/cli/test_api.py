"""`minikafka api`: what is served, and what the declarations say of a message."""

import json

from minikafka.broker.handlers.table import SERVED_VERSIONS
from minikafka.protocol.api import API_MODULES
from minikafka.protocol.api.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from minikafka.protocol.codec import source

from .conftest import Command


def test_the_list_has_every_api_that_is_served(minikafka: Command) -> None:
    rows = [json.loads(line) for line in minikafka("api", "-o", "json").out.splitlines()]
    assert [row["key"] for row in rows] == sorted(SERVED_VERSIONS)
    assert rows[0] == {
        "key": 0,
        "api": "Produce",
        "versions": "3-13",
        "flexible_from": 9,
        "what_it_asks": "append record batches to partitions",
    }
    assert "CreateTopics" in minikafka("api").out


def test_an_api_shows_its_fields_by_version(minikafka: Command) -> None:
    outcome = minikafka("api", "fetch")
    assert outcome.status == 0
    assert "v11  `rack_id`, `preferred_read_replica`" in outcome.out
    rows = [line.split() for line in outcome.out.splitlines()]
    assert ["cluster_id", "string", "12-18", "12-18", "0", "-"] in rows
    assert ["topic_id", "uuid", "13-18", "-", "-", "-"] in rows
    assert ["high_watermark", "int64", "18", "-", "1", str(2**63 - 1)] in rows


def test_programs_get_a_field_with_its_path(minikafka: Command) -> None:
    lines = minikafka("api", "1", "-o", "json").out.splitlines()
    assert {
        "message": "FetchResponse",
        "field": "responses.partitions.current_leader.leader_epoch",
        "type": "int32",
        "versions": "12-18",
        "null": None,
        "tag": None,
        "default": -1,
    } in map(json.loads, lines)


def test_every_declared_api_can_be_shown(minikafka: Command) -> None:
    for key in API_MODULES:
        assert minikafka("api", str(key)).status == 0
        for line in minikafka("api", str(key), "-o", "json").out.splitlines():
            assert json.loads(line)["versions"]


def test_the_generated_source_is_printed(minikafka: Command) -> None:
    outcome = minikafka("api", "InitProducerId", "--source", "2")
    assert source(InitProducerIdRequest, 2) in outcome.out
    assert source(InitProducerIdResponse, 2) in outcome.out
    rows = minikafka("api", "InitProducerId", "--source", "2", "-o", "json").out.splitlines()
    assert json.loads(rows[0])["source"] == source(InitProducerIdRequest, 2)
