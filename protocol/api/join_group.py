"""JoinGroup (key 11): a member enters a consumer group, or says that it still wants to be in it.

The coordinator holds the answer until every known member has asked (or was too late); then a new
generation begins. One member becomes the leader: its answer alone lists all members and what they
subscribed to, and it deals out the partitions with SyncGroup.

    v0  session timeout; the rebalance may take as long
    v1  `rebalance_timeout_ms` apart from it (KIP-62)
    v2  `throttle_time_ms` (KIP-124)
    v3  no new bytes: the broker answers before it throttles (KIP-219)
    v4  no new bytes: who comes without an id is sent away with one, MEMBER_ID_REQUIRED (KIP-394)
    v5  `group_instance_id`: static members (KIP-345)
    v6  flexible (KIP-482)
    v7  `protocol_type` in the answer, `protocol_name` may be null (KIP-559)
    v8  `reason`, for people who read the broker's log (KIP-800)
    v9  `skip_assignment`: a static leader came back and nothing has to be dealt anew (KIP-814)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, BYTES, INT16, INT32, STRING


@struct
class JoinGroupRequestProtocol:
    """One assignor that the member can follow, with its subscription in that assignor's format."""

    name: str = field(STRING)
    metadata: bytes = field(BYTES)


@message(key=11, versions="0-9", flexible="6+")
class JoinGroupRequest:
    """I want to be in this group: a member to its coordinator, `member_id` empty the first time."""

    group_id: str = field(STRING)
    session_timeout_ms: int = field(INT32)
    rebalance_timeout_ms: int = field(INT32, "1+", default=-1, ignorable=True)
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, "5+", nullable="5+", default=None)
    protocol_type: str = field(STRING)
    protocols: list[JoinGroupRequestProtocol] = field(array(JoinGroupRequestProtocol))
    reason: str | None = field(STRING, "8+", nullable="8+", default=None, ignorable=True)


@struct
class JoinGroupResponseMember:
    """One member, as the leader sees it: its subscription for the protocol that was chosen."""

    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, "5+", nullable="5+", default=None, ignorable=True)
    metadata: bytes = field(BYTES)


@message(key=11, versions="0-9", flexible="6+")
class JoinGroupResponse:
    """You are in generation so and so; `members` is filled for the leader alone."""

    throttle_time_ms: int = field(INT32, "2+", default=0, ignorable=True)
    error_code: int = field(INT16)
    generation_id: int = field(INT32, default=-1)
    protocol_type: str | None = field(STRING, "7+", nullable="7+", default=None, ignorable=True)
    protocol_name: str | None = field(STRING, nullable="7+")
    leader: str = field(STRING)
    skip_assignment: bool = field(BOOLEAN, "9+", default=False)
    member_id: str = field(STRING)
    members: list[JoinGroupResponseMember] = field(array(JoinGroupResponseMember))
