r"""How `minikafka consume` writes a record: kcat's format tokens, or JSON. PURE.

    %t topic      %k key               %K its length in bytes, -1 for null
    %p partition  %v %s value          %S its length in bytes, -1 for null
    %o offset     %h headers, n=v,n=v  %T timestamp, ms since 1970
    %% a percent  \n \r \t \\ \xHH

Keys and values are written as the bytes they are, null as nothing. JSON has one object on a line;
bytes that are not UTF-8 become {"base64": "..."}.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from ..client.record import LOG_APPEND_TIME, ConsumerRecord

Formatter = Callable[[ConsumerRecord], bytes]

DEFAULT_FORMAT: Final = r"%v\n"
_PARTS: Final = re.compile(r"%(?P<token>.?)|\\(?:x(?P<hex>[0-9a-fA-F]{2})|(?P<escape>.?))|[^%\\]+")
_ESCAPES: Final = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\"}
_TOKENS: Final[dict[str, Formatter]] = {
    "t": lambda record: record.topic.encode(),
    "p": lambda record: b"%d" % record.partition,
    "o": lambda record: b"%d" % record.offset,
    "k": lambda record: record.key or b"",
    "K": lambda record: b"%d" % _length(record.key),
    "v": lambda record: record.value or b"",
    "s": lambda record: record.value or b"",
    "S": lambda record: b"%d" % _length(record.value),
    "T": lambda record: b"%d" % record.timestamp,
    "h": lambda record: b",".join(_header(*header) for header in record.headers),
    "%": lambda record: b"%",
}


def parse_format(text: str) -> Formatter:
    """A function from a record to its bytes; raises ValueError for an unknown token."""
    parts = [_part(match) for match in _PARTS.finditer(text)]

    def formatter(record: ConsumerRecord) -> bytes:
        return b"".join(part if isinstance(part, bytes) else part(record) for part in parts)

    return formatter


def json_line(record: ConsumerRecord) -> bytes:
    """The record as a JSON object on a line of its own."""
    is_log_append_time = record.timestamp_type == LOG_APPEND_TIME
    fields = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestamp_type": "LogAppendTime" if is_log_append_time else "CreateTime",
        "key": json_value(record.key),
        "value": json_value(record.value),
        "headers": [[name, json_value(value)] for name, value in record.headers],
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _part(match: re.Match[str]) -> bytes | Formatter:
    """What one piece of the format becomes: bytes, or a function of the record."""
    token, escape = match["token"], match["escape"]
    if match["hex"] is not None:
        return bytes.fromhex(match["hex"])
    if escape is not None and escape in _ESCAPES:
        return _ESCAPES[escape]
    if token is not None and token in _TOKENS:
        return _TOKENS[token]
    if token is None and escape is None:
        return match[0].encode()
    known = " ".join(f"%{name}" for name in _TOKENS)
    raise ValueError(rf"{match[0]!r} is no format token: known are {known} \n \r \t \\ \xHH")


def _length(data: bytes | None) -> int:
    return -1 if data is None else len(data)


def _header(name: str, value: bytes | None) -> bytes:
    return name.encode() + b"=" + (value or b"")


def json_value(data: bytes | None) -> Any:
    """Bytes as JSON has them: a text where they are UTF-8, else {"base64": ...}."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}
