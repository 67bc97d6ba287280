"""How a class becomes its blocking twin: a method costs one line.

    class Producer:
        flush = blocking(producer.Producer.flush)       awaited there, waited for here
        pause = in_loop(consumer.Consumer.pause)        a plain method, run in the loop's thread
        start = starting(producer.Producer.start)       returns the twin; closed at exit from now on
        close = closing(producer.Producer.close)        no need to be closed at exit any more

Each keeps name, parameters and docstring, for people as for type checkers, which see a method of
any class that has the two properties of a Face.
"""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from .background_loop import BackgroundLoop, Client

A = TypeVar("A", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Client)
F = TypeVar("F", bound="Face[Any]")


class Face(Protocol[A]):
    """What a class here is: an asyncio client, and the loop in which it lives."""

    @property
    def asyncio_client(self) -> A:
        """What does the work; touched in the loop's thread alone."""
        ...

    @property
    def background(self) -> BackgroundLoop:
        """The loop and its thread."""
        ...


def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Face[A], P], R]:
    """The twin of an async method: it waits for what that returns."""

    @functools.wraps(method)
    def wait(face: Face[A], *args: P.args, **kwargs: P.kwargs) -> R:
        return face.background.run(method(face.asyncio_client, *args, **kwargs))

    return wait


def starting(method: Callable[[Any], Coroutine[Any, Any, object]]) -> Callable[[F], F]:
    """The twin of an async method that starts the client: from now on it is closed at exit."""

    @functools.wraps(method)
    def wait(face: F) -> F:
        face.background.run(face.asyncio_client.start())
        face.background.opened(face.asyncio_client)
        return face

    return wait


def closing(
    method: Callable[Concatenate[C, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Face[C], P], R]:
    """The twin of an async method that closes the client."""
    close = blocking(method)

    @functools.wraps(method)
    def wait(face: Face[C], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return close(face, *args, **kwargs)
        finally:
            face.background.closed(face.asyncio_client)

    return wait


def in_loop(method: Callable[Concatenate[A, P], R]) -> Callable[Concatenate[Face[A], P], R]:
    """The twin of a plain method: it runs in the loop's thread, like everything else there."""

    @functools.wraps(method)
    def wait(face: Face[A], *args: P.args, **kwargs: P.kwargs) -> R:
        async def run() -> R:
            return method(face.asyncio_client, *args, **kwargs)

        return face.background.run(run())

    return wait


def same_options(
    client_class: Callable[P, Any],
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Give a constructor the parameters of the asyncio class."""

    def decorate(init: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        return functools.wraps(client_class.__init__)(init)

    return decorate
