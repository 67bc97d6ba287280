"""The control plane's frames: what is sent comes back, and hostile bytes are ProtocolError."""

import tracemalloc
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.protocol.control import (
    ANSWERS,
    MAX_ELEMENTS,
    MAX_REQUEST_BYTES,
    REQUESTS,
    SIZE,
    DescribeSegments,
    Event,
    Events,
    ReadEvents,
    Refused,
    Segment,
    Segments,
    UnknownMessage,
    decode,
    encode,
    payload_size,
)
from minikafka.protocol.primitives import ProtocolError

EVERYTHING = {**REQUESTS, **ANSWERS}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**63) + 1, 2**63 - 1)
segments = st.builds(Segment, numbers, numbers, numbers, numbers, numbers, texts)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)
records = st.dictionaries(texts, values, max_size=4)
events = st.builds(Event, numbers, numbers, numbers, records)
messages = st.one_of(
    st.builds(DescribeSegments, texts, numbers, numbers, numbers),
    st.builds(Segments, numbers, numbers, numbers, st.booleans(), st.lists(segments).map(tuple)),
    st.builds(ReadEvents, numbers),
    st.builds(Events, numbers, st.lists(events, max_size=5).map(tuple)),
    st.builds(Refused, texts, texts),
)


def envelope(**fields: Any) -> bytes:
    """A question about segments, with some fields of another value; those that are None are not
    there."""
    sound = {"type": "DescribeSegments", "cluster_id": "c", "topic": "orders", "partition": 0}
    sound |= {"from_offset": 0, "max_segments": 1}
    return msgpack.packb(
        {key: value for key, value in (sound | fields).items() if value is not None}
    )


@given(message=messages, cluster_id=texts)
def test_every_message_comes_back_as_it_was(message: Any, cluster_id: str) -> None:
    frame = encode(message, cluster_id)
    assert payload_size(frame[:4], len(frame)) == len(frame) - 4
    assert decode(frame[4:], EVERYTHING) == (cluster_id, message)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    with suppress(ProtocolError):
        decode(data, EVERYTHING)


@given(value=values)
def test_any_value_is_a_message_or_a_protocol_error(value: Any) -> None:
    with pytest.raises(ProtocolError):
        decode(msgpack.packb(value), EVERYTHING)


def test_fields_of_a_later_version_are_skipped() -> None:
    _, message = decode(envelope(reason="curious"), REQUESTS)
    assert message == DescribeSegments("orders", 0, 0, 1)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"topic": 5}, "topic is a int"),
        ({"topic": b"orders"}, "topic is a bytes"),
        ({"partition": True}, "partition is a bool"),
        ({"partition": 1 << 63}, "partition is a int"),
        ({"partition": "0"}, "partition is a str"),
        ({"max_segments": None}, "max_segments is missing"),
        ({"cluster_id": None}, "cluster_id is missing"),
        ({"type": 3}, "type is a int"),
    ],
)
def test_a_field_that_is_missing_or_of_another_type_is_named(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode(envelope(**fields), REQUESTS)


def test_a_message_of_a_later_version_can_be_told_from_nonsense() -> None:
    with pytest.raises(UnknownMessage, match="'Vote'"):
        decode(envelope(type="Vote"), REQUESTS)


def test_an_answer_is_no_question() -> None:
    with pytest.raises(UnknownMessage):
        decode(encode(Refused("NONE", ""), "c")[4:], REQUESTS)


@pytest.mark.parametrize("size", [MAX_REQUEST_BYTES + 1, 1 << 31, (1 << 32) - 1])
def test_a_frame_that_is_too_long_is_refused_by_its_size(size: int) -> None:
    with pytest.raises(ProtocolError, match=f"{size} bytes"):
        payload_size(SIZE.pack(size), MAX_REQUEST_BYTES)


@pytest.mark.parametrize(
    "piece",
    [
        b"\xdd" + (MAX_ELEMENTS + 1).to_bytes(4, "big"),
        b"\xdd" + MAX_ELEMENTS.to_bytes(4, "big"),
        b"\xdf" + MAX_ELEMENTS.to_bytes(4, "big"),
        b"\xdc\x03\xe8" + b"\x80" * MAX_ELEMENTS,
        b"\xdd\x00\x00\xff\x00",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
    ],
)
def test_a_frame_of_lies_costs_no_more_memory_than_is_said(piece: bytes) -> None:
    frame = (piece * MAX_REQUEST_BYTES)[:MAX_REQUEST_BYTES]
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        decode(frame, REQUESTS)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 64 * MAX_REQUEST_BYTES + (8 << 20) + 100_000
