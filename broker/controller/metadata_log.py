"""The metadata log on the disk: our own log, in batches as the quorum agrees on them.

    offset   0                   1                2                 3 4 5
            |ControllerElected   ClusterCreated  |BrokerRegistered |TopicCreated, PartitionCreated…
            |one batch, epoch 1                  |epoch 1          |epoch 1

A batch is what was proposed together, so all of it is committed, or nothing. Its leader epoch is
the epoch of Raft, each value a msgpack map. It is always flushed before anybody hears of it,
whatever `--flush` says.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgpack

from ...protocol.batch import iterate_batches, read_header, validate_batch
from ...protocol.primitives import ProtocolError
from ...protocol.records import Record as LogRecord
from ...protocol.records import build_batch, iterate
from ..clock import WallClock
from ..log.files import Files
from ..log.log import Log, LogOptions
from ..log.offset_checkpoints import directory_name
from ..log.recovery import Confirmed
from ..log.scan import CorruptLog
from .decide import METADATA_TOPIC
from .image import Record, UnknownRecord
from .raft_messages import Batch

METADATA_LOG = (METADATA_TOPIC, 0)
METADATA_DIRECTORY = directory_name(METADATA_LOG)
READ_BYTES = 1 << 20
"""Read at a time; a batch that is larger is read alone."""
MAX_BATCHES_READ = 500
"""In one answer to a follower."""
MAX_PROPOSAL_BYTES = (2 << 20) - (64 << 10)
"""The values of one proposal: with them a batch still fits into an answer to a follower."""
RECORD_OVERHEAD_BYTES = 16
"""What a record has beside its value, at most."""


class MetadataLog:
    """See the module."""

    def __init__(self, files: Files, log: Log, clock: WallClock) -> None:
        """Use `open`."""
        self._files = files
        self._log = log
        self._clock = clock

    @staticmethod
    def open(files: Files, data_dir: str, clock: WallClock, confirmed: Confirmed) -> "MetadataLog":
        """Open it, and check it whole. CorruptLog when it is damaged, and nothing is changed.

        A torn write is the last one, which nobody was told of, so nothing valid can lie behind it.
        """
        log = Log.open(
            files,
            f"{data_dir}/{METADATA_DIRECTORY}",
            LogOptions(flush_on_write="fsync"),
            recovery_point=confirmed.recovery_point,
            high_watermark=confirmed.high_watermark,
            before_keeping=_refuse,
        )
        return MetadataLog(files, log, clock)

    @property
    def start_offset(self) -> int:
        """Where it begins: at 0, since nothing is ever taken off."""
        return self._log.log_start_offset

    @property
    def end_offset(self) -> int:
        """Where the next record goes."""
        return self._log.log_end_offset

    def batches(self) -> Iterator[Batch]:
        """What is in it, without the records."""
        for header in self._log.headers(self.start_offset):
            yield Batch(header.partition_leader_epoch, header.base_offset, header.next_offset, None)

    def read(self, start_offset: int, end_offset: int) -> tuple[Batch, ...]:
        """As many whole batches between the offsets as fit into an answer, one at least."""
        part = self._log.read(start_offset, READ_BYTES, end_offset)
        found: list[Batch] = []
        for view in iterate_batches(part.read() if part is not None else b""):
            if len(found) == MAX_BATCHES_READ:
                break
            header = read_header(view)
            epoch = header.partition_leader_epoch
            found.append(Batch(epoch, header.base_offset, header.next_offset, bytes(view)))
        return tuple(found)

    def records(self, start_offset: int, end_offset: int) -> Iterator[tuple[int, list[LogRecord]]]:
        """Yield the epoch and the records of each batch, from the one with `start_offset` on."""
        offset = start_offset
        while offset < end_offset:
            part = self._log.read(offset, READ_BYTES, end_offset)
            if part is None:
                return
            for view in iterate_batches(part.read()):
                header = read_header(view)
                yield header.partition_leader_epoch, list(iterate(view, header))
                offset = header.next_offset

    def founders(self) -> list[int]:
        """The voters that began this log, by its first batch; nobody if it is empty.

        Raises UnknownRecord.
        """
        first = next(self.records(0, self.end_offset), None)
        try:
            changes = [] if first is None else [unpack(record) for record in first[1]]
            created = next((each for each in changes if each["type"] == "ClusterCreated"), None)
            if created is None:
                return []
            # A lone node of an earlier release wrote no voters down: it was the only one.
            return [int(each) for each in created.get("voters") or [created["broker_id"]]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"the metadata log does not say who began it: {error!r}"
            raise UnknownRecord(message) from error

    async def append(self, batches: Iterable[Batch]) -> None:
        """Write and flush; on StorageError nothing of it is there, unless it is a StorageFailed."""
        for batch in batches:
            data = memoryview(self._encoded(batch))
            self._log.stage(data, read_header(data))
        self._log.write()
        point = self._log.begin_flush()
        await self._files.flush(point.files)
        self._log.flushed(point)

    async def truncate(self, offset: int) -> None:
        """Take away what lies at and after `offset`, durably."""
        self._log.truncate_to(offset)
        await self._files.flush([self._log.segments[-1].file])

    def close(self) -> None:
        """Flush and close."""
        self._log.close(sync=True)

    def _encoded(self, batch: Batch) -> bytes | bytearray:
        """A batch as it was fetched, or one made of records."""
        if isinstance(batch.data, bytes):
            return batch.data
        now_ms = self._clock.now_ms()
        records = [LogRecord(0, now_ms, None, pack(record)) for record in batch.data]
        return build_batch(records, base_offset=batch.base_offset, leader_epoch=batch.epoch)


def check_fetched(batches: Iterable[Batch]) -> None:
    """Raise ProtocolError unless each has the bytes of the batch that it says it is."""
    for batch in batches:
        if not isinstance(batch.data, bytes):
            raise ProtocolError("a batch that is no bytes")
        header = validate_batch(memoryview(batch.data))
        found = (header.partition_leader_epoch, header.base_offset, header.next_offset)
        if found != (batch.epoch, batch.base_offset, batch.next_offset):
            raise ProtocolError(f"a batch of (epoch, from, to) {found}, not what is said of it")


def is_too_large(records: Iterable[Record]) -> bool:
    """Whether a proposal of these records could not be sent to a follower."""
    size_bytes = sum(len(pack(record)) + RECORD_OVERHEAD_BYTES for record in records)
    return size_bytes > MAX_PROPOSAL_BYTES


def pack(record: Record) -> bytes:
    """The value of the record that holds this change."""
    return cast(bytes, cast(Any, msgpack).packb(dict(record)))


def unpack(record: LogRecord) -> Record:
    """The change that a record of the metadata log holds."""
    return cast(Record, cast(Any, msgpack).unpackb(record.value or b""))


def _refuse(damage: CorruptLog) -> None:
    raise damage
