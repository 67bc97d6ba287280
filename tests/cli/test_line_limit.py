"""Log lines have a bound, and what is left out is counted."""

import logging

from minikafka.cli.line_limit import LineLimit


def line(second: float, logger: str = "a", level: int = logging.WARNING) -> logging.LogRecord:
    """A line logged at that second."""
    record = logging.LogRecord(logger, level, __file__, 1, "peer %d is bad", (7,), None)
    record.created = second
    return record


def test_so_many_lines_pass_in_a_second() -> None:
    limit = LineLimit(3)
    assert [limit.filter(line(5.1)) for _ in range(6)] == [True] * 3 + [False] * 3


def test_the_next_line_says_how_many_were_left_out() -> None:
    limit = LineLimit(3)
    for _ in range(10):
        limit.filter(line(5.9))
    first, second = line(60.0), line(60.1)
    assert limit.filter(first)
    assert limit.filter(second)
    assert first.getMessage() == "peer 7 is bad (7 lines like it were left out)"
    assert second.getMessage() == "peer 7 is bad"


def test_loggers_and_levels_do_not_silence_each_other() -> None:
    limit = LineLimit(1)
    for record in (line(5), line(5, "b"), line(5, level=logging.ERROR)):
        assert limit.filter(record)
