"""What consumers of a group tell each other: subscriptions and assignments, in Kafka's layout.

They travel in JoinGroup and SyncGroup as bytes that the broker hands on. Before the message itself
stands its version, int16; a reader that knows only older versions reads what it knows, for newer
ones add fields at the end.

    v0  topics or assigned partitions, and bytes of the user's
    v1  `owned_partitions`, for cooperative assignors (KIP-429)
    v2  `generation_id` of what is owned (KIP-792)
    v3  `rack_id` (KIP-881)

In the subscription's bytes of the user's, members of sticky groups say more; no version stands
before that, so a reader tries the last one first.

A broker looks into a subscription for one thing, the topics: whose offsets may not be deleted.
"""

from struct import Struct
from typing import Any, TypeVar

from .codec import array, decode, encode, field, message, struct
from .primitives import BYTES, INT32, STRING, ProtocolError
from .schema import ZERO, schema_of

CONSUMER_PROTOCOL_TYPE = "consumer"
_VERSION = Struct(">h")
_NO_KEY = -1

T = TypeVar("T")


@struct
class OwnedTopicPartitions:
    """Partitions of one topic."""

    topic: str = field(STRING)
    partitions: list[int] = field(array(INT32))


@message(key=_NO_KEY, versions="0-3", flexible="none")
class ConsumerProtocolSubscription:
    """What a member wants, and what it owns at present."""

    topics: list[str] = field(array(STRING))
    user_data: bytes | None = field(BYTES, nullable="0+", default=None)
    owned_partitions: list[OwnedTopicPartitions] = field(
        array(OwnedTopicPartitions), "1+", default=ZERO, ignorable=True
    )
    generation_id: int = field(INT32, "2+", default=-1, ignorable=True)
    rack_id: str | None = field(STRING, "3+", nullable="3+", default=None, ignorable=True)


@message(key=_NO_KEY, versions="0-3", flexible="none")
class ConsumerProtocolAssignment:
    """What a member is to own."""

    assigned_partitions: list[OwnedTopicPartitions] = field(array(OwnedTopicPartitions))
    user_data: bytes | None = field(BYTES, nullable="0+", default=None)


@message(key=_NO_KEY, versions="0-1", flexible="none")
class StickyAssignorUserData:
    """What a member owned when it last had an assignment, and in which generation (KIP-54, 341)."""

    previous_assignment: list[OwnedTopicPartitions] = field(array(OwnedTopicPartitions))
    generation: int = field(INT32, "1+", default=-1, ignorable=True)


def encode_versioned(content: Any, version: int) -> bytes:
    """The message with its version before it."""
    return _VERSION.pack(version) + b"".join(encode(content, version))


def decode_versioned(cls: type[T], data: bytes) -> T:
    """The message behind its version; raises ProtocolError. A newer version is read as our last."""
    if len(data) < _VERSION.size:
        raise ProtocolError(f"{cls.__name__} without a version", len(data))
    (version,) = _VERSION.unpack_from(data)
    if version < 0:
        raise ProtocolError(f"{cls.__name__} of version {version}", 0)
    last = schema_of(cls).versions.last
    content, _ = decode(cls, memoryview(data), min(version, last), _VERSION.size)
    return content
