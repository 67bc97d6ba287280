"""Producer ids for this node's clients: taken from blocks which the controller has committed."""

import asyncio
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from .service import Controller, ControllerUnavailable

if TYPE_CHECKING:
    from ...protocol.control import Refused, ReservedProducerIds

TIMEOUT_MS = 5000


class ProducerIds:
    """Gives every id once; asks the controller for a block when its own is used up."""

    def __init__(self, controller: Controller, broker_id: int) -> None:
        self._controller = controller
        self._broker_id = broker_id
        self._next: int = 0
        self._end: int = 0
        self._taking = asyncio.Lock()

    async def take(self) -> int | ErrorCode:
        """An id that nobody has had, or the error that kept the controller from giving a block."""
        async with self._taking:  # Those who come while a block is on its way share it.
            if self._next == self._end:
                answer = await self._reserve()
                if isinstance(answer, ErrorCode):
                    return answer
                self._next, self._end = answer.first, answer.first + answer.count
            self._next += 1
            return self._next - 1

    async def _reserve(self) -> "ReservedProducerIds | ErrorCode":
        # Start-up is imports.
        from ...protocol.control import ReservedProducerIds, ReserveProducerIds

        broker = self._controller.image.brokers.get(self._broker_id)
        if broker is None:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        question = ReserveProducerIds(self._broker_id, broker.epoch)
        try:
            answer: ReservedProducerIds | Refused = await self._controller.ask(question, TIMEOUT_MS)
        except ControllerUnavailable:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        if isinstance(answer, ReservedProducerIds):
            return answer
        if answer.error == ErrorCode.KAFKA_STORAGE_ERROR.name:
            return ErrorCode.KAFKA_STORAGE_ERROR
        # This broker is registered anew, or the controller is none any more: it will pass.
        return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
