"""AlterPartition: who believes something else than the controller is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from minikafka.broker.controller.decide_isr import ANY_EPOCH, alter_partition
from minikafka.broker.controller.image import Standing
from minikafka.protocol.control import AlterPartition, IsrMember, PartitionIsr

from .story import Story

Change = Callable[[PartitionIsr], PartitionIsr]

REFUSED: list[tuple[str, Change]] = [
    ("UNKNOWN_TOPIC_ID", lambda isr: replace(isr, topic_id=b"9" * 16)),
    ("UNKNOWN_TOPIC_OR_PARTITION", lambda isr: replace(isr, index=1)),
    ("NOT_CONTROLLER", lambda isr: replace(isr, leader_epoch=2)),
    ("NOT_CONTROLLER", lambda isr: replace(isr, leader_epoch=0, partition_epoch=3)),
    ("FENCED_LEADER_EPOCH", lambda isr: replace(isr, leader_epoch=0, partition_epoch=0)),
    ("INVALID_UPDATE_VERSION", lambda isr: replace(isr, partition_epoch=0)),
    ("INVALID_REQUEST", lambda isr: replace(isr, isr=isr.isr[1:])),
    ("INVALID_REQUEST", lambda isr: replace(isr, isr=isr.isr + isr.isr)),
    ("INVALID_REQUEST", lambda isr: replace(isr, isr=())),
    ("INVALID_REQUEST", lambda isr: replace(isr, isr=(*isr.isr, IsrMember(5, 5)))),
]


def led_by_2() -> Story:
    """Broker 1 has died: 2 leads in epoch 1, and the partition is in epoch 1."""
    story = Story()
    story.play("fence 1")
    return story


@pytest.mark.parametrize(("error", "change"), REFUSED, ids=range(len(REFUSED)))
def test_a_question_that_fits_no_partition_changes_nothing(error: str, change: Change) -> None:
    story = led_by_2()
    before = story.partition
    assert story.alter(change(story.isr(2, 3)), 2) == error
    assert story.partition == before


def test_only_the_leader_is_asked() -> None:
    story = led_by_2()
    assert story.alter(story.isr(2, 3), 3) == "INVALID_REQUEST"


def test_a_broker_of_an_older_epoch_is_refused_as_a_whole() -> None:
    story = led_by_2()
    question = AlterPartition(2, 1, (story.isr(2),))
    decision = alter_partition(story.image, story.config, question)
    assert (decision.error_code.name, decision.records) == ("STALE_BROKER_EPOCH", [])


def test_a_partition_is_changed_once_by_one_question() -> None:
    story = led_by_2()
    question = AlterPartition(2, 2, (story.isr(2), story.isr(2, 3)))
    decision = story.commit(alter_partition(story.image, story.config, question))
    assert [each.error for each in decision.value.partitions] == ["NONE", "INVALID_REQUEST"]
    assert story.partition.isr == (2,)


def test_the_answer_says_what_the_partition_is_now() -> None:
    story = led_by_2()
    question = AlterPartition(2, 2, (story.isr(2),))
    (answer,) = alter_partition(story.image, story.config, question).value.partitions
    assert (answer.leader, answer.leader_epoch) == (2, 1)
    assert (answer.isr, answer.partition_epoch) == ((2,), 2)


def test_a_question_that_comes_twice_is_answered_once() -> None:
    """KAFKA-12686, KAFKA-13091: ISR changes that are late or doubled."""
    story = Story()
    late, now = story.isr(1, 2), story.isr(1, 3)
    assert story.alter(now) == "NONE"
    assert story.alter(late) == "INVALID_UPDATE_VERSION"
    assert story.alter(now) == "INVALID_UPDATE_VERSION"
    assert story.partition.isr == (1, 3)


@pytest.mark.parametrize("how", ["crash 3", "restart 3"])
def test_a_fetch_before_a_restart_brings_nobody_into_the_isr(how: str) -> None:
    """KAFKA-13916 (KIP-841), KAFKA-14617 (KIP-903): the epoch of the fetch must be the broker's."""
    story = Story()
    story.play("isr 1 2")
    fetched_by = story.image.brokers[3].epoch
    story.play(how)
    members = (*story.isr(1, 2).isr, IsrMember(3, fetched_by))
    assert story.alter(replace(story.isr(), isr=members)) == "INELIGIBLE_REPLICA"
    story.stand(3, Standing.UNFENCED)
    assert story.alter(replace(story.isr(), isr=members)) == "INELIGIBLE_REPLICA"
    assert story.alter(story.isr(1, 2, 3)) == "NONE"


def test_who_is_not_let_in_is_not_let_in_later_by_the_same_question() -> None:
    story = Story()
    story.play("isr 1 2")
    question = story.isr(1, 2, 3)
    story.stand(3, Standing.FENCED)
    before = story.partition
    assert story.alter(question) == "INELIGIBLE_REPLICA"
    assert story.partition == replace(before, partition_epoch=before.partition_epoch + 1)
    story.stand(3, Standing.UNFENCED)
    assert story.alter(question) == "INVALID_UPDATE_VERSION"
    assert story.alter(story.isr(1, 2, 3)) == "NONE"


def test_a_leader_that_does_not_know_an_epoch_may_leave_it_out() -> None:
    story = Story()
    members = (IsrMember(1, 1), IsrMember(2, ANY_EPOCH))
    assert story.alter(replace(story.isr(), isr=members)) == "NONE"
