"""Asks the controller for the ISRs that this node's partitions want, as their leader.

    partition proposes -> waiting -> one AlterPartition for all that wait -> answers -> partitions

One request is under way at a time, so there is one for each partition at most, and the controller
sees them in order. What is not answered, or not finally, is asked again after RETRY_MS, for as long
as the partition still wants it; `in_sync` has the rules.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ...protocol.control import (
    AlteredPartition,
    AlteredPartitions,
    AlterPartition,
    IsrMember,
    PartitionIsr,
    Refused,
)
from ...protocol.errors import ErrorCode
from .in_sync import IsrProposal
from .manager import ReplicaManager
from .partition import Partition

RETRY_MS = 100
MAX_ASKED = 1000
"""Partitions in one request."""

Ask: TypeAlias = Callable[[AlterPartition], Awaitable[AlteredPartitions | Refused | None]]
"""Has the active controller answer; None when there is none, or no answer."""


class IsrChanges:
    """`broker_epoch` says under which registration this node asks now."""

    def __init__(
        self,
        broker_id: int,
        broker_epoch: Callable[[], int],
        ask: Ask,
        replicas: ReplicaManager,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._ask = ask
        self._replicas = replicas
        self._loop = loop
        self._waiting: dict[Partition, None] = {}
        self._working: asyncio.Task[None] | None = None

    def propose(self, partition: Partition) -> None:
        """Ask for the partition's `isr_proposal`, soon."""
        self._waiting[partition] = None
        if self._working is None:
            self._working = self._loop.create_task(self._work())

    async def stop(self) -> None:
        """Ask for nothing any more."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])

    async def _work(self) -> None:
        try:
            while self._waiting:
                if not await self._ask_once():
                    await asyncio.sleep(RETRY_MS / 1000)
        finally:
            self._working = None

    async def _ask_once(self) -> bool:
        """Ask for what waits; False if some of it has to be asked for again."""
        waiting = list(self._waiting)[:MAX_ASKED]
        for partition in waiting:
            del self._waiting[partition]
        asked = [
            (partition, proposal)
            for partition in waiting
            if (proposal := partition.isr_proposal) is not None
        ]
        if not asked:
            return True
        wanted = tuple(_wanted(*each) for each in asked)
        answer = await self._ask(AlterPartition(self._broker_id, self._broker_epoch(), wanted))
        altered = answer.partitions if isinstance(answer, AlteredPartitions) else ()
        errors = {(each.topic_id, each.index): _error(each) for each in altered}
        is_done = True
        for partition, proposal in asked:
            key = partition.topic_id, partition.index
            error = errors.get(key, ErrorCode.REQUEST_TIMED_OUT)
            if self._replicas.isr_answered(partition, proposal, error):
                self._waiting[partition] = None
                is_done = False
        return is_done


def _wanted(partition: Partition, proposal: IsrProposal) -> PartitionIsr:
    members = tuple(IsrMember(*member) for member in proposal.members)
    return PartitionIsr(
        partition.topic_id,
        partition.index,
        proposal.leader_epoch,
        proposal.partition_epoch,
        members,
    )


def _error(altered: AlteredPartition) -> ErrorCode:
    """What it says; an error that we have no name for is one that may pass."""
    try:
        return ErrorCode[altered.error]
    except KeyError:
        return ErrorCode.UNKNOWN_SERVER_ERROR
