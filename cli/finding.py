"""What a check of `minikafka doctor` found: ok, or what is wrong and what to do about it."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How a check ended; one that is bad makes the exit status 1."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and the sentence about it."""

    check: str
    status: Status
    what: str


def ok(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, what)


def warn(check: str, what: str) -> Finding:
    """It works, and could be better."""
    return Finding(check, Status.WARN, what)


def bad(check: str, what: str) -> Finding:
    """It does not work."""
    return Finding(check, Status.BAD, what)
