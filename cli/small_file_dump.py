"""The small files of a data directory as lines: checkpoints, snapshots, who owns the directory.

Each is read by the broker's own decoder, which takes it whole or says what is wrong: then the one
line is damage.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ..broker.log.checkpoints import (
    CLEAN_SHUTDOWN,
    CLEANER,
    HIGH_WATERMARK,
    LEADER_EPOCHS,
    LOG_START,
    META_PROPERTIES,
    PARTITION_METADATA,
    RECOVERY_POINT,
    CorruptCheckpoint,
    decode_clean_shutdown,
    decode_leader_epochs,
    decode_meta_properties,
    decode_offsets,
    decode_partition_metadata,
    encode_uuid,
)
from ..broker.log.producer_snapshot import ProducerEntry, decode_snapshot
from .dump_line import DumpLine, damage, heading, row, shown_time, total

Columns = tuple[tuple[str, int], ...]
Rows = Iterable[tuple[Any, ...]]

_TIME_WIDTH: Final = 24
_PRODUCER_COLUMNS: Final = tuple(
    (name, _TIME_WIDTH if name == "timestamp" else len(name)) for name in ProducerEntry._fields
)


def dump_snapshot(data: bytes) -> Iterator[DumpLine]:
    """The producers in a snapshot, a batch each."""
    yield from _dump(data, "producers", _PRODUCER_COLUMNS, _producers)


def dump_small_file(name: str, data: bytes) -> Iterator[DumpLine]:
    """The lines of a file whose name is in SMALL_FILES."""
    yield from _dump(data, *SMALL_FILES[name])


def _dump(
    data: bytes, what: str, columns: Columns, decode: Callable[[bytes], Rows]
) -> Iterator[DumpLine]:
    names = [name for name, _ in columns]
    try:
        rows = list(decode(data))
    except CorruptCheckpoint as error:
        yield damage(0, str(error))
        yield total(1, **{what: 0})
        return
    yield heading(columns)
    for values in rows:
        fields = dict(zip(names, values, strict=True))
        shown = [_shown(*each) for each in fields.items()]
        yield DumpLine("entry", fields, row(columns, shown))
    yield total(0, **{what: len(rows)})


def _shown(name: str, value: Any) -> Any:
    return shown_time(value) if name == "timestamp" else value


def _producers(data: bytes) -> Rows:
    entries = decode_snapshot(data)
    if entries is None:
        raise CorruptCheckpoint("no producer snapshot of version 1 with the right checksum")
    return entries


def _offsets(data: bytes) -> Rows:
    return [(*partition, offset) for partition, offset in decode_offsets(data).items()]


def _topic_id(data: bytes) -> Rows:
    return [(encode_uuid(decode_partition_metadata(data)),)]


def _meta_properties(data: bytes) -> Rows:
    meta = decode_meta_properties(data)
    return [(meta.cluster_id, meta.node_id, encode_uuid(meta.directory_id))]


def _clean_shutdown(data: bytes) -> Rows:
    broker_epoch = decode_clean_shutdown(data)
    if broker_epoch is None:
        raise CorruptCheckpoint("no broker epoch, so the stop counts as unclean")
    return [(broker_epoch,)]


_OFFSET_CHECKPOINT: Final = (
    "partitions",
    (("topic", 24), ("partition", 9), ("offset", 0)),
    _offsets,
)
SMALL_FILES: Final[dict[str, tuple[str, Columns, Callable[[bytes], Rows]]]] = {
    RECOVERY_POINT: _OFFSET_CHECKPOINT,
    HIGH_WATERMARK: _OFFSET_CHECKPOINT,
    LOG_START: _OFFSET_CHECKPOINT,
    CLEANER: _OFFSET_CHECKPOINT,
    LEADER_EPOCHS: (
        "epochs",
        (("leader_epoch", 12), ("start_offset", 0)),
        decode_leader_epochs,
    ),
    PARTITION_METADATA: ("ids", (("topic_id", 22),), _topic_id),
    META_PROPERTIES: (
        "owners",
        (("cluster_id", 22), ("node_id", 10), ("directory_id", 22)),
        _meta_properties,
    ),
    CLEAN_SHUTDOWN: ("markers", (("broker_epoch", 0),), _clean_shutdown),
}
"""Per file name: what a line is, the columns, and the broker's decoder as rows of them."""
