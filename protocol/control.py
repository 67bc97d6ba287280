"""The messages of the control plane: what a node is asked that Kafka's protocol has no words for.

    DescribeSegments    ->  Segments             a partition's offsets and segments, as its leader
                                                 has them
    ReadEvents          ->  Events               the metadata log, which is the cluster's life
    anything            ->  Refused              the name of a Kafka error, and a sentence

and between the nodes of a cluster, of which all behind the line are for the active controller:

    Hello               ->  Challenge            where there is a secret, both prove to know
    Proof               ->  Proof                it (see broker/controller/greeting.py)
    WhoVotes            ->  Voters               who are you, and who are the voters?
    ------------------------------------------
    RegisterBroker      ->  Registered           a broker begins a life
    Heartbeat           ->  HeartbeatAnswer      and goes on with it
    AlterPartition      ->  AlteredPartitions    who is in sync
    ReserveProducerIds  ->  ReservedProducerIds
    CreateOffsetsTopic  ->  Done                 for clients that need topics which are not there
    AutoCreateTopics    ->  Done
    Forward             ->  Forwarded            a client's request that changes the cluster

How they are sent is told in `control_frame`. Clients may ask the first two, which change nothing.
Beside these the voters say to each other what Raft has them say, in the same frames.
"""

from dataclasses import dataclass
from typing import Any, Final

from .control_frame import MAX_ELEMENTS, Known

MAX_EVENT_BYTES: Final = 128 << 10
"""Of the records in one answer, as they are in the log; one that is larger comes alone."""


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
class Hello:
    """Let us prove to each other that we know the cluster's secret; `nonce` is new each time."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class Challenge:
    """You first, with this nonce, which is new as well."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """What only somebody who knows the secret can make of the two nonces."""

    proof: bytes


@dataclass(frozen=True, slots=True)
class WhoVotes:
    """Who are you, and who are the voters?"""


@dataclass(frozen=True, slots=True)
class VoterAddress:
    """A voter, and where its control plane is."""

    voter_id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Voters:
    """The voters, as node `node_id` was told. The frame has its cluster's id, if it has one."""

    node_id: int
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


REQUESTS: Final[Known] = {each.__name__: each for each in (DescribeSegments, ReadEvents)}
ANSWERS: Final[Known] = {each.__name__: each for each in (Segments, Events, Refused)}
NODE_REQUESTS: Final[Known] = {
    each.__name__: each
    for each in (
        *(Hello, Proof, WhoVotes),
        *(RegisterBroker, Heartbeat, AlterPartition, ReserveProducerIds),
        *(CreateOffsetsTopic, AutoCreateTopics, Forward),
    )
}
"""What nodes ask each other; what these change, the active controller alone answers."""
NODE_ANSWERS: Final[Known] = {
    each.__name__: each
    for each in (
        *(Challenge, Proof, Voters),
        *(Registered, HeartbeatAnswer, AlteredPartitions, ReservedProducerIds),
        *(Done, Forwarded, Refused),
    )
}
