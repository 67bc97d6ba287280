"""How far behind readers were."""

from minikafka.history.lag import Lag, lags
from minikafka.history.operation import operations_of

from .scenes import assign, did, history, judge


def test_the_lag_is_since_when_the_log_went_on() -> None:
    scenes = (
        assign(0, "x"),
        did(0, "poll", reads={"x": []}),  # at 2: nothing is there
        did(0, "send", sends=[("x", "a", 0)]),  # acknowledged at 5
        did(0, "poll", reads={"x": []}),  # at 6: 1 s late
        did(1, "send", sends=[("x", "c", 2), ("x", "d", 3)]),  # acknowledged at 9
        did(0, "poll"),  # at 10: still nothing, since 5
        did(0, "poll", reads={"x": [(0, "a"), (1, "b")]}),  # at 12: c was there at 9
        assign(0, "x", "y"),
        did(0, "poll"),  # at 16: the position in x was kept
        assign(0, "y"),
        assign(0, "x"),  # from the beginning, which was over at 5
        did(0, "poll"),  # at 22
        did(0, "poll", reads=[{"x": [(0, "a"), (1, "b")]}, {"x": [(2, "c"), (3, "d")]}]),
        did(1, "send", "info", sends=[("x", "b", None)]),
    )
    found = sorted(
        (each.time_s, each.key, each.lag_s) for each in lags(operations_of(history(*scenes)))
    )
    assert found == [
        *((2, "x", 0), (6, "x", 1), (10, "x", 5), (12, "x", 3), (16, "x", 7), (16, "y", 0)),
        *((22, "x", 17), (24, "x", 0)),
    ]
    assert judge(*scenes).worst_lag == Lag(17.0, 0, "x", 22.0)


def test_who_subscribes_may_have_been_dealt_nothing() -> None:
    send = did(1, "send", sends=[("x", "a", 0)])
    assert judge(send, assign(0, "x", f="subscribe"), did(0, "poll")).worst_lag is None
