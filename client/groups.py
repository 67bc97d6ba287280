"""Consumer groups: listed by every broker, described and changed by their coordinators.

    list       ListGroups, put to all brokers: each knows the groups that it coordinates
    describe   DescribeGroups, put to the coordinator of each group
    delete     DeleteGroups, likewise
    remove     LeaveGroup, in the name of a member, which need not be there any more

What a member subscribes to and what it was assigned are bytes to the broker; consumers all write
them in one layout (protocol/consumer_protocol), and only that is read here. They are known of a
group that is stable.

Left out: groups of the newer protocol (KIP-848) are listed, and their offsets can be read and
altered; to describe their members takes another API, ConsumerGroupDescribe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from ..protocol.api.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from ..protocol.api.describe_groups import (
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    DescribeGroupsResponseGroup,
    DescribeGroupsResponseMember,
)
from ..protocol.api.leave_group import (
    LeaveGroupRequest,
    LeaveGroupRequestMember,
    LeaveGroupResponse,
)
from ..protocol.api.list_groups import ListGroupsRequest, ListGroupsResponse
from ..protocol.consumer_protocol import (
    CONSUMER_PROTOCOL_TYPE,
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    decode_versioned,
)
from ..protocol.errors import ErrorCode, KafkaError
from ..protocol.primitives import ProtocolError
from . import questions
from .coordinator import Coordinator
from .errors import UnsupportedByCluster
from .metadata import BrokerAddress, TopicPartition, error_code_of
from .network import Network
from .outcome import Outcome

DEAD: Final = "Dead"
"""The state of a group that is not there: brokers before Kafka 4.0 know no error for it."""
HAS_MEMBERS: Final = "it still has members; stop them first, or remove those that are gone for good"

_FIRST_VERSION_OF_STATES: Final = 4
_FIRST_VERSION_OF_TYPES: Final = 5
_FIRST_VERSION_OF_INSTANCES: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class GroupListing:
    """A group as its coordinator lists it; None for what an older broker does not say.

    `protocol_type` is "consumer" for groups of consumers, and "" where only offsets are kept.
    `state` came with Kafka 2.6 (KIP-518), `type`, "classic" or "consumer", with KIP-848.
    """

    group_id: str
    protocol_type: str
    state: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member; `instance_id` is None unless it is static (KIP-345).

    `topics`, what it subscribes to, and `assignment` are empty while the group rebalances, and if
    it is none of consumers.
    """

    member_id: str
    instance_id: str | None
    client_id: str
    host: str
    topics: tuple[str, ...]
    assignment: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A group; `protocol` is the assignor that its members agreed on, "" while they have not.

    `state` is one of Empty, PreparingRebalance, CompletingRebalance and Stable.
    """

    group_id: str
    state: str
    protocol_type: str
    protocol: str
    coordinator: BrokerAddress | None
    members: tuple[GroupMember, ...]


async def list_groups(
    network: Network,
    node_ids: Sequence[int],
    states: Sequence[str],
    types: Sequence[str],
    timeout_ms: int,
) -> list[GroupListing]:
    """The groups of these brokers, in order; raises the error of a broker that cannot say."""
    request = ListGroupsRequest(states_filter=list(states), types_filter=list(types))
    found: dict[str, GroupListing] = {}
    for node_id in node_ids:
        ask_once = partial(_list_once, network, node_id, request)
        response = await questions.repeat(network, ask_once, timeout_ms)
        for each in response.groups:
            found[each.group_id] = GroupListing(
                each.group_id, each.protocol_type, each.group_state or None, each.group_type or None
            )
    return sorted(found.values())


async def _list_once(
    network: Network, node_id: int, request: ListGroupsRequest, timeout_ms: int
) -> ListGroupsResponse:
    """Ask one broker once; its error code is raised, since it may pass."""
    deadline_ms = network.now_ms() + timeout_ms
    connection = await network.connection(node_id, timeout_ms)
    version = connection.version_of(ListGroupsRequest)
    if request.states_filter and version < _FIRST_VERSION_OF_STATES:
        raise UnsupportedByCluster(f"broker {node_id} cannot choose groups by state (KIP-518)")
    if request.types_filter and version < _FIRST_VERSION_OF_TYPES:
        raise UnsupportedByCluster(f"broker {node_id} cannot choose groups by type (KIP-848)")
    left_ms = max(deadline_ms - network.now_ms(), 1)
    response = await connection.request(request, ListGroupsResponse, left_ms, version)
    if response.error_code:
        error = KafkaError.of(response.error_code)
        raise KafkaError.of(response.error_code, f"the groups of broker {node_id}: {error}")
    return response


async def describe_group(
    network: Network, group_id: str, timeout_ms: int
) -> tuple[GroupDescription | None, Outcome]:
    """The group, or what is wrong with it."""

    def code_of(response: DescribeGroupsResponse) -> int:
        return next((each.error_code for each in response.groups), ErrorCode.NONE)

    coordinator = Coordinator(network, group_id)
    request = DescribeGroupsRequest(groups=[group_id])
    response = await coordinator.request(request, DescribeGroupsResponse, timeout_ms, code_of)
    for each in response.groups:
        if each.error_code:
            return None, _outcome(group_id, each.error_code, each.error_message)
        if each.group_state != DEAD:
            node_id = coordinator.node_id
            broker = None if node_id is None else network.metadata.brokers.get(node_id)
            return _description(each, broker), _outcome(group_id, ErrorCode.NONE)
    return None, _outcome(group_id, ErrorCode.GROUP_ID_NOT_FOUND)


async def delete_group(network: Network, group_id: str, timeout_ms: int) -> Outcome:
    """Delete a group with all that it has committed; what became of it."""

    def code_of(response: DeleteGroupsResponse) -> int:
        return next((each.error_code for each in response.results), ErrorCode.NONE)

    request = DeleteGroupsRequest(groups_names=[group_id])
    response = await Coordinator(network, group_id).request(
        request, DeleteGroupsResponse, timeout_ms, code_of
    )
    code = code_of(response)
    has_members = error_code_of(code) is ErrorCode.NON_EMPTY_GROUP
    return _outcome(group_id, code, HAS_MEMBERS if has_members else None)


async def remove_member(
    network: Network, group_id: str, member_id: str, instance_id: str | None, timeout_ms: int
) -> Outcome:
    """Let one member leave, named by its id or by its instance id; what became of it."""

    def request_of(version: int) -> LeaveGroupRequest:
        if version >= _FIRST_VERSION_OF_INSTANCES:
            leaving = LeaveGroupRequestMember(member_id=member_id, group_instance_id=instance_id)
            return LeaveGroupRequest(group_id=group_id, members=[leaving])
        if instance_id is not None:
            raise UnsupportedByCluster(
                f"the coordinator of group {group_id!r} knows no static members (KIP-345)"
            )
        return LeaveGroupRequest(group_id=group_id, member_id=member_id)

    def code_of(response: LeaveGroupResponse) -> int:
        of_member = next((each.error_code for each in response.members), ErrorCode.NONE)
        return response.error_code or of_member

    response = await Coordinator(network, group_id).request(
        request_of, LeaveGroupResponse, timeout_ms, code_of
    )
    name = member_id if instance_id is None else instance_id
    return Outcome(f"member {name!r} of group {group_id!r}", code_of(response), None)


def _outcome(group_id: str, error_code: int, message: str | None = None) -> Outcome:
    return Outcome(f"group {group_id!r}", error_code, message)


def _description(
    group: DescribeGroupsResponseGroup, coordinator: BrokerAddress | None
) -> GroupDescription:
    of_consumers = group.protocol_type == CONSUMER_PROTOCOL_TYPE
    members = [_member(each, of_consumers) for each in group.members]
    return GroupDescription(
        group_id=group.group_id,
        state=group.group_state,
        protocol_type=group.protocol_type,
        protocol=group.protocol_data,
        coordinator=coordinator,
        members=tuple(sorted(members, key=lambda member: (member.client_id, member.member_id))),
    )


def _member(member: DescribeGroupsResponseMember, is_consumer: bool) -> GroupMember:
    return GroupMember(
        member_id=member.member_id,
        instance_id=member.group_instance_id,
        client_id=member.client_id,
        host=member.client_host.removeprefix("/"),  # Java's way to write an address without name
        topics=_topics(member.member_metadata) if is_consumer else (),
        assignment=_assignment(member.member_assignment) if is_consumer else (),
    )


def _topics(metadata: bytes) -> tuple[str, ...]:
    """The topics in a subscription; none if an assignor has a layout of its own."""
    try:
        return tuple(sorted(decode_versioned(ConsumerProtocolSubscription, metadata).topics))
    except ProtocolError:
        return ()


def _assignment(assignment: bytes) -> tuple[TopicPartition, ...]:
    """The partitions in an assignment; none if an assignor has a layout of its own."""
    try:
        assigned = decode_versioned(ConsumerProtocolAssignment, assignment).assigned_partitions
    except ProtocolError:
        return ()
    return tuple(
        sorted(TopicPartition(each.topic, index) for each in assigned for index in each.partitions)
    )
