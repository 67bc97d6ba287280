"""How the tests of a log fill it with keys, and compact it."""

from collections.abc import Callable, Mapping

from minikafka.broker.log.cleaner import Round
from minikafka.broker.log.compaction import (
    CompactionPolicy,
    DirtyPart,
    NewestOffsets,
    Offsets,
    Survival,
    find_dirty_part,
)
from minikafka.broker.log.files import Files
from minikafka.broker.log.log import Log
from minikafka.protocol.records import BatchBuilder, Record, iterate, iterate_batches, read_header

NOW_MS = 1_000_000
DAY_MS = 86_400_000
POLICY = CompactionPolicy(0, 0, 2**63 - 1)


def append_pairs(
    log: Log, *pairs: tuple[bytes, bytes | None], producer: tuple[int, int] = (-1, -1)
) -> None:
    """Write one batch of keys and values; `producer` is its id and the batch's sequence."""
    builder = BatchBuilder()
    for number, (key, value) in enumerate(pairs):
        builder.append(1000 + log.log_end_offset + number, key, value)
    producer_id, sequence = producer
    epoch = -1 if producer_id < 0 else 0
    batch = builder.build(log.log_end_offset, producer_id, epoch, sequence, leader_epoch=0)
    log.stage(memoryview(batch), read_header(batch))
    log.write()


def dirty_part(log: Log, cleaned: int = 0, high_watermark: int | None = None) -> DirtyPart:
    """What a compaction would read."""
    if high_watermark is None:
        high_watermark = log.written_offset
    offsets = Offsets(log.log_start_offset, cleaned, high_watermark)
    return find_dirty_part(log.segments, offsets, POLICY, NOW_MS)


def round_of(
    files: Files,
    log: Log,
    part: DirtyPart | None = None,
    *,
    max_keys: int = 1000,
    last_offsets: Mapping[int, int] | None = None,
    now_ms: int = NOW_MS,
) -> Round:
    """A round of compaction that has not begun."""
    part = part or dirty_part(log)
    newest = NewestOffsets(part.start_offset, max_keys)
    return Round(files, log, part, Survival(newest, last_offsets or {}, now_ms, DAY_MS))


def compact(files: Files, one_round: Round, between: Callable[[], None] = lambda: None) -> Round:
    """Do the whole round, with `between` at each pause and after each flush."""
    for step in one_round.steps():
        files.flush_now(step)
        between()
    return one_round


def records_in(log: Log) -> list[Record]:
    """Every record in the files of the log."""
    return [
        record
        for segment in log.segments
        for batch in iterate_batches(segment.file.pread(segment.size_bytes, 0))
        for record in iterate(batch)
    ]


def newest_values(records: list[Record]) -> dict[bytes | None, bytes | None]:
    """What a reader makes of a compacted topic."""
    return {each.key: each.value for each in records}
