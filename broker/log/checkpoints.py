"""The small files beside the logs: Kafka's checkpoints, and who owns the directory.

    in the data directory
        recovery-point-offset-checkpoint    up to where the disk has confirmed each log
        replication-offset-checkpoint       the high watermark of each
        log-start-offset-checkpoint         the start of each that does not start at 0
        cleaner-offset-checkpoint           up to where each was compacted
            0                               version
            2                               number of lines that follow
            orders 0 4711                   topic partition offset
            orders 1 0
        .kafka_cleanshutdown                {"version":0,"brokerEpoch":7}: the last stop was clean
        meta.properties                     version=1, cluster.id, node.id, directory.id
    in each partition's directory
        leader-epoch-checkpoint             0, number of lines, then lines "epoch start offset"
        partition.metadata                  version: 0, topic_id: of this incarnation of the topic

Ids are 16 bytes, and in text base64url without padding, as Kafka prints them.

Invariants: a file is replaced at one stroke, so it is whole, old or new, after any crash. One that
is not as described raises CorruptCheckpoint instead of being taken for an empty one, since what it
says keeps records from being lost. Encoders and decoders are pure functions on bytes.

Left out: version 0 of meta.properties, which Kafka wrote before KRaft.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias, TypeVar, cast

from .files import Files

RECOVERY_POINT = "recovery-point-offset-checkpoint"
HIGH_WATERMARK = "replication-offset-checkpoint"
LOG_START = "log-start-offset-checkpoint"
CLEANER = "cleaner-offset-checkpoint"
LEADER_EPOCHS = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"
META_PROPERTIES = "meta.properties"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"

PartitionOffsets: TypeAlias = Mapping[tuple[str, int], int]
Content = TypeVar("Content")

_OFFSET_LINE = re.compile(r"(\S+)\s+(\d{1,10})\s+(\d{1,19})", re.ASCII)  # topic partition offset
_EPOCH_LINE = re.compile(r"(\d{1,10})\s+(\d{1,19})", re.ASCII)  # epoch, start offset
_COUNT_LINE = re.compile(r"\d{1,10}", re.ASCII)
_PARTITION_METADATA = re.compile(r"version: 0\s+topic_id: ([\w-]{22})\s*", re.ASCII)
_UUID_BYTES = 16


class CorruptCheckpoint(Exception):
    """A file beside the logs does not hold what it should."""


class MetaProperties(NamedTuple):
    """Whose directory this is: cluster, node, and an id that a replaced disk does not have."""

    cluster_id: str
    node_id: int
    directory_id: bytes


def encode_uuid(uuid: bytes) -> str:
    """Return 16 bytes as Kafka prints them: base64url without padding (22 characters)."""
    return base64.urlsafe_b64encode(uuid).decode().rstrip("=")


def decode_uuid(text: str) -> bytes:
    """Return the 16 bytes of an id that Kafka printed, or raise CorruptCheckpoint."""
    try:
        uuid = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        uuid = b""
    if len(uuid) != _UUID_BYTES:
        raise CorruptCheckpoint(f"{text!r} is no id")
    return uuid


def encode_offsets(offsets: PartitionOffsets) -> bytes:
    """Return an offset checkpoint; the lines are sorted."""
    rows = sorted(offsets.items())
    return _encode_lines([f"{topic} {partition} {offset}" for (topic, partition), offset in rows])


def decode_offsets(data: bytes) -> dict[tuple[str, int], int]:
    """Return the offsets by (topic, partition)."""
    rows = _decode_lines(data, _OFFSET_LINE)
    return {(row[1], int(row[2])): int(row[3]) for row in rows}


def encode_leader_epochs(epochs: Sequence[tuple[int, int]]) -> bytes:
    """Return a leader epoch checkpoint of (epoch, start offset)."""
    return _encode_lines([f"{epoch} {start_offset}" for epoch, start_offset in epochs])


def decode_leader_epochs(data: bytes) -> list[tuple[int, int]]:
    """Return (epoch, start offset); both rise."""
    entries = [(int(row[1]), int(row[2])) for row in _decode_lines(data, _EPOCH_LINE)]
    for before, entry in pairwise(entries):
        if entry[0] <= before[0] or entry[1] <= before[1]:
            raise CorruptCheckpoint(f"epoch {entry[0]} at {entry[1]} after {before}")
    return entries


def _encode_lines(lines: Sequence[str]) -> bytes:
    """Return a checkpoint of version 0 with the lines."""
    return "".join(f"{line}\n" for line in ("0", str(len(lines)), *lines)).encode()


def _decode_lines(data: bytes, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """Return the lines of a checkpoint as matches of `pattern`; an empty file has none."""
    lines = _text(data).splitlines()
    if not lines:
        return []
    if not data.endswith(b"\n"):
        raise CorruptCheckpoint("its last line has no end")
    if lines[0] != "0":
        raise CorruptCheckpoint(_foreign(lines[0], "0"))
    count, rows = "".join(lines[1:2]), lines[2:]
    if not _COUNT_LINE.fullmatch(count) or int(count) != len(rows):
        raise CorruptCheckpoint(f"{len(rows)} lines where {count!r} are announced")
    matches = [match for row in rows if (match := pattern.fullmatch(row))]
    if len(matches) != len(rows):
        raise CorruptCheckpoint("a line is not of the right form")
    return matches


def _foreign(version: str | None, ours: str) -> str:
    """Return what is wrong with a file that another program, or a newer release, has written."""
    return f"it says version {version!r}, and this release knows version {ours} only"


def _text(data: bytes) -> str:
    """Return `data` as text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CorruptCheckpoint("it is not text") from None


