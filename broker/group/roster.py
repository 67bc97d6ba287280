"""The members of a group, their leader, and the protocol that all of them speak. PURE.

A table with rules: it knows who is who, and nothing of generations, waiting and time. One member is
the leader: the first that came, and when it goes, the one that has been there longest.
"""

from collections import Counter
from collections.abc import Mapping

from ...protocol.consumer_protocol import CONSUMER_PROTOCOL_TYPE
from ...protocol.errors import ErrorCode
from .member import Join, Member, MemberView, SavedGroup, SavedMember, restored, topics_of


class Roster:
    """Members by id, in the order in which they came; static ones also by name (KIP-345)."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader: str | None = None
        self._static_ids: dict[str, str] = {}

    def add(self, member: Member, protocol_type: str) -> None:
        """Take a member in; the first decides what type of protocol the group speaks."""
        if not self.members:
            self.protocol_type = protocol_type
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self._static_ids[member.instance_id] = member.member_id
        if self.leader is None:
            self.leader = member.member_id

    def remove(self, member_id: str) -> Member:
        """Let a member go."""
        member = self.members.pop(member_id)
        if member.instance_id is not None:
            del self._static_ids[member.instance_id]
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        return member

    def rename(self, instance_id: str, member_id: str) -> Member:
        """Give the static member another id; it keeps its place."""
        old_id = self._static_ids[instance_id]
        self.members = {
            member_id if each == old_id else each: member for each, member in self.members.items()
        }
        self._static_ids[instance_id] = member_id
        if self.leader == old_id:
            self.leader = member_id
        member = self.members[member_id]
        member.member_id = member_id
        return member

    def wanted(self, member: Member) -> object:
        """What a member subscribes to, to be compared: not what it says of its past, if it can be
        told apart, for after a restart it has none.
        """
        subscription = member.subscription(self.protocol_name)
        is_consumer = self.protocol_type == CONSUMER_PROTOCOL_TYPE
        topics = topics_of(subscription) if is_consumer else None
        return subscription if topics is None else topics

    def id_of(self, instance_id: str | None) -> str | None:
        """The present id of a static member."""
        return None if instance_id is None else self._static_ids.get(instance_id)

    def check(self, member_id: str, instance_id: str | None) -> ErrorCode:
        """Whether there is such a member; a static name that has another id now is fenced."""
        if instance_id is not None:
            owner = self._static_ids.get(instance_id)
            if owner is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if owner != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def supports(self, join: Join) -> bool:
        """Whether the joiner speaks a protocol that all members speak."""
        if not self.members:
            return bool(join.protocol_type and join.protocols)
        if join.protocol_type != self.protocol_type:
            return False
        return not self._common_protocols().isdisjoint(name for name, _ in join.protocols)

    def vote(self) -> str:
        """The protocol that most members like best of those that all of them speak."""
        common = self._common_protocols()
        votes = Counter(
            next(name for name, _ in member.protocols if name in common)
            for member in self.members.values()
        )
        return max(votes, key=lambda name: votes[name])

    def rebalance_timeout_ms(self) -> int:
        """How long the slowest member may take to join again."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def views(self) -> tuple[MemberView, ...]:
        """All members with their subscriptions, as the leader sees them."""
        return tuple(
            MemberView(
                member.member_id, member.instance_id, member.subscription(self.protocol_name)
            )
            for member in self.members.values()
        )

    def saved(self, generation: int, assignments: Mapping[str, bytes] | None = None) -> SavedGroup:
        """All of it as `replay` takes it, with these assignments in place of the present ones."""
        members = tuple(
            SavedMember(
                member_id=member.member_id,
                instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout_ms=member.rebalance_timeout_ms,
                session_timeout_ms=member.session_timeout_ms,
                subscription=member.subscription(self.protocol_name),
                assignment=(
                    member.assignment
                    if assignments is None
                    else assignments.get(member.member_id, b"")
                ),
            )
            for member in self.members.values()
        )
        return SavedGroup(
            self.protocol_type or "", generation, self.protocol_name, self.leader, members
        )

    def replay(self, saved: SavedGroup, now_ms: int) -> None:
        """Be as the log says; sessions begin at `now_ms`."""
        self.protocol_type = saved.protocol_type or None
        self.protocol_name, self.leader = saved.protocol_name, saved.leader
        name = saved.protocol_name or ""
        self.members = {each.member_id: restored(each, name, now_ms) for each in saved.members}
        self._static_ids = {
            each.instance_id: each.member_id for each in saved.members if each.instance_id
        }

    def _common_protocols(self) -> set[str]:
        names = [{name for name, _ in member.protocols} for member in self.members.values()]
        return set[str].intersection(*names) if names else set()
