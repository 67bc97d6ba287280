"""The brokers as clients are told of them: who is alive, and where.

A broker that is fenced is not told of: nobody should ask it anything. One that is alone has no
address of its own in the image, and tells each client the one by which it came.
"""

from typing import NamedTuple

from ..controller.image import NOBODY, BrokerImage
from .context import Context, Exchange


class Endpoint(NamedTuple):
    """Where a client reaches a broker."""

    node_id: int
    host: str
    port: int


def endpoint_of(broker: BrokerImage, exchange: Exchange, context: Context) -> Endpoint:
    """Where this client reaches this broker."""
    host, port = (broker.host, broker.port) if broker.host else context.address_for(exchange)
    return Endpoint(broker.broker_id, host, port)


def alive_endpoint(broker_id: int, exchange: Exchange, context: Context) -> Endpoint | None:
    """Where this client reaches a broker; None for one that is fenced or unknown."""
    image = context.controller.image
    if not image.is_alive(broker_id):
        return None
    return endpoint_of(image.brokers[broker_id], exchange, context)


def alive_endpoints(exchange: Exchange, context: Context) -> list[Endpoint]:
    """All brokers that are alive, by their ids."""
    image = context.controller.image
    return [
        endpoint_of(broker, exchange, context)
        for broker_id, broker in sorted(image.brokers.items())
        if image.is_alive(broker_id)
    ]


def controller_of(context: Context) -> int:
    """Whom a client may send what is for the controller: the controller itself, if it is there.

    Any other broker will do, since each hands such requests on (see forwarding.py). So one that
    has not been heard of for a moment is not named: librdkafka waits for who it was told of until
    that is there, and asks nobody else.
    """
    controller, own_id = context.controller, context.config.node_id
    image = controller.image
    named = image.controller_id if controller.has_leader else own_id
    candidates = (named, own_id, *sorted(image.brokers))
    return next((each for each in candidates if image.is_alive(each)), NOBODY)
