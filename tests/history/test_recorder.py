"""The recorder writes well-formed histories by itself."""

from itertools import count

from minikafka.history.check import check
from minikafka.history.event import Event
from minikafka.history.recorder import HistoryLog


def test_what_is_recorded_is_a_history() -> None:
    events: list[Event] = []
    ticks = count()
    log = HistoryLog(lambda: float(next(ticks)), events.append)
    sender, reader = log.recorder(), log.recorder()
    begun = sender.invoke("send", [["send", "x", "a"]])
    polling = reader.invoke("poll", [["poll"]])
    begun.ok([["send", "x", [0, "a"]]])
    polling.ok([["poll", {"x": [[0, "a"]]}]], ["x"])
    sender.invoke("send", [["send", "x", "b"]]).fail("NOT_ENOUGH_REPLICAS")
    report = check(events)
    assert report.is_valid
    assert report.counts == {"ok": 2, "fail": 1, "info": 0}
    assert [each.i for each in events] == list(range(6))
    assert events[3].rebalanced_keys == ("x",)
    assert events[5].error == "NOT_ENOUGH_REPLICAS"


def test_after_an_operation_in_doubt_the_process_is_another_one() -> None:
    events: list[Event] = []
    sender = HistoryLog(lambda: 0.0, events.append).recorder()
    sender.invoke("send", [["send", "x", "a"]]).info("NETWORK_EXCEPTION")
    sender.invoke("send", [["send", "x", "b"]]).ok([["send", "x", [0, "b"]]])
    assert [each.process for each in events] == [0, 0, 1, 1]
    assert check(events).is_valid
