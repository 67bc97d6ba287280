"""DescribeGroups: who is in these groups, and what does each member own?

A group that nobody knows is Dead, which up to version 5 is no error.
"""

from ...protocol.api.describe_groups import (
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    DescribeGroupsResponseGroup,
    DescribeGroupsResponseMember,
)
from ...protocol.errors import ErrorCode
from ..group.group import Group, State
from ..group.member import Member
from . import operations
from .context import Context, Exchange

FIRST_VERSION_WITH_NOT_FOUND = 6


def handle(
    exchange: Exchange, request: DescribeGroupsRequest, context: Context
) -> DescribeGroupsResponse:
    """Answer at once."""
    answers = [_describe(group_id, exchange.version, context) for group_id in request.groups]
    if request.include_authorized_operations:
        for answer in answers:
            answer.authorized_operations = operations.ON_GROUP
    return DescribeGroupsResponse(groups=answers)


def _describe(group_id: str, version: int, context: Context) -> DescribeGroupsResponseGroup:
    found = context.groups.find(group_id)
    if isinstance(found, ErrorCode):
        return _absent(group_id, "", found)
    if found is None or found.group.state is State.DEAD:
        error = ErrorCode.NONE
        if version >= FIRST_VERSION_WITH_NOT_FOUND:
            error = ErrorCode.GROUP_ID_NOT_FOUND
        return _absent(group_id, State.DEAD.value, error)
    group, roster = found.group, found.group.roster
    is_settled = group.state is State.STABLE
    return DescribeGroupsResponseGroup(
        error_code=ErrorCode.NONE,
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=roster.protocol_type or "",
        protocol_data=(roster.protocol_name or "") if is_settled else "",
        members=[_member(member, group) for member in roster.members.values()],
    )


def _absent(group_id: str, state: str, error: ErrorCode) -> DescribeGroupsResponseGroup:
    return DescribeGroupsResponseGroup(
        error_code=error,
        error_message=error.message if error else None,
        group_id=group_id,
        group_state=state,
        protocol_type="",
        protocol_data="",
        members=[],
    )


def _member(member: Member, group: Group) -> DescribeGroupsResponseMember:
    """What it subscribes to and owns is said of a group that is settled: else it is changing."""
    is_settled = group.state is State.STABLE
    subscription = member.subscription(group.roster.protocol_name) if is_settled else b""
    return DescribeGroupsResponseMember(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=subscription,
        member_assignment=member.assignment if is_settled else b"",
    )
