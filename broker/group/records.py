"""The records of `__consumer_offsets`: keys and values in Kafka's layouts, version before content.

    key v1      offset commit: group, topic, partition       (v0 is read as well)
      value v3  offset, leader epoch, metadata, time of the commit
    key v2      group metadata: group
      value v3  protocol, generation, leader, members with subscriptions and assignments

A null value is a tombstone: the offset or the group is gone. The topic is compacted by key, so the
newest record of each key is all that counts.

We write the versions that Kafka 2.1 to 4.0 write, and read older and newer ones as far as their
content concerns us. A key of a kind that we do not know (transactions, the newer group protocol)
is None, and is kept as it is.
"""

from dataclasses import dataclass
from struct import Struct
from typing import TypeAlias

from ...protocol.codec import array, decode, field, message, struct
from ...protocol.consumer_protocol import decode_versioned, encode_versioned
from ...protocol.primitives import BYTES, INT32, INT64, STRING, ProtocolError
from .member import SavedGroup, SavedMember
from .offsets import CommittedOffset

_VERSION = Struct(">h")
_NO_KEY = -1
_OFFSET_KEYS = (0, 1)
_GROUP_KEY = 2
_VALUE_VERSION = 3


@message(key=_NO_KEY, versions="0-1", flexible="none")
class OffsetCommitKey:
    """Which offset."""

    group: str = field(STRING)
    topic: str = field(STRING)
    partition: int = field(INT32)


@message(key=_NO_KEY, versions="0-4", flexible="4+")
class OffsetCommitValue:
    """An offset, and when it was committed, ms since 1970."""

    offset: int = field(INT64)
    leader_epoch: int = field(INT32, "3+", default=-1, ignorable=True)
    metadata: str = field(STRING)
    commit_timestamp: int = field(INT64)
    expire_timestamp: int = field(INT64, "1", default=-1, ignorable=True)


@message(key=_NO_KEY, versions="2", flexible="none")
class GroupMetadataKey:
    """Which group."""

    group: str = field(STRING)


@struct
class MemberMetadata:
    """One member."""

    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None, ignorable=True)
    client_id: str = field(STRING)
    client_host: str = field(STRING)
    rebalance_timeout: int = field(INT32, "1+", default=-1, ignorable=True)
    session_timeout: int = field(INT32)
    subscription: bytes = field(BYTES)
    assignment: bytes = field(BYTES)


@message(key=_NO_KEY, versions="0-4", flexible="4+")
class GroupMetadataValue:
    """A generation of a group; `current_state_timestamp` says since when, ms since 1970."""

    protocol_type: str = field(STRING)
    generation: int = field(INT32)
    protocol: str | None = field(STRING, nullable="0+")
    leader: str | None = field(STRING, nullable="0+")
    current_state_timestamp: int = field(INT64, "2+", default=-1, ignorable=True)
    members: list[MemberMetadata] = field(array(MemberMetadata))


@dataclass(frozen=True, slots=True)
class OffsetKey:
    """The key of a committed offset."""

    group_id: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class GroupKey:
    """The key of a group's metadata."""

    group_id: str


Key: TypeAlias = OffsetKey | GroupKey


def encode_key(key: Key) -> bytes:
    """The key of a record."""
    match key:
        case OffsetKey():
            content = OffsetCommitKey(group=key.group_id, topic=key.topic, partition=key.partition)
            return encode_versioned(content, _OFFSET_KEYS[-1])
        case GroupKey():
            return encode_versioned(GroupMetadataKey(group=key.group_id), _GROUP_KEY)


def decode_key(data: bytes) -> Key | None:
    """What a record is about, None for a kind that is not ours; raises ProtocolError."""
    if len(data) < _VERSION.size:
        raise ProtocolError("a key without a version", len(data))
    (version,) = _VERSION.unpack_from(data)
    if version in _OFFSET_KEYS:
        content, _ = decode(OffsetCommitKey, memoryview(data), version, _VERSION.size)
        return OffsetKey(content.group, content.topic, content.partition)
    if version == _GROUP_KEY:
        content, _ = decode(GroupMetadataKey, memoryview(data), version, _VERSION.size)
        return GroupKey(content.group)
    return None


def encode_offset(committed: CommittedOffset) -> bytes:
    """The value of a committed offset."""
    value = OffsetCommitValue(
        offset=committed.offset,
        leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        commit_timestamp=committed.timestamp_ms,
    )
    return encode_versioned(value, _VALUE_VERSION)


def decode_offset(data: bytes) -> CommittedOffset:
    """A committed offset; raises ProtocolError."""
    value = decode_versioned(OffsetCommitValue, data)
    return CommittedOffset(value.offset, value.leader_epoch, value.metadata, value.commit_timestamp)


def encode_group(group: SavedGroup, timestamp_ms: int) -> bytes:
    """The value of a group's metadata; `timestamp_ms` is wall time."""
    value = GroupMetadataValue(
        protocol_type=group.protocol_type,
        generation=group.generation,
        protocol=group.protocol_name,
        leader=group.leader,
        current_state_timestamp=timestamp_ms,
        members=[
            MemberMetadata(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout=member.rebalance_timeout_ms,
                session_timeout=member.session_timeout_ms,
                subscription=member.subscription,
                assignment=member.assignment,
            )
            for member in group.members
        ],
    )
    return encode_versioned(value, _VALUE_VERSION)


def decode_group(data: bytes) -> tuple[SavedGroup, int]:
    """A group, and since when it has been so (-1: not said); raises ProtocolError."""
    value = decode_versioned(GroupMetadataValue, data)
    members = tuple(
        SavedMember(
            member_id=each.member_id,
            instance_id=each.group_instance_id,
            client_id=each.client_id,
            client_host=each.client_host,
            rebalance_timeout_ms=(
                each.session_timeout if each.rebalance_timeout < 0 else each.rebalance_timeout
            ),
            session_timeout_ms=each.session_timeout,
            subscription=bytes(each.subscription),
            assignment=bytes(each.assignment),
        )
        for each in value.members
    )
    saved = SavedGroup(value.protocol_type, value.generation, value.protocol, value.leader, members)
    return saved, value.current_state_timestamp
