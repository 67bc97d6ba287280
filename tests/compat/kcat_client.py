"""kcat: the command line of librdkafka. Debian's is built on librdkafka 2.0.2, of 2023.

It takes records from stdin, cut at separators. In one run all records have the same headers, and
an empty field means null either always (-Z) or never; so a list of records takes several runs. It
cannot set timestamps, and a null header is read as the text NULL.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import Record, RecordHeader

from .clients import DEADLINE_S, Cluster, PartitionView, Refused, Setting

PROGRAM = shutil.which("kcat")

_KEY_END = b"\x1f"
_RECORD_END = b"\x1e"
# A line of numbers and headers, then the key and the value, of which the line said how long.
_FORMAT = "%o %T %K %S %h\n%k%s\n"
_TEXTS = {
    "Broker: Message size too large": ErrorCode.MESSAGE_TOO_LARGE,
    "Broker: Broker failed to validate record": ErrorCode.INVALID_RECORD,
    "Broker: Unknown topic or partition": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
}


class KcatClient:
    """A process for each question."""

    name: ClassVar[str] = "kcat"
    codecs: ClassVar[Sequence[str]] = ("none", "gzip", "snappy", "lz4", "zstd")
    lacks: ClassVar[Sequence[str]] = ("timestamps",)

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def send(
        self,
        topic: str,
        records: Sequence[Record],
        partition: int = 0,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        """Produce in as many runs as it takes."""
        options = [f"-X{name}={str(value).lower()}" for name, value in (settings or {}).items()]
        for (headers, is_null), group in groupby(
            records, lambda each: (each.headers, each.value is None)
        ):
            named = [f"-H{_header_option(header)}" for header in headers]
            named += ["-Z"] if is_null else []
            fields = [(each.key, each.value or b"") for each in group]
            sent = _RECORD_END.join(
                value if key is None else key + _KEY_END + value for key, value in fields
            )
            separators = ["-K", _KEY_END.decode(), "-D", _RECORD_END.decode()]
            place = ["-t", topic, "-p", str(partition)]
            self._run("-P", *place, *separators, *options, *named, stdin=sent + _RECORD_END)

    def read(self, topic: str, count: int, partition: int = 0, start: int = 0) -> list[Record]:
        """Consume from the offset."""
        return self._consume(topic, count, partition, str(start))

    def read_since(self, topic: str, count: int, timestamp_ms: int) -> list[Record]:
        """Consume from the time."""
        return self._consume(topic, count, 0, f"s@{timestamp_ms}")

    def watermarks(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """Two questions."""
        first, end = (self._run("-Q", "-t", f"{topic}:{partition}:{place}") for place in (-2, -1))
        return int(first.split()[-1]), int(end.split()[-1])

    def partitions(self, topic: str) -> dict[int, PartitionView]:
        """By Metadata."""
        (described,) = self._metadata("-t", topic)["topics"]
        if "error" in described:
            raise Refused(_TEXTS[described["error"]], topic)
        return {
            each["partition"]: PartitionView(
                each["leader"],
                [node["id"] for node in each["replicas"]],
                [node["id"] for node in each["isrs"]],
            )
            for each in described["partitions"]
        }

    def topics(self) -> set[str]:
        """By Metadata."""
        return {each["topic"] for each in self._metadata()["topics"]}

    def cluster(self) -> Cluster:
        """By Metadata; it does not tell the cluster's id."""
        found = self._metadata()
        addresses = {each["id"]: each["name"] for each in found["brokers"]}
        return Cluster(None, found["controllerid"], addresses)

    def _metadata(self, *options: str) -> Any:
        return json.loads(self._run("-L", "-J", *options))

    def _consume(self, topic: str, count: int, partition: int, start: str) -> list[Record]:
        place = ["-t", topic, "-p", str(partition), "-o", start, "-c", str(count)]
        return _parse(self._run("-C", *place, "-q", "-f", _FORMAT))

    def _run(self, *options: str, stdin: bytes = b"") -> bytes:
        """Run kcat and return what it printed; raises Refused for what it complained of."""
        assert PROGRAM is not None
        command = [PROGRAM, "-b", self._bootstrap, *options]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=DEADLINE_S)
        complaint = done.stderr.decode()
        for text, error_code in _TEXTS.items():
            if text in complaint:
                raise Refused(error_code, complaint)
        if done.returncode:
            raise RuntimeError(complaint)
        return done.stdout


def _header_option(header: RecordHeader) -> str:
    name, value = header
    return name if value is None else f"{name}={value.decode()}"


def _parse(printed: bytes) -> list[Record]:
    """The records in what _FORMAT printed; a length of -1 is null."""
    records: list[Record] = []
    position = 0
    while position < len(printed):
        line_end = printed.index(b"\n", position)
        numbers, _, headers = printed[position:line_end].rpartition(b" ")
        offset, timestamp, key_bytes, value_bytes = map(int, numbers.split())
        key_end = line_end + 1 + max(key_bytes, 0)
        position = key_end + max(value_bytes, 0)
        key = printed[line_end + 1 : key_end] if key_bytes >= 0 else None
        value = printed[key_end:position] if value_bytes >= 0 else None
        records.append(Record(offset, timestamp, key, value, _parse_headers(headers)))
        position += 1
    return records


def _parse_headers(text: bytes) -> tuple[RecordHeader, ...]:
    pairs = [each.partition(b"=") for each in text.split(b",") if each]
    return tuple((name.decode(), None if value == b"NULL" else value) for name, _, value in pairs)
