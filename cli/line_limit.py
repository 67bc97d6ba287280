"""A bound on log lines: whoever provokes one a thousand times a second must not fill the disk.

A bad connection is worth a line, ten thousand bad connections are worth some lines and a number.
Each logger has so many lines a second at each level; the first line after that says how many were
left out. Dropping one costs a microsecond, for it is never formatted.
"""

import logging

MAX_LINES_PER_S = 20


class LineLimit(logging.Filter):
    """Lets so many lines of each logger and level pass in each second."""

    def __init__(self, max_lines_per_s: int = MAX_LINES_PER_S) -> None:
        super().__init__()
        self._max_lines_per_s = max_lines_per_s
        self._seconds: dict[tuple[str, int], tuple[int, int]] = {}  # the second, lines in it

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line passes; it is changed to say what did not."""
        key = record.name, record.levelno
        now_s = int(record.created)
        second, lines = self._seconds.get(key, (now_s, 0))
        if second != now_s:
            left_out = lines - self._max_lines_per_s
            if left_out > 0:
                record.msg = f"{record.getMessage()} ({left_out} lines like it were left out)"
                record.args = ()
            second, lines = now_s, 0
        self._seconds[key] = second, lines + 1
        return lines < self._max_lines_per_s
