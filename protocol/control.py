"""The messages of the control plane: what a node is asked that Kafka's protocol has no words for.

    |size, 4 bytes, big-endian|one msgpack map                                                  |
                              |{"type": "DescribeSegments", "cluster_id": "…", "topic": "orders"|
                              | "partition": 0, "from_offset": 0, "max_segments": 1000}         |

A connection carries questions one way and answers the other, in the order of the questions. `type`
names a class below, and its fields are the rest of the map. Each frame carries the cluster's id, so
that a node which was moved to another cluster is not taken for what it was.

    DescribeSegments  ->  Segments     a partition's offsets and segments, as its leader has them
    ReadEvents        ->  Events       the metadata log, which is the cluster's life, from an offset
    anything          ->  Refused      the name of a Kafka error, and a sentence

Invariants: hostile bytes raise ProtocolError and nothing else. A byte of them costs 64 bytes of
memory at most (an empty map), and lists within lists that lie about their length 8 MiB beside
that; therefore frames are bounded so low. A field that is not known is skipped, one that is missing
or of another type is an error. There is no message that changes anything.

Left out until nodes need it: registration, heartbeats, Raft.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from struct import Struct
from typing import Any, Final, cast, get_args

import msgpack

from .primitives import ProtocolError

CONTROL_LISTENER: Final = "minikafka.control.listener"
"""The config of a broker in which clients find the HOST:PORT of its control plane."""
MAX_REQUEST_BYTES: Final = 64 << 10
MAX_ANSWER_BYTES: Final = 2 << 20
MAX_ELEMENTS: Final = 1000
"""In one list or map of a frame: segments, events, replicas of a partition."""
MAX_EVENT_BYTES: Final = 128 << 10
"""Of the records in one answer, as they are in the log; one that is larger comes alone."""
SIZE: Final = Struct(">I")  # the frame's size, not counting itself

_LARGEST: Final = 2**63 - 1
_LONGEST_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class DescribeSegments:
    """What does the leader have of this partition, from the segment with `from_offset` on?"""

    topic: str
    partition: int
    from_offset: int = 0
    max_segments: int = MAX_ELEMENTS


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: the offsets from `base_offset` up to `next_offset`, which is not in it.

    `record_count` is the number of these offsets: so many records were written. Compaction takes
    records away and leaves their offsets, so a compacted segment has fewer: how many, only reading
    it all would tell. `max_timestamp_ms` is -1 where no record has a time; `name` is the file's, in
    the directory of its partition.
    """

    base_offset: int
    next_offset: int
    size_bytes: int
    record_count: int
    max_timestamp_ms: int
    name: str


@dataclass(frozen=True, slots=True)
class Segments:
    """A partition's offsets and, in order, its segments; `has_more` when there are others."""

    log_start_offset: int
    high_watermark: int
    log_end_offset: int
    has_more: bool
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """What has happened to the cluster from this offset of its metadata log on?"""

    from_offset: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """A record of the metadata log, such as {"type": "TopicDeleted", "topic_id": …}.

    `epoch` is the term of the controller that wrote it.
    """

    offset: int
    timestamp_ms: int
    epoch: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Events:
    """Events in order, of those that are committed; `end_offset` is where the log ends now."""

    end_offset: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer: the name of an error in Kafka's table, and a sentence."""

    error: str
    message: str


Known = Mapping[str, type[Any]]
REQUESTS: Final[Known] = {each.__name__: each for each in (DescribeSegments, ReadEvents)}
ANSWERS: Final[Known] = {each.__name__: each for each in (Segments, Events, Refused)}


class UnknownMessage(ProtocolError):
    """A sound frame whose `type` is none of those expected: perhaps of a later version."""


def encode(message: object, cluster_id: str) -> bytes:
    """The frame of a message, its size included."""
    envelope = {"type": type(message).__name__, "cluster_id": cluster_id, **_as_map(message)}
    payload = cast(bytes, cast(Any, msgpack).packb(envelope, default=_as_map))
    return SIZE.pack(len(payload)) + payload


def payload_size(head: bytes, max_bytes: int) -> int:
    """How many bytes follow the first four of a frame; ProtocolError if those are too many."""
    (size,) = SIZE.unpack(head)
    if size > max_bytes:
        raise ProtocolError(f"a frame of {size} bytes, {max_bytes} at most")
    return size


def decode(payload: bytes, known: Known) -> tuple[str, Any]:
    """The cluster id and the message in a frame, one of `known`; raises ProtocolError."""
    try:
        # The C decoder would make room for as many elements as a list claims to have.
        unpacked: object = cast(Any, msgpack).unpackb(
            payload, max_array_len=MAX_ELEMENTS, max_map_len=MAX_ELEMENTS
        )
    except ValueError as error:
        reason = str(error) or type(error).__name__
        raise ProtocolError(f"a frame that is no msgpack: {reason[:_LONGEST_SHOWN]}") from error
    envelope = _map_of("a frame", unpacked)
    cluster_id = _value(str, envelope, "cluster_id")
    name = _value(str, envelope, "type")
    if name not in known:
        raise UnknownMessage(f"no message {name[:_LONGEST_SHOWN]!r} is known here")
    return cluster_id, _build(known[name], envelope)


def _as_map(message: object) -> dict[str, Any]:
    return {name: getattr(message, name) for name, _ in _fields(type(message))}


def _build(message_class: type[Any], values: object) -> Any:
    """A message of this class out of a map."""
    known = _map_of(message_class.__name__, values)
    return message_class(
        *(_value(field_type, known, name) for name, field_type in _fields(message_class))
    )


def _value(field_type: Any, values: Mapping[str, object], name: str) -> Any:
    """A field's value, which must be there and of its type."""
    value = values.get(name)
    if field_type in (str, bool) and isinstance(value, field_type):
        return value
    if field_type is int and type(value) is int and abs(value) <= _LARGEST:
        return value
    if field_type == dict[str, Any]:
        return _map_of(name, value)
    if isinstance(value, list) and get_args(field_type):
        item_class = get_args(field_type)[0]
        return tuple(_build(item_class, item) for item in cast(list[object], value))
    kind = type(cast(object, value)).__name__
    found = f"a {kind} that will not do" if name in values else "missing"
    raise ProtocolError(f"{name} is {found}")


def _map_of(what: str, value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        found = cast(dict[object, Any], value)
        if all(isinstance(key, str) for key in found):
            return cast(dict[str, Any], found)
    raise ProtocolError(f"{what} is no map of names to values")


@functools.cache
def _fields(message_class: type[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.type) for field in fields(message_class))
