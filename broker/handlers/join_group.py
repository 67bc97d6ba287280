"""JoinGroup: a member enters a group; answered when the next generation begins.

A group is looked for, and the limits of the session are checked, before the machine is asked (see
group/group.py). From version 4 on a member without an id is sent away with one first; from version
9 on a static leader that comes back can be told to leave the assignment as it is.
"""

from ...protocol.api.join_group import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from ...protocol.errors import ErrorCode
from ..group.member import Join, Joined
from .context import Context, Exchange

FIRST_VERSION_WITH_ID_FIRST = 4
FIRST_VERSION_WITH_NULL_PROTOCOL = 7
FIRST_VERSION_THAT_SKIPS = 9


def handle(exchange: Exchange, request: JoinGroupRequest, context: Context) -> None:
    """Hand the join to the coordinator, which answers now or later."""

    def answer(joined: Joined) -> None:
        exchange.answer(_response(joined, exchange.version))

    config = context.config
    shortest_ms, longest_ms = (
        config.group_min_session_timeout_ms,
        config.group_max_session_timeout_ms,
    )
    if not shortest_ms <= request.session_timeout_ms <= longest_ms:
        answer(Joined(answer, ErrorCode.INVALID_SESSION_TIMEOUT, request.member_id))
        return
    rebalance_timeout_ms = request.rebalance_timeout_ms
    join = Join(
        handle=answer,
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        client_id=exchange.client_id,
        client_host=f"/{exchange.client_host}",  # Kafka writes addresses in this way
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=(
            request.session_timeout_ms if rebalance_timeout_ms < 0 else rebalance_timeout_ms
        ),
        protocol_type=request.protocol_type,
        protocols=tuple((each.name, bytes(each.metadata)) for each in request.protocols),
        needs_id_first=exchange.version >= FIRST_VERSION_WITH_ID_FIRST,
        can_skip_assignment=exchange.version >= FIRST_VERSION_THAT_SKIPS,
    )
    exchange.when_lost(lambda: context.groups.lost(request.group_id, answer))
    context.groups.join(request.group_id, join)


def _response(joined: Joined, version: int) -> JoinGroupResponse:
    protocol_name = joined.protocol_name
    if protocol_name is None and version < FIRST_VERSION_WITH_NULL_PROTOCOL:
        protocol_name = ""
    return JoinGroupResponse(
        error_code=joined.error_code,
        generation_id=joined.generation,
        protocol_type=joined.protocol_type,
        protocol_name=protocol_name,
        leader=joined.leader,
        skip_assignment=joined.skips_assignment and version >= FIRST_VERSION_THAT_SKIPS,
        member_id=joined.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=view.member_id,
                group_instance_id=view.instance_id,
                metadata=view.subscription,
            )
            for view in joined.members
        ],
    )
