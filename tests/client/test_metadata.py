"""The table of brokers, topics and leaders: its rules."""

import pytest

from minikafka.client.metadata import MAX_BACKOFF_MS, Metadata
from minikafka.protocol.api.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.primitives import ProtocolError

ID_A, ID_B = bytes([1] * 16), bytes([2] * 16)


def table() -> Metadata:
    """An empty table, refreshed every 1,000 ms and not within 10."""
    return Metadata(max_age_ms=1000, backoff_ms=10, allow_auto_create=True)


def partition(index: int, leader: int, epoch: int = 0) -> MetadataResponsePartition:
    """A partition on one broker."""
    return MetadataResponsePartition(
        error_code=0,
        partition_index=index,
        leader_id=leader,
        leader_epoch=epoch,
        replica_nodes=[1, 2],
        isr_nodes=[1, 2],
    )


def answer(
    *partitions: MetadataResponsePartition, topic_id: bytes = ID_A, error: ErrorCode | None = None
) -> MetadataResponse:
    """An answer about topic t."""
    topic = MetadataResponseTopic(
        error_code=int(error or 0), name="t", topic_id=topic_id, partitions=list(partitions)
    )
    brokers = [MetadataResponseBroker(node_id=node, host=f"h{node}", port=9) for node in (1, 2)]
    return MetadataResponse(brokers=brokers, controller_id=1, cluster_id="c", topics=[topic])


def test_an_answer_tells_leaders():
    metadata = table()
    metadata.update(answer(partition(1, 2), partition(0, 1)), 0)
    assert [metadata.leader("t", index) for index in range(3)] == [1, 2, None]
    assert metadata.topics["t"].available == (0, 1)
    assert (metadata.cluster_id, metadata.controller_id) == ("c", 1)


def test_a_leader_that_is_no_live_broker_is_none():
    metadata = table()
    metadata.update(answer(partition(0, 7), partition(1, -1)), 0)
    assert metadata.leader("t", 0) is None
    assert metadata.leader("t", 1) is None


def test_an_older_leader_epoch_does_not_count():
    metadata = table()
    metadata.update(answer(partition(0, 2, epoch=5)), 0)
    metadata.update(answer(partition(0, 1, epoch=4)), 0)
    assert metadata.leader("t", 0) == 2
    metadata.update(answer(partition(0, 1, epoch=6)), 0)
    assert metadata.leader("t", 0) == 1


def test_a_topic_made_anew_begins_anew():
    metadata = table()
    metadata.update(answer(partition(0, 2, epoch=5)), 0)
    metadata.update(answer(partition(0, 1, epoch=0), topic_id=ID_B), 0)
    assert metadata.leader("t", 0) == 1


def test_a_topic_that_is_gone_leaves_the_table():
    metadata = table()
    metadata.update(answer(partition(0, 2)), 0)
    metadata.update(answer(error=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), 0)
    assert "t" not in metadata.topics
    assert metadata.errors["t"] is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_topic_with_a_passing_error_keeps_its_last_leaders():
    metadata = table()
    metadata.update(answer(partition(0, 2)), 0)
    metadata.update(answer(error=ErrorCode.LEADER_NOT_AVAILABLE), 0)
    assert metadata.leader("t", 0) == 2


def test_the_table_is_refreshed_at_once_then_when_old_or_asked():
    metadata = table()
    assert metadata.refresh_at_ms(50) == 50
    metadata.request(50)
    metadata.update(answer(partition(0, 1)), 60)
    assert metadata.refresh_at_ms(61) == 1060
    metadata.request_refresh()
    assert metadata.refresh_at_ms(61) == 60
    metadata.request(70)
    assert metadata.refresh_at_ms(71) == 1060
    metadata.want(["another"])
    assert metadata.refresh_at_ms(71) == 71


def test_open_questions_are_asked_again_with_a_growing_backoff():
    metadata = table()
    waits: list[int] = []
    for _ in range(12):
        metadata.request(0)
        metadata.update(answer(partition(0, 9)), 0)
        waits.append(metadata.refresh_at_ms(0))
    assert waits[:4] == [20, 40, 80, 160]
    assert waits[-1] == MAX_BACKOFF_MS
    metadata.request(0)
    metadata.update(answer(partition(0, 1)), 0)
    assert metadata.refresh_at_ms(0) == 1000


def test_a_failed_refresh_is_still_due():
    metadata = table()
    metadata.request(0)
    metadata.failed()
    assert metadata.refresh_at_ms(0) == 20


def test_only_wanted_topics_are_asked_for():
    metadata = table()
    assert metadata.request(0).topics == []
    metadata.want(["b", "a"])
    assert [topic.name for topic in metadata.request(0).topics or []] == ["a", "b"]


def test_partitions_with_gaps_are_refused():
    with pytest.raises(ProtocolError):
        table().update(answer(partition(0, 1), partition(2, 1)), 0)


def test_who_wants_all_topics_has_those_of_the_last_answer():
    metadata = table()
    metadata.want(["wanted"])
    metadata.want_all()
    assert metadata.refresh_at_ms(0) == 0
    assert metadata.request(0).topics is None
    metadata.update(answer(partition(0, 1)), 0)
    assert list(metadata.topics) == ["t"]
    metadata.request(5)
    metadata.update(MetadataResponse(brokers=[], controller_id=1, cluster_id="c", topics=[]), 5)
    assert metadata.topics == {}
    assert metadata.errors == {"wanted": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}


def test_an_answer_about_some_topics_takes_none_of_the_others_away():
    metadata = table()
    metadata.want(["t"])
    metadata.request(0)
    metadata.update(answer(partition(0, 1)), 0)
    metadata.request(1)
    metadata.want_all()
    metadata.update(MetadataResponse(brokers=[], controller_id=1, cluster_id="c", topics=[]), 2)
    assert list(metadata.topics) == ["t"]


def test_a_topic_without_leader_that_nobody_wants_is_not_asked_for_again():
    metadata = table()
    metadata.want_all()
    metadata.request(0)
    metadata.update(answer(partition(0, -1)), 0)
    assert metadata.refresh_at_ms(0) == 1000
