"""A frame of 16 MiB costs at most 64 MiB beside itself, whatever is in it and whoever reads it.

Every value is paid for out of the message's budget, so it is enough to measure what one unit of it
buys at most, in every decoder and for every array: hostile messages are decoded that spend a part
of the budget. Text is the one thing that is not paid for; it takes four times its bytes at most.
"""

import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.fetch import FetchRequest, FetchResponse
from minikafka.protocol.api.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from minikafka.protocol.api.produce import ProduceRequest
from minikafka.protocol.codec import decode, decoder_of, encode
from minikafka.protocol.primitives import MAX_COST, MAX_PLAIN_BYTES

from .grammar import Greedy, Writer
from .messages import Case, cases

MIB = 1 << 20
FRAME_BYTES = 16 * MIB
MAX_MEMORY_BYTES = 64 * MIB
TEXT_FACTOR = 4
"""UTF-8 to what Python keeps: an emoji among letters makes each of them four bytes."""
COUNT = 100
WIDE = "\N{CAT FACE}"
SHAPES = {
    "thin": {"inner": 0},
    "wide": {"inner": 0, "text": f"ab{WIDE}".encode()},
    "nested": {"inner": 1, "text": WIDE.encode()},
    "tagged": {"inner": 0, "tags": 8},
}
EVERY = [*cases(True).values(), *cases(False).values()]


def hostile(case: Case, shape: str, count: int) -> Iterator[bytes]:
    """For each array of a message, one in which it has `count` elements."""
    for chosen in itertools.count():
        hand = Greedy(chosen, count, **SHAPES[shape])
        data = Writer(*case, hand).message()
        if hand.met <= chosen:
            return
        yield data


def memory_of(case: Case, data: bytes) -> int:
    """The most that decoding takes beside the frame, in bytes."""
    cls, version = case
    decoder_of(cls, version)  # so that it is compiled
    tracemalloc.start()
    try:
        message = decode(cls, memoryview(data), version)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message
    return peak_bytes


def spent_by(case: Case, data: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """What the message took from the budget."""
    cls, version = case
    names = decoder_of(cls, version).__globals__
    left = [MAX_COST]

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = function(*arguments)
            left.append(result if isinstance(result, int) else result[-1])
            return result

        return call

    with monkeypatch.context() as patch:
        for name in ("spend", "decode_tag_count", "skip_tags"):
            patch.setitem(names, name, watched(names[name]))
        decode(cls, memoryview(data), version)
    return MAX_COST - min(left)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", EVERY, ids=lambda case: f"{case[0].__name__}-v{case[1]}")
def test_the_whole_budget_buys_little_memory(
    case: Case, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data in hostile(case, shape, COUNT):
        unit_bytes = memory_of(case, data) / spent_by(case, data, monkeypatch)
        assert unit_bytes * MAX_COST + TEXT_FACTOR * MAX_PLAIN_BYTES < MAX_MEMORY_BYTES


WORST = {
    "objects": (FetchResponse, 18, 1, MAX_COST // 49, b""),
    "views of records": (ProduceRequest, 12, 1, MAX_COST // 9 - 9, b""),
    "short text": (DeleteTopicsRequest, 4, 0, MAX_COST // 4, f"a{WIDE}".encode()),
    "long text": (DeleteTopicsRequest, 4, 0, 256, b"a" * 32_000 + WIDE.encode()),
}


@pytest.mark.parametrize(("cls", "version", "chosen", "count", "text"), WORST.values(), ids=WORST)
def test_the_worst_frames_stay_within_the_bound(
    cls: type, version: int, chosen: int, count: int, text: bytes
) -> None:
    data = Writer(cls, version, Greedy(chosen, count, text=text)).message()
    assert len(data) <= FRAME_BYTES
    assert memory_of((cls, version), data) < MAX_MEMORY_BYTES


def test_large_requests_of_honest_clients_are_read() -> None:
    for cls, version, chosen, count in (
        (ProduceRequest, 12, 1, 40_000),
        (FetchRequest, 12, 1, 40_000),
        (FetchResponse, 11, 1, 30_000),
        (MetadataRequest, 13, 0, 60_000),
        (DeleteTopicsRequest, 5, 0, 100_000),
    ):
        data = Writer(cls, version, Greedy(chosen, count, text=b"orders", inner=0)).message()
        assert decode(cls, memoryview(data), version)[1] == len(data)


def test_a_cluster_of_20_000_partitions_is_read() -> None:
    partition = MetadataResponsePartition(
        error_code=0, partition_index=1, leader_id=1, replica_nodes=[1, 2, 3], isr_nodes=[1, 2, 3]
    )
    topic = MetadataResponseTopic(error_code=0, name="orders", partitions=[partition] * 20)
    answer = MetadataResponse(brokers=[], topics=[topic] * 1000)
    data = b"".join(encode(answer, 13))
    assert len(decode(MetadataResponse, memoryview(data), 13)[0].topics) == 1000
