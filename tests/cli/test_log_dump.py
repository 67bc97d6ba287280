"""`minikafka log dump` on files that the broker's own log wrote, whole and damaged."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka.broker.log import checkpoints
from minikafka.broker.log.files import Files
from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.log.producer_snapshot import ProducerEntry, encode_snapshot
from minikafka.cli import main
from minikafka.protocol.batch import write_header
from minikafka.protocol.compression import CompressionType
from minikafka.protocol.records import Record, assign_offset, build_batch, read_header

from ..broker.log.appending import append
from .conftest import Command, run_process

NOON_MS = 1_700_000_000_000
LOG_NAME = f"{0:020d}.log"
INDEXED = LogOptions(index_interval_bytes=0)
"""Every batch but the first has an entry in the indexes."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A partition's directory of three batches, closed: two records, one record, one record."""
    path = tmp_path / "orders-0"
    log = Log.open(Files(), str(path), INDEXED)
    append(log, NOON_MS, NOON_MS + 5)
    append(log, NOON_MS + 10)
    append(log, NOON_MS + 20)
    log.close(sync=True)
    return path


def lines_of(text: str) -> list[dict[str, Any]]:
    """The JSON objects of an output."""
    return [json.loads(line) for line in text.splitlines()]


def change(path: Path, position: int, data: bytes) -> None:
    """Overwrite bytes of a file."""
    content = bytearray(path.read_bytes())
    content[position : position + len(data)] = data
    path.write_bytes(content)


def positions_of(minikafka: Command, path: Path) -> list[int]:
    """Where the batches of a log begin."""
    rows = lines_of(minikafka("log", "dump", "-o", "json", str(path)).out)
    return [row["position"] for row in rows if row["kind"] == "batch"]


def test_a_log_is_a_line_for_each_batch_and_a_sum(minikafka: Command, directory: Path) -> None:
    outcome = minikafka("log", "dump", str(directory / LOG_NAME))
    assert outcome.status == 0
    heading, *rows, total = outcome.out.splitlines()
    assert heading.split() == [
        *("POSITION", "OFFSETS", "RECORDS", "BYTES", "EPOCH", "CODEC", "MAX", "TIMESTAMP"),
        "PRODUCER",
    ]
    assert [row.split() for row in rows] == [
        ["0", "0-1", "2", "85", "0", "none", "2023-11-14T22:13:20.005Z", "-"],
        ["85", "2", "1", "73", "0", "none", "2023-11-14T22:13:20.010Z", "-"],
        ["158", "3", "1", "73", "0", "none", "2023-11-14T22:13:20.020Z", "-"],
    ]
    assert total == "3 batches, 4 records, 231 bytes: sound"


def test_programs_get_every_field_of_a_header(minikafka: Command, directory: Path) -> None:
    path = directory / LOG_NAME
    first, *_, total = lines_of(minikafka("log", "dump", "-o", "json", str(path)).out)
    header = read_header(path.read_bytes())
    assert first == {
        "file": str(path),
        "kind": "batch",
        "position": 0,
        "size_bytes": header.size_bytes,
        "base_offset": 0,
        "last_offset": 1,
        "record_count": 2,
        "leader_epoch": 0,
        "compression": "none",
        "timestamp_type": "CreateTime",
        "base_timestamp": NOON_MS,
        "max_timestamp": NOON_MS + 5,
        "producer_id": -1,
        "producer_epoch": -1,
        "base_sequence": -1,
        "is_transactional": False,
        "is_control": False,
        "crc": header.crc,
    }
    assert total["kind"] == "sum"
    assert (total["batches"], total["records"], total["damaged"]) == (3, 4, 0)


@pytest.mark.parametrize("codec", CompressionType)
def test_records_are_shown_whatever_is_in_them(
    minikafka: Command, tmp_path: Path, codec: CompressionType
) -> None:
    path = tmp_path / LOG_NAME
    records = [
        Record(0, NOON_MS, b"key", b"two\nlines \x1b[31m", (("trace", b"1"), ("empty", None))),
        Record(1, NOON_MS, None, b"\x00\xff"),
        Record(2, NOON_MS, "straße".encode(), b"x" * 1000),
    ]
    path.write_bytes(build_batch(records, codec))
    outcome = minikafka("log", "dump", "--records", str(path))
    assert [line.strip() for line in outcome.out.splitlines()[2:5]] == [
        "offset 0  2023-11-14T22:13:20.000Z  key 'key'  value 'two\\nlines \\x1b[31m'"
        "  header 'trace' '1'  header 'empty' null",
        "offset 1  2023-11-14T22:13:20.000Z  key null  value b'\\x00\\xff'",
        f"offset 2  2023-11-14T22:13:20.000Z  key 'straße'  value '{'x' * 120}'... (1000 bytes)",
    ]
    rows = lines_of(minikafka("log", "dump", "--records", "-o", "json", str(path)).out)
    assert [row["value"] for row in rows if row["kind"] == "record"] == [
        "two\nlines \x1b[31m",
        {"base64": "AP8="},
        "x" * 1000,
    ]


