"""The controller of a lone node: a quorum of one.

    command -> decide -> records -> metadata log -> flushed -> image.apply -> listeners -> answer

The metadata log is our own log in `__cluster_metadata-0`: a batch per command, a record per change,
each value a msgpack map. It is always flushed before anything is applied, whatever `--flush` says.
Commands are decided one at a time, in the order in which they came, each on the image that the
ones before it left.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any, cast

import msgpack

from ...protocol.batch import read_header
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ProtocolError
from ...protocol.records import Record as LogRecord
from ...protocol.records import build_batch, iterate
from ..clock import WallClock
from ..log.files import Files, StorageError, StorageFailed
from ..log.log import Log, LogOptions
from ..log.offset_checkpoints import directory_name
from ..log.recovery import Confirmed
from ..log.scan import CorruptLog
from .decide import METADATA_TOPIC, Decision
from .image import Image, Record, UnknownRecord
from .quorum_report import QuorumReport, ReplicaProgress

METADATA_LOG = (METADATA_TOPIC, 0)
METADATA_DIRECTORY = directory_name(METADATA_LOG)
MAX_QUEUED_COMMANDS = 10_000
READ_BYTES = 1 << 20

Command = Callable[[Image], Decision]
"""Decides on the applied image. `controller.end_offset`, read in it, is where its records begin."""
Listener = Callable[[Record, int], None]
"""Takes a committed record and its offset."""
Answerer = Callable[[Any, Any], Awaitable[Any]]
"""Takes a question of protocol/control and the connection it came over, None if from this node."""


class ControllerUnavailable(Exception):
    """Nobody leads, the connection to who does was lost, or no answer came in time."""


class Controller:
    """Decides commands, commits their records, applies them."""

    def __init__(self, files: Files, log: Log, clock: WallClock, random: Random) -> None:
        self.image = Image()
        self.random = random
        self.listeners: list[Listener] = []
        """Called for each committed record, in order, when the image has taken it."""
        self.on_activated: list[Callable[[], None]] = []
        """Called when this node has become the active controller."""
        self.on_resigned: list[Callable[[], None]] = []
        """Called when it is that no longer."""
        self.on_disconnected: list[Callable[[Any], None]] = []
        """Called with a connection, as answerers got it, that has closed."""
        self.answerers: dict[type, Answerer] = {}
        """What the active controller answers, by the question's class."""
        self.on_failure: Callable[[StorageFailed], None] = _stop_loudly
        self._files = files
        self._log = log
        self._clock = clock
        self._queue: deque[tuple[Command, asyncio.Future[Decision]]] = deque()
        self._working: asyncio.Task[None] | None = None
        self._replay()

    @staticmethod
    def open(
        files: Files, data_dir: str, clock: WallClock, random: Random, confirmed: Confirmed
    ) -> "Controller":
        """Open the metadata log of a node and replay it into an image; it is always checked.

        CorruptLog when it is damaged, and nothing is changed. A torn write is the last command,
        which nobody was told of, so nothing valid can lie behind it.
        """
        log = Log.open(
            files,
            f"{data_dir}/{METADATA_DIRECTORY}",
            LogOptions(flush_on_write="fsync"),
            recovery_point=confirmed.recovery_point,
            before_keeping=_refuse,
        )
        return Controller(files, log, clock, random)

    async def start(self) -> None:
        """Begin to take part in the quorum; there may be no leader yet when this returns."""

    @property
    def is_active(self) -> bool:
        """Whether this is the controller that decides, and has applied all that others decided."""
        return True

    @property
    def leader_id(self) -> int:
        """Who leads the quorum, as far as this node knows; -1 for nobody."""
        return 1

    async def ask(self, question: Any, timeout_ms: int) -> Any:
        """Have the active controller, here or elsewhere, answer a question of protocol/control.

        A Refused comes back like any other answer; raises ControllerUnavailable.
        """
        return await self.answerers[type(question)](question, None)

    async def wait_until_applied(self, offset: int) -> None:
        """Return when the records below `offset` are applied, and the listeners have had them."""

    @property
    def epoch(self) -> int:
        """The Raft term: a lone node never needs a second election."""
        return 1

    @property
    def confirmed(self) -> Confirmed:
        """What the checkpoints should say of the metadata log."""
        return Confirmed(self._log.recovery_point, self._log.recovery_point)

    @property
    def end_offset(self) -> int:
        """The metadata log's end: a number that grows with each change of the cluster."""
        return self._log.log_end_offset

    @property
    def committed_offset(self) -> int:
        """Up to where the metadata log is committed, which is as far as it is applied."""
        return self._log.flushed_offset

    def committed(self, from_offset: int) -> Iterator[tuple[int, LogRecord]]:
        """Yield (epoch, record) of what is committed now, from an offset on; see `unpack`."""
        offset, end_offset = from_offset, self._log.flushed_offset
        while offset < end_offset:
            part = self._log.read(offset, READ_BYTES, end_offset)
            if part is None:
                return
            data, position = memoryview(part.read()), 0
            while position < len(data):
                header = read_header(data, position)
                end = position + header.size_bytes
                for record in iterate(data[position:end], header):
                    if record.offset >= from_offset:
                        yield header.partition_leader_epoch, record
                position, offset = end, header.next_offset

    async def submit(self, command: Command) -> Decision:
        """Decide, commit and apply; the decision comes back once its records are applied."""
        if len(self._queue) >= MAX_QUEUED_COMMANDS:
            raise RuntimeError("too many commands wait for the controller")
        answer: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._queue.append((command, answer))
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())
        return await answer

    def quorum_state(self) -> QuorumReport | None:
        """How far each node of the quorum is; None where this node does not lead it."""
        now_ms = self._clock.now_ms()
        own = ReplicaProgress(self.leader_id, "", self.end_offset, now_ms, now_ms)
        return QuorumReport(self.leader_id, self.epoch, self.committed_offset, (own,))

    async def close(self) -> None:
        """Finish the commands at hand and close the log."""
        if self._working is not None:
            await self._working
        self._log.close(sync=True)

    async def _work(self) -> None:
        try:
            while self._queue:
                command, answer = self._queue.popleft()
                try:
                    decision = await self._carry_out(command)
                except Exception as error:  # noqa: BLE001 - it is the caller's to handle
                    answer.set_exception(error)
                else:
                    answer.set_result(decision)
        finally:
            self._working = None

    async def _carry_out(self, command: Command) -> Decision:
        decision = command(self.image)
        if not decision.records:
            return decision
        try:
            await self._commit(decision.records)
        except StorageFailed as error:
            self.on_failure(error)
            raise
        except StorageError as error:
            # Nothing of it is in the metadata log, so nothing has happened.
            return Decision([], ErrorCode.KAFKA_STORAGE_ERROR, str(error))
        for record in decision.records:
            self.image.apply(record)
        first_offset = self._log.log_end_offset - len(decision.records)
        for offset, record in enumerate(decision.records, first_offset):
            for listen in self.listeners:
                listen(record, offset)
            # A thousand partitions take seconds to make. Meanwhile others go on, and see the whole
            # change: what is not served yet is answered as unknown, which clients try again.
            await asyncio.sleep(0)
        return decision

    async def _commit(self, records: list[Record]) -> None:
        now_ms = self._clock.now_ms()
        values = [LogRecord(0, now_ms, None, _pack(record)) for record in records]
        batch = build_batch(values, base_offset=self._log.log_end_offset, leader_epoch=self.epoch)
        self._log.stage(memoryview(batch), read_header(batch))
        self._log.write()
        point = self._log.begin_flush()
        await self._files.flush(point.files)
        self._log.flushed(point)

    def _replay(self) -> None:
        """Apply what the log holds; UnknownRecord, with its offset, for what is no change."""
        offset = self._log.log_start_offset
        try:
            for _, record in self.committed(offset):
                offset = record.offset
                self.image.apply(unpack(record))
        except (ProtocolError, AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"the metadata log's record at offset {offset} cannot be applied: {error!r}"
            raise UnknownRecord(message) from error


def _stop_loudly(error: StorageFailed) -> None:
    raise error


def _refuse(damage: CorruptLog) -> None:
    raise damage


def _pack(record: Record) -> bytes:
    return cast(bytes, cast(Any, msgpack).packb(dict(record)))


def unpack(record: LogRecord) -> Record:
    """The change that a record of the metadata log holds."""
    return cast(Record, cast(Any, msgpack).unpackb(record.value or b""))
