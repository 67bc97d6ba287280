"""What errors say of an operation: the table that most checkers have wrong."""

import pytest

from minikafka.history.outcome import outcome_of, outcome_of_abort


@pytest.mark.parametrize(
    "error",
    [
        "NOT_ENOUGH_REPLICAS",
        "OUT_OF_ORDER_SEQUENCE_NUMBER",
        "INVALID_PRODUCER_EPOCH",
        "MESSAGE_TOO_LARGE",
        "TOPIC_AUTHORIZATION_FAILED",
        "CONNECTION_REFUSED",
    ],
)
def test_what_was_refused_before_the_append_failed(error: str) -> None:
    assert outcome_of([error]) == "fail"


@pytest.mark.parametrize(
    "error",
    [
        "REQUEST_TIMED_OUT",
        "NETWORK_EXCEPTION",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "KAFKA_STORAGE_ERROR",
        "NOT_LEADER_OR_FOLLOWER",
        "AN_ERROR_OF_THE_FUTURE",
    ],
)
def test_all_else_is_in_doubt(error: str) -> None:
    assert outcome_of([error]) == "info"


def test_an_acknowledgement_settles_it() -> None:
    assert outcome_of([None]) == "ok"
    assert outcome_of(["NOT_LEADER_OR_FOLLOWER", None]) == "ok"


def test_one_attempt_in_doubt_leaves_all_in_doubt_whatever_the_last_one_said() -> None:
    assert outcome_of(["NOT_LEADER_OR_FOLLOWER", "NOT_ENOUGH_REPLICAS"]) == "info"
    assert outcome_of(["NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS"]) == "fail"
    assert outcome_of([]) == "info"


def test_a_transaction_failed_only_if_its_abort_was_acknowledged() -> None:
    assert outcome_of_abort(None) == "fail"
    assert outcome_of_abort("NETWORK_EXCEPTION") == "info"