def test_damage_is_shown_where_it_is_and_what_follows_is_decoded(
    minikafka: Command, directory: Path
) -> None:
    path = directory / LOG_NAME
    change(path, 85 + 70, b"?")
    outcome = minikafka("log", "dump", str(path))
    assert outcome.status == 1
    assert outcome.err == f"minikafka: damaged: {path}\n"
    _, first, damaged, third, total = outcome.out.splitlines()
    assert first.split()[:2] == ["0", "0-1"]
    assert damaged.split(None, 1) == [
        "85",
        "DAMAGED: the CRC does not match; 73 bytes are not read "
        "(the header says: offsets 2, 73 bytes)",
    ]
    assert third.split()[:2] == ["158", "3"]
    assert total.endswith("DAMAGED in 1 place")


@pytest.mark.parametrize(
    ("position", "data", "reason"),
    [
        (16, b"\x01", "magic 1"),
        (8, b"\x7f\xff\xff\xff", "a batch of 2147483659 bytes in the last 231 of the file"),
        (85, b"\xff" * 8, "base offset -1 after offset 1"),
        (158 + 12, b"\xff" * 4, "leader epoch -1 after 0"),
        (158 + 57, b"\x00\x00\x00\x09", "9 records in 1 offsets"),
    ],
)
def test_each_kind_of_damage_has_its_reason(
    minikafka: Command, directory: Path, position: int, data: bytes, reason: str
) -> None:
    path = directory / LOG_NAME
    change(path, position, data)
    rows = lines_of(minikafka("log", "dump", "-o", "json", str(path)).out)
    assert [row["reason"] for row in rows if row["kind"] == "damage"] == [reason]
    assert [row["kind"] for row in rows].count("batch") == 2


def test_a_torn_end_is_damage_at_its_position(minikafka: Command, directory: Path) -> None:
    path = directory / LOG_NAME
    path.write_bytes(path.read_bytes()[:-10])
    outcome = minikafka("log", "dump", "--verify", str(path))
    assert outcome.status == 1
    assert outcome.out.splitlines() == [
        f"{path}: 158 DAMAGED: a batch of 73 bytes in the last 63 of the file; "
        "63 bytes are not read (the header says: offsets 3, 73 bytes)",
        f"{path}: 2 batches, 3 records, 221 bytes: DAMAGED in 1 place",
    ]


def test_records_that_do_not_fit_their_batch_are_damage(minikafka: Command, tmp_path: Path) -> None:
    path = tmp_path / LOG_NAME
    batch = bytearray(build_batch([Record(0, NOON_MS, b"key", b"value")]))
    header = read_header(batch)
    write_header(batch, header._replace(record_count=2, last_offset_delta=1))
    path.write_bytes(batch)
    assert minikafka("log", "dump", str(path)).status == 0
    outcome = minikafka("log", "dump", "--records", "--verify", str(path))
    assert outcome.status == 1
    assert "the checksum is right, but the records are not" in outcome.out


def test_the_batches_wanted_are_chosen_by_offset_and_number(
    minikafka: Command, directory: Path
) -> None:
    path = str(directory / LOG_NAME)
    rows = lines_of(minikafka("log", "dump", "--offset", "1", "--max", "2", path, "-o", "json").out)
    assert [row["base_offset"] for row in rows] == [0, 2]


def test_a_whole_partition_is_verified(minikafka: Command, directory: Path) -> None:
    (directory / f"{4:020d}.snapshot").write_bytes(encode_snapshot([]))
    (directory / checkpoints.LEADER_EPOCHS).write_bytes(checkpoints.encode_leader_epochs([(0, 0)]))
    outcome = minikafka("log", "dump", "--verify", *map(str, sorted(directory.iterdir())))
    assert outcome == (
        0,
        f"{directory}/{0:020d}.index: 2 entries: sound\n"
        f"{directory}/{0:020d}.log: 3 batches, 4 records, 231 bytes: sound\n"
        f"{directory}/{0:020d}.timeindex: 2 entries: sound\n"
        f"{directory}/{4:020d}.snapshot: 0 producers: sound\n"
        f"{directory}/leader-epoch-checkpoint: 1 epoch: sound\n",
        "",
    )


