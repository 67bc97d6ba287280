"""Who is in sync: scripts of fetches, of time, and of what the controller says.

A line is a step, and behind `->` stands what is true afterwards: the high watermark, the committed
ISR, and what is proposed.
"""

from collections.abc import Iterator

import pytest

from minikafka.broker.controller.image import BrokerImage, PartitionImage, Standing
from minikafka.broker.replica.in_sync import InSync, IsrProposal
from minikafka.protocol.errors import ErrorCode

START_MS = 1_000_000
MAX_LAG_MS = 10_000
EPOCH_START = 4
REFUSED = [ErrorCode.INELIGIBLE_REPLICA, ErrorCode.OPERATION_NOT_ATTEMPTED]
DECIDED = [
    ErrorCode.NONE,
    ErrorCode.FENCED_LEADER_EPOCH,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.INVALID_UPDATE_VERSION,
    ErrorCode.NEW_LEADER_ELECTED,
    ErrorCode.UNKNOWN_TOPIC_ID,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
]
UNKNOWN = [
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.NOT_CONTROLLER,
    ErrorCode.STALE_BROKER_EPOCH,
    ErrorCode.UNKNOWN_SERVER_ERROR,
]


def image(isr: tuple[int, ...] = (1, 2, 3), epoch: int = 7) -> PartitionImage:
    """Broker 1 leads in leader epoch 5; brokers 2 and 3 follow."""
    return PartitionImage(0, (1, 2, 3), isr, 1, 5, epoch)


class Leader:
    """A leader whose log ends at 10, all of it flushed, and whose high watermark is 4."""

    def __init__(self, isr: tuple[int, ...] = (1, 2, 3), min_isr: int = 2) -> None:
        self.brokers = {each: BrokerImage(each, 100 + each) for each in (1, 2, 3)}
        self.in_sync = InSync(image(isr), self.brokers, EPOCH_START, MAX_LAG_MS, START_MS)
        self.now_ms = START_MS
        self.end = self.flushed = 10
        self.min_isr = min_isr
        self.high_watermark = EPOCH_START

    def fetch(self, follower: int, offset: int, broker_epoch: int | None = None) -> ErrorCode:
        """A follower asks for `offset`."""
        epoch = 100 + follower if broker_epoch is None else broker_epoch
        error = self.in_sync.fetched(follower, epoch, offset, self.end, self.now_ms)
        if not error:
            self.in_sync.propose_expansion(follower, self.high_watermark)
            self.advance()
        return error

    def advance(self) -> None:
        """Look where the high watermark may be."""
        self.high_watermark = self.in_sync.high_watermark(
            self.high_watermark, self.flushed, self.end, self.min_isr, self.now_ms
        )

    def shrink(self) -> None:
        """The timer's turn."""
        self.in_sync.propose_shrink(self.end, self.now_ms)
        self.advance()

    def answer(self) -> None:
        """The controller has done what was proposed, and the metadata says so."""
        proposal = self.proposal
        assert not self.in_sync.answered(proposal, ErrorCode.NONE)
        self.in_sync.update(image(proposal.isr, proposal.partition_epoch + 1), self.now_ms)
        self.advance()

    def refuse(self, error: ErrorCode) -> bool:
        """The controller has not done it."""
        is_asked_again = self.in_sync.answered(self.proposal, error)
        self.advance()
        return is_asked_again

    @property
    def proposal(self) -> IsrProposal:
        """What is proposed."""
        assert self.in_sync.proposal is not None
        return self.in_sync.proposal

    @property
    def state(self) -> tuple[int, tuple[int, ...], tuple[int, ...] | None]:
        """High watermark, ISR, proposed ISR."""
        proposal = self.in_sync.proposal
        return self.high_watermark, self.in_sync.isr, proposal and proposal.isr


