"""A member of a consumer group, what it asks for, and what it is answered. PURE.

A request that has to wait (a join for the other members, a sync for the leader) is kept with its
member as the *handle* that came with it; the machine never looks into a handle and gives it back
with the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from ...protocol.consumer_protocol import ConsumerProtocolSubscription, decode_versioned
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ProtocolError

Protocols: TypeAlias = tuple[tuple[str, bytes], ...]
"""Names of assignors with the member's subscription for each, the one it likes best first."""
NO_GENERATION = -1


class Identity(NamedTuple):
    """By what a member proves that it is one: a group's generation, its id, its static name."""

    member_id: str
    instance_id: str | None = None
    generation: int = NO_GENERATION


@dataclass(frozen=True, slots=True)
class Join:
    """A member wants in. `needs_id_first`: one that comes without an id is sent away with one."""

    handle: Any
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    needs_id_first: bool = False
    can_skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class Sync:
    """A member asks what it owns; the leader says it, for all."""

    handle: Any
    identity: Identity
    protocol_type: str | None
    protocol_name: str | None
    assignments: Mapping[str, bytes]


class MemberView(NamedTuple):
    """A member as the leader of the group sees it: its subscription for the chosen protocol."""

    member_id: str
    instance_id: str | None
    subscription: bytes


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to a join: an error, or a place in a generation. `members` is the leader's."""

    handle: Any
    error_code: ErrorCode
    member_id: str
    generation: int = NO_GENERATION
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = ""
    members: tuple[MemberView, ...] = ()
    skips_assignment: bool = False


@dataclass(frozen=True, slots=True)
class Synced:
    """The answer to a sync: an error, or what the member owns."""

    handle: Any
    error_code: ErrorCode
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


@dataclass(frozen=True, slots=True)
class SavedMember:
    """A member as the log of the group keeps it."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class SavedGroup:
    """A generation as the log of the group keeps it; one without members is an empty group."""

    protocol_type: str
    generation: int
    protocol_name: str | None
    leader: str | None
    members: tuple[SavedMember, ...]


@dataclass(frozen=True, slots=True)
class Save:
    """Write `group` to the log; then hand `then` the error or NONE, and the time."""

    group: SavedGroup
    then: "Callable[[ErrorCode, int], list[Effect]]"


Effect: TypeAlias = Joined | Synced | Save


@dataclass(slots=True)
class Member:
    """One member; `expires_ms` (monotonic) is when it is dead unless it is heard of before."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: Protocols
    expires_ms: int
    assignment: bytes = b""
    joining: Any = None
    syncing: Any = None
    is_new: bool = field(default=True)
    """It has not been answered yet, so that it cannot know of any session."""

    @property
    def can_expire(self) -> bool:
        """Whether its silence counts: who has been in the group and waits for us is not silent."""
        return self.is_new or (self.joining is None and self.syncing is None)

    def subscription(self, protocol_name: str | None) -> bytes:
        """Its subscription for that protocol, empty when it has none."""
        return next((data for name, data in self.protocols if name == protocol_name), b"")

    def update(self, join: Join) -> None:
        """Take what a repeated join says."""
        self.protocols = join.protocols
        self.session_timeout_ms = join.session_timeout_ms
        self.rebalance_timeout_ms = join.rebalance_timeout_ms
        self.client_id, self.client_host = join.client_id, join.client_host
        self.joining = join.handle


def member_of(join: Join, member_id: str, expires_ms: int) -> Member:
    """A new member, waiting for its answer."""
    return Member(
        member_id=member_id,
        instance_id=join.instance_id,
        client_id=join.client_id,
        client_host=join.client_host,
        session_timeout_ms=join.session_timeout_ms,
        rebalance_timeout_ms=join.rebalance_timeout_ms,
        protocols=join.protocols,
        expires_ms=expires_ms,
        joining=join.handle,
    )


def restored(saved: SavedMember, protocol_name: str, now_ms: int) -> Member:
    """A member as the log had it; its session begins anew."""
    return Member(
        member_id=saved.member_id,
        instance_id=saved.instance_id,
        client_id=saved.client_id,
        client_host=saved.client_host,
        session_timeout_ms=saved.session_timeout_ms,
        rebalance_timeout_ms=saved.rebalance_timeout_ms,
        protocols=((protocol_name, saved.subscription),),
        expires_ms=now_ms + saved.session_timeout_ms,
        assignment=saved.assignment,
        is_new=False,
    )


def topics_of(subscription: bytes) -> set[str] | None:
    """The topics that a consumer subscribes to; None if it does not say so in Kafka's layout."""
    try:
        return set(decode_versioned(ConsumerProtocolSubscription, subscription).topics)
    except ProtocolError:
        return None
