"""Registration and standings; what follows for partitions is told in test_leadership."""

import pytest

from minikafka.broker.controller.decide_brokers import (
    change_standing,
    check_broker_epoch,
    leads,
    register_broker,
    unregister_broker,
)
from minikafka.broker.controller.image import Standing
from minikafka.protocol.control import RegisterBroker
from minikafka.protocol.errors import ErrorCode

from .story import Story


def test_a_process_that_asks_again_is_told_and_nothing_changes() -> None:
    story = Story()
    again = RegisterBroker(2, story.image.brokers[2].incarnation, "h", 1, "h", 2, is_lossless=False)
    decision = register_broker(story.image, story.config, again, 99, Standing.FENCED)
    assert (decision.records, decision.value) == ([], 2)


def test_a_node_that_gives_itself_no_name_is_another_process_each_time() -> None:
    story = Story((1,))
    nameless = RegisterBroker(1, "", "", 0, "", 0, is_lossless=True)
    for epoch in (99, 100):
        decision = story.commit(
            register_broker(story.image, story.config, nameless, epoch, Standing.UNFENCED)
        )
        assert (len(decision.records), decision.value) == (1, epoch)


@pytest.mark.parametrize(
    ("broker_id", "epoch", "error"),
    [
        (2, 2, ErrorCode.NONE),
        (2, 1, ErrorCode.STALE_BROKER_EPOCH),
        (9, 1, ErrorCode.BROKER_ID_NOT_REGISTERED),
    ],
)
def test_a_broker_counts_by_its_epoch(broker_id: int, epoch: int, error: ErrorCode) -> None:
    story = Story()
    assert check_broker_epoch(story.image, broker_id, epoch) is error
    decision = change_standing(story.image, story.config, broker_id, epoch, Standing.FENCED)
    assert decision.error_code is error
    assert bool(decision.records) == (error is ErrorCode.NONE)


def test_what_a_broker_is_already_is_no_change() -> None:
    story = Story()
    assert story.stand(2, Standing.UNFENCED).records == []


def test_a_broker_that_was_never_there_cannot_go() -> None:
    story = Story()
    decision = unregister_broker(story.image, story.config, 9)
    assert decision.error_code is ErrorCode.BROKER_ID_NOT_REGISTERED
    assert decision.message


def test_who_leads_is_in_the_picture() -> None:
    story = Story()
    assert [leads(story.image, each) for each in (1, 2)] == [True, False]
    story.play("fence 1")
    assert [leads(story.image, each) for each in (1, 2)] == [False, True]
