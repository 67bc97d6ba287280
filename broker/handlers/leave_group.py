"""LeaveGroup: members go, one by its id up to version 2, several from version 3 on."""

from ...protocol.api.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    LeaveGroupResponseMember,
)
from ...protocol.errors import ErrorCode
from ..group.member import Identity
from .context import Context, Exchange

FIRST_VERSION_WITH_MEMBERS = 3


def handle(exchange: Exchange, request: LeaveGroupRequest, context: Context) -> LeaveGroupResponse:
    """Answer at once: an error for all, or one or none for each."""
    if exchange.version < FIRST_VERSION_WITH_MEMBERS:
        left = context.groups.leave(request.group_id, [Identity(request.member_id)])
        return LeaveGroupResponse(error_code=left if isinstance(left, ErrorCode) else left[0])
    leaving = [Identity(each.member_id, each.group_instance_id) for each in request.members]
    left = context.groups.leave(request.group_id, leaving)
    if isinstance(left, ErrorCode):
        return LeaveGroupResponse(error_code=left)
    return LeaveGroupResponse(
        error_code=ErrorCode.NONE,
        members=[
            LeaveGroupResponseMember(
                member_id=each.member_id,
                group_instance_id=each.group_instance_id,
                error_code=error,
            )
            for each, error in zip(request.members, left, strict=True)
        ],
    )
