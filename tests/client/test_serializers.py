"""What comes with us to make bytes of values: each way and back, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.serializers import (
    json_deserializer,
    json_serializer,
    msgpack_deserializer,
    msgpack_serializer,
    utf8_deserializer,
    utf8_serializer,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))


@given(TEXT)
def test_utf8_goes_there_and_back(text: str):
    assert utf8_deserializer(utf8_serializer(text)) == text


@given(JSON)
def test_json_goes_there_and_back(value: Any):
    assert json_deserializer(json_serializer(value)) == value


@given(JSON)
def test_msgpack_goes_there_and_back(value: Any):
    assert msgpack_deserializer(msgpack_serializer(value)) == value


def test_json_is_short_and_in_utf8():
    assert json_serializer({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()


def test_msgpack_keeps_bytes_and_keys_that_are_no_strings():
    value = {1: b"\xff", "a": [b""]}
    assert msgpack_deserializer(msgpack_serializer(value)) == value


@pytest.mark.parametrize(
    ("serializer", "value", "sentence"),
    [
        (utf8_serializer, b"x", "utf8_serializer takes str, not bytes"),
        (json_serializer, b"x", "json_serializer takes .*bytes is not JSON serializable"),
        (json_serializer, {("a",): 1}, "json_serializer takes .*keys must be str"),
        (json_serializer, float("nan"), "json_serializer takes .*not JSON compliant"),
        (msgpack_serializer, {1, 2}, "msgpack_serializer takes .*can not serialize 'set'"),
        (msgpack_serializer, 2**64, "msgpack_serializer takes .*out of range"),
    ],
)
def test_what_cannot_be_written_is_a_type_error(serializer: Any, value: Any, sentence: str):
    with pytest.raises(TypeError, match=sentence):
        serializer(value)


def test_what_never_ends_is_refused_by_all():
    endless: list[Any] = []
    endless.append(endless)
    for serializer in (json_serializer, msgpack_serializer):
        with pytest.raises(TypeError, match="takes"):
            serializer(endless)


@pytest.mark.parametrize(
    ("deserializer", "data", "sentence"),
    [
        (utf8_deserializer, b"a\xff", "no UTF-8: invalid start byte at byte 1"),
        (json_deserializer, b"{", "no JSON: Expecting property name"),
        (json_deserializer, b"\xff", "no JSON: .*utf-8"),
        (json_deserializer, b"[" * 100_000, "no JSON: maximum recursion depth"),
        (msgpack_deserializer, b"", "no msgpack: Unpack failed"),
        (msgpack_deserializer, b"\xc1", "no msgpack: FormatError"),
        (msgpack_deserializer, b"\x01\x02", "no msgpack: .*extra data"),
        (msgpack_deserializer, b"\x81\x90\x01", "no msgpack: unhashable"),
        (msgpack_deserializer, b"\x91" * 3000, "no msgpack: StackError"),
        (msgpack_deserializer, b"\xdd\xff\xff\xff\xff", "no msgpack: .*exceeds"),
    ],
)
def test_what_cannot_be_read_is_a_value_error(deserializer: Any, data: bytes, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        deserializer(data)
