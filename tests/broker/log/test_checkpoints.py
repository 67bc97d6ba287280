"""The small files: Kafka's text, and an error where something else is found."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.broker.log.checkpoints import (
    CLEAN_SHUTDOWN,
    RECOVERY_POINT,
    CorruptCheckpoint,
    MetaProperties,
    decode_clean_shutdown,
    decode_leader_epochs,
    decode_meta_properties,
    decode_offsets,
    decode_partition_metadata,
    decode_uuid,
    encode_clean_shutdown,
    encode_leader_epochs,
    encode_meta_properties,
    encode_offsets,
    encode_partition_metadata,
    encode_uuid,
    load,
    take_clean_shutdown,
)
from minikafka.broker.log.files import Files
from minikafka.broker.log.producer_snapshot import (
    ProducerEntry,
    decode_snapshot,
    encode_snapshot,
    snapshot_name,
)

OFFSETS = {("orders", 1): 0, ("a.b_c-d", 0): 2**63 - 1, ("orders", 0): 4711}
TOPIC_ID = bytes(range(240, 256))


def test_golden_offsets() -> None:
    text = b"0\n3\na.b_c-d 0 9223372036854775807\norders 0 4711\norders 1 0\n"
    assert encode_offsets(OFFSETS) == text
    assert decode_offsets(text) == OFFSETS
    assert decode_offsets(b"0\n0\n") == decode_offsets(b"") == {}


def test_golden_leader_epochs() -> None:
    assert encode_leader_epochs([(0, 0), (3, 120)]) == b"0\n2\n0 0\n3 120\n"
    assert decode_leader_epochs(b"0\n2\n0 0\n3 120\n") == [(0, 0), (3, 120)]


def test_golden_partition_metadata() -> None:
    text = b"version: 0\ntopic_id: 8PHy8_T19vf4-fr7_P3-_w"
    assert encode_partition_metadata(TOPIC_ID) == text
    assert decode_partition_metadata(text) == decode_partition_metadata(text + b"\n") == TOPIC_ID


def test_golden_meta_properties() -> None:
    meta = MetaProperties("8PHy8_T19vf4-fr7_P3-_w", 7, TOPIC_ID)
    text = b"version=1\ncluster.id=8PHy8_T19vf4-fr7_P3-_w\nnode.id=7\n"
    text += b"directory.id=8PHy8_T19vf4-fr7_P3-_w\n"
    assert encode_meta_properties(meta) == text
    assert decode_meta_properties(b"#\n#Mon Nov 23 13:00:00 UTC 2026\n" + text) == meta


def test_golden_clean_shutdown() -> None:
    assert encode_clean_shutdown(42) == b'{"version":0,"brokerEpoch":42}'
    assert decode_clean_shutdown(b'{"version":0,"brokerEpoch":42,"more":[]}') == 42
    for unreadable in (b"", b"\xff", b"[]", b"{}", b'{"brokerEpoch":"x"}'):
        assert decode_clean_shutdown(unreadable) is None


@given(st.binary(min_size=16, max_size=16))
def test_ids_keep_their_bytes(uuid: bytes) -> None:
    assert decode_uuid(encode_uuid(uuid)) == uuid
    assert len(encode_uuid(uuid)) == 22


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"1\n0\n",
        b"zero\n0\n",
        b"0\n",
        b"0\nx\n",
        b"0\n1\n",
        b"0\n2\norders 0 1\n",
        b"0\n1\norders 0\n",
        b"0\n1\norders 0 -1\n",
        b"0\n1\norders 0 1_0\n",
        b"0\n1\norders 0 1 2\n",
        b"0\n1\n\n",
        b"\0" * 40,
    ],
)
def test_a_corrupt_checkpoint_is_not_taken_for_an_empty_one(text: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        decode_offsets(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"version: 1\ntopic_id: 8PHy8_T19vf4-fr7_P3-_w", b"version: 0\ntopic_id: 8PHy8", b"\xff"],
)
def test_corrupt_partition_metadata(text: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        decode_partition_metadata(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"version=0\nnode.id=1\ncluster.id=x\ndirectory.id=8PHy8_T19vf4-fr7_P3-_w\n",
        b"version=1\nnode.id=x\ncluster.id=x\ndirectory.id=8PHy8_T19vf4-fr7_P3-_w\n",
        b"version=1\nnode.id=1\ndirectory.id=8PHy8_T19vf4-fr7_P3-_w\n",
        b"version=1\nnode.id=1\ncluster.id=x\ndirectory.id=short\n",
    ],
)
def test_corrupt_meta_properties(text: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        decode_meta_properties(text)


def test_load_names_the_file_that_is_corrupt(tmp_path: Path) -> None:
    files, path = Files(), str(tmp_path / RECOVERY_POINT)
    assert load(files, path, decode_offsets) is None
    files.write_atomically(path, encode_offsets(OFFSETS))
    assert load(files, path, decode_offsets) == OFFSETS
    files.write_atomically(path, b"?")
    with pytest.raises(CorruptCheckpoint, match=RECOVERY_POINT):
        load(files, path, decode_offsets)
    files.close()


def test_a_clean_stop_is_believed_once(tmp_path: Path) -> None:
    files, directory = Files(), str(tmp_path)
    assert take_clean_shutdown(files, directory) is None
    for content, broker_epoch in ((encode_clean_shutdown(5), 5), (b"garbage", None)):
        files.write_atomically(f"{directory}/{CLEAN_SHUTDOWN}", content)
        assert take_clean_shutdown(files, directory) == broker_epoch
        assert take_clean_shutdown(files, directory) is None
    files.close()


def test_golden_producer_snapshot() -> None:
    entries = [
        ProducerEntry(1000, 2, 14, 99, 4, 1_700_000_000_000),
        ProducerEntry(1000, 2, 19, 104, 4, 1_700_000_000_001),
    ]
    body = (
        "00000002"
        "00000000000003e8 0002 0000000e 0000000000000063 00000004 0000018bcfe56800"
        "ffffffff ffffffffffffffff"
        "00000000000003e8 0002 00000013 0000000000000068 00000004 0000018bcfe56801"
        "ffffffff ffffffffffffffff"
    )
    snapshot = encode_snapshot(entries)
    assert snapshot[:2].hex() == "0001"
    assert snapshot[6:].hex() == body.replace(" ", "")
    assert decode_snapshot(snapshot) == entries
    assert decode_snapshot(encode_snapshot([])) == []
    assert snapshot_name(4711) == "00000000000000004711.snapshot"


def test_a_damaged_producer_snapshot_is_none() -> None:
    snapshot = encode_snapshot([ProducerEntry(1, 0, 0, 0, 0, 0)])
    for index in range(len(snapshot)):
        damaged = bytearray(snapshot)
        damaged[index] ^= 1
        assert decode_snapshot(bytes(damaged)) is None
        assert decode_snapshot(snapshot[:index]) is None
    assert decode_snapshot(snapshot + b"\0") is None
