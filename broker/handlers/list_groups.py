"""ListGroups: which groups does this broker coordinate? Filters ignore case (KIP-518)."""

from ...protocol.api.list_groups import (
    ListGroupsRequest,
    ListGroupsResponse,
    ListGroupsResponseGroup,
)
from ...protocol.errors import ErrorCode
from .context import Context, Exchange

CLASSIC = "classic"


def handle(exchange: Exchange, request: ListGroupsRequest, context: Context) -> ListGroupsResponse:
    """Answer at once; all groups are of the classic type."""
    del exchange
    groups = context.groups.groups()
    if isinstance(groups, ErrorCode):
        return ListGroupsResponse(error_code=groups, groups=[])
    states = {text.lower() for text in request.states_filter}
    types = {text.lower() for text in request.types_filter}
    if types and CLASSIC not in types:
        return ListGroupsResponse(error_code=ErrorCode.NONE, groups=[])
    return ListGroupsResponse(
        error_code=ErrorCode.NONE,
        groups=[
            ListGroupsResponseGroup(
                group_id=state.group.group_id,
                protocol_type=state.group.roster.protocol_type or "",
                group_state=state.group.state.value,
                group_type=CLASSIC,
            )
            for state in groups
            if not states or state.group.state.value.lower() in states
        ],
    )
