"""InitProducerId: who am I? A fresh id for an idempotent producer (KIP-98, KIP-360).

Ids come in blocks which the controller commits before the first of a block is given away, so that
no id is ever given twice. A producer that lost its place asks with its old id and epoch: without
transactions it gets a fresh id, whose sequences begin at 0, as Kafka's broker answers it.
"""

from collections.abc import Coroutine
from typing import Any

from ...protocol.api.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ...protocol.errors import ErrorCode
from .context import Context, Exchange

FIRST_EPOCH = 0


def handle(
    exchange: Exchange, request: InitProducerIdRequest, context: Context
) -> InitProducerIdResponse | Coroutine[Any, Any, InitProducerIdResponse]:
    """A producer id with epoch 0; a transactional id is refused, there are no transactions."""
    del exchange
    if request.transactional_id is not None:
        return _refuse(
            ErrorCode.INVALID_REQUEST
            if not request.transactional_id
            else ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        )
    if (request.producer_id < 0) != (request.producer_epoch < 0):
        return _refuse(ErrorCode.INVALID_REQUEST)
    return _give(context)


async def _give(context: Context) -> InitProducerIdResponse:
    producer_id = await context.producer_ids.take()
    if isinstance(producer_id, ErrorCode):
        return _refuse(producer_id)
    return InitProducerIdResponse(
        error_code=ErrorCode.NONE, producer_id=producer_id, producer_epoch=FIRST_EPOCH
    )


def _refuse(error_code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=error_code, producer_epoch=-1)
