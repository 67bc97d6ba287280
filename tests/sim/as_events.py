"""What the clients of a simulated cluster did and saw, as a history for the judge of all histories.

    report = check(events_of(history), Promises(is_drained=True))

Each send is a process of its own here, since a client does not wait for one before it begins
another; so the order within a producer is left to `cluster_check`, which knows it. So is each
commit, as one that failed is in doubt for ever.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from minikafka.history.event import (
    ASSIGN,
    COMMIT,
    COMMITTED,
    INVOKE,
    OK,
    POLL,
    REPLICA,
    SEND,
    SUBSCRIBE,
    Event,
)

from .clients import GROUP, TOPIC
from .cluster_history import ClusterHistory, Commit, Send

LAST_READER = "last-reader"
Records = list[tuple[int, bytes]]


class Moment(NamedTuple):
    """An event before it has its number."""

    time_s: float
    process: str
    type: str
    f: str
    value: Any = None


def events_of(history: ClusterHistory) -> list[Event]:
    """The whole history, in the order of time; what never ended has no end."""
    moments = [*_sends(history), *_polls(history), *_commits(history)]
    end_s = max((each.time_s for each in moments), default=0.0)
    # Sorting is stable: of what happens at the same time, sends come first, then polls and commits.
    moments = sorted(moments, key=lambda moment: moment.time_s) + list(_truth(history, end_s))
    return [
        Event(number, each.process, each.type, each.f, each.time_s, each.value)
        for number, each in enumerate(moments)
    ]


def _sends(history: ClusterHistory) -> Iterator[Moment]:
    for number, send in enumerate(history.sends):
        process = f"{send.client}/send-{number}"
        asked = ["send", _key(send.partition), send.value.decode()]
        yield Moment(send.began_s, process, INVOKE, SEND, [asked])
        if _has_ended(send):
            yield Moment(send.ended_s, process, *_outcome(send))


def _outcome(send: Send) -> tuple[str, str, Any]:
    """How a send ended: what the leader alone has promised (acks=1) is in doubt."""
    value = send.value.decode()
    if send.outcome == OK and send.is_safe:
        return OK, SEND, [["send", _key(send.partition), [send.offset, value]]]
    outcome = "info" if send.outcome == OK else send.outcome
    return outcome, SEND, [["send", _key(send.partition), value]]


def _polls(history: ClusterHistory) -> Iterator[Moment]:
    keys = sorted({_key(each) for poll in history.polls for each in poll.records})
    known: set[str] = set()
    for poll in history.polls:
        if poll.client not in known:
            known.add(poll.client)
            f, value = (SUBSCRIBE, [TOPIC]) if poll.is_member else (ASSIGN, keys)
            yield from _at_once(poll.at_s, poll.client, f, value)
        yield from _at_once(poll.at_s, poll.client, POLL, [["poll", _read(poll.records)]])
    for number, owned in enumerate(history.owned):
        value = {
            "keys": [_key(each) for each in owned.partitions],
            "group": GROUP,
            "generation": owned.generation,
            "member": owned.client,
        }
        yield from _at_once(owned.at_s, f"{owned.client}/owned-{number}", ASSIGN, value)


def _commits(history: ClusterHistory) -> Iterator[Moment]:
    for number, commit in enumerate(history.commits):
        process = f"{commit.client}/commit-{number}"
        offsets = {_key(each): offset for each, offset in commit.offsets.items()}
        value = {"group": GROUP, "offsets": offsets}
        yield Moment(commit.began_s, process, INVOKE, COMMIT, value)
        if _has_ended(commit):
            yield Moment(commit.ended_s, process, commit.outcome, COMMIT, value)


def _truth(history: ClusterHistory, at_s: float) -> Iterator[Moment]:
    """What is so in the end: a last reader, the group's offsets, the disks."""
    keys = [_key(each) for each in history.final]
    yield from _at_once(at_s, LAST_READER, ASSIGN, keys)
    yield from _at_once(at_s, LAST_READER, POLL, [["poll", _read(history.final)]])
    committed = {_key(each): history.committed.get(each) for each in history.final}
    yield from _at_once(at_s, LAST_READER, COMMITTED, {"group": GROUP, "offsets": committed})
    for number, replica in enumerate(history.replicas):
        log = {
            "high_watermark": replica.high_watermark,
            "records": [[offset, value.decode()] for offset, value in replica.records],
        }
        value = {"node": replica.node, "logs": {_key(replica.partition): log}}
        yield from _at_once(at_s, f"disk-{number}", REPLICA, value)


def _at_once(at_s: float, process: str, f: str, value: Any) -> Iterator[Moment]:
    yield Moment(at_s, process, INVOKE, f)
    yield Moment(at_s, process, OK, f, value)


def _has_ended(operation: Send | Commit) -> bool:
    return operation.ended_s < float("inf")


def _read(records: dict[int, Records]) -> dict[str, list[list[Any]]]:
    return {
        _key(index): [[offset, value.decode()] for offset, value in each]
        for index, each in records.items()
    }


def _key(partition: int) -> str:
    return f"{TOPIC}-{partition}"