STORIES = {
    "the high watermark is the smallest end of who is in sync": """
        fetch 2 at 9            -> 4  1,2,3
        fetch 3 at 7            -> 7  1,2,3
        fetch 3 at 10           -> 9  1,2,3
        fetch 2 at 10           -> 10 1,2,3
        fetch 2 at 8            -> 10 1,2,3
    """,
    "who falls behind leaves, and counts until that is committed": """
        fetch 2 at 10           -> 4  1,2,3
        fetch 3 at 6            -> 6  1,2,3
        wait 10001              -> 6  1,2,3
        fetch 2 at 10           -> 6  1,2,3
        shrink                  -> 6  1,2,3  1,2
        done                    -> 10 1,2
    """,
    "who has not fetched in this leader epoch has as long as others": """
        fetch 2 at 10           -> 4  1,2,3
        wait 10000              -> 4  1,2,3
        shrink                  -> 4  1,2,3
        wait 1                  -> 4  1,2,3
        shrink                  -> 4  1,2,3  1,2
    """,
    "who had all that there was at its last fetch was caught up then": """
        fetch 3 at 10           -> 4  1,2,3
        end 20                  -> 4  1,2,3
        wait 6000               -> 4  1,2,3
        fetch 3 at 12           -> 4  1,2,3
        end 30                  -> 4  1,2,3
        wait 6000               -> 4  1,2,3
        fetch 3 at 20           -> 4  1,2,3
        fetch 2 at 30           -> 20 1,2,3
        shrink                  -> 20 1,2,3
    """,
    "below min.insync.replicas the high watermark stands still": """
        isr 1
        shrink                  -> 4  1
        fetch 2 at 3            -> 4  1
        fetch 2 at 10           -> 4  1      1,2
        done                    -> 10 1,2
    """,
    "who is to join counts from the proposal on": """
        isr 1,2
        fetch 2 at 10           -> 10 1,2
        end 20                  -> 10 1,2
        fetch 3 at 10           -> 10 1,2    1,2,3
        fetch 2 at 20           -> 10 1,2    1,2,3
        done                    -> 10 1,2,3
        fetch 3 at 20           -> 20 1,2,3
    """,
    "who is about to join holds the high watermark up, for a while": """
        isr 1,2
        fetch 3 at 10           -> 4  1,2    1,2,3
        refused                 -> 4  1,2
        end 20                  -> 4  1,2
        fetch 2 at 20           -> 10 1,2
        wait 10001              -> 10 1,2
        fetch 2 at 20           -> 20 1,2
    """,
    "who has not all up to the high watermark does not join": """
        isr 1,2
        fetch 2 at 10           -> 10 1,2
        fetch 3 at 9            -> 10 1,2
        fetch 3 at 10           -> 10 1,2    1,2,3
    """,
    "nor who has not all that there was when the leader epoch began": """
        isr 1,2
        hw 2
        fetch 3 at 3            -> 2  1,2
        fetch 3 at 4            -> 2  1,2    1,2,3
    """,
    "nothing that is not flushed counts": """
        flushed 5
        fetch 2 at 10           -> 4  1,2,3
        fetch 3 at 10           -> 5  1,2,3
    """,
    "no fenced broker joins, and none that leaves": """
        isr 1,2
        fence 3
        fetch 3 at 10           -> 4  1,2
        leaving 3
        fetch 3 at 10           -> 4  1,2
        fetch 2 at 10           -> 10 1,2
    """,
    "none joins as a registration that we do not know of yet": """
        isr 1,2
        fetch 3 at 10 as 104    -> 4  1,2
        fetch 2 at 10           -> 10 1,2
    """,
}


def steps(story: str) -> Iterator[tuple[str, str]]:
    """(what happens, what is true then) of each line."""
    for line in story.strip().splitlines():
        step, _, then = line.partition("->")
        yield step.strip(), then.strip()


def members(text: str) -> tuple[int, ...]:
    """The brokers that a text names."""
    return tuple(int(each) for each in text.split(","))


def play(leader: Leader, step: str) -> None:
    """Let one step happen."""
    match step.split():
        case ["isr", isr]:
            leader.__init__(members(isr), leader.min_isr)
        case ["fetch", follower, "at", offset]:
            leader.fetch(int(follower), int(offset))
        case ["fetch", follower, "at", offset, "as", epoch]:
            leader.fetch(int(follower), int(offset), int(epoch))
        case ["wait", duration_ms]:
            leader.now_ms += int(duration_ms)
        case ["end", offset]:
            leader.end = leader.flushed = int(offset)
        case ["flushed", offset]:
            leader.flushed = int(offset)
        case ["hw", offset]:
            leader.high_watermark = int(offset)
        case ["shrink"]:
            leader.shrink()
        case ["done"]:
            leader.answer()
        case ["refused"]:
            leader.refuse(ErrorCode.INELIGIBLE_REPLICA)
        case ["fence", broker]:
            leader.brokers[int(broker)] = BrokerImage(
                int(broker), 100 + int(broker), standing=Standing.FENCED
            )
        case ["leaving", broker]:
            leader.brokers[int(broker)] = BrokerImage(
                int(broker), 100 + int(broker), standing=Standing.LEAVING
            )
        case _:
            raise AssertionError(f"no such step: {step}")


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    leader = Leader()
    for step, then in steps(STORIES[name]):
        play(leader, step)
        if then:
            high_watermark, isr, *proposed = then.split()
            wanted = members(proposed[0]) if proposed else None
            assert leader.state == (int(high_watermark), members(isr), wanted), step


