"""Heartbeat (key 12): a member is alive, and learns by the answer whether it must join again.

v0  group, generation, member
v1  `throttle_time_ms` (KIP-124)
v2  no new bytes: the broker answers before it throttles (KIP-219)
v3  `group_instance_id`: static members (KIP-345)
v4  flexible (KIP-482)
"""

from ..codec import field, message
from ..primitives import INT16, INT32, STRING


@message(key=12, versions="0-4", flexible="4+")
class HeartbeatRequest:
    """I am alive: a member to its coordinator, every heartbeat.interval.ms (KIP-62)."""

    group_id: str = field(STRING)
    generation_id: int = field(INT32)
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)


@message(key=12, versions="0-4", flexible="4+")
class HeartbeatResponse:
    """Go on, or an error: REBALANCE_IN_PROGRESS asks the member to join again."""

    throttle_time_ms: int = field(INT32, "1+", default=0, ignorable=True)
    error_code: int = field(INT16)
