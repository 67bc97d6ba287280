"""Producer ids for this node's clients: taken from blocks which the controller has committed."""

import asyncio

from ...protocol.errors import ErrorCode
from .decide import PRODUCER_IDS_PER_BLOCK, reserve_producer_ids
from .service import Controller


class ProducerIds:
    """Gives every id once; asks the controller for a block when its own is used up."""

    def __init__(self, controller: Controller, broker_id: int) -> None:
        self._controller = controller
        self._broker_id = broker_id
        self._next = 0
        self._end = 0
        self._taking = asyncio.Lock()

    async def take(self) -> int | ErrorCode:
        """An id that nobody has had, or the error that kept the controller from giving a block."""
        async with self._taking:  # Those who come while a block is on its way share it.
            if self._next == self._end:
                decision = await self._controller.submit(
                    lambda image: reserve_producer_ids(image, self._broker_id)
                )
                if decision.error_code:
                    return decision.error_code
                self._next = int(decision.value)
                self._end = self._next + PRODUCER_IDS_PER_BLOCK
            self._next += 1
            return self._next - 1
