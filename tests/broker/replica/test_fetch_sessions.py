"""The table of fetch sessions: who is found, who is kept, who has to go, what is news."""

from random import Random

import pytest

from minikafka.broker.replica import fetch_sessions
from minikafka.broker.replica.fetch_sessions import (
    MAX_INT32,
    MIN_EVICTABLE_MS,
    NO_SESSION,
    FetchSession,
    FetchSessions,
    SessionPartition,
)
from minikafka.protocol.api.fetch import (
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponsePartition,
    ForgottenTopic,
)
from minikafka.protocol.errors import ErrorCode


def topic_of(name: str, *indexes: int, offset: int = 0) -> FetchRequestTopic:
    """These partitions of a topic, each from `offset` on."""
    partitions = [
        FetchRequestPartition(partition=index, fetch_offset=offset, partition_max_bytes=100)
        for index in indexes
    ]
    return FetchRequestTopic(topic=name, partitions=partitions)


def answer_of(
    *, error_code: int = 0, high_watermark: int = 0, log_start: int = 0, records: bytes = b""
) -> FetchResponsePartition:
    """What a partition answers."""
    return FetchResponsePartition(
        partition_index=0,
        error_code=error_code,
        high_watermark=high_watermark,
        log_start_offset=log_start,
        records=records,
    )


def session_of(size: int) -> FetchSession:
    """A session with so many partitions, not kept yet."""
    session = FetchSession(uses_topic_ids=False)
    session.update([topic_of("orders", *range(size))])
    return session


def kept(sessions: FetchSessions, size: int = 1, now_ms: int = 0) -> FetchSession:
    """A session that was offered to the cache."""
    session = session_of(size)
    sessions.keep(session, now_ms)
    return session


def is_kept(sessions: FetchSessions, session: FetchSession) -> bool:
    """Whether a client could go on with it."""
    return sessions.find(session.id, session.epoch, session.uses_topic_ids) is session


def only(session: FetchSession) -> SessionPartition:
    """The one partition that has moved."""
    (partition,) = session.moved
    return partition


def test_a_session_is_found_by_id_epoch_and_kind() -> None:
    sessions = FetchSessions(10, Random(1))
    session = kept(sessions)
    assert sessions.find(session.id, 1, False) is session
    assert sessions.find(session.id + 1, 1, False) is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert sessions.find(session.id, 2, False) is ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert sessions.find(session.id, -7, False) is ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert sessions.find(session.id, 1, True) is ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    assert sessions.find(NO_SESSION, 1, False) is ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_the_epoch_counts_up_and_after_the_largest_comes_1() -> None:
    sessions = FetchSessions(10, Random(1))
    session = kept(sessions)
    sessions.update(session, [], [], 0)
    assert session.epoch == 2
    session.epoch = MAX_INT32
    sessions.update(session, [], [], 0)
    assert session.epoch == 1


def test_ids_are_positive_and_of_one_session_each() -> None:
    class Stuttering(Random):
        def randint(self, a: int, b: int) -> int:
            assert (a, b) == (1, MAX_INT32)
            return super().randint(1, 3)

    sessions = FetchSessions(3, Stuttering(1))
    assert {kept(sessions).id for _ in range(3)} == {1, 2, 3}


def test_a_session_with_nothing_left_is_closed() -> None:
    sessions = FetchSessions(10, Random(1))
    session = kept(sessions, 2)
    forgotten = [ForgottenTopic(topic="orders", partitions=[0, 1, 7])]
    sessions.update(session, [], forgotten, 0)
    assert (session.id, len(sessions)) == (NO_SESSION, 0)


def test_a_full_cache_gives_no_session_while_all_are_young() -> None:
    sessions = FetchSessions(2, Random(1))
    first, second = kept(sessions), kept(sessions)
    third = kept(sessions, 1000, MIN_EVICTABLE_MS)
    assert third.id == NO_SESSION
    assert is_kept(sessions, first)
    assert is_kept(sessions, second)


def test_a_session_unused_for_long_goes_first_whatever_its_size() -> None:
    sessions = FetchSessions(2, Random(1))
    large, small = kept(sessions, 50), kept(sessions, 2)
    sessions.update(small, [], [], 10)
    new = kept(sessions, 1, MIN_EVICTABLE_MS + 1)
    assert is_kept(sessions, new)
    assert is_kept(sessions, small)
    assert large.id == NO_SESSION


