"""What controllers say to each other, and what a Raft machine wants done. PURE.

    VoteRequest   ->  VoteResponse     would you, will you make me the leader?
    FetchRequest  ->  FetchResponse    what comes after my last record?

Answers come back to the one who asked, one for each request. All of them carry the epoch of the
sender, which is what the Raft paper calls its term.

Effects, for the one who runs the machine, to be performed in order:

    SaveVote    make epoch and vote durable, then call `then`
    Append      write these batches at the end of the log, flush, then call `then`
    Truncate    take away what lies at and after an offset, flush, then call `then`
    Install     put a snapshot in the place of log and state, durably, then call `then`
    Ask         send this request to a node, and bring back its answer under this number
    Answer      send this answer; `read` says which part of the log goes with it
    Download    get this snapshot from a node, in the background, and hand it to `downloaded`
    CutLog      what lies below an offset is in a durable snapshot, and may go
    Commit      what lies below an offset is committed: apply it
    Proposed    what became of a proposal

`then` takes the time. There is one write at a time: until its `then` is called, the machine neither
answers nor asks for anything. A write for which there is no room is answered by `Raft.not_written`.

Effects are named tuples, which a start makes in a third of the time that data classes take.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

NOBODY = -1
"""In place of a leader's id, when none is known."""
UNKNOWN_OFFSET = -1


@dataclass(frozen=True, slots=True, order=True)
class EpochAndOffset:
    """A place in a log: the epoch of the record before it, and the offset of the one behind it.

    Places are ordered as Raft orders logs: of two ends, the greater is more up to date. Two logs
    that have a place in common are the same up to there (log matching).
    """

    epoch: int
    offset: int


class Voter(NamedTuple):
    """Who somebody is: the node's id, and the id of its disk.

    A node that comes back with an empty disk has forgotten whom it voted for, and is not the same.
    """

    node_id: int
    directory_id: str


@dataclass(frozen=True, slots=True)
class Vote:
    """What a node has to remember above all: its epoch, and whom it gave its vote in that epoch."""

    epoch: int = 0
    candidate: Voter | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that were proposed together. `data` is for the log; the machine never looks at it.

    With a batch that is fetched these are the bytes as they were sent, checked; with one that the
    leader makes, the records.
    """

    epoch: int
    base_offset: int
    next_offset: int
    data: Any


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """Make me the leader of `epoch`; or, before that, would you make me that of the next one?

    `end` is the end of the candidate's log.
    """

    epoch: int
    sender: Voter
    end: EpochAndOffset
    is_pre_vote: bool


@dataclass(frozen=True, slots=True)
class VoteResponse:
    """Yes or no. `leader_id` tells who leads already, as far as the sender knows."""

    epoch: int
    sender: Voter
    leader_id: int
    is_pre_vote: bool
    is_granted: bool


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What comes after `end`? It says at the same time: up to there I have everything on disk.

    The high watermark is the sender's: if the leader's is higher, that is worth an answer.
    """

    epoch: int
    sender: Voter
    end: EpochAndOffset
    high_watermark: int


@dataclass(frozen=True, slots=True)
class FetchResponse:
    """From a leader, one of these; from anybody else, who leads.

    diverging   your log parts from mine: your last epoch, or the last before it that I know, ends
                at this place here
    snapshot    your log ends before mine begins: take this snapshot
    batches     what comes next, maybe nothing, and the high watermark
    neither     (high watermark -1) you asked in another epoch: ask again in mine
    """

    epoch: int
    sender: Voter
    leader_id: int
    high_watermark: int = UNKNOWN_OFFSET
    diverging: EpochAndOffset | None = None
    snapshot: EpochAndOffset | None = None
    batches: tuple[Batch, ...] = ()


Request: TypeAlias = VoteRequest | FetchRequest
Response: TypeAlias = VoteResponse | FetchResponse
Then: TypeAlias = "Callable[[int], list[Effect]]"


class SaveVote(NamedTuple):
    """Make it durable, in the place of the one before."""

    vote: Vote
    then: Then


class Append(NamedTuple):
    """Write and flush batches whose offsets continue the log."""

    batches: tuple[Batch, ...]
    then: Then


class Truncate(NamedTuple):
    """Take away all records from `offset` on, which is where a batch begins."""

    offset: int
    then: Then


class Install(NamedTuple):
    """The snapshot takes the place of all that was in the log, and of the state made from it."""

    snapshot: EpochAndOffset
    data: Any
    then: Then


class Ask(NamedTuple):
    """Send a request to a node. If it or its answer is lost, nothing is to be said."""

    number: int
    to: int
    request: Request


class Answer(NamedTuple):
    """Answer the request that came with `handle`.

    `read`, if not None, is (from, to): as many of the batches between these offsets as fit into a
    message, one at least, are put into the response.
    """

    handle: Any
    response: Response
    read: tuple[int, int] | None = None


class Download(NamedTuple):
    """Get a snapshot from a node; it is said again while it is needed."""

    source: int
    snapshot: EpochAndOffset


class CutLog(NamedTuple):
    """Records below `offset` are not needed any more."""

    offset: int


class Commit(NamedTuple):
    """Everything below `high_watermark` holds for ever."""

    high_watermark: int


class Outcome(Enum):
    """What became of a proposal."""

    COMMITTED = "committed"
    NOT_LEADER = "not leader"
    """Nothing has happened; `leader_id` of the machine may say who leads."""
    NOT_WRITTEN = "not written"
    """Nothing has happened: the leader's disk has no room."""
    UNKNOWN = "unknown"
    """The leader resigned while it was in the log: the next leader may commit it, or drop it."""


class Proposed(NamedTuple):
    """The answer to `propose`; `next_offset` is the one behind the proposal's last record."""

    handle: Any
    outcome: Outcome
    next_offset: int = UNKNOWN_OFFSET


Effect: TypeAlias = (
    SaveVote | Append | Truncate | Install | Ask | Answer | Download | CutLog | Commit | Proposed
)
