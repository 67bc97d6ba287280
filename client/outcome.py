"""What became of several things that were changed or described by one request. PURE."""

from collections.abc import Iterable
from typing import NamedTuple

from ..protocol.errors import KafkaError
from .metadata import error_code_of


class Outcome(NamedTuple):
    """What became of one thing: "topic 'orders'", its error code, what the broker says of it."""

    what: str
    error_code: int
    message: str | None


def partition_outcome(topic: str, index: int, error_code: int, message: str | None) -> Outcome:
    """What became of one partition."""
    return Outcome(f"partition {topic}-{index}", error_code, message)


def raise_first(outcomes: Iterable[Outcome]) -> None:
    """Raise the first error, naming each thing that has one."""
    failed = [outcome for outcome in outcomes if outcome.error_code]
    if failed:
        sentences = [
            f"{what}: {message or error_code_of(code).message}" for what, code, message in failed
        ]
        raise KafkaError.of(failed[0].error_code, "; ".join(sentences))
