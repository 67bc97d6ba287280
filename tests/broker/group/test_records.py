"""The records of __consumer_offsets, byte for byte."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.broker.group.member import SavedGroup, SavedMember
from minikafka.broker.group.offsets import CommittedOffset
from minikafka.broker.group.records import (
    GroupKey,
    OffsetKey,
    decode_group,
    decode_key,
    decode_offset,
    encode_group,
    encode_key,
    encode_offset,
)
from minikafka.protocol.primitives import ProtocolError

texts = st.text(max_size=20)
int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)
members = st.builds(
    SavedMember,
    texts,
    st.none() | texts,
    texts,
    texts,
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.binary(max_size=20),
    st.binary(max_size=20),
)
groups = st.builds(
    SavedGroup,
    texts,
    int32s,
    st.none() | texts,
    st.none() | texts,
    st.lists(members, max_size=3).map(tuple),
)


def test_the_key_of_an_offset_is_kafkas():
    golden = bytes.fromhex("0001 0001 67 0006 6f7264657273 00000003")
    assert encode_key(OffsetKey("g", "orders", 3)) == golden
    assert decode_key(golden) == OffsetKey("g", "orders", 3)
    assert decode_key(b"\0\0" + golden[2:]) == OffsetKey("g", "orders", 3)


def test_the_value_of_an_offset_is_kafkas():
    golden = bytes.fromhex("0003 0000000000001267 00000005 0002 6f6b 00000180aabbccdd")
    committed = CommittedOffset(4711, 5, "ok", 0x180AABBCCDD)
    assert encode_offset(committed) == golden
    assert decode_offset(golden) == committed


def test_older_values_of_an_offset_are_read():
    of_version_1 = bytes.fromhex("0001 0000000000000007 0000 00000000000000aa 00000000000000bb")
    assert decode_offset(of_version_1) == CommittedOffset(7, -1, "", 0xAA)


def test_the_metadata_of_a_group_is_kafkas():
    golden = bytes.fromhex(
        "0003 0008 636f6e73756d6572 00000007 0005 72616e6765 0002 6d31 00000180aabbccdd 00000001"
        "0002 6d31 ffff 0001 63 0002 2f68 0000ea60 00002710 00000002 0102 00000001 03"
    )
    member = SavedMember("m1", None, "c", "/h", 60_000, 10_000, b"\x01\x02", b"\x03")
    group = SavedGroup("consumer", 7, "range", "m1", (member,))
    assert encode_key(GroupKey("g")) == bytes.fromhex("0002 0001 67")
    assert encode_group(group, 0x180AABBCCDD) == golden
    assert decode_group(golden) == (group, 0x180AABBCCDD)


@given(group=groups, timestamp_ms=int64s)
def test_every_group_comes_back(group, timestamp_ms):
    assert decode_group(encode_group(group, timestamp_ms)) == (group, timestamp_ms)


@given(committed=st.builds(CommittedOffset, int64s, int32s, texts, int64s))
def test_every_offset_comes_back(committed):
    assert decode_offset(encode_offset(committed)) == committed


def test_a_key_of_another_kind_is_none_of_ours():
    assert decode_key(bytes.fromhex("0003 0001 67")) is None


@pytest.mark.parametrize("decode", [decode_key, decode_offset, decode_group])
@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(decode, data):
    with contextlib.suppress(ProtocolError):
        decode(data)
