"""How a node's log lines look on stderr: text for people, JSON for programs.

12:30:01.123 warning minikafka.server: ...
{"time": "2026-11-23T12:30:01.123Z", "level": "warning", "logger": "minikafka.server", ...}
"""

import json
import logging
import sys
import time
from typing import Final

from .line_limit import LineLimit

TEXT_FORMAT: Final = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s"
TEXT_TIME_FORMAT: Final = "%H:%M:%S"


class TextFormatter(logging.Formatter):
    """A line of text with the local time."""

    def __init__(self) -> None:
        super().__init__(TEXT_FORMAT, TEXT_TIME_FORMAT)


class JsonFormatter(logging.Formatter):
    """A JSON object on a line: time (UTC), level, logger, message, and error where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def set_up(log_format: str, log_level: str) -> None:
    """Send this process's log lines of `log_level` and above to stderr, as "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    handler.addFilter(LineLimit())
    logging.basicConfig(level=log_level.upper(), handlers=[handler], force=True)
