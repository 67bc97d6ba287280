"""What every client can be asked to do, so that a test reads once and runs with each of them.

    confluent       confluent-kafka, which is librdkafka in Python
    kafka-python    the oldest one, in pure Python
    aiokafka        for asyncio
    kcat            the command line of librdkafka, as Debian has it
    minikafka       our own

Records are minikafka's own (offset, timestamp, key, value, headers): the offset of one that is sent
is not looked at, its timestamp is -1 where the client is to set it. Settings have the names of the
Java client (`compression.type`), which each of the others spells in its own way.

Consumer groups are left out: every reader is assigned its partition.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol, TypeAlias

from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import Record, RecordHeader

DEADLINE_S = 20.0
NOW = -1

Setting: TypeAlias = str | int | bool


class Refused(Exception):
    """The broker said no, and the client said so."""

    def __init__(self, error_code: int, message: object) -> None:
        super().__init__(f"{ErrorCode(error_code).name}: {message}")
        self.error_code = ErrorCode(error_code)


class Cluster(NamedTuple):
    """What a client knows of the cluster; no id where it does not tell."""

    cluster_id: str | None
    controller_id: int
    addresses: dict[int, str]


class PartitionView(NamedTuple):
    """What a client knows of a partition."""

    leader: int
    replicas: list[int]
    in_sync_replicas: list[int]


class Client(Protocol):
    """Produces, consumes and asks; anything that does not arrive in DEADLINE_S raises."""

    name: ClassVar[str]
    codecs: ClassVar[Sequence[str]]
    lacks: ClassVar[Sequence[str]]
    """Which of "timestamps" and "null headers" its producer cannot send."""

    def __init__(self, bootstrap: str) -> None:
        """A client of the cluster at this address."""
        ...

    def send(
        self,
        topic: str,
        records: Sequence[Record],
        partition: int = 0,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        """Produce with one producer, wait for every acknowledgement; raises Refused."""
        ...

    def read(self, topic: str, count: int, partition: int = 0, start: int = 0) -> list[Record]:
        """Return `count` records from offset `start` on."""
        ...

    def read_since(self, topic: str, count: int, timestamp_ms: int) -> list[Record]:
        """Return `count` records of partition 0 from the first that is as new as this."""
        ...

    def watermarks(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """Return the first offset of a partition and the one after its last."""
        ...

    def partitions(self, topic: str) -> dict[int, PartitionView]:
        """Return the partitions by number."""
        ...

    def topics(self) -> set[str]:
        """Return the names of all topics."""
        ...

    def cluster(self) -> Cluster:
        """Return the brokers and who is the controller."""
        ...


class AdminClient(Client, Protocol):
    """A client that can change the cluster."""

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic, usable from then on; raises Refused."""
        ...

    def delete_topic(self, topic: str) -> None:
        """Delete a topic; raises Refused."""
        ...


def record(
    value: bytes | None,
    key: bytes | None = None,
    headers: Sequence[RecordHeader] = (),
    timestamp: int = NOW,
) -> Record:
    """A record to be sent."""
    return Record(0, timestamp, key, value, tuple(headers))


def contents(
    records: Sequence[Record],
) -> list[tuple[bytes | None, bytes | None, tuple[RecordHeader, ...]]]:
    """What must be the same on both sides: all but the offset and a time that was not given."""
    return [(each.key, each.value, each.headers) for each in records]


def compressed(codec: str) -> dict[str, Setting]:
    """The setting for a codec; "none" is no setting, since not every client knows the word."""
    return {} if codec == "none" else {"compression.type": codec}


def pythonic(settings: Mapping[str, Setting] | None) -> dict[str, Setting]:
    """The settings as the clients in pure Python spell them: `compression_type`."""
    return {name.replace(".", "_"): value for name, value in (settings or {}).items()}
