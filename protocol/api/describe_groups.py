"""DescribeGroups (key 15): who is in these groups, and what does each member own?

v0  state, protocol, members
v1  `throttle_time_ms` (KIP-124)
v2  no new bytes: the broker answers before it throttles (KIP-219)
v3  authorized operations, if asked for (KIP-430)
v4  `group_instance_id`: static members (KIP-345)
v5  flexible (KIP-482)
v6  `error_message`; a group that nobody knows is GROUP_ID_NOT_FOUND (KIP-1043)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, BYTES, INT16, INT32, STRING

OPERATIONS_NOT_REQUESTED = -(2**31)
"""The bit field of authorized operations when nobody asked for it (KIP-430)."""


@message(key=15, versions="0-6", flexible="5+")
class DescribeGroupsRequest:
    """Describe these."""

    groups: list[str] = field(array(STRING))
    include_authorized_operations: bool = field(BOOLEAN, "3+", default=False)


@struct
class DescribeGroupsResponseMember:
    """One member: who it is, where it lives, what it wants and what it owns."""

    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, "4+", nullable="4+", default=None, ignorable=True)
    client_id: str = field(STRING)
    client_host: str = field(STRING)
    member_metadata: bytes = field(BYTES)
    member_assignment: bytes = field(BYTES)


@struct
class DescribeGroupsResponseGroup:
    """One group; `protocol_data` is the name of the assignor that was chosen."""

    error_code: int = field(INT16)
    error_message: str | None = field(STRING, "6+", nullable="6+", default=None, ignorable=True)
    group_id: str = field(STRING)
    group_state: str = field(STRING)
    protocol_type: str = field(STRING)
    protocol_data: str = field(STRING)
    members: list[DescribeGroupsResponseMember] = field(array(DescribeGroupsResponseMember))
    authorized_operations: int = field(INT32, "3+", default=OPERATIONS_NOT_REQUESTED)


@message(key=15, versions="0-6", flexible="5+")
class DescribeGroupsResponse:
    """What the coordinator knows of each."""

    throttle_time_ms: int = field(INT32, "1+", default=0, ignorable=True)
    groups: list[DescribeGroupsResponseGroup] = field(array(DescribeGroupsResponseGroup))
