"""What a member of a group is told, and what it wants done: the words of `membership`. PURE.

Effects, for the one who runs the machine:

    Ask      send this request to the coordinator, and bring back the answer under its number
    LookUp   find out how many partitions these topics have
    Notify   the user has something to hear at the next poll: a change, or an error
    Warn     a sentence for the log
"""

from dataclasses import dataclass

from ..protocol.api.heartbeat import HeartbeatResponse
from ..protocol.api.join_group import JoinGroupResponse
from ..protocol.api.leave_group import LeaveGroupResponse
from ..protocol.api.sync_group import SyncGroupResponse
from .metadata import TopicPartition

Partitions = tuple[TopicPartition, ...]
Answer = JoinGroupResponse | SyncGroupResponse | HeartbeatResponse | LeaveGroupResponse
"""What the coordinator says to an Ask."""


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """What a user may say about being a member; times in ms."""

    group_id: str | None
    """None for a consumer without a group."""
    instance_id: str | None
    """The name of a static member (KIP-345): it may be away for a session, and come back."""
    session_timeout_ms: int
    heartbeat_interval_ms: int
    max_poll_interval_ms: int
    retry_backoff_ms: int

    def __post_init__(self) -> None:
        """Raises ValueError for what no coordinator would take, or no member could keep up."""
        if self.group_id == "":
            raise ValueError("group_id is empty: give the group a name, or None for no group")
        if self.group_id is None and self.instance_id is not None:
            raise ValueError("group_instance_id names a member of a group: give group_id too")
        if self.heartbeat_interval_ms >= self.session_timeout_ms:
            raise ValueError(
                f"heartbeat_interval_ms={self.heartbeat_interval_ms} is not below "
                f"session_timeout_ms={self.session_timeout_ms}: the session would always end"
            )


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this to the coordinator."""

    number: int
    request: object


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find out how many partitions these topics have."""

    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notify:
    """There is a change or an error for the user."""


@dataclass(frozen=True, slots=True)
class Warn:
    """Something that the user should read about."""

    sentence: str


Effect = Ask | LookUp | Notify | Warn


@dataclass(frozen=True, slots=True)
class Change:
    """What changes for the user, in this order.

    `lost` went to somebody else already, perhaps; `revoked` is handed over in good order: what was
    read of it may still be committed; `assigned` is new.
    """

    lost: Partitions
    revoked: Partitions
    assigned: Partitions
    owned: Partitions
    """Everything that is owned then."""
    is_assignment: bool
    """Whether a generation begins: the user hears of it, even if nothing is new."""
