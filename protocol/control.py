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
from typing import Any, Final, NamedTuple, cast, get_args

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


class Voter(NamedTuple):
    """Who a node of the quorum is: its id, and the id of its disk.

    A node that comes back with an empty disk has forgotten whom it voted for, and is not the same.
    """

    node_id: int
    directory_id: str


@dataclass(frozen=True, slots=True, order=True)
class EpochAndOffset:
    """A place in a log: the epoch of the record before it, and the offset of the one behind it.

    Places are ordered as Raft orders logs: of two ends, the greater is more up to date. Two logs
    that have a place in common are the same up to there (log matching).
    """

    epoch: int
    offset: int


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """Make me the leader of `epoch`; or, before that, would you make me that of the next one?

    `end` is the end of the candidate's log.
    """

    epoch: int
    sender: Voter
    end: EpochAndOffset
    is_pre_vote: bool


@dataclass(frozen=True, slots=True)
class VoteResponse:
    """Yes or no. `leader_id` tells who leads already, as far as the sender knows."""

    epoch: int
    sender: Voter
    leader_id: int
    is_pre_vote: bool
    is_granted: bool


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What comes after `end`? It says at the same time: up to there I have everything on disk.

    The high watermark is the sender's: if the leader's is higher, that is worth an answer.
    """

    epoch: int
    sender: Voter
    end: EpochAndOffset
    high_watermark: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer to a FetchRequest: `records` are whole batches as they lie in the metadata log.

    What else it may say, and when, is explained where it is decided, with Raft's own messages.
    """

    epoch: int
    sender: Voter
    leader_id: int
    high_watermark: int
    diverging: EpochAndOffset | None
    snapshot: EpochAndOffset | None
    records: bytes


@dataclass(frozen=True, slots=True)
class WhoVotes:
    """Who are the voters? The first question on each connection between nodes."""


@dataclass(frozen=True, slots=True)
class VoterAddress:
    """A voter, and where its control plane is."""

    voter_id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Voters:
    """The voters, as node `node_id` was told; `cluster_id` is empty while there is no cluster."""

    node_id: int
    cluster_id: str
    voters: tuple[VoterAddress, ...]


@dataclass(frozen=True, slots=True)
class RegisterBroker:
    """A broker begins a life: it is another incarnation than any before.

    `is_lossless`: whether it still has every record that it ever had.
    """

    broker_id: int
    incarnation: str
    host: str
    port: int
    control_host: str
    control_port: int
    is_lossless: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """It is registered, in this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A broker lives, has applied the metadata log up to this offset, and may want to stop."""

    broker_id: int
    epoch: int
    metadata_offset: int
    wants_to_leave: bool


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the broker is now; `may_leave` when nobody will miss it."""

    is_fenced: bool
    may_leave: bool


@dataclass(frozen=True, slots=True)
class IsrMember:
    """A replica that is in sync, by the epoch of the broker that keeps it."""

    broker_id: int
    broker_epoch: int


@dataclass(frozen=True, slots=True)
class PartitionIsr:
    """The in-sync replicas that a partition's leader wants to have from now on."""

    topic_id: bytes
    index: int
    leader_epoch: int
    partition_epoch: int
    isr: tuple[IsrMember, ...]


@dataclass(frozen=True, slots=True)
class AlterPartition:
    """A leader asks that the in-sync replicas of its partitions be changed (KIP-497, KIP-903)."""

    broker_id: int
    broker_epoch: int
    partitions: tuple[PartitionIsr, ...]


@dataclass(frozen=True, slots=True)
class AlteredPartition:
    """What became of one partition: an error by its name in Kafka's table, "NONE" if there is none.

    Without an error the other fields say what the partition is now.
    """

    topic_id: bytes
    index: int
    error: str
    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    partition_epoch: int


@dataclass(frozen=True, slots=True)
class AlteredPartitions:
    """The answer, partition by partition, in the order of the question."""

    partitions: tuple[AlteredPartition, ...]


@dataclass(frozen=True, slots=True)
class ReserveProducerIds:
    """A broker needs producer ids that nobody else gives out."""

    broker_id: int
    broker_epoch: int


@dataclass(frozen=True, slots=True)
class ReservedProducerIds:
    """`count` of them, from `first` on."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class CreateOffsetsTopic:
    """Somebody looks for a group's coordinator: there must be `__consumer_offsets`."""


@dataclass(frozen=True, slots=True)
class AutoCreateTopics:
    """Clients ask for topics that are not there, and a broker may create them."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """It is so, for who has applied the metadata log up to `offset`."""

    offset: int


@dataclass(frozen=True, slots=True)
class Forward:
    """A client's request that only the active controller can answer (KIP-590).

    `request` is its body, encoded in that version.
    """

    api_key: int
    api_version: int
    client_id: str
    client_host: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The body of its response, for who has applied the metadata log up to `offset`."""

    response: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer: the name of an error in Kafka's table, and a sentence."""

    error: str
    message: str


Known = Mapping[str, type[Any]]
REQUESTS: Final[Known] = {each.__name__: each for each in (DescribeSegments, ReadEvents)}
ANSWERS: Final[Known] = {each.__name__: each for each in (Segments, Events, Refused)}
NODE_REQUESTS: Final[Known] = {
    each.__name__: each
    for each in (
        *(WhoVotes, VoteRequest, FetchRequest, RegisterBroker, Heartbeat, AlterPartition),
        *(ReserveProducerIds, CreateOffsetsTopic, AutoCreateTopics, Forward),
    )
}
"""What nodes ask each other; what these change, the active controller alone answers."""
NODE_ANSWERS: Final[Known] = {
    each.__name__: each
    for each in (
        *(Voters, VoteResponse, Fetched, Registered, HeartbeatAnswer, AlteredPartitions),
        *(ReservedProducerIds, Done, Forwarded, Refused),
    )
}


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
