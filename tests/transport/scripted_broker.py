"""A broker that says what a test tells it to: real sockets, and answers from a table.

    async with ScriptedBroker({METADATA: lambda request: MetadataResponse(...)}) as broker: ...

A handler gets the decoded request and returns a response, raw bytes for a whole frame, SILENCE, or
HANG_UP. ApiVersions is answered from `versions` unless the table has a handler for it.
"""

import asyncio
from collections.abc import Callable
from struct import Struct
from types import TracebackType
from typing import Any

from minikafka.protocol.api import request_class
from minikafka.protocol.api.api_versions import ApiVersion, ApiVersionsResponse
from minikafka.protocol.codec import decode, encode
from minikafka.protocol.header import (
    decode_client_id,
    decode_request_start,
    encode_response,
    has_flexible_request_header,
    has_flexible_response_header,
)
from minikafka.protocol.schema import schema_of

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS, INIT_PRODUCER_ID = 0, 1, 2, 3, 18, 22
SILENCE = object()
HANG_UP = object()
SIZE = Struct(">i")

Handler = Callable[[Any], Any]


def all_versions() -> list[ApiVersion]:
    """What a broker would serve that knows all that our messages know."""
    from minikafka.protocol.api import API_MODULES

    versions: list[ApiVersion] = []
    for key in API_MODULES:
        cls = request_class(key)
        assert cls is not None
        served = schema_of(cls).versions
        versions.append(ApiVersion(api_key=key, min_version=served.first, max_version=served.last))
    return versions


class ScriptedBroker:
    """Listens on a free port of 127.0.0.1."""

    def __init__(self, handlers: dict[int, Handler] | None = None) -> None:
        self.handlers = handlers or {}
        self.versions = all_versions()
        self.requests: list[tuple[int, int, Any]] = []
        """(api key, version, request) of everything that was understood."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "ScriptedBroker":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Close everything; the port stays for a next `async with`."""
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Close every connection."""
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.transport.abort()

    def requests_of(self, key: int) -> list[Any]:
        """The requests of one API so far."""
        return [request for api_key, _, request in self.requests if api_key == key]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                (size,) = SIZE.unpack(await reader.readexactly(4))
                answer = await self._answer(memoryview(await reader.readexactly(size)))
                if answer is HANG_UP:
                    break
                if answer is not SILENCE:
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, frame: memoryview) -> Any:
        key, version, correlation_id = decode_request_start(frame)
        cls = request_class(key)
        assert cls is not None
        flexible = has_flexible_request_header(cls, version)
        _, position = decode_client_id(frame, flexible)
        request, _ = decode(cls, frame, version, position)
        self.requests.append((key, version, request))
        handler = self.handlers.get(key)
        if handler is None and key == API_VERSIONS:
            answer: Any = ApiVersionsResponse(error_code=0, api_keys=self.versions)
        else:
            assert handler is not None, f"nobody told what to answer to API {key}"
            answer = handler(request)
            if asyncio.iscoroutine(answer):
                answer = await answer
        if answer is SILENCE or answer is HANG_UP or isinstance(answer, bytes):
            return answer
        if isinstance(answer, tuple):
            version, answer = answer
        return frame_of(answer, version, correlation_id)


def frame_of(response: Any, version: int, correlation_id: int) -> bytes:
    """The bytes of a response frame."""
    flexible = has_flexible_response_header(type(response), version)
    return b"".join(encode_response(encode(response, version), correlation_id, flexible))
