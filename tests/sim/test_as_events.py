"""The judge of histories sees of a cluster's history what the simulator's own checks see."""

from collections.abc import Callable

import pytest

from minikafka.history.check import Report, check
from minikafka.history.evidence import Promises

from .as_events import events_of
from .cluster_history import ClusterHistory, Owned, Replica, Send
from .test_cluster_check import B, C, good


def judged(history: ClusterHistory) -> Report:
    """The verdict on a history of idempotent producers."""
    return check(events_of(history), Promises(is_drained=True))


def test_a_good_history_is_valid_and_whole() -> None:
    report = judged(good())
    assert report.is_valid, report.text()
    assert report.records_sent == 3
    assert report.records_read == 9


def lose(history: ClusterHistory) -> None:
    """The last record is nowhere."""
    history.final[0] = history.final[0][:2]
    history.polls = history.polls[:1]
    history.committed = {0: 1}
    history.commits[0].offsets = {0: 1}


def repeat(history: ClusterHistory) -> None:
    """A record lies at two places."""
    history.final[0] = [*history.final[0], (3, C)]


def invent(history: ClusterHistory) -> None:
    """Nobody has sent it."""
    history.final[0] = [*history.final[0], (3, b"d")]


def skip(history: ClusterHistory) -> None:
    """A reader that moves by itself leaves one out."""
    history.polls[1].records = {0: [(2, C)]}


def forget(history: ClusterHistory) -> None:
    """The group fell back."""
    history.committed = {0: 2}


def share(history: ClusterHistory) -> None:
    """Two members own a partition."""
    history.owned = [Owned("m", 2, (0,), 3.0), Owned("n", 2, (0,), 3.5)]


def differ(history: ClusterHistory) -> None:
    """Two disks are not the same."""
    history.replicas.append(Replica(3, 0, 2, [(0, C), (1, B)]))


@pytest.mark.parametrize(
    ("break_it", "checks"),
    [
        (lose, {"unseen"}),
        (repeat, {"duplicate"}),
        (invent, {"phantom"}),
        (skip, {"poll-skip"}),
        (forget, {"commit-durability"}),
        (share, {"group-exclusivity"}),
        (differ, {"ground-truth"}),
    ],
)
def test_what_is_wrong_is_found(
    break_it: Callable[[ClusterHistory], None], checks: set[str]
) -> None:
    history = good()
    break_it(history)
    assert checks <= set(judged(history).violated)


def test_what_nobody_promised_may_be_otherwise() -> None:
    history = good()
    history.sends.append(Send("p3", 0, b"d", False, 7.0, 8.0, "ok", 1))
    history.sends.append(Send("p3", 0, b"e", True, 7.0))
    assert judged(history).is_valid
