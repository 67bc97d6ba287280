"""The leader's half of a Raft machine, from its election to its resignation. PURE.

    matched     voter -> up to where its log, on its disk, is the leader's
    heard_ms    voter -> when it last fetched, in this epoch
    parked      who   -> its fetch, if it waits because there is nothing new
    queued      proposals that are to be written
    pending     proposals that are in the log and not committed yet

It serves fetches and commits what a majority has. The leader itself counts as one voter more than
`matched` has. Its log only grows.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .raft_log import RaftLog
from .raft_messages import (
    Answer,
    Batch,
    Effect,
    EpochAndOffset,
    FetchRequest,
    FetchResponse,
    Outcome,
    Proposed,
    Voter,
)

FETCH_WAIT_MS = 300
"""How long a fetch may wait for news."""
CHECK_QUORUM_MS = 2000
"""A leader that no majority has fetched from for so long resigns: it may have a successor."""
FORGET_MS = 300_000
"""Who has not fetched for so long is not told of any more, as in Kafka."""
MAX_PARKED = 1000
"""Fetches that wait, one a node at most. Nodes beyond that are answered at once."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A fetch that waits until `until_ms`."""

    handle: Any
    request: FetchRequest
    until_ms: int


@dataclass(slots=True)
class Progress:
    """How far somebody is who fetches.

    `caught_up_ms` is when it last had all that there was; 0 if that was never seen.
    """

    end_offset: int
    fetched_ms: int
    leader_end_offset: int
    caught_up_ms: int = 0

    def fetch(self, end_offset: int, leader_end_offset: int, now_ms: int) -> None:
        """It fetches again. Who has what was there at its last fetch, had all of it then."""
        if end_offset >= leader_end_offset:
            self.caught_up_ms = now_ms
        elif end_offset >= self.leader_end_offset:
            self.caught_up_ms = self.fetched_ms
        self.end_offset, self.leader_end_offset = end_offset, leader_end_offset
        self.fetched_ms = now_ms


