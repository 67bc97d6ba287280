"""SyncGroup (key 14): the leader hands out the partitions, every member receives its own.

All members ask after they have joined; the coordinator holds the answers until the leader's request
has come, which carries everybody's assignment. To the broker an assignment is bytes.

    v0  group, generation, member
    v1  `throttle_time_ms` (KIP-124)
    v2  no new bytes: the broker answers before it throttles (KIP-219)
    v3  `group_instance_id`: static members (KIP-345)
    v4  flexible (KIP-482)
    v5  `protocol_type` and `protocol_name`, which must be those of the group (KIP-559)
"""

from ..codec import array, field, message, struct
from ..primitives import BYTES, INT16, INT32, STRING


@struct
class SyncGroupRequestAssignment:
    """What one member is to own, in the assignor's format."""

    member_id: str = field(STRING)
    assignment: bytes = field(BYTES)


@message(key=14, versions="0-5", flexible="4+")
class SyncGroupRequest:
    """What do I own in this generation? The leader says it for all; others send no assignments."""

    group_id: str = field(STRING)
    generation_id: int = field(INT32)
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)
    protocol_type: str | None = field(STRING, "5+", nullable="5+", default=None, ignorable=True)
    protocol_name: str | None = field(STRING, "5+", nullable="5+", default=None, ignorable=True)
    assignments: list[SyncGroupRequestAssignment] = field(array(SyncGroupRequestAssignment))


@message(key=14, versions="0-5", flexible="4+")
class SyncGroupResponse:
    """Own this, until the next rebalance."""

    throttle_time_ms: int = field(INT32, "1+", default=0, ignorable=True)
    error_code: int = field(INT16)
    protocol_type: str | None = field(STRING, "5+", nullable="5+", default=None, ignorable=True)
    protocol_name: str | None = field(STRING, "5+", nullable="5+", default=None, ignorable=True)
    assignment: bytes = field(BYTES)
