"""LeaveGroup (key 13): a member says goodbye, so that nobody waits for its session to run out.

v0  one member
v1  `throttle_time_ms` (KIP-124)
v2  no new bytes: the broker answers before it throttles (KIP-219)
v3  `members`: several at once, static ones by `group_instance_id` (KIP-345)
v4  flexible (KIP-482)
v5  `reason`, for people who read the broker's log (KIP-800)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, STRING
from ..schema import ZERO


@struct
class LeaveGroupRequestMember:
    """Who leaves; a static member may be named by its instance id alone."""

    member_id: str = field(STRING, "3+")
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)
    reason: str | None = field(STRING, "5+", nullable="5+", default=None, ignorable=True)


@message(key=13, versions="0-5", flexible="4+")
class LeaveGroupRequest:
    """These leave: `member_id` up to v2, `members` from v3 on."""

    group_id: str = field(STRING)
    member_id: str = field(STRING, "0-2", default="")
    members: list[LeaveGroupRequestMember] = field(
        array(LeaveGroupRequestMember), "3+", default=ZERO
    )


@struct
class LeaveGroupResponseMember:
    """What became of one of them."""

    member_id: str = field(STRING, "3+")
    group_instance_id: str | None = field(STRING, "3+", nullable="3+")
    error_code: int = field(INT16, "3+")


@message(key=13, versions="0-5", flexible="4+")
class LeaveGroupResponse:
    """They are out."""

    throttle_time_ms: int = field(INT32, "1+", default=0, ignorable=True)
    error_code: int = field(INT16)
    members: list[LeaveGroupResponseMember] = field(
        array(LeaveGroupResponseMember), "3+", default=ZERO
    )