class Leader:
    """Leads `epoch` from the present end of its log on."""

    def __init__(
        self, me: Voter, epoch: int, log: RaftLog, others: Iterable[int], now_ms: int
    ) -> None:
        """`begin` comes next."""
        self._me = me
        self._epoch = epoch
        self._log = log
        self._first_offset = log.end.offset
        self._matched = dict.fromkeys(others, 0)
        self._heard_ms = dict.fromkeys(self._matched, now_ms)
        self.progress: dict[Voter, Progress] = {}
        """Of everybody who has fetched lately, for who wants to know."""
        self._parked: dict[Voter, Parked] = {}
        self._queued: list[tuple[Any, tuple[Any, ...]]] = []
        self._pending: deque[tuple[Any, int]] = deque()

    def begin(self, founding: tuple[Any, ...]) -> None:
        """With a record of its own: only with one can it commit those of earlier epochs.

        In the same batch, so that no log ever has the one without the other, the `founding` ones.
        """
        elected = {"type": "ControllerElected", "controller_id": self._me.node_id}
        self.propose(None, (elected, *founding))

    @property
    def is_ready(self) -> bool:
        """Whether all that leaders before it have committed is known to be committed."""
        return self._log.high_watermark > self._first_offset

    @property
    def has_begun(self) -> bool:
        """Whether its own first record is in its log."""
        return self._log.end.offset > self._first_offset

    @property
    def _others_needed(self) -> int:
        """How many voters make a majority together with the leader."""
        return (len(self._matched) + 1) // 2

    def propose(self, handle: Any, records: tuple[Any, ...]) -> None:
        """Queue records for the next write."""
        self._queued.append((handle, records))

    def take_queued(self) -> tuple[Batch, ...]:
        """What is to be written now, a batch for each proposal."""
        batches: list[Batch] = []
        offset = self._log.end.offset
        for handle, records in self._queued:
            batches.append(Batch(self._epoch, offset, offset + len(records), records))
            offset += len(records)
            if handle is not None:
                self._pending.append((handle, offset))
        self._queued.clear()
        return tuple(batches)

    def appended(self, batches: tuple[Batch, ...], now_ms: int) -> list[Effect]:
        """They are in the log, on disk."""
        self._log.append(batches)
        return [*self._advance(), *self.tick(now_ms)]

    def not_appended(self) -> list[Effect]:
        """What was to be written is not in the log: there is no room."""
        effects: list[Effect] = []
        while self._pending and self._pending[-1][1] > self._log.end.offset:
            handle, _ = self._pending.pop()
            effects.append(Proposed(handle, Outcome.NOT_WRITTEN))
        return effects

    def serve(
        self, handle: Any, request: FetchRequest, is_voter: bool, now_ms: int
    ) -> list[Effect]:
        """Answer a fetch of this epoch, now or when there is news."""
        sender, end = request.sender, request.end
        if is_voter:
            self._heard_ms[sender.node_id] = now_ms
        if not self._log.contains(end):
            return [Answer(handle, self._correction(end))]
        self._note_progress(sender, end.offset, now_ms)
        effects: list[Effect] = []
        if is_voter:
            self._matched[sender.node_id] = end.offset
            effects += self._advance()
        parked = Parked(handle, request, now_ms + FETCH_WAIT_MS)
        if sender in self._parked:
            effects.append(self._answer(self._parked.pop(sender)))
        if len(self._parked) < MAX_PARKED:
            self._parked[sender] = parked
        else:
            effects.append(self._answer(parked))
        return effects + self.tick(now_ms)

    def has_quorum(self, now_ms: int) -> bool:
        """Whether a majority has fetched lately; a leader without one has to resign."""
        until_ms = self._quorum_until_ms()
        return until_ms is None or now_ms < until_ms

    def deadline_ms(self) -> int | None:
        """When `tick` has something to do, or the quorum is lost."""
        times = [self._quorum_until_ms(), *(each.until_ms for each in self._parked.values())]
        return min((each for each in times if each is not None), default=None)

    def tick(self, now_ms: int) -> list[Effect]:
        """Answer the fetches that wait, where there is news or the time is up."""
        done = [each for each in self._parked.values() if self._is_due(each, now_ms)]
        for each in done:
            del self._parked[each.request.sender]
        return [self._answer(each) for each in done]

    def resign(self, response: FetchResponse) -> list[Effect]:
        """Answer everything that waits; fetches are answered with this."""
        parked = [Answer(each.handle, response) for each in self._parked.values()]
        unknown = [Proposed(handle, Outcome.UNKNOWN) for handle, _ in self._pending]
        refused = [Proposed(handle, Outcome.NOT_LEADER) for handle, _ in self._queued]
        return [*parked, *unknown, *refused]

    def _note_progress(self, node: Voter, end_offset: int, now_ms: int) -> None:
        leader_end_offset = self._log.end.offset
        if node not in self.progress:
            gone_ms = now_ms - FORGET_MS
            self.progress = {k: v for k, v in self.progress.items() if v.fetched_ms > gone_ms}
            if len(self.progress) >= MAX_PARKED:
                return
            self.progress[node] = Progress(end_offset, now_ms, leader_end_offset)
        self.progress[node].fetch(end_offset, leader_end_offset, now_ms)

    def _quorum_until_ms(self) -> int | None:
        """When the quorum is lost unless more voters fetch; None if no other is needed."""
        if not self._matched:
            return None
        times = sorted(self._heard_ms.values(), reverse=True)
        return times[self._others_needed - 1] + CHECK_QUORUM_MS

    def _advance(self) -> list[Effect]:
        """Commit what a majority has on disk, if something of this epoch is among it.

        Records of an older epoch may be on a majority and yet be replaced by a leader without them;
        they are safe once a record of this epoch is (figure 8 of the Raft paper).
        """
        offsets = sorted([self._log.end.offset, *self._matched.values()], reverse=True)
        offset = offsets[self._others_needed]
        if offset <= self._first_offset:
            return []
        effects: list[Effect] = [*self._log.commit(offset)]
        while self._pending and self._pending[0][1] <= offset:
            handle, next_offset = self._pending.popleft()
            effects.append(Proposed(handle, Outcome.COMMITTED, next_offset))
        return effects

    def _is_due(self, parked: Parked, now_ms: int) -> bool:
        has_records = self._log.end.offset > parked.request.end.offset
        has_more = self._log.high_watermark > parked.request.high_watermark
        return has_records or has_more or parked.until_ms <= now_ms

    def _answer(self, parked: Parked) -> Answer:
        start, end = parked.request.end.offset, self._log.end.offset
        response = self._response(high_watermark=self._log.high_watermark)
        return Answer(parked.handle, response, (start, end) if start < end else None)

    def _correction(self, end: EpochAndOffset) -> FetchResponse:
        """For a log whose end is not a place in this one: it has to cut, or to begin anew."""
        start = self._log.start
        if end.offset < start.offset or end.epoch < start.epoch:
            return self._response(snapshot=start)
        return self._response(diverging=self._log.end_of(end.epoch))

    def _response(self, **content: Any) -> FetchResponse:
        return FetchResponse(self._epoch, self._me, self._me.node_id, **content)
