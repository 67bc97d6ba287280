"""One connection to the control plane of one node: a question at a time, each with its answer.

What goes wrong while a question is on its way, a timeout and a cancellation too, closes the link:
the next answer would be that of another question. A link may also be closed by its node, which does
not wait for ever for silent peers; who has links opens another one then (`control_plane`).
"""

import asyncio
from typing import Any, TypeVar

from ..protocol.control import ANSWERS, Refused
from ..protocol.control_frame import MAX_ANSWER_BYTES, SIZE, decode, encode, payload_size
from ..protocol.errors import ErrorCode, KafkaError
from ..protocol.primitives import ProtocolError
from ..transport.connection import (
    CannotConnect,
    KafkaTimeout,
    NetworkException,
    UnsupportedByCluster,
)

A = TypeVar("A")


class ControlLink:
    """Made by `open`, used up when it closes."""

    def __init__(
        self,
        address: str,
        cluster_id: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Made by `open`; `address` is HOST:PORT, for sentences."""
        self.address = address
        self._cluster_id = cluster_id
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()

    @staticmethod
    async def open(host: str, port: int, cluster_id: str, timeout_ms: int) -> "ControlLink":
        """Connect; raises CannotConnect."""
        address = f"{host}:{port}"
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            reason = str(error) or f"it took more than {timeout_ms} ms"
            message = f"cannot connect to the control plane at {address}: {reason}"
            raise CannotConnect(message) from error
        return ControlLink(address, cluster_id, reader, writer)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._writer.is_closing() or self._reader.at_eof()

    async def ask(self, question: object, answer_class: type[A], timeout_ms: int) -> A:
        """The answer; KafkaTimeout, NetworkException, or the error that the node answers."""
        try:
            async with asyncio.timeout(timeout_ms / 1000), self._turn:
                answer = await self._exchange(question)
        except TimeoutError as error:
            name = type(question).__name__
            message = f"{self.address} did not answer {name} within {timeout_ms} ms"
            raise KafkaTimeout(message) from error
        if isinstance(answer, Refused):
            raise _error(answer)
        if not isinstance(answer, answer_class):
            self.close()
            raise NetworkException(f"{self.address} answers {type(answer).__name__} instead")
        return answer

    def close(self) -> None:
        """Close at once: there is nothing on its way that anybody waits for."""
        self._writer.transport.abort()

    async def _exchange(self, question: object) -> Any:
        try:
            self._writer.write(encode(question, self._cluster_id))
            head = await self._reader.readexactly(SIZE.size)
            payload = await self._reader.readexactly(payload_size(head, MAX_ANSWER_BYTES))
            return decode(payload, ANSWERS)[1]
        except (OSError, EOFError, ProtocolError) as error:
            self.close()
            raise NetworkException(f"the control plane at {self.address}: {error}") from error
        except BaseException:
            self.close()
            raise


def _error(refused: Refused) -> KafkaError:
    """The exception for what a node refuses."""
    if refused.error == ErrorCode.UNSUPPORTED_VERSION.name:
        return UnsupportedByCluster(refused.message)
    known = ErrorCode.__members__.get(refused.error, ErrorCode.UNKNOWN_SERVER_ERROR)
    if known is ErrorCode.NONE:
        known = ErrorCode.UNKNOWN_SERVER_ERROR
    return KafkaError.of(known, refused.message)
