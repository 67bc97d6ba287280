"""The checks on a cluster's history: what no run may show, whatever failed in it.

    lost            a record that was acknowledged to a safe producer is not there in the end
    moved           a place held two values, in what anybody read or was told
    twice           a safe producer's record lies at two places
    phantom         a record was read that nobody sent, or that certainly failed
    disordered      a safe producer's records lie in another order than it sent them, or two
                    acknowledged ones otherwise than real time had them
    skipped         a reader that moves by itself missed a record or went back
    unread          the group committed beyond a record that none of its members ever saw
    forgotten       the offset of the group is none that an acknowledged commit allows
    shared          two members owned a partition in one generation, or one saw generations fall
    replaced        a topic made anew lost a record, or has one of the topic before
    unlike          two replicas differ below their high watermarks

Every check takes the history and gives sentences; each is O(n log n).
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import inf

from .cluster_history import ClusterHistory, Commit, Place, Send


def check_history(history: ClusterHistory) -> list[str]:
    """All that is wrong with it."""
    return [sentence for check in CHECKS for sentence in check(history)]


def lost(history: ClusterHistory) -> Iterator[str]:
    """What was acknowledged is there, for who reads and on the disks."""
    for partition, records in history.final.items():
        at = dict(records)
        for send in _acknowledged(history, partition):
            found = at.get(send.offset)
            if found != send.value:
                where = f"{partition}@{send.offset}"
                yield f"lost: {send.client} was told {send.value!r} is at {where}: {found!r} is"


def moved(history: ClusterHistory) -> Iterator[str]:
    """A place has one value, for ever."""
    seen: dict[Place, bytes] = {}
    for place, value, who in _sightings(history):
        before = seen.setdefault(place, value)
        if before != value:
            yield f"moved: {who} has {value!r} at {place}, where {before!r} was seen"


def twice(history: ClusterHistory) -> Iterator[str]:
    """Idempotence: a record is there once."""
    safe = {send.value for send in history.sends if send.is_safe}
    for partition, records in history.final.items():
        seen: dict[bytes, int] = {}
        for offset, value in records:
            before = seen.setdefault(value, offset)
            if before != offset and value in safe:
                yield f"twice: {value!r} is in {partition} at {before} and at {offset}"


def phantom(history: ClusterHistory) -> Iterator[str]:
    """What is read was sent, to there, and has not failed."""
    sent = {send.value: send for send in history.sends}
    told: set[bytes] = set()
    for (partition, offset), value, who in _sightings(history):
        send = sent.get(value)
        if value in told:
            continue
        if send is None or send.partition != partition:
            told.add(value)
            yield f"phantom: {who} has {value!r} at {partition}@{offset}, never sent there"
        elif send.outcome == "fail":
            told.add(value)
            yield f"phantom: {who} has {value!r} at {partition}@{offset}, which failed"


def disordered(history: ClusterHistory) -> Iterator[str]:
    """The order of one producer, and that of real time between all of them."""
    for partition, records in history.final.items():
        at = {value: offset for offset, value in reversed(records)}
        last: dict[str, tuple[int, bytes]] = {}
        for send in history.sends:
            offset = at.get(send.value)
            if send.partition != partition or not send.is_safe or offset is None:
                continue
            before = last.get(send.client, (-1, b""))
            if offset < before[0]:
                yield f"disordered: {send.value!r} at {offset} follows {before[1]!r} at {before[0]}"
            last[send.client] = offset, send.value
        yield from _against_time(_acknowledged(history, partition))


def _against_time(sends: list[Send]) -> Iterator[str]:
    """Who began after another had ended is behind it: a sweep over both ends of each."""
    moments = [(send.began_s, 0, send) for send in sends] + [(s.ended_s, 1, s) for s in sends]
    furthest: Send | None = None
    for _, is_end, send in sorted(moments, key=lambda moment: moment[:2]):
        if is_end:
            if furthest is None or send.offset > furthest.offset:
                furthest = send
        elif furthest is not None and send.offset < furthest.offset:
            places = f"{send.offset}, {furthest.value!r} at {furthest.offset}"
            yield f"disordered: {send.value!r} began later and is at {places}"


def skipped(history: ClusterHistory) -> Iterator[str]:
    """Who reads alone reads one offset after the other; a member does within each poll."""
    position: dict[tuple[str, int], int] = {}
    for poll in history.polls:
        for partition, records in poll.records.items():
            key = poll.client, partition
            before = None if poll.is_member else position.get(key)
            for offset, _ in records:
                if before is not None and offset != before + 1:
                    yield f"skipped: {poll.client} got {partition}@{offset} after @{before}"
                before = offset
            if before is not None:
                position[key] = before


def unread(history: ClusterHistory) -> Iterator[str]:
    """At least once: what is committed was handed out."""
    seen: dict[int, set[int]] = defaultdict(set)
    for poll in history.polls:
        if poll.is_member:
            for partition, records in poll.records.items():
                seen[partition].update(offset for offset, _ in records)
    for partition, committed in history.committed.items():
        missing = sorted(set(range(committed)) - seen[partition])
        if missing:
            yield f"unread: the group is at {partition}@{committed}, nobody saw {missing[:5]}"


def forgotten(history: ClusterHistory) -> Iterator[str]:
    """The group's offset is that of the last acknowledged commit, or of one beside or after it."""
    partitions = sorted({each for commit in history.commits for each in commit.offsets})
    for partition in partitions:
        commits = [each for each in history.commits if partition in each.offsets]
        acknowledged = [each for each in commits if each.outcome == "ok"]
        if not acknowledged:
            continue
        last = max(acknowledged, key=lambda commit: commit.began_s)
        allowed = {
            each.offsets[partition]
            for each in commits
            if each.outcome != "fail" and _end_s(each) >= last.began_s
        }
        found = history.committed.get(partition)
        if found not in allowed:
            told = f"{last.client} was told {last.offsets[partition]}"
            yield f"forgotten: the group is at {partition}@{found}, {told}"


