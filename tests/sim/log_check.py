"""A start on what a crash left of a partition, and all that must hold then.

the start      ends, within a bounded number of operations, without an error
records        all that was promised, byte for byte at its offset; nothing that was never sent
reading        every way to find a batch leads to it
once more      a second start changes nothing; nor does a power cut behind the first (in some
               of the states each)
producers      a retry of a batch that is there is a duplicate; the next sequence is taken
going on       what is appended now is acknowledged, and there after the next crash
"""

from collections.abc import Sequence
from random import Random

from minikafka.broker.log.files import File
from minikafka.broker.log.log import Log
from minikafka.broker.replica.partition import Partition
from minikafka.broker.replica.producers import WINDOW, SentBatch
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate_batches, read_header

from ..broker.in_process import batch_of
from .crash import Way, crash
from .disk import SimulatedDisk
from .files import SimulatedFiles
from .history import Batch, Promise
from .log_run import NOW_MS, Features, start

MAX_OPERATIONS_OF_A_START = 500


def check(
    image: SimulatedDisk,
    promise: Promise,
    way: Way,
    features: Features,
    random: Random,
    *,
    had_fault: bool = False,
) -> None:
    """Start on the image and look; AssertionError or the start's own error if something is off.

    With `had_fault`, batches that were refused may be there.
    """
    found = _start(image, features)
    content = _read_all(found)
    _compare(found.log, content, promise, way)
    _look_up(found.log, content, random)
    chance = random.random()
    if chance < 0.3:
        before = image.tree()
        found = _start(image, features)
        changed = [path for path, content in image.tree().items() if before.get(path) != content]
        changed += set(before) - set(image.tree())
        if features.flush == "os":  # After a clean stop the first start flushes nothing.
            changed = [path for path in changed if not path.endswith("-offset-checkpoint")]
        assert not changed, f"a second start changes {changed}"
    elif chance < 0.6 and features.flush == "fsync":
        image = crash(image, Way.NOTHING, random)
        found = _start(image, features)
        again = _read_all(found)
        # A batch that was cut or deleted, but not durably, may come back.
        is_there = again.startswith(content) if features.truncations else again == content
        if features.retention:
            is_there = content in again
        assert is_there, "what could be read is gone after a power cut"
    _retry(found, promise.batches, had_fault)
    _go_on(found, SimulatedFiles(image, is_instant=True))


def _start(image: SimulatedDisk, features: Features) -> Partition:
    image.max_operations = image.operations + MAX_OPERATIONS_OF_A_START
    return start(SimulatedFiles(image, is_instant=True), features).partition


def _read_all(partition: Partition) -> bytes:
    """All that a consumer can read."""
    log, pieces = partition.log, []
    offset, end = log.log_start_offset, partition.high_watermark
    assert end == log.log_end_offset == log.written_offset
    while offset < end:
        found = partition.read(offset, 1 << 20, True)
        assert found is not None, f"nothing to read at {offset}, and the end is {end}"
        pieces.append(found.read())
        *_, last = iterate_batches(pieces[-1])
        offset = read_header(last).next_offset
    return b"".join(pieces)


def _compare(log: Log, content: bytes, promise: Promise, way: Way) -> None:
    start, end, promised = log.log_start_offset, log.log_end_offset, promise.end_offset(way)
    assert start <= promise.start_offset, f"the log starts at {start}, not {promise.start_offset}"
    assert end >= promised, f"the log ends at {end}, and {promised} was promised"
    numbers = [
        (header.producer_id, header.producer_epoch, header.base_sequence)
        for header in map(read_header, iterate_batches(content))
        if header.producer_id >= 0
    ]
    assert len(set(numbers)) == len(numbers), "a retry was appended twice"
    expected = [one.data for one in promise.batches if start <= one.base_offset < end]
    if content == b"".join(expected):
        return
    # It may hold batches that were cut or have failed, and lack some that were deleted.
    there = {
        (read_header(batch).base_offset, bytes(batch)): None for batch in iterate_batches(content)
    }
    for offset, data in there:
        assert (offset, data) in promise.ever, f"what lies at offset {offset} was never sent"
    for one in promise.batches:
        if promise.start_offset <= one.base_offset and one.next_offset <= promised:
            assert (one.base_offset, one.data) in there, f"offset {one.base_offset} was promised"


def _look_up(log: Log, content: bytes, random: Random) -> None:
    """A batch is found by an offset within it and by its time."""
    if not content:
        return
    batch = random.choice(list(iterate_batches(content)))
    header = read_header(batch)
    offset = random.randint(header.base_offset, header.last_offset)
    found = log.read(offset, 1, log.log_end_offset)
    assert found is not None
    assert found.read() == batch, f"another batch is read at offset {offset}"
    headers = map(read_header, iterate_batches(content))
    first = next(one for one in headers if one.max_timestamp >= header.max_timestamp)
    by_time = log.offset_for_time(header.max_timestamp, log.log_end_offset)
    assert by_time is not None
    assert first.base_offset <= by_time.offset <= first.last_offset, "the time index misleads"


def _retry(partition: Partition, sent: Sequence[Batch], had_fault: bool) -> None:
    """Of the last five batches that a producer sent, those that are there are known.

    It may send them again, all others were answered before. Its next is taken. After a fault the
    log may end with a batch that was in doubt, and that is one of the five as well.
    """
    log = partition.log
    in_log: dict[int, list[int]] = {}
    for header in log.headers(log.log_start_offset):
        in_log.setdefault(header.producer_id, []).append(header.base_offset)
    by_producer: dict[int, list[Batch]] = {}
    for one in sent:
        if one.producer_id >= 0:
            by_producer.setdefault(one.producer_id, []).append(one)
    for batches in by_producer.values():
        window = [
            one
            for one in batches[-WINDOW:]
            if one.base_offset in in_log.get(one.producer_id, [])[-WINDOW:]
        ]
        latest = read_header(window[-1].data).producer_epoch if window else -1
        window = [one for one in window if read_header(one.data).producer_epoch == latest]
        for one in window:
            verdict = partition.producers.check(read_header(one.sent))
            assert isinstance(verdict, SentBatch), f"a retry of {one.base_offset} is {verdict!r}"
            assert verdict.base_offset == one.base_offset
        if not window:
            continue
        appended = partition.append(memoryview(bytearray(window[-1].sent)), NOW_MS)
        assert (appended.error_code, appended.base_offset) == (0, window[-1].base_offset)
        header = read_header(window[-1].sent)
        following = (header.producer_id, header.producer_epoch, header.last_sequence + 1)
        if not had_fault:
            assert partition.producers.check(read_header(batch_of(producer=following))) == 0


def _go_on(partition: Partition, files: SimulatedFiles) -> None:
    """The log takes batches, flushes them, and moves its high watermark."""
    log = partition.log
    batch = batch_of(b"after the crash")
    appended = partition.append(memoryview(batch), NOW_MS)
    partition.write()
    assert appended.error_code is ErrorCode.NONE, appended.error_message
    point = log.begin_flush()
    files.flush_now([each for each in point.files if isinstance(each, str | File)])
    partition.flushed(point)
    partition.advance_high_watermark()
    assert partition.high_watermark == appended.next_offset == log.log_end_offset
    found = partition.read(appended.base_offset, 1, True)
    assert found is not None
    assert found.read() == batch
