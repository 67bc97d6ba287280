"""Where `consume --from` begins and `group reset-offsets --to` leads, in kcat's grammar. PURE.

    beginning     the first record that is still there
    end           only what is written from now on
    N             offset N of each partition
    -N            the last N records of each partition
    @TIMESTAMP    the first record at or after it: ms since 1970, or ISO 8601 (UTC where it names
                  no zone)

An offset outside the partition means the nearest that is inside, since partitions of a topic differ
in length. `stored`, of `consume --group`, is no place in a log: the group knows it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LAST_TIME_MS: Final = 2**63 - 1
GRAMMAR: Final = "beginning, end, N, -N or @TIMESTAMP"


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first record."""


@dataclass(frozen=True, slots=True)
class End:
    """Behind the last record."""


@dataclass(frozen=True, slots=True)
class AtOffset:
    """This offset."""

    offset: int


@dataclass(frozen=True, slots=True)
class LastRecords:
    """So many records before the end."""

    count: int


@dataclass(frozen=True, slots=True)
class AtTime:
    """The first record at or after this time, in ms since 1970."""

    time_ms: int


StartPosition = Beginning | End | AtOffset | LastRecords | AtTime


def parse_start_position(text: str) -> StartPosition:
    """The position that `text` means; raises ValueError with a sentence."""
    match text:
        case "beginning":
            return Beginning()
        case "end":
            return End()
        case _ if text.startswith("@"):
            return AtTime(_parse_time_ms(text[1:]))
        case _ if text.isdecimal():
            return AtOffset(int(text))
        case _ if text.startswith("-") and text[1:].isdecimal():
            return LastRecords(int(text[1:]))
        case _:
            raise ValueError(f"{text!r} is none of {GRAMMAR}")


def start_offset(position: StartPosition, beginning: int, end: int, at_time: int | None) -> int:
    """The offset in a partition that holds [beginning, end).

    `at_time` is what the broker found for AtTime, None where no record is that young.
    """
    match position:
        case Beginning():
            return beginning
        case End():
            return end
        case AtOffset(offset):
            return min(max(offset, beginning), end)
        case LastRecords(count):
            return max(end - count, beginning)
        case AtTime():
            return end if at_time is None else at_time


def _parse_time_ms(text: str) -> int:
    if text.isdecimal() and int(text) <= LAST_TIME_MS:
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"@{text} is neither @ and ms since 1970 nor @ and an ISO 8601 time"
        raise ValueError(message) from error
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return int(time.timestamp() * 1000)