def _end_s(commit: Commit) -> float:
    """When it had happened if it did; what nobody knows of may happen at any time."""
    return commit.ended_s if commit.outcome == "ok" else inf


def unlike(history: ClusterHistory) -> Iterator[str]:
    """Below the lower of two high watermarks, replicas are the same."""
    first: dict[int, dict[int, bytes]] = {}
    for replica in history.replicas:
        known = first.setdefault(replica.partition, {})
        below = [each for each in replica.records if each[0] < replica.high_watermark]
        where = f"{replica.partition} on node {replica.node}"
        if [offset for offset, _ in below] != list(range(replica.high_watermark)):
            yield f"unlike: {where} has a gap below its high watermark {replica.high_watermark}"
        for offset, value in below:
            before = known.setdefault(offset, value)
            if before != value:
                yield f"unlike: {where} has {value!r} at {offset}, another node {before!r}"


def unseen(history: ClusterHistory) -> Iterator[str]:
    """Offsets have no gaps, so that a reader in the end has read everything there is."""
    for partition, records in history.final.items():
        for (before, _), (after, _) in pairwise(records):
            if after != before + 1:
                yield f"skipped: the last reader got {partition}@{after} after @{before}"


def shared(history: ClusterHistory) -> Iterator[str]:
    """In a generation a partition has one owner (I11)."""
    owners: dict[tuple[int, int], str] = {}
    generations: dict[str, int] = {}
    for owned in history.owned:
        if owned.generation < generations.get(owned.client, 0):
            yield f"shared: {owned.client} is in generation {owned.generation} after a later one"
        generations[owned.client] = owned.generation
        for partition in owned.partitions:
            owner = owners.setdefault((owned.generation, partition), owned.client)
            if owner != owned.client:
                yield (
                    f"shared: {owner} and {owned.client} own {partition} "
                    f"in generation {owned.generation}"
                )


def replaced(history: ClusterHistory) -> Iterator[str]:
    """What was acknowledged of a topic is read from it, whatever one of its name held before."""
    for offset, value, found in history.replaced:
        yield f"replaced: {value!r} was acknowledged at {offset}, and {found!r} is there"


CHECKS = (
    lost,
    moved,
    twice,
    phantom,
    disordered,
    skipped,
    unseen,
    unread,
    forgotten,
    shared,
    replaced,
    unlike,
)


def _acknowledged(history: ClusterHistory, partition: int) -> list[Send]:
    return [
        send
        for send in history.sends
        if send.partition == partition and send.is_safe and send.outcome == "ok"
    ]


def _sightings(history: ClusterHistory) -> Iterator[tuple[Place, bytes, str]]:
    """Every (place, value) that anybody read, or was told by a promise that holds."""
    for send in history.sends:
        if send.outcome == "ok" and send.is_safe:
            yield (send.partition, send.offset), send.value, send.client
    for poll in history.polls:
        for partition, records in poll.records.items():
            for offset, value in records:
                yield (partition, offset), value, poll.client
    for partition, records in history.final.items():
        for offset, value in records:
            yield (partition, offset), value, "the last reader"
