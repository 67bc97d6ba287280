"""Lines of a history: written, read back, and refused with their number."""

import json

import pytest

from minikafka.history.event import Event, MalformedHistory, format_event, parse_events

LINE = {"i": 0, "proc": 1, "type": "invoke", "f": "poll", "ts_mono": 0.5}


def test_an_event_is_read_as_it_was_written() -> None:
    events = [
        Event(0, 1, "invoke", "send", 0.5, [["send", "orders-0", "a"]]),
        Event(1, 1, "info", "send", 0.75, None, ("orders-0",), "NETWORK_EXCEPTION"),
        Event(2, "other", "ok", "poll", 1.0, [["poll", {"orders-0": [[0, "a"]]}]]),
    ]
    assert list(parse_events(map(format_event, events))) == events


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "no JSON"),
        ("", "no JSON"),
        ("[]", "no JSON object"),
        (json.dumps({"i": 0}), "there is no proc"),
        (json.dumps(LINE | {"color": 1}), "unknown field 'color'"),
        (json.dumps(LINE | {"rebalanced_keys": 7}), "rebalanced_keys is no list"),
    ],
)
def test_what_is_no_event_is_refused_with_its_line(line: str, why: str) -> None:
    with pytest.raises(MalformedHistory, match=f"line 2: {why}") as caught:
        list(parse_events([json.dumps(LINE), line]))
    assert caught.value.line == 2
