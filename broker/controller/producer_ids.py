"""Producer ids for this node's clients: taken from blocks which the controller has committed."""

from .decide import PRODUCER_IDS_PER_BLOCK, reserve_producer_ids
from .service import Controller


class ProducerIds:
    """Gives every id once; asks the controller for a block when its own is used up."""

    def __init__(self, controller: Controller, broker_id: int) -> None:
        self._controller = controller
        self._broker_id = broker_id
        self._next = 0
        self._end = 0

    async def take(self) -> int:
        """An id that nobody has had."""
        while self._next == self._end:
            decision = await self._controller.submit(
                lambda image: reserve_producer_ids(image, self._broker_id)
            )
            # Another caller may have brought a block meanwhile: then this one goes unused.
            if self._next == self._end:
                self._next = decision.value
                self._end = decision.value + PRODUCER_IDS_PER_BLOCK
        self._next += 1
        return self._next - 1