def test_a_larger_session_takes_the_place_of_the_smallest_old_one() -> None:
    sessions = FetchSessions(3, Random(1))
    now_ms = MIN_EVICTABLE_MS + 1
    middle, smallest = kept(sessions, 5), kept(sessions, 3)
    young = kept(sessions, 1, now_ms)
    for session in (middle, smallest):
        sessions.update(session, [], [], now_ms)
    assert kept(sessions, 3, now_ms).id == NO_SESSION
    assert is_kept(sessions, kept(sessions, 4, now_ms))
    assert smallest.id == NO_SESSION
    assert is_kept(sessions, middle)
    assert is_kept(sessions, young)


def test_without_slots_there_are_no_sessions() -> None:
    sessions = FetchSessions(0, Random(1))
    assert kept(sessions).id == NO_SESSION


def test_the_partitions_of_all_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_sessions, "MAX_CACHED_PARTITIONS", 100)
    sessions = FetchSessions(10, Random(1))
    first = kept(sessions, 60)
    assert kept(sessions, 41).id == NO_SESSION
    assert is_kept(sessions, kept(sessions, 40))
    assert kept(sessions, 1).id == NO_SESSION
    sessions.close(first.id)
    assert is_kept(sessions, kept(sessions, 60))


def test_a_session_that_outgrows_the_cache_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_sessions, "MAX_CACHED_PARTITIONS", 100)
    sessions = FetchSessions(10, Random(1))
    session = kept(sessions, 60)
    sessions.update(session, [topic_of("more", *range(41))], [], 0)
    assert session.id == NO_SESSION
    assert is_kept(sessions, kept(sessions, 100))


def test_one_too_large_for_the_cache_drives_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_sessions, "MAX_CACHED_PARTITIONS", 100)
    sessions = FetchSessions(10, Random(1))
    old = kept(sessions, 1)
    assert kept(sessions, 101, 2 * MIN_EVICTABLE_MS).id == NO_SESSION
    assert is_kept(sessions, old)


def test_a_partition_settles_when_the_client_knows_that_nothing_is_left() -> None:
    session = session_of(1)
    partition = only(session)
    assert session.tell(partition, answer_of())
    assert not session.moved
    partition.moved()
    assert only(session) is partition
    assert not session.tell(partition, answer_of())
    assert not session.moved


@pytest.mark.parametrize(
    "answer",
    [
        answer_of(records=b"some", high_watermark=1),
        answer_of(high_watermark=1),
        answer_of(error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, high_watermark=-1),
    ],
    ids=["records", "no room for records", "an error"],
)
def test_a_partition_with_something_left_is_read_again(answer: FetchResponsePartition) -> None:
    session = session_of(1)
    partition = only(session)
    session.tell(partition, answer)
    assert only(session) is partition


def test_news_are_records_errors_and_moved_ends_of_the_log() -> None:
    session = session_of(1)
    partition = only(session)
    for answer, is_news in (
        (answer_of(high_watermark=7), True),
        (answer_of(high_watermark=7), False),
        (answer_of(high_watermark=8), True),
        (answer_of(high_watermark=8, log_start=3), True),
        (answer_of(high_watermark=8, log_start=3, records=b"some"), True),
        (answer_of(high_watermark=8, log_start=3), False),
        (answer_of(high_watermark=-1, log_start=-1, error_code=3), True),
        (answer_of(high_watermark=-1, log_start=-1, error_code=3), True),
        (answer_of(high_watermark=8, log_start=3), True),
    ):
        assert session.tell(partition, answer) is is_news, answer


def test_who_gave_records_goes_behind_the_others() -> None:
    session = session_of(3)
    first, second, third = session.moved
    session.tell(first, answer_of(records=b"some", high_watermark=5))
    session.tell(second, answer_of(high_watermark=5))
    assert list(session.moved) == [second, third, first]
    session.update([topic_of("orders", 0, offset=1)])
    assert list(session.moved) == [second, third, first]


def test_a_partition_named_twice_is_one() -> None:
    session = FetchSession(uses_topic_ids=False)
    session.update([topic_of("orders", 0), topic_of("orders", 0, offset=4)])
    assert len(session) == 1
    assert only(session).asked.fetch_offset == 4
