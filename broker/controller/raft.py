"""The quorum that agrees on the metadata log: Raft, one node's part of it. PURE.

    unattached    knows of no leader in its epoch, and asks the voters for one
    prospective   asks the voters whether they would vote for it; its epoch has not changed yet
    candidate     has begun an epoch with a vote for itself, and asks for theirs
    leader        appends what is proposed; the others fetch it
    follower      has been answered by the leader of its epoch, and fetches

    from                     by                                                to
    unattached, prospective,
      candidate              an answer of this epoch's leader                  follower
    unattached, follower,
      candidate              1 to 2 s without a leader (voters only)           prospective
    unattached               less than half a second after a voter's start     prospective
    follower                 0.1 to 0.5 s after its leader was out of reach    prospective
    prospective              a majority would vote for it: epoch + 1           candidate
                             1 to 2 s without that                             prospective
                             it gives its vote to a candidate of its epoch     unattached
    candidate                a majority of votes                               leader
    follower                 its leader says that it is none                   unattached
    leader                   no majority has fetched for 2 s (check-quorum)    unattached
    any                      a higher epoch                                    unattached

A leader does not push: the others fetch, as replicas of any partition do. A fetch names the
place where the fetcher's log ends, all of which is on its disk. If the leader's log does not
contain that place, the logs part before it, and the leader says where its own last epoch that
both may know ends: there the fetcher cuts, and asks again. If it does, the fetch acknowledges
everything before it, and the answer continues from there. What a majority has acknowledged is
committed, if a record of the leader's own epoch is among it; that is why a leader begins with one.

A machine (see docs/architecture.md): requests, answers and time come in, effects come out (see
`raft_messages`). There is *one write at a time*: while epoch, vote or log are on their way to the
disk, whatever comes in waits. So nothing is said that the disk does not know yet, by construction.
A write that fails for good ends the node; one that finds no room (`not_written`) has not happened:
the proposals in it fail, a vote is not given, a follower asks again later. What waits is bounded by
the connections, each of which carries one request at a time.

Invariants, beside those of the Raft paper: nothing below the high watermark is cut (RaftError). A
voter is a node with its disk: whoever comes back with an empty one follows without a vote, once
`pin` has said which disk it had. Everything else a node can be is an *observer*: it follows, and
nobody counts it.

Left out: changes of the voters, one set of which is for life; a leader that hands over (a node that
stops is missed after a second or two); leases, and so reads that are certain to be the newest. The
records are somebody else's: whoever reads them verifies checksums, and halts a node whose committed
log fails them, since to go on with less would undo what was agreed.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from .raft_leader import Leader, Progress
from .raft_log import RaftLog
from .raft_messages import (
    NOBODY,
    UNKNOWN_OFFSET,
    Answer,
    Append,
    Ask,
    CutLog,
    Download,
    Effect,
    EpochAndOffset,
    FetchRequest,
    FetchResponse,
    Install,
    Outcome,
    Proposed,
    Request,
    Response,
    SaveVote,
    Then,
    Truncate,
    Vote,
    Voter,
    VoteRequest,
    VoteResponse,
)
from .write_turns import WriteTurns

if TYPE_CHECKING:
    from random import Random

ELECTION_TIMEOUT_MS = 1000
"""So long at least, and less than twice as long, a voter waits for a leader."""
FIRST_ELECTION_MS = 500
"""After its start a voter asks within this time: if there is a leader, the others say so, and if
all begin together nobody is waited for."""
FETCH_TIMEOUT_MS = 500
"""A fetch that is not answered by then is lost, and another voter is asked."""
OUT_OF_REACH_MS = 100
"""So long at least, and less than five times as long, a voter waits for a leader whose connection
has closed, which is mostly that of a process that has died."""
RETRY_MS = 50
"""Between two questions for the leader, where the first was answered by somebody else."""


class State(Enum):
    """The states above."""

    UNATTACHED = "unattached"
    PROSPECTIVE = "prospective"
    CANDIDATE = "candidate"
    LEADER = "leader"
    FOLLOWER = "follower"


class Raft:
    """One node: `vote` and `log` as its disk has them; `voters`' disks are "" until pinned."""

    def __init__(
        self, me: Voter, voters: Mapping[int, str], vote: Vote, log: RaftLog, random: "Random"
    ) -> None:
        """Unattached; `start` sets it going."""
        self.me = me
        self.voters = dict(voters)
        self.vote = vote
        self.log = log
        self.state = State.UNATTACHED
        self.leader_id = NOBODY
        """Who leads in this epoch, as far as is known: where clients should go."""
        self.leader_high_watermark = UNKNOWN_OFFSET
        """What the leader that is followed has said to be committed; it may not be here yet."""
        self._random = random
        self._founding: tuple[Any, ...] = ()
        self._leader: Leader | None = None
        self._granted: set[int] = set()
        self._heard_leader_ms = 0
        self._election_at_ms: int | None = None
        self._fetch_at_ms: int | None = None
        self._source = NOBODY
        """Whom to ask next for records, or for the leader; nobody in particular."""
        self._number = 0
        self._asked: int | None = None
        """The number of the fetch that is not answered yet."""
        self._asked_node = NOBODY
        self._turns = WriteTurns[Effect](self._append_queued)

    @property
    def epoch(self) -> int:
        """The newest epoch it knows: the term of the Raft paper."""
        return self.vote.epoch

    @property
    def is_voter(self) -> bool:
        """Whether it has a vote, or only follows."""
        return self._counts(self.me)

    @property
    def is_ready(self) -> bool:
        """Whether it leads, and knows of everything that any leader before it has committed."""
        return self._leader is not None and self._leader.is_ready

    @property
    def progress(self) -> dict[Voter, Progress]:
        """How far those are who fetch from this leader."""
        return {} if self._leader is None else self._leader.progress

    def start(self, now_ms: int, founding: tuple[Any, ...] = ()) -> list[Effect]:
        """Look for a leader; a voter without others is one at once.

        `founding`: the records with which the log begins, if this node is the first to lead. No
        other can have committed any before, or they would be in the log of who is elected.
        """
        self._founding = founding
        if self.is_voter and self._majority == 1:
            return self._ask_around(now_ms)
        self._await_election(now_ms)
        if self._election_at_ms is not None:
            self._election_at_ms = now_ms + self._random.randrange(FIRST_ELECTION_MS)
        return self._fetch(now_ms)

    def asked(self, handle: Any, request: Request, now_ms: int) -> list[Effect]:
        """A request has come; it is answered by one Answer with this handle, now or later."""
        return self._turns.take(partial(self._receive, handle, request), now_ms)

    def answered(self, number: int, response: Response, now_ms: int) -> list[Effect]:
        """The answer to the Ask of this number has come."""
        return self._turns.take(partial(self._receive_answer, number, response), now_ms)

    def unreachable(self, number: int, now_ms: int) -> list[Effect]:
        """The Ask of this number went to somebody who is not there, or has gone meanwhile."""
        return self._turns.take(partial(self._miss, number), now_ms)

    def not_written(self, now_ms: int) -> list[Effect]:
        """In place of a write's `then`: the disk has no room, and nothing of the write is on it."""
        return self._turns.write(self._give_up)(now_ms)

    def propose(self, handle: Any, records: tuple[Any, ...]) -> list[Effect]:
        """Append these records, all or none; one Proposed with this handle tells what became of it.

        Proposals that come during a write are written together by the next one; how many there are
        is for the caller to bound.
        """
        if self._leader is None:
            return [Proposed(handle, Outcome.NOT_LEADER)]
        if not records:
            raise ValueError("a proposal without records")
        self._leader.propose(handle, records)
        return self._append_queued()

    def downloaded(self, snapshot: EpochAndOffset, data: Any, now_ms: int) -> list[Effect]:
        """The snapshot that was to be downloaded is here."""
        return self._turns.take(partial(self._install, snapshot, data), now_ms)

    def snapshotted(self, offset: int, now_ms: int) -> list[Effect]:
        """The state machine has a durable snapshot up to `offset`, which a Commit has named."""
        return self._turns.take(partial(self._cut, offset), now_ms)

    def pin(self, voter_id: int, directory_id: str, now_ms: int) -> list[Effect]:
        """It is committed that this voter is the one with this disk, and no other."""
        return self._turns.take(partial(self._pin, voter_id, directory_id), now_ms)

    def has_leader(self, now_ms: int) -> bool:
        """Whether it leads, or has just heard from who does, so that nobody else is wanted."""
        is_heard = now_ms < self._heard_leader_ms + ELECTION_TIMEOUT_MS
        return self.state is State.LEADER or (self.state is State.FOLLOWER and is_heard)

    def deadline_ms(self) -> int | None:
        """When `tick` next has something to do; while a write is under way, nothing."""
        if self._turns.is_writing:
            return None
        if self._leader is not None:
            return self._leader.deadline_ms()
        times = (self._election_at_ms, self._fetch_at_ms)
        return min((each for each in times if each is not None), default=None)

    def tick(self, now_ms: int) -> list[Effect]:
        """Do what is due."""
        if self._turns.is_writing:
            return []
        leader = self._leader
        if leader is not None:
            return leader.tick(now_ms) if leader.has_quorum(now_ms) else self._leave(now_ms)
        effects: list[Effect] = []
        if self._election_at_ms is not None and self._election_at_ms <= now_ms:
            effects += self._ask_around(now_ms)
        if self._fetch_at_ms is not None and self._fetch_at_ms <= now_ms:
            effects += self._fetch(now_ms)
        return effects

    @property
    def _majority(self) -> int:
        return len(self.voters) // 2 + 1

    @property
    def _others(self) -> list[int]:
        return sorted(set(self.voters) - {self.me.node_id})

    def _counts(self, node: Voter) -> bool:
        """Whether this is a voter, with the disk that it has to have."""
        return self.voters.get(node.node_id) in ("", node.directory_id)

    def _save(self, vote: Vote, then: Then) -> list[Effect]:
        def saved(now_ms: int) -> list[Effect]:
            self.vote = vote
            return then(now_ms)

        return [SaveVote(vote, self._turns.write(saved))]

    def _change_log(self, change: Callable[[], None]) -> Then:
        """A write to the log: `change` is made here when the disk has it, and more is fetched."""

        def changed(now_ms: int) -> list[Effect]:
            change()
            return self._fetch(now_ms)

        return self._turns.write(changed)

    def _receive_answer(self, number: int, response: Response, now_ms: int) -> list[Effect]:
        if isinstance(response, FetchResponse):
            if number != self._asked:
                return []  # Too late: another question is under way, or none.
            self._asked = None
            self._fetch_at_ms = now_ms + RETRY_MS
        return self._receive(None, response, now_ms)

    def _miss(self, number: int, now_ms: int) -> list[Effect]:
        """Look for a leader elsewhere; was it the leader, count on it no longer, but try again."""
        if number != self._asked:
            return []
        self._asked = None
        self._fetch_at_ms = now_ms + RETRY_MS
        if self._asked_node != self.leader_id or not self.has_leader(now_ms):
            self._source = NOBODY
        else:
            self._heard_leader_ms = now_ms - ELECTION_TIMEOUT_MS
            if self._election_at_ms is not None:
                wait_ms = OUT_OF_REACH_MS + self._random.randrange(4 * OUT_OF_REACH_MS)
                self._election_at_ms = min(self._election_at_ms, now_ms + wait_ms)
        return []

    def _receive(self, handle: Any, message: Request | Response, now_ms: int) -> list[Effect]:
        """Take a message in; a higher epoch of a voter's comes before all that it says."""
        if message.epoch > self.epoch and self._counts(message.sender):
            return self._save(
                Vote(message.epoch),
                lambda now_ms: self._leave(now_ms) + self._receive(handle, message, now_ms),
            )
        match message:
            case VoteRequest():
                return self._consider(handle, message, now_ms)
            case VoteResponse():
                return self._count_vote(message, now_ms)
            case FetchRequest():
                return self._serve(handle, message, now_ms)
            case FetchResponse():
                return self._fetched(message, now_ms)

    def _await_election(self, now_ms: int) -> None:
        wait_ms = ELECTION_TIMEOUT_MS + self._random.randrange(ELECTION_TIMEOUT_MS)
        self._election_at_ms = now_ms + wait_ms if self.is_voter else None

    def _ask_around(self, now_ms: int) -> list[Effect]:
        """Would a majority vote for it? Otherwise a new epoch would only disturb (pre-vote)."""
        self.state = State.PROSPECTIVE
        self.leader_id = NOBODY
        return self._ask_for_votes(now_ms)

    def _stand(self, now_ms: int) -> list[Effect]:
        """Its epoch has begun, with a vote for itself."""
        self.state = State.CANDIDATE
        return self._ask_for_votes(now_ms)

    def _ask_for_votes(self, now_ms: int) -> list[Effect]:
        self._await_election(now_ms)
        self._granted = {self.me.node_id}
        if self._majority == 1:
            return self._elected(now_ms)
        is_pre_vote = self.state is State.PROSPECTIVE
        request = VoteRequest(self.epoch, self.me, self.log.end, is_pre_vote)
        return [self._ask(each, request) for each in self._others]

    def _consider(self, handle: Any, request: VoteRequest, now_ms: int) -> list[Effect]:
        """Give the vote, or say whether it would be given."""
        is_granted = (
            request.epoch == self.epoch
            and self.is_voter
            and self._counts(request.sender)
            and request.end >= self.log.end
        )
        if request.is_pre_vote:
            is_granted = is_granted and not self.has_leader(now_ms)
            return [self._answer_candidate(handle, request, is_granted)]
        is_free = self.leader_id == NOBODY and self.vote.candidate in (None, request.sender)
        if not is_granted or not is_free:
            return [self._answer_candidate(handle, request, is_granted=False)]
        return self._save(Vote(self.epoch, request.sender), partial(self._support, handle, request))

    def _support(self, handle: Any, request: VoteRequest, now_ms: int) -> list[Effect]:
        """The vote is given: the candidate is the first to be asked whether it leads."""
        self.state = State.UNATTACHED
        self._source = request.sender.node_id
        self._asked = None
        self._fetch_at_ms = now_ms + RETRY_MS
        self._await_election(now_ms)
        return [self._answer_candidate(handle, request, is_granted=True)]

    def _answer_candidate(self, handle: Any, request: VoteRequest, is_granted: bool) -> Answer:
        response = VoteResponse(
            self.epoch, self.me, self.leader_id, request.is_pre_vote, is_granted
        )
        return Answer(handle, response)

    def _count_vote(self, response: VoteResponse, now_ms: int) -> list[Effect]:
        asked = State.PROSPECTIVE if response.is_pre_vote else State.CANDIDATE
        if response.epoch != self.epoch or self.state is not asked:
            return []
        if response.leader_id not in (NOBODY, self.me.node_id):
            self._source = response.leader_id
        if response.is_granted and self._counts(response.sender):
            self._granted.add(response.sender.node_id)
        return self._elected(now_ms) if len(self._granted) >= self._majority else []

    def _elected(self, now_ms: int) -> list[Effect]:
        """A majority is for it: as a candidate, and then as the leader."""
        if self.state is State.PROSPECTIVE:
            return self._save(Vote(self.epoch + 1, self.me), self._stand)
        self.state = State.LEADER
        self.leader_id = self.me.node_id
        self._election_at_ms = self._fetch_at_ms = self._asked = None
        self._leader = Leader(self.me, self.epoch, self.log, self._others, now_ms)
        self._leader.begin(() if self.log.end.offset else self._founding)
        return self._append_queued()

    def _leave(self, now_ms: int) -> list[Effect]:
        """Lead, follow and stand no longer: look for a leader."""
        leader, self._leader = self._leader, None
        self.leader_high_watermark = UNKNOWN_OFFSET
        self.state = State.UNATTACHED
        self.leader_id = self._source = NOBODY
        self._asked = None
        self._fetch_at_ms = now_ms + RETRY_MS
        if self._election_at_ms is None or not self.is_voter:
            self._await_election(now_ms)
        return [] if leader is None else leader.resign(self._referral())

    def _give_up(self, now_ms: int) -> list[Effect]:
        """A write has not happened. A leader that cannot begin its epoch is none."""
        if self._leader is not None:
            effects = self._leader.not_appended()
            return effects if self._leader.has_begun else effects + self._leave(now_ms)
        if self._fetch_at_ms is not None:
            self._fetch_at_ms = now_ms + FETCH_TIMEOUT_MS
        return []

    def _append_queued(self) -> list[Effect]:
        if self._leader is None or self._turns.is_writing:
            return []
        batches = self._leader.take_queued()
        if not batches:
            return []
        return [Append(batches, self._turns.write(partial(self._leader.appended, batches)))]

    def _serve(self, handle: Any, request: FetchRequest, now_ms: int) -> list[Effect]:
        if self._leader is None or request.epoch != self.epoch:
            return [Answer(handle, self._referral())]
        return self._leader.serve(handle, request, self._counts(request.sender), now_ms)

    def _referral(self) -> FetchResponse:
        """The answer to a fetch that is not for this node, or of another epoch."""
        return FetchResponse(self.epoch, self.me, self.leader_id)

    def _ask(self, node_id: int, request: Request) -> Ask:
        self._number += 1
        return Ask(self._number, node_id, request)

    def _fetch(self, now_ms: int) -> list[Effect]:
        """Ask for records, or for the leader; somebody else if the last one did not answer."""
        if not self._others:
            self._fetch_at_ms = None
            return []
        is_lost = self._asked is not None
        to = self._source
        if is_lost or to == NOBODY:
            to = self._random.choice(self._others)
        ask = self._ask(
            to, FetchRequest(self.epoch, self.me, self.log.end, self.log.high_watermark)
        )
        self._asked, self._asked_node = ask.number, to
        self._fetch_at_ms = now_ms + FETCH_TIMEOUT_MS
        return [ask]

    def _fetched(self, response: FetchResponse, now_ms: int) -> list[Effect]:
        if response.epoch != self.epoch:
            self._source = NOBODY
            return []
        if response.leader_id != response.sender.node_id:
            return self._redirected(response, now_ms)
        self._follow(response.leader_id, now_ms)
        self.leader_high_watermark = max(self.leader_high_watermark, response.high_watermark)
        if response.snapshot is not None:
            self._fetch_at_ms = now_ms + FETCH_TIMEOUT_MS
            return [Download(response.leader_id, response.snapshot)]
        if response.diverging is not None:
            offset = self.log.where_to_cut(response.diverging)
            return [Truncate(offset, self._change_log(partial(self.log.truncate, offset)))]
        if not self.log.fits(response.batches, self.epoch):
            return []
        if response.batches:
            return [Append(response.batches, self._turns.write(partial(self._appended, response)))]
        return self._appended(response, now_ms)

    def _appended(self, response: FetchResponse, now_ms: int) -> list[Effect]:
        """What the leader sent is here: commit what it has committed, and go on."""
        self.log.append(response.batches)
        return [*self.log.commit(response.high_watermark), *self._fetch(now_ms)]

    def _redirected(self, response: FetchResponse, now_ms: int) -> list[Effect]:
        """Somebody else answered than the leader: it may know who leads."""
        effects = self._leave(now_ms) if response.sender.node_id == self.leader_id else []
        self._source = NOBODY if response.leader_id == self.me.node_id else response.leader_id
        return effects

    def _follow(self, leader_id: int, now_ms: int) -> None:
        self.state = State.FOLLOWER
        self.leader_id = self._source = leader_id
        self._heard_leader_ms = now_ms
        self._await_election(now_ms)

    def _install(self, snapshot: EpochAndOffset, data: Any, now_ms: int) -> list[Effect]:
        is_old = snapshot.offset <= self.log.high_watermark
        if is_old or self._leader is not None or self.log.contains(snapshot):
            return []
        return [Install(snapshot, data, self._change_log(partial(self.log.reset, snapshot)))]

    def _cut(self, offset: int, now_ms: int) -> list[Effect]:
        if offset <= self.log.start.offset:
            return []
        self.log.cut(offset)
        return [CutLog(offset)]

    def _pin(self, voter_id: int, directory_id: str, now_ms: int) -> list[Effect]:
        self.voters[voter_id] = directory_id
        return [] if self.is_voter else self._leave(now_ms)
