"""The checker takes time in proportion to the history, or little more."""

from time import process_time

import pytest

from minikafka.history.check import check
from minikafka.history.event import Event

from .scenes import Row, begins, ends, history

SMALL, LARGE = 4_000, 32_000
LIMIT = 24
"""Eight times the operations may take so many times as long; a quadratic check would take 64."""


def long_history(operations: int, *, is_wrong: bool) -> list[Event]:
    """Eight senders and eight readers, one partition each; readers may leave out every other."""
    rows: list[list[Row]] = []
    for n in range(operations // 16):
        for process in range(8):
            key = f"x-{process}"
            rows.append(begins(process, "send", [(key, n, None)]))
            rows.append(ends(process, "send", sends=[(key, n, n)]))
            rows.append(begins(8 + process, "poll"))
            got = [] if is_wrong and n % 2 else [(n, n), (n, n)] if is_wrong else [(n, n)]
            rows.append(ends(8 + process, "poll", reads={key: got}))
    return history(*rows)


def seconds_for(events: list[Event]) -> float:
    """The time of this process alone, whatever else the machine does; the best of two."""
    found: list[float] = []
    for _ in range(2):
        begin = process_time()
        check(events)
        found.append(process_time() - begin)
    return min(found)


@pytest.mark.parametrize("is_wrong", [False, True])
def test_the_time_grows_with_the_history_and_no_faster(is_wrong: bool) -> None:
    small, large = (long_history(each, is_wrong=is_wrong) for each in (SMALL, LARGE))
    assert check(large).is_valid is not is_wrong
    assert seconds_for(large) < LIMIT * seconds_for(small)
