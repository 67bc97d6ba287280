"""Requests that only the active controller can answer, whoever gets them (KIP-590).

    client -> any broker -> Forward -> active controller: decodes, handles, encodes
    client <- that broker, once it has applied the change <- Forwarded

The controller handles such a request as if the client had come to it (`ForwardedExchange`). Which
APIs these are, the table says. The answer waits until this broker has applied what was done: who
creates a topic finds it here.

While nobody leads, or who did is gone, the request is tried again for a while. As in Kafka it may
then be carried out twice: of a topic that was created the client hears that it exists. When the
time is over it is handled here, where each of its parts is refused with NOT_CONTROLLER, in the
shape of its own answer; clients ask again.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from struct import error as struct_error
from typing import Any, cast

from ...protocol.api import request_class, response_class
from ...protocol.codec import decode, encode
from ...protocol.control import Forward, Forwarded, Refused
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ProtocolError
from ..controller.service import ControllerUnavailable
from .context import Context, Exchange, Handle
from .table import FORWARDED, SERVED_VERSIONS, handler_of

FORWARD_TIMEOUT_S = 15.0
"""Less than clients wait for an answer, as a rule."""
RETRY_S = 0.1
NOBODY_TO_ASK = ("", 0)


@dataclass(frozen=True, slots=True)
class ForwardedExchange:
    """Stands for a client that came by way of another broker.

    Its answer is what the handler returns: none of these APIs is answered in another way.
    """

    version: int
    client_id: str
    client_host: str
    correlation_id: int = 0
    local_address: tuple[str, int] = NOBODY_TO_ASK
    is_lost: bool = False


def forwarding(api_key: int) -> Handle:
    """The handler of this API for a broker that may not be the active controller."""
    handle_here = handler_of(api_key)

    def handle(exchange: Exchange, request: Any, context: Context) -> Any:
        if context.controller.is_active:
            return handle_here(exchange, request, context)
        return _forward(api_key, exchange, request, context)

    return handle


async def _forward(api_key: int, exchange: Exchange, request: Any, context: Context) -> Any:
    controller, version = context.controller, exchange.version
    body = b"".join(map(bytes, encode(request, version)))
    question = Forward(api_key, version, exchange.client_id, exchange.client_host, body)
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + FORWARD_TIMEOUT_S
    while not controller.is_active and not exchange.is_lost and loop.time() < deadline_s:
        try:
            answer = await controller.ask(question, int((deadline_s - loop.time()) * 1000))
        except ControllerUnavailable:
            answer = None
        if isinstance(answer, Forwarded):
            return await _received(api_key, version, answer, context)
        await asyncio.sleep(RETRY_S)
    return await _handled(api_key, exchange, request, context)


async def _handled(api_key: int, exchange: Exchange, request: Any, context: Context) -> Any:
    answer = handler_of(api_key)(exchange, request, context)
    return await cast(Coroutine[Any, Any, Any], answer) if isinstance(answer, Coroutine) else answer


async def _received(api_key: int, version: int, answer: Forwarded, context: Context) -> Any:
    with suppress(TimeoutError):  # It has happened: the client may know before this broker does.
        applied = context.controller.wait_until_applied(answer.offset)
        await asyncio.wait_for(applied, FORWARD_TIMEOUT_S)
    response = cast(type[Any], response_class(api_key))
    return decode(response, memoryview(answer.response), version)[0]


async def answer_forwarded(question: Forward, context: Context) -> Forwarded | Refused:
    """What the active controller does with a request that another broker has handed on."""
    api_key, version = question.api_key, question.api_version
    first, last = SERVED_VERSIONS.get(api_key, (0, -1))
    request = request_class(api_key)
    if api_key not in FORWARDED or not first <= version <= last or request is None:
        message = f"API {api_key} version {version} cannot be forwarded"
        return Refused(ErrorCode.INVALID_REQUEST.name, message)
    try:
        body, _ = decode(request, memoryview(question.request), version)
    except (ProtocolError, struct_error, IndexError) as error:
        return Refused(ErrorCode.INVALID_REQUEST.name, f"the request cannot be read: {error}")
    exchange = ForwardedExchange(version, question.client_id, question.client_host)
    response = await _handled(api_key, cast(Exchange, exchange), body, context)
    encoded = b"".join(map(bytes, encode(response, version)))
    return Forwarded(encoded, context.controller.committed_offset)
