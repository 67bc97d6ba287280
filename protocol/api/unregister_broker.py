"""UnregisterBroker (key 64): forget a broker that will not come back.

An admin client asks the controller, or any broker, which passes it on. A broker that is alive
registers again by itself.

    v0   the broker's id (KIP-500)
"""

from ..codec import field, message
from ..primitives import INT16, INT32, STRING


@message(key=64, versions="0", flexible="0+")
class UnregisterBrokerRequest:
    """Forget this broker."""

    broker_id: int = field(INT32)


@message(key=64, versions="0", flexible="0+")
class UnregisterBrokerResponse:
    """Whether it is forgotten."""

    throttle_time_ms: int = field(INT32, default=0)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+", default=None)