def test_an_index_is_a_line_for_each_entry(minikafka: Command, directory: Path) -> None:
    outcome = minikafka("log", "dump", str(directory / f"{0:020d}.index"))
    assert [line.split() for line in outcome.out.splitlines()] == [
        ["AT", "LAST", "OFFSET", "POSITION"],
        ["0", "2", "85"],
        ["8", "3", "158"],
        ["2", "entries:", "sound"],
    ]
    outcome = minikafka("log", "dump", str(directory / f"{0:020d}.timeindex"))
    assert [line.split() for line in outcome.out.splitlines()[1:3]] == [
        ["0", "2", "2023-11-14T22:13:20.010Z"],
        ["12", "3", "2023-11-14T22:13:20.020Z"],
    ]


@pytest.mark.parametrize(
    ("name", "position", "data", "reason"),
    [
        ("index", 4, b"\0\0\0\x56", "no sound batch of the log begins at position 86"),
        ("index", 3, b"\x01", "the batch at position 85 ends with offset 2, not 1"),
        ("index", 8, b"\0\0\0\x01", "it is not above the entry before"),
        ("index", 16, b"\x01\x02", "2 bytes are no whole entry of 8"),
        ("timeindex", 7, b"\x0b", "the batch with offset 2 has the max timestamp"),
        ("timeindex", 20, b"\0\0\0\x09", "offset 9 is behind the log's last sound batch"),
        ("timeindex", 12, b"\0" * 8, "it is not above the entry before"),
    ],
)
def test_an_index_that_does_not_agree_with_its_log_is_found(
    minikafka: Command, directory: Path, name: str, position: int, data: bytes, reason: str
) -> None:
    path = directory / f"{0:020d}.{name}"
    change(path, position, data)
    outcome = minikafka("log", "dump", "--verify", str(path))
    assert outcome.status == 1
    assert reason in outcome.out


def test_a_time_index_that_misses_a_later_batch_is_found(
    minikafka: Command, tmp_path: Path
) -> None:
    log = Log.open(Files(), str(tmp_path), INDEXED)
    for timestamp in (NOON_MS + 30, NOON_MS + 10, NOON_MS + 40):
        append(log, timestamp)
    log.close(sync=True)
    path = tmp_path / f"{0:020d}.timeindex"
    assert minikafka("log", "dump", "--verify", str(path)).status == 0
    path.write_bytes((NOON_MS + 10).to_bytes(8) + (1).to_bytes(4))
    outcome = minikafka("log", "dump", "--verify", str(path))
    assert "a batch before offset 1 has the later time" in outcome.out


def test_room_that_kafka_reserves_behind_an_index_is_no_entry(
    minikafka: Command, directory: Path
) -> None:
    for name in ("index", "timeindex"):
        path = directory / f"{0:020d}.{name}"
        path.write_bytes(path.read_bytes() + bytes(10 << 20))
        rows = lines_of(minikafka("log", "dump", "--verify", "-o", "json", str(path)).out)
        assert [row["kind"] for row in rows][-1] == "sum"
        assert rows[-1]["entries"] == 2


def test_small_files_are_tables_of_what_they_say(minikafka: Command, tmp_path: Path) -> None:
    entry = ProducerEntry(7, 0, 9, 19, 9, NOON_MS)
    owner = checkpoints.MetaProperties("abc", 1, bytes(16))
    for name, content, expected in (
        (f"{20:020d}.snapshot", encode_snapshot([entry]), "7 0 9 19 9 2023-11-14T22:13:20.000Z"),
        (checkpoints.RECOVERY_POINT, checkpoints.encode_offsets({("t", 0): 5}), "t 0 5"),
        (checkpoints.LEADER_EPOCHS, checkpoints.encode_leader_epochs([(3, 17)]), "3 17"),
        (checkpoints.PARTITION_METADATA, checkpoints.encode_partition_metadata(bytes(16)), "AA"),
        (checkpoints.META_PROPERTIES, checkpoints.encode_meta_properties(owner), "abc 1 AA"),
        (checkpoints.CLEAN_SHUTDOWN, checkpoints.encode_clean_shutdown(7), "7"),
    ):
        (tmp_path / name).write_bytes(content)
        outcome = minikafka("log", "dump", str(tmp_path / name))
        assert outcome.status == 0
        assert " ".join(outcome.out.splitlines()[1].split()).startswith(expected)
        (tmp_path / name).write_bytes(content[:-1] + b"\xfe")
        outcome = minikafka("log", "dump", str(tmp_path / name))
        assert outcome.status == 1
        assert "DAMAGED" in outcome.out


