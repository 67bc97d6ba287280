"""Runs this node's Raft machine: time, disk and network for it, and nothing that it decides itself.

    request of a node  ──>  asked     ──┐            ┌──> SaveVote, Append, Truncate: the disk, then
    answer of a node   ──>  answered  ──┤            │    the effect's `then`
    timer              ──>  tick      ──┼─> machine ─┼──> Ask: to another node, Answer: to who asked
    disk is done       ──>  then      ──┤            ├──> Commit: `on_commit`
    proposal           ──>  propose   ──┘            └──> Proposed: to who proposed

After each event one timer is set anew, to the machine's deadline. A newer question to a node takes
the place of an older one of its kind, whose answer would not count any more.

A voter without others does not save its vote: nobody else may ever lead, and nothing is said before
its first record of the new epoch is on the disk, which says as much.

A write without room is given back to the machine, and has not happened. A disk that fails ends the
node, as does a log that would have to take back what was agreed (`on_failure`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from ..log.files import Files, StorageError, StorageFailed
from . import quorum_state
from .image import Record
from .metadata_log import MetadataLog
from .raft import Raft, State
from .raft_leader import Progress
from .raft_log import RaftError, RaftLog
from .raft_messages import (
    NOBODY,
    UNKNOWN_OFFSET,
    Answer,
    Append,
    Ask,
    Commit,
    Effect,
    FetchResponse,
    Outcome,
    Proposed,
    Request,
    Response,
    SaveVote,
    Truncate,
    Vote,
    Voter,
)
from .unavailable import ControllerUnavailable

ANSWER_TIMEOUT_S = 5.0
"""What the machine does not answer by then, because its disk is full, is not answered."""

log = logging.getLogger("minikafka.controller")

AskNode = Callable[[int, Request], Awaitable[Response | None]]
"""Sends a request to a node; None if it is lost, ControllerUnavailable if nobody is there."""


class Quorum:
    """See the module. Whoever makes it sets the callbacks before `start`."""

    def __init__(
        self, me: Voter, files: Files, data_dir: str, log: MetadataLog, random: Random
    ) -> None:
        self.on_commit: Callable[[int], None] = _no_notice
        """Called with the high watermark when it has risen."""
        self.on_change: Callable[[], None] = _no_notice
        """Called when there may be another leader, or another epoch."""
        self.on_failure: Callable[[Exception], None] = _stop_loudly
        self.lack: StorageError | None = None
        """Why the last write found no room; None if it did."""
        self.me = me
        self._files = files
        self._data_dir = data_dir
        self._log = log
        self._random = random
        self._raft: Raft | None = None
        self._ask_node: AskNode
        self._loop: asyncio.AbstractEventLoop
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._asking: dict[tuple[int, type], asyncio.Task[None]] = {}
        self._proposals: dict[asyncio.Future[Proposed], None] = {}
        self._is_closed = False
        self._vote = _newest(quorum_state.load(files, data_dir), log)

    @property
    def leader_id(self) -> int:
        """Who leads, as far as is known; NOBODY."""
        return NOBODY if self._raft is None else self._raft.leader_id

    @property
    def epoch(self) -> int:
        """The newest epoch that is known."""
        return self._vote.epoch if self._raft is None else self._raft.epoch

    @property
    def leads(self) -> bool:
        """Whether this node is the leader, perhaps of a few moments' standing."""
        raft = self._raft
        return raft is not None and raft.state is State.LEADER and not self._is_closed

    @property
    def has_leader(self) -> bool:
        """Whether this node leads, or has just heard from who does."""
        return self._raft is not None and self._raft.has_leader(self._now_ms())

    @property
    def leader_high_watermark(self) -> int:
        """What the leader that is followed has said to be committed; UNKNOWN_OFFSET."""
        return UNKNOWN_OFFSET if self._raft is None else self._raft.leader_high_watermark

    @property
    def is_alone(self) -> bool:
        """Whether this node is the only voter."""
        return self._raft is not None and set(self._raft.voters) == {self.me.node_id}

    @property
    def end_offset(self) -> int:
        """Where the log ends, on the disk."""
        return self._log.end_offset

    @property
    def high_watermark(self) -> int:
        """Up to where it is committed, as far as is known."""
        return 0 if self._raft is None else self._raft.log.high_watermark

    @property
    def voter_ids(self) -> list[int]:
        """All voters, in order."""
        return [] if self._raft is None else sorted(self._raft.voters)

    def is_voter(self, node: Voter) -> bool:
        """Whether a node, with this disk, has a vote."""
        return self._raft is not None and self._raft.voters.get(node.node_id) in (
            "",
            node.directory_id,
        )

    def progress(self) -> list[tuple[Voter, Progress]]:
        """How far those are who fetch from here, if this node leads."""
        return [] if self._raft is None else list(self._raft.progress.items())

    def age_ms(self, then_ms: int) -> int:
        """How long ago something was that the machine has a time of."""
        return self._now_ms() - then_ms

    def start(
        self,
        voters: Mapping[int, str],
        high_watermark: int,
        founding: tuple[Record, ...],
        ask_node: AskNode,
    ) -> None:
        """Take part from now on. `voters` are known by their disks, "" if that is not committed.

        `high_watermark`: what is known to be committed; `founding`: what the cluster begins with.
        """
        self._loop = asyncio.get_running_loop()
        self._ask_node = ask_node
        log = RaftLog()
        log.append(self._log.batches())
        log.commit(high_watermark)
        self._raft = Raft(self.me, voters, self._vote, log, self._random)
        self._say_if_deprived(self._raft)
        self._event(partial(self._raft.start, founding=founding))

    async def ask(self, request: Request) -> Response | None:
        """Another node's request; None when it cannot be answered now."""
        if self._raft is None or self._is_closed:
            return None
        answer: asyncio.Future[Response] = self._loop.create_future()
        self._event(partial(self._raft.asked, answer, request))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            return None

    async def propose(self, records: list[Record]) -> Proposed:
        """Have these records committed, all or none; raises StorageFailed as the node ends."""
        if self._raft is None or self._is_closed:
            return Proposed(None, Outcome.NOT_LEADER)
        answer: asyncio.Future[Proposed] = self._loop.create_future()
        self._proposals[answer] = None
        raft = self._raft
        self._event(lambda now_ms: raft.propose(answer, tuple(records)))
        return await answer

    def pin(self, voter_id: int, directory_id: str) -> None:
        """It is committed that this voter is the one with that disk."""
        if self._raft is not None:
            self._event(partial(self._raft.pin, voter_id, directory_id))
            if voter_id == self.me.node_id:
                self._say_if_deprived(self._raft)

    async def close(self) -> None:
        """Say nothing more, and let a write that is under way come to its end."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._asking.values():
            task.cancel()
        if self._writing is not None:
            await asyncio.wait([self._writing])
        for answer in [*self._proposals]:
            self._proposed(Proposed(answer, Outcome.UNKNOWN))

    def _say_if_deprived(self, raft: Raft) -> None:
        """A vote belongs to a disk: without the old one, nobody knows what it was given for."""
        node_id = self.me.node_id
        if node_id in raft.voters and not raft.is_voter:
            log.error(
                "node %d has another disk than the one that voted: it follows without a vote from "
                "now on, and the other voters must find a majority of %d of %d without it",
                node_id,
                len(raft.voters) // 2 + 1,
                len(raft.voters),
            )

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def _event(self, event: Callable[[int], list[Effect]]) -> None:
        """Something happens to the machine: do what it wants done, and set the timer."""
        raft = self._raft
        if raft is None or self._is_closed:
            return
        before = raft.leader_id, raft.epoch, raft.state
        try:
            self._perform(event(self._now_ms()))
        except (RaftError, StorageError) as error:
            self._fail(error)
            return
        if (raft.leader_id, raft.epoch, raft.state) != before:
            self.on_change()
        self._set_timer(raft.deadline_ms())

    def _perform(self, effects: list[Effect]) -> None:
        while effects:
            effect, *effects = effects
            match effect:
                case SaveVote() if self.is_alone:
                    effects += effect.then(self._now_ms())
                case SaveVote() | Append() | Truncate():
                    self._writing = self._loop.create_task(self._write(effect))
                case Ask():
                    self._send(effect)
                case Answer(answer, response, read):
                    self._answer(answer, response, read)
                case Commit(high_watermark):
                    self.on_commit(high_watermark)
                case Proposed():
                    self._proposed(effect)
                case _:
                    raise RaftError(f"{type(effect).__name__}, but there are no snapshots yet")

    async def _write(self, effect: SaveVote | Append | Truncate) -> None:
        try:
            match effect:
                case SaveVote(vote):
                    await quorum_state.save(self._files, self._data_dir, vote)
                case Append(batches):
                    await self._log.append(batches)
                case Truncate(offset):
                    await self._log.truncate(offset)
        except StorageFailed as error:
            self._fail(error)
        except StorageError as error:
            self.lack = error
            self._event(self._not_written)
        else:
            self.lack = None
            self._event(effect.then)

    def _not_written(self, now_ms: int) -> list[Effect]:
        return [] if self._raft is None else self._raft.not_written(now_ms)

    def _send(self, effect: Ask) -> None:
        kind = (effect.to, type(effect.request))
        if (older := self._asking.get(kind)) is not None:
            older.cancel()
        task = self._loop.create_task(self._ask(effect))
        self._asking[kind] = task

    async def _ask(self, effect: Ask) -> None:
        raft = self._raft
        if raft is None:
            return
        try:
            response = await self._ask_node(effect.to, effect.request)
        except ControllerUnavailable:
            self._event(partial(raft.unreachable, effect.number))
        else:
            if response is not None:
                self._event(partial(raft.answered, effect.number, response))

    def _answer(
        self, answer: "asyncio.Future[Response]", response: Response, read: tuple[int, int] | None
    ) -> None:
        if answer.done():  # Whoever asked has gone.
            return
        if read is not None and isinstance(response, FetchResponse):
            response = replace(response, batches=self._log.read(*read))
        answer.set_result(response)

    def _proposed(self, proposed: Proposed) -> None:
        self._proposals.pop(proposed.handle, None)
        if not proposed.handle.done():
            proposed.handle.set_result(proposed)

    def _set_timer(self, deadline_ms: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline_ms is not None and self._raft is not None:
            tick = partial(self._event, self._raft.tick)
            self._timer = self._loop.call_at(deadline_ms / 1000, tick)

    def _fail(self, error: Exception) -> None:
        """Say nothing more: the node ends."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for answer in self._proposals:
            if not answer.done():
                answer.set_exception(error)
        self._proposals.clear()
        self.on_failure(error)


def _newest(vote: Vote, log: MetadataLog) -> Vote:
    """The vote in the file, unless the log has a later epoch, as that of a lone voter may have."""
    epoch = max((batch.epoch for batch in log.batches()), default=0)
    return vote if vote.epoch >= epoch else Vote(epoch)


def _no_notice(*_: Any) -> None:
    """Take no notice."""


def _stop_loudly(error: Exception) -> None:
    raise error
