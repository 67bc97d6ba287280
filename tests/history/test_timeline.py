"""A finding as text."""

from minikafka.history.finding import Finding
from minikafka.history.operation import operations_of
from minikafka.history.timeline import timeline

from .scenes import begins, did, history, judge


def test_a_finding_is_told_in_the_order_of_time() -> None:
    report = judge(
        did(0, "send", sends=[("x", "a", 0), ("x", "b", 1), ("y", "c", 0)]),
        did(7, "poll"),
        did(1, "poll", reads={"x": [(0, "a")]}),
        did(2, "send", sends=[("x", "c", 2)]),
        did(1, "poll", reads={"x": [(2, "c")], "y": [(0, "c")]}),
    )
    text = timeline(report.verdicts["lost-write"].findings[0], count=3)
    assert text == (
        "lost-write in x (1 of 3): 'b' was written at offset 1 and nobody read it, "
        "though 'c' at offset 2 was read\n"
        "      line    seconds  process\n"
        "         1      0.000  0        send begins\n"
        "         2      1.000  0        send ok sent x 'b' at 1\n"
        "         9      8.000  1        poll begins\n"
        "        10      9.000  1        poll ok read x 2 'c'\n"
    )


def test_of_many_records_only_those_around_are_told() -> None:
    records = [(n, f"v{n}") for n in range(100)]
    (operation,) = operations_of(history(did(0, "poll", reads={"x": records})))
    text = timeline(Finding("G1a", "x", "why", [operation], [50]))
    assert "read x ..., 48 'v48', 49 'v49', 50 'v50', 51 'v51', 52 'v52', ...\n" in text


def test_an_operation_that_never_ended_says_so() -> None:
    (operation,) = operations_of(history(begins(0, "send", [("x", "a", None)])))
    text = timeline(Finding("lost-write", "x", "why", [operation]))
    assert "send never ended sent x 'a'" in text