@pytest.mark.parametrize("error", REFUSED)
def test_what_is_refused_goes_back_to_what_is_committed(error: ErrorCode) -> None:
    leader = Leader((1, 2))
    leader.fetch(3, 10)
    assert leader.in_sync.maximal_isr == {1, 2, 3}
    assert not leader.refuse(error)
    assert leader.in_sync.maximal_isr == {1, 2}
    leader.fetch(3, 10)
    assert leader.proposal.isr == (1, 2, 3)


@pytest.mark.parametrize("error", DECIDED)
def test_what_is_decided_stays_proposed_until_the_metadata_comes(
    error: ErrorCode,
) -> None:
    leader = Leader((1, 2))
    leader.fetch(3, 10)
    assert not leader.refuse(error)
    assert leader.in_sync.maximal_isr == {1, 2, 3}
    leader.in_sync.update(image((1, 2), 7), leader.now_ms)
    assert leader.in_sync.maximal_isr == {1, 2, 3}, "that is no news"
    leader.in_sync.update(image((1, 3), 8), leader.now_ms)
    assert leader.in_sync.maximal_isr == {1, 3}


@pytest.mark.parametrize("error", UNKNOWN)
def test_what_nobody_knows_is_asked_again(error: ErrorCode) -> None:
    leader = Leader((1, 2))
    leader.fetch(3, 10)
    before = leader.proposal
    assert leader.refuse(error)
    assert leader.proposal is before


def test_a_second_attempt_asks_for_who_had_asked_at_the_first() -> None:
    leader = Leader((1, 2))
    leader.fetch(3, 10)
    leader.brokers[3] = BrokerImage(3, 200)
    assert leader.refuse(ErrorCode.REQUEST_TIMED_OUT)
    assert leader.proposal.members == ((1, 101), (2, 102), (3, 103))


def test_an_answer_that_is_older_than_the_metadata_counts_for_nothing() -> None:
    leader = Leader((1, 2))
    leader.fetch(3, 10)
    proposal = leader.proposal
    leader.in_sync.update(image((1, 2, 3), 8), leader.now_ms)
    leader.in_sync.update(image((1, 3), 9), leader.now_ms)
    assert not leader.in_sync.answered(proposal, ErrorCode.NONE)
    assert leader.in_sync.isr == (1, 3)


def test_an_answer_to_an_earlier_proposal_counts_for_nothing() -> None:
    leader = Leader((1, 2))
    leader.fetch(3, 10)
    first = leader.proposal
    leader.refuse(ErrorCode.INELIGIBLE_REPLICA)
    leader.fetch(3, 10)
    assert leader.proposal == first
    assert not leader.in_sync.answered(first, ErrorCode.INELIGIBLE_REPLICA)
    assert leader.in_sync.maximal_isr == {1, 2, 3}


def test_one_change_is_under_way_at_a_time() -> None:
    leader = Leader((1,), min_isr=1)
    leader.fetch(2, 10)
    leader.fetch(3, 10)
    assert leader.proposal.isr == (1, 2)
    leader.answer()
    leader.now_ms += MAX_LAG_MS + 1
    leader.fetch(3, 10)
    assert leader.proposal.isr == (1, 2, 3)
    leader.end = 20
    leader.shrink()
    assert leader.proposal.isr == (1, 2, 3)


def test_an_earlier_registration_is_refused_and_changes_nothing() -> None:
    leader = Leader()
    assert leader.fetch(3, 10, 102) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert leader.fetch(3, 10, -1) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert leader.fetch(4, 10) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    del leader.brokers[3]
    assert leader.fetch(3, 10) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert leader.in_sync.followers[3].log_end_offset == -1


def test_who_has_registered_anew_must_fetch_again_before_it_joins() -> None:
    leader = Leader(isr=(1, 2))
    leader.brokers[3] = BrokerImage(3, 103, standing=Standing.FENCED)
    leader.fetch(3, 10)
    leader.brokers[3] = BrokerImage(3, 203)
    assert not leader.in_sync.propose_expansion(3, leader.high_watermark)
    leader.fetch(2, 10)
    leader.fetch(3, 10, 203)
    assert leader.proposal.members == ((1, 101), (2, 102), (3, 203))


def test_replicas_come_and_go_within_a_leader_epoch() -> None:
    leader = Leader()
    leader.fetch(2, 10)
    moved = PartitionImage(0, (1, 2, 4), (1, 2), 1, 5, 8)
    leader.in_sync.update(moved, leader.now_ms)
    assert list(leader.in_sync.followers) == [2, 4]
    assert leader.in_sync.followers[2].log_end_offset == 10
    leader.advance()
    assert leader.high_watermark == 10


def test_no_more_replicas_are_asked_for_than_there_are() -> None:
    assert Leader().in_sync.effective_min_isr(5) == 3
