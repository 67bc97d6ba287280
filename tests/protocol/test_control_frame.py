"""The control plane's frames: what is sent comes back, and hostile bytes are ProtocolError."""

import tracemalloc
from contextlib import suppress
from dataclasses import dataclass
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.protocol.control import (
    ANSWERS,
    MAX_ELEMENTS,
    NODE_ANSWERS,
    NODE_REQUESTS,
    REQUESTS,
    DescribeSegments,
    Event,
    Events,
    IsrMember,
    ReadEvents,
    Refused,
    Segment,
    Segments,
)
from minikafka.protocol.control_frame import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    SIZE,
    UnknownMessage,
    decode,
    encode,
    payload_size,
)
from minikafka.protocol.primitives import ProtocolError


class Disk(NamedTuple):
    """One of those that go as a list."""

    number: int
    name: str


@dataclass(frozen=True)
class Anything:
    """Every type that a field may have."""

    disk: Disk
    place: IsrMember
    perhaps: IsrMember | None
    numbers: tuple[int, ...]
    disks: tuple[Disk, ...]
    data: bytes
    any: Any


EVERYTHING = {**REQUESTS, **ANSWERS, **NODE_REQUESTS, **NODE_ANSWERS, "Anything": Anything}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**63) + 1, 2**63 - 1)
segments = st.builds(Segment, numbers, numbers, numbers, numbers, numbers, texts)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)
records = st.dictionaries(texts, values, max_size=4)
events = st.builds(Event, numbers, numbers, numbers, records)


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values that a field of this type may have."""
    simple = {int: numbers, str: texts, bool: st.booleans(), bytes: st.binary(max_size=20)}
    if kind in simple:
        return simple[kind]
    if kind is Any:
        return values
    if get_origin(kind) is tuple:
        return st.lists(of_type(get_args(kind)[0]), max_size=3).map(tuple)
    if NoneType in get_args(kind):
        return st.none() | of_type(get_args(kind)[0])
    return st.builds(kind, *map(of_type, get_type_hints(kind).values()))


messages = st.one_of(
    st.builds(DescribeSegments, texts, numbers, numbers, numbers),
    st.builds(Segments, numbers, numbers, numbers, st.booleans(), st.lists(segments).map(tuple)),
    st.builds(ReadEvents, numbers),
    st.builds(Events, numbers, st.lists(events, max_size=5).map(tuple)),
    *map(of_type, (Anything, *NODE_REQUESTS.values(), *NODE_ANSWERS.values())),
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
    ("fields", "reason"),
    [
        ({"disk": [1]}, "disk is a list"),
        ({"disk": [1, "a", 2]}, "disk is a list"),
        ({"disk": [1, 2]}, "name is a int"),
        ({"disk": {"number": 1, "name": "a"}}, "disk is a dict"),
        ({"place": None}, "IsrMember is no map"),
        ({"place": {"broker_id": 1}}, "broker_epoch is missing"),
        ({"perhaps": {}}, "broker_id is missing"),
        ({"perhaps": 0}, "IsrMember is no map"),
        ({"numbers": [1, None]}, "numbers is a NoneType"),
        ({"numbers": 1}, "numbers is a int"),
        ({"disks": [1]}, "disks is a int"),
        ({"data": "text"}, "data is a str"),
    ],
)
def test_a_value_within_a_field_must_be_right_too(fields: dict[str, Any], reason: str) -> None:
    sound = Anything(Disk(1, "a"), IsrMember(1, 2), None, (1,), (), b"", None)
    values = msgpack.unpackb(encode(sound, "c")[4:])
    assert decode(msgpack.packb(values), EVERYTHING) == ("c", sound)
    with pytest.raises(ProtocolError, match=reason):
        decode(msgpack.packb(values | fields), EVERYTHING)


def test_a_frame_has_many_elements_and_not_more() -> None:
    row = b"\xdc\x03\xe7" + b"\x00" * 999
    head = msgpack.packb({"type": "Refused", "cluster_id": "c", "error": "", "message": ""})
    frames = [
        b"\x85" + head[1:] + b"\xa4more\xdc\x00" + bytes([rows]) + row * rows for rows in (65, 66)
    ]
    assert decode(frames[0], ANSWERS) == ("c", Refused("", ""))
    with pytest.raises(ProtocolError, match="65536 elements"):
        decode(frames[1], ANSWERS)


@pytest.mark.parametrize(
    "piece",
    [
        b"\xdd" + (MAX_ELEMENTS + 1).to_bytes(4, "big"),
        b"\xdd" + MAX_ELEMENTS.to_bytes(4, "big"),
        b"\xdf" + MAX_ELEMENTS.to_bytes(4, "big"),
        b"\xdc\x03\xe8" + b"\x80" * MAX_ELEMENTS,
        b"\xdc\x03\xe8" + b"\x81\xa0\xc0" * MAX_ELEMENTS,
        b"\xdc\x03\xe8" + b"\xd4\x05x" * MAX_ELEMENTS,
        b"\xdc\x03\xe8" + b"\xcd\x40\x00" * MAX_ELEMENTS,
        b"\xdc\x03\xe8" + b"\xa6ab\xf0\x9f\x90\xb1" * MAX_ELEMENTS,
        b"\xdd\x00\x00\xff\x00",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
    ],
)
def test_a_frame_of_lies_costs_no_more_memory_than_is_said(piece: bytes) -> None:
    pieces = piece * (MAX_ANSWER_BYTES // len(piece) + 1)
    frame = (b"\xdc\x03\xe8" + pieces)[:MAX_ANSWER_BYTES]
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        decode(frame, ANSWERS)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4 * MAX_ANSWER_BYTES + (16 << 20) + (8 << 20)