def encode_partition_metadata(topic_id: bytes) -> bytes:
    """Return what ties a partition's directory to one incarnation of its topic (KIP-516)."""
    return f"version: 0\ntopic_id: {encode_uuid(topic_id)}".encode()


def decode_partition_metadata(data: bytes) -> bytes:
    """Return the topic id."""
    match = _PARTITION_METADATA.fullmatch(_text(data))
    if match is None:
        raise CorruptCheckpoint("no version 0 with a topic_id")
    return decode_uuid(match[1])


def encode_meta_properties(meta: MetaProperties) -> bytes:
    """Return a properties file of version 1 (KIP-858)."""
    directory_id = encode_uuid(meta.directory_id)
    lines = f"version=1\ncluster.id={meta.cluster_id}\nnode.id={meta.node_id}\n"
    return f"{lines}directory.id={directory_id}\n".encode()


def decode_meta_properties(data: bytes) -> MetaProperties:
    """Return what the properties say; lines that begin with # are comments."""
    lines = [line.partition("=") for line in _text(data).splitlines() if line[:1] != "#"]
    values = {name.strip(): value.strip() for name, _, value in lines}
    if values.get("version") != "1":
        raise CorruptCheckpoint(_foreign(values.get("version"), "1"))
    try:
        cluster_id, node_id = values["cluster.id"], int(values["node.id"])
        return MetaProperties(cluster_id, node_id, decode_uuid(values["directory.id"]))
    except (KeyError, ValueError) as error:
        raise CorruptCheckpoint(f"a property is missing or no number: {error}") from None


def encode_clean_shutdown(broker_epoch: int) -> bytes:
    """Return the marker of a clean stop, with the epoch of the broker that stopped (KIP-966)."""
    return json.dumps({"version": 0, "brokerEpoch": broker_epoch}, separators=(",", ":")).encode()


def decode_clean_shutdown(data: bytes) -> int | None:
    """Return the broker epoch; None when it cannot be read, and the stop counts as unclean."""
    try:
        content = cast("object", json.loads(data))
    except ValueError:
        return None
    fields = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    broker_epoch = fields.get("brokerEpoch")
    return broker_epoch if isinstance(broker_epoch, int) else None


def load(files: Files, path: str, decode: Callable[[bytes], Content]) -> Content | None:
    """Return the decoded content of the file at `path`; None when there is none.

    CorruptCheckpoint, naming the file, when it does not hold what it should.
    """
    try:
        return decode(files.read_bytes(path))
    except FileNotFoundError:
        return None
    except CorruptCheckpoint as error:
        raise CorruptCheckpoint(f"{path} cannot be used: {error}") from None


def take_clean_shutdown(files: Files, directory: str) -> int | None:
    """Return the broker epoch of a clean stop, once; None when the last stop was not clean.

    The marker is gone, durably, before anything is loaded: a crash while loading must not look
    like a clean stop (KAFKA-10471).
    """
    path = f"{directory}/{CLEAN_SHUTDOWN}"
    broker_epoch = load(files, path, decode_clean_shutdown)
    if files.exists(path):
        files.unlink(path)
        files.fsync_directory(directory)
    return broker_epoch
