"""How an administrator asks: a question until it is answered, a change once.

ask       only reads: asked again when it fails and may succeed, until its time is over
repeat    the same, of a question that looks at its answer itself
ask_controller   the same, of a question that the controller answers
change    asked again only of another controller, because nobody knows what became of a change
          whose connection broke
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from ..protocol.errors import ErrorCode, KafkaError
from ..transport.connection import Connection
from .network import ANY_NODE, Network
from .outcome import Outcome

T = TypeVar("T")
_NOT_CONTROLLER: Final = int(ErrorCode.NOT_CONTROLLER)

AskForChange = Callable[[Connection, int], Awaitable[list[Outcome]]]
"""Sends the request, and waits so many ms for the outcomes."""


async def ask(
    network: Network,
    request: object,
    response_class: type[T],
    timeout_ms: int,
    node_id: int = ANY_NODE,
) -> T:
    """The answer of a node to a question; KafkaTimeout, or the error that no waiting can mend."""

    async def ask_once(left_ms: int) -> T:
        return await network.request(request, response_class, left_ms, node_id)

    return await repeat(network, ask_once, timeout_ms)


async def repeat(network: Network, ask_once: Callable[[int], Awaitable[T]], timeout_ms: int) -> T:
    """What `ask_once` returns, called with the ms that are left, again while its error may pass."""
    deadline_ms = network.now_ms() + timeout_ms
    while True:
        left_ms = max(deadline_ms - network.now_ms(), 1)
        try:
            return await ask_once(left_ms)
        except KafkaError as error:
            if not error.retriable or network.now_ms() >= deadline_ms:
                raise
        await _pause(network, deadline_ms)


class Answer(Protocol):
    """A response with one error for all of it."""

    error_code: int
    error_message: str | None


A = TypeVar("A", bound=Answer)


async def ask_controller(
    network: Network, request: object, response_class: type[A], timeout_ms: int
) -> A:
    """The controller's answer to a question, its successor's if it is not the controller any more.

    Raises KafkaTimeout, or the error that no waiting can mend.
    """

    async def ask_once(left_ms: int) -> A:
        connection = await network.connection(_controller(network), left_ms)
        response = await connection.request(request, response_class, left_ms)
        if response.error_code:
            network.request_refresh()
            raise KafkaError.of(response.error_code, response.error_message)
        return response

    return await repeat(network, ask_once, timeout_ms)


async def change(network: Network, ask_for_change: AskForChange, timeout_ms: int) -> list[Outcome]:
    """Ask the controller for a change; if it is not the controller any more, its successor."""
    deadline_ms = network.now_ms() + timeout_ms
    while True:
        left_ms = max(deadline_ms - network.now_ms(), 1)
        connection = await network.connection(_controller(network), left_ms)
        outcomes = await ask_for_change(connection, left_ms)
        has_moved = any(outcome.error_code == _NOT_CONTROLLER for outcome in outcomes)
        if not has_moved or network.now_ms() >= deadline_ms:
            return outcomes
        network.request_refresh()
        await _pause(network, deadline_ms)


def _controller(network: Network) -> int:
    """The controller as far as anybody knows, else any broker."""
    controller_id = network.metadata.controller_id
    return controller_id if controller_id in network.metadata.brokers else ANY_NODE


async def _pause(network: Network, deadline_ms: int) -> None:
    """Wait for news of the cluster, a little at most."""
    pause_ms = network.settings.retry_backoff_ms
    await network.changed.wait(min(deadline_ms, network.now_ms() + pause_ms))
