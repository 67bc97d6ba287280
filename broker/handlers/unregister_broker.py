"""UnregisterBroker: forget a broker that will not come back; the active controller answers.

It is no replica of anything then but in name: what it led is led by others. One that lives is
registered again as soon as it is heard of; a node that is alone is not forgotten.
"""

from ...protocol.api.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from ..controller.decide_brokers import unregister_broker
from .context import Context, Exchange


async def handle(
    exchange: Exchange, request: UnregisterBrokerRequest, context: Context
) -> UnregisterBrokerResponse:
    """Whether it is forgotten."""
    del exchange
    decision = await context.controller.submit(
        lambda image: unregister_broker(image, context.config, request.broker_id)
    )
    message = decision.message or (decision.error_code.message if decision.error_code else None)
    return UnregisterBrokerResponse(error_code=decision.error_code, error_message=message)
