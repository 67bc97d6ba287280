"""`minikafka bench` measures a real broker."""

import json
import re

from .conftest import Command

LINE = r"2500 records {}, [\d.]+ records/sec \([\d.]+ MB/sec\)"


def test_produce_then_consume_tell_a_line_in_the_format_of_producer_performance(
    on_broker: Command,
) -> None:
    options = ("--topic", "bench", "--records", "2500")
    produced = on_broker("bench", "produce", *options, "--record-bytes", "50").out
    latencies = r", [\d.]+ ms avg latency, [\d.]+ ms max latency, [\d.]+ ms 50th, .* 99\.9th\.\n"
    assert re.fullmatch(LINE.format("sent") + latencies, produced)
    assert re.fullmatch(
        LINE.format("received") + r"\.\n", on_broker("bench", "consume", *options).out
    )


def test_latency_tells_of_acknowledged_and_received_records(on_broker: Command) -> None:
    out = on_broker("bench", "latency", "--topic", "slow", "--records", "20", "-o", "json").out
    acknowledged, received = [json.loads(line) for line in out.splitlines()]
    assert (acknowledged["what"], received["what"]) == ("acknowledged", "received")
    assert acknowledged["records"] == received["records"] == 20
    assert acknowledged["p50_ms"] <= received["p50_ms"]


def test_consuming_an_empty_topic_says_what_to_do(on_broker: Command) -> None:
    on_broker("topic", "create", "hollow")
    outcome = on_broker("bench", "consume", "--topic", "hollow")
    assert outcome.status == 1
    assert "minikafka bench produce" in outcome.err