def test_the_metadata_log_tells_the_life_of_the_cluster(
    minikafka: Command, on_broker: Command, shared_broker: Any
) -> None:
    on_broker("topic", "create", "told", "-c", "retention.ms=5")
    path = shared_broker.data_dir / "__cluster_metadata-0" / LOG_NAME
    outcome = minikafka("log", "dump", "--records", str(path))
    assert outcome.status == 0
    assert 'type "ClusterCreated"' in outcome.out
    assert 'name "told"  configs {"retention.ms": "5"}' in outcome.out
    rows = lines_of(minikafka("log", "dump", "--records", "-o", "json", str(path)).out)
    created = [row["value"] for row in rows if row["kind"] == "record"]
    assert {"told"} <= {value["name"] for value in created if value["type"] == "TopicCreated"}


def test_a_file_that_no_node_writes_is_one_sentence(minikafka: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / LOG_NAME).mkdir()
    for path, status, sentence in (
        (tmp_path / "notes.txt", 2, "has no name that a node gives to a file"),
        (tmp_path / LOG_NAME, 1, "is no file"),
        (tmp_path / "gone" / LOG_NAME, 1, "No such file or directory"),
    ):
        outcome = minikafka("log", "dump", str(path))
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (status, "", 1)
        assert str(path) in outcome.err
        assert sentence in outcome.err


def test_what_is_no_log_but_called_so_is_damage_at_its_beginning(
    minikafka: Command, tmp_path: Path
) -> None:
    path = tmp_path / LOG_NAME
    path.write_bytes(b"GET / HTTP/1.1\r\n" * 20)
    outcome = minikafka("log", "dump", "--verify", str(path))
    assert outcome.status == 1
    assert ": 0 DAMAGED: magic 71; 320 bytes are not read" in outcome.out


@pytest.mark.parametrize(
    "name",
    [
        *(f"{0:020d}.{kind}" for kind in ("log", "cut", "index", "timeindex", "snapshot")),
        checkpoints.RECOVERY_POINT,
        checkpoints.LEADER_EPOCHS,
        checkpoints.PARTITION_METADATA,
        checkpoints.META_PROPERTIES,
        checkpoints.CLEAN_SHUTDOWN,
    ],
)
def test_no_bytes_end_in_a_traceback(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("any") / "__cluster_metadata-0"
    directory.mkdir()
    sound = build_batch([Record(0, NOON_MS, b"key", b"\x81\xa4type\xa1x")])

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200), st.binary(max_size=200), st.integers(-(2**63), 2**63 - 1))
    def check(before: bytes, after: bytes, offset: int) -> None:
        assign_offset(sound, offset, 0)
        (directory / name).write_bytes(before + sound + after)
        for options in ((), ("--records", "-o", "json"), ("--verify", "--records")):
            assert main.run(("log", "dump", *options, str(directory / name))) in (0, 1)

    check()


def test_memory_does_not_grow_with_the_segment(minikafka: Command, tmp_path: Path) -> None:
    path = tmp_path / LOG_NAME
    batch = build_batch([Record(0, NOON_MS, None, bytes(1 << 20))])
    with path.open("wb") as file:
        for offset in range(64):
            assign_offset(batch, offset, 0)
            file.write(batch)
    minikafka("log", "dump", "--verify", str(path))  # imports are not what is measured
    tracemalloc.start()
    outcome = minikafka("log", "dump", "--records", "-o", "json", str(path), "--verify")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines_of(outcome.out)[-1]["batches"] == 64
    assert peak_bytes < 16 << 20


def test_who_has_seen_enough_may_leave(directory: Path) -> None:
    many = f"--records {LOG_NAME} " * 2000
    program = f"{sys.executable} -m minikafka.cli.main log dump {many} | head -n 1"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program}"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1


def test_a_file_may_be_read_only(directory: Path) -> None:
    path = directory / LOG_NAME
    path.chmod(0o400)
    assert run_process("log", "dump", "--verify", str(path)).status == 0
