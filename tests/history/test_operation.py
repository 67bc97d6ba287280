"""Events become operations if the history is well formed, and else are refused with the line."""

from typing import Any

import pytest

from minikafka.history.check import check
from minikafka.history.event import Event, MalformedHistory
from minikafka.history.operation import NEVER, operations_of

from .scenes import Row, begins, did, ends, history, judge


def test_begin_and_end_are_one_operation() -> None:
    rows = begins(0, "send", [("x", "a", None)]), begins(1, "poll"), ends(1, "poll")
    send, poll = operations_of(history(*rows, ends(0, "send", sends=[("x", "a", 5)])))
    assert (send.began, send.ended, send.outcome, send.sends) == (1, 4, "ok", (("x", "a", 5),))
    assert (poll.began, poll.ended, poll.reads) == (2, 3, None)


def test_what_never_ends_is_in_doubt() -> None:
    (operation,) = operations_of(history(begins(0, "send", [("x", "a", None)])))
    assert (operation.outcome, operation.ended) == ("info", NEVER)


def test_an_end_without_a_value_sent_what_it_had_begun_to_send() -> None:
    rows: list[Row] = [(0, "info", "send", None, ())]
    (operation,) = operations_of(history(begins(0, "send", [("x", "a", None)]), rows))
    assert operation.sends == (("x", "a", None),)


SEND = begins(0, "send", [("x", "a", None)])


@pytest.mark.parametrize(
    ("rows", "line", "why"),
    [
        ([begins(0, "sing")], 1, "unknown f 'sing'"),
        ([SEND, SEND], 2, "process 0 has not ended"),
        ([ends(0, "poll")], 1, "process 0 ends what it has not begun"),
        ([SEND, ends(0, "poll")], 2, "a send ends as poll"),
        ([SEND, ends(0, "send", "perhaps")], 2, "unknown type"),
        ([SEND, ends(0, "send", sends=[("x", "b", 0)])], 2, "sent something else"),
        ([did(0, "poll", "info"), begins(0, "poll")], 3, "process 0 goes on after an info"),
        ([did(0, "crash", "info"), begins(0, "poll")], 3, "process 0 goes on after an info"),
        ([begins(0, "send", value=[["sand", "x", 1]])], 1, "'sand' in a send"),
        ([begins(0, "send", value=[["send", "x", None]])], 1, "neither a number nor a text"),
        ([begins(0, "poll", value=7)], 1, "another shape"),
        ([did(0, "poll", reads={"x": [("1", "a")]})], 2, "'1' is no offset"),
        ([begins(0, "commit", value={"offsets": {}})], 1, "names no group"),
        ([begins(0, "assign", value={"group": "g"})], 1, "another shape"),
        ([did(0, "replica", value={"node": 1, "logs": {"x": {"records": []}}})], 1, "high_water"),
    ],
)
def test_what_is_not_well_formed_is_refused_with_its_line(
    rows: list[list[Row]], line: int, why: str
) -> None:
    with pytest.raises(MalformedHistory, match=why) as caught:
        operations_of(history(*rows))
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("change", "why"), [({"i": 0}, "i 0 is not above 0"), ({"time_s": -1.0}, "ts_mono is less")]
)
def test_indexes_rise_and_times_do_not_fall(change: dict[str, Any], why: str) -> None:
    first, second = history(did(0, "poll"))
    with pytest.raises(MalformedHistory, match=f"line 2: {why}"):
        operations_of([first, second._replace(**change)])


def test_a_process_is_a_number_or_a_text() -> None:
    with pytest.raises(MalformedHistory, match="line 1"):
        operations_of([Event(0, [1], "invoke", "poll", 0.0)])


def test_a_value_is_sent_once() -> None:
    with pytest.raises(MalformedHistory, match="line 3: 'a' was sent to x before"):
        judge(did(0, "send", sends=[("x", "a", 0)]), did(0, "send", sends=[("x", "a", 1)]))
    with pytest.raises(MalformedHistory, match="line 1: 'a' was sent to x before"):
        judge(did(0, "send", sends=[("x", "a", 0), ("x", "a", 1)]))


def test_an_empty_history_is_valid() -> None:
    report = check([])
    assert report.is_valid
    assert report.counts == {"ok": 0, "fail": 0, "info": 0}
