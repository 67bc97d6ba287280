"""SyncGroup: a member learns what it owns; answered once the leader's assignment is in the log."""

from ...protocol.api.sync_group import SyncGroupRequest, SyncGroupResponse
from ..group.member import Identity, Sync, Synced
from .context import Context, Exchange


def handle(exchange: Exchange, request: SyncGroupRequest, context: Context) -> None:
    """Hand the sync to the coordinator, which answers now or later."""

    def answer(synced: Synced) -> None:
        exchange.answer(
            SyncGroupResponse(
                error_code=synced.error_code,
                protocol_type=synced.protocol_type,
                protocol_name=synced.protocol_name,
                assignment=synced.assignment,
            )
        )

    identity = Identity(request.member_id, request.group_instance_id, request.generation_id)
    assignments = {each.member_id: bytes(each.assignment) for each in request.assignments}
    sync = Sync(answer, identity, request.protocol_type, request.protocol_name, assignments)
    context.groups.sync(request.group_id, sync)
