"""The client half of a framed connection: requests out, answers matched to them in order.

    submit(request) --encode--> |size|header|body|  ---> broker
        future  <--decode--     |size|correlation id|body|  <---

A connection opens with the ApiVersions handshake (KIP-511) and from then on speaks, per API, the
highest version that both sides know. Requests are pipelined: any number up to MAX_WAITING_REQUESTS
may be on the way, and since a broker answers in order, the first answer belongs to the oldest.

Invariants:
- Every future that `submit` gave ends: with the answer, with KafkaTimeout, or, when the connection
  breaks, with NetworkException, which is retriable. Whether the request was carried out is then
  unknown.
- A timeout closes the connection, as in Kafka's client: all later answers are stuck behind the one
  that is missing.
- A frame that is longer than MAX_RESPONSE_BYTES, or of negative length, closes the connection
  before anything is allocated for it (CVE-2026-10142).

There is no task and no callback per request beyond its timer. Time, and the socket, are those of
the loop that is handed in. Answers own their bytes: the record batches of a Fetch are slices of
one copy of the frame, since the buffer which received it is used again.

Left out: TLS and SASL (the security step); reconnection, which is the business of those who know
what they were doing (client/network).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, TypeVar

from ..protocol.api import api_name
from ..protocol.api.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ..protocol.codec import decode, encode
from ..protocol.errors import ErrorCode, KafkaError, error_class
from ..protocol.header import (
    API_VERSIONS_KEY,
    RequestStart,
    encode_request,
    has_flexible_request_header,
    has_flexible_response_header,
)
from ..protocol.primitives import ProtocolError, skip_tags
from ..protocol.schema import schema_of
from .framing import FrameBuffers, FrameReceiver
from .outbox import join_neighbours

MAX_RESPONSE_BYTES: Final = 128 << 20
MAX_WAITING_REQUESTS: Final = 1000
JOINED_BELOW_BYTES: Final = 128 << 10
"""A frame below this leaves in one system call; fresh memory above it costs page faults."""
SOFTWARE_NAME: Final = "minikafka"
SOFTWARE_VERSION: Final = "0.1.0"

_HANDSHAKE_VERSION: Final = 3  # the first to carry our name; a newer one would tell us nothing
_RESPONSE_START: Final = Struct(">ih")  # correlation id; then, in ApiVersions, the error code
_CORRELATION_ID: Final = Struct(">i")
_MAX_CORRELATION_ID: Final = 2**31 - 1
_UNSUPPORTED_VERSION: Final = int(ErrorCode.UNSUPPORTED_VERSION)

T = TypeVar("T")
NetworkException: Final = error_class(ErrorCode.NETWORK_EXCEPTION)


class KafkaTimeout(KafkaError, TimeoutError):
    """Something was not done in its time; whether it happened later is unknown."""

    code = ErrorCode.REQUEST_TIMED_OUT


class CannotConnect(KafkaError, ConnectionError):
    """No connection to this address: nobody listens, or who listens speaks no Kafka."""

    code = ErrorCode.NETWORK_EXCEPTION


class UnsupportedByCluster(KafkaError):
    """The broker serves no version of the API which we speak, or none that can say this."""

    code = ErrorCode.UNSUPPORTED_VERSION


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request without its answer."""

    correlation_id: int
    response_class: type[Any]
    version: int
    future: asyncio.Future[Any]
    timer: asyncio.TimerHandle | None = None


class Connection(asyncio.BufferedProtocol):
    """One connection to one broker; made by `open`, used up when it closes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str, client_id: str) -> None:
        """Made by `open`; `address` is HOST:PORT, for sentences."""
        self.address = address
        self.versions: dict[int, tuple[int, int]] = {}
        """Per API key the lowest and highest version that the broker serves."""
        self.on_lost: Callable[[], None] | None = None
        self._loop = loop
        self._client_id = client_id
        self._transport: asyncio.Transport | None = None
        self._receiver = FrameReceiver(FrameBuffers(MAX_RESPONSE_BYTES), MAX_RESPONSE_BYTES)
        self._waiting: deque[_Waiting] = deque()
        self._next_correlation_id = 0
        self._closed_because: str | None = None
        self._lost: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def open(
        cls,
        loop: asyncio.AbstractEventLoop,
        host: str,
        port: int,
        *,
        client_id: str = SOFTWARE_NAME,
        timeout_ms: int = 10_000,
    ) -> "Connection":
        """Connect and shake hands; raises CannotConnect, KafkaTimeout or UnsupportedByCluster."""
        address = f"{host}:{port}"
        connection = cls(loop, address, client_id)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await loop.create_connection(lambda: connection, host, port)
                await connection._shake_hands(timeout_ms)
        except TimeoutError as error:
            connection.abort("the handshake took too long")
            raise KafkaTimeout(f"no answer from {address} within {timeout_ms} ms") from error
        except (OSError, UnicodeError, OverflowError, NetworkException) as error:
            # No name, or no port, is a name or a port that nobody could have.
            connection.abort("the handshake failed")
            raise CannotConnect(f"cannot connect to {address}: {error}") from error
        except BaseException:
            connection.abort("the handshake failed")
            raise
        return connection

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closed_because is not None

    @property
    def waiting_count(self) -> int:
        """How many requests are without their answer."""
        return len(self._waiting)

    def version_of(self, request_class: type, max_version: int | None = None) -> int:
        """The highest version of this API that both sides know; raises UnsupportedByCluster.

        `max_version` keeps below a version that asks for more than the caller can say.
        """
        schema = schema_of(request_class)
        lowest, highest = self.versions.get(schema.key, (0, -1))
        highest = min(highest, schema.versions.last)
        if max_version is not None:
            highest = min(highest, max_version)
        if highest < max(lowest, schema.versions.first):
            raise self._unsupported(schema.key, schema.versions.first, schema.versions.last)
        return highest

    def serves(self, request_class: type) -> bool:
        """Whether some version of this API is known to both sides."""
        try:
            self.version_of(request_class)
        except UnsupportedByCluster:
            return False
        return True

    async def request(
        self, request: object, response_class: type[T], timeout_ms: int, version: int | None = None
    ) -> T:
        """Send a request and return its answer; errors as in the module's invariants."""
        return await self.submit(request, response_class, timeout_ms, version)

    def submit(
        self, request: object, response_class: type[T], timeout_ms: int, version: int | None = None
    ) -> asyncio.Future[T]:
        """Send a request now and return the future of its answer.

        Raises at once what no sending can mend: UnsupportedByCluster, or ValueError for a value
        that the version cannot carry; and NetworkException when the connection is closed.
        """
        if len(self._waiting) >= MAX_WAITING_REQUESTS:
            raise NetworkException(f"{MAX_WAITING_REQUESTS} requests wait for {self.address}")
        version = self.version_of(type(request)) if version is None else version
        correlation_id = self._write(request, version)
        future: asyncio.Future[T] = self._loop.create_future()
        waiting = _Waiting(correlation_id, response_class, version, future)
        waiting.timer = self._loop.call_later(
            timeout_ms / 1000, self._time_out, waiting, timeout_ms
        )
        self._waiting.append(waiting)
        return future

    def post(self, request: object, version: int | None = None) -> None:
        """Send a request which the broker does not answer: a Produce with acks 0."""
        self._write(request, self.version_of(type(request)) if version is None else version)

    def close(self) -> None:
        """Send what was written, then close; requests that wait end with NetworkException."""
        self._end("closed by this client")
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once; `reason` goes into the error of the requests that wait."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self, timeout_ms: int = 1000) -> None:
        """After close(): wait until all is sent and the socket is gone, but not for ever."""
        if self._transport is None:
            return
        await asyncio.wait((self._lost,), timeout=timeout_ms / 1000)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop when the socket is connected."""
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]
        if self.is_closed and self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the socket is gone."""
        self._end(f"{exc}" if exc else "the broker closed the connection")
        self._receiver.release()
        if not self._lost.done():
            self._lost.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by the loop: where the socket's next bytes go."""
        return self._receiver.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Called by the loop: so many bytes have arrived."""
        try:
            for frame in self._receiver.received(nbytes):
                if not self.is_closed:
                    self._answer(memoryview(bytes(frame)))
            self._receiver.end_event()
        except ProtocolError as error:
            self.abort(f"the broker broke the protocol: {error}")

    def _write(self, request: object, version: int) -> int:
        """Put the request's frame on the wire and return its correlation id."""
        if self._transport is None or self._closed_because is not None:
            raise NetworkException(f"connection to {self.address}: {self._closed_because}")
        request_class = type(request)
        correlation_id = self._next_correlation_id
        start = RequestStart(schema_of(request_class).key, version, correlation_id)
        flexible = has_flexible_request_header(request_class, version)
        chunks = encode_request(encode(request, version), start, self._client_id, flexible)
        self._next_correlation_id = (correlation_id + 1) & _MAX_CORRELATION_ID
        if sum(map(len, chunks)) < JOINED_BELOW_BYTES:
            self._transport.write(b"".join(chunks))
        else:
            for piece in join_neighbours(chunks):
                self._transport.write(piece)
        return correlation_id

    def _answer(self, frame: memoryview) -> None:
        """Give an answer to the request that is the oldest."""
        if len(frame) < _CORRELATION_ID.size:
            raise ProtocolError(f"an answer of {len(frame)} bytes")
        (correlation_id,) = _CORRELATION_ID.unpack_from(frame)
        if not self._waiting or self._waiting[0].correlation_id != correlation_id:
            raise ProtocolError(f"an answer to request {correlation_id}, which is not the next")
        # Decoded before it leaves the queue, so that a bad answer ends its request as well.
        response = _decode_answer(self._waiting[0], frame)
        waiting = self._waiting.popleft()
        if waiting.timer is not None:
            waiting.timer.cancel()
        if not waiting.future.done():
            waiting.future.set_result(response)

    def _time_out(self, waiting: _Waiting, timeout_ms: int) -> None:
        """End a request that was not answered in time, and with it the connection."""
        name = api_name(schema_of(waiting.response_class).key)
        message = f"{self.address} did not answer {name} within {timeout_ms} ms"
        if not waiting.future.done():
            waiting.future.set_exception(KafkaTimeout(message))
        self.abort(message)

    def _end(self, reason: str) -> None:
        """Fail every request that waits, once."""
        if self._closed_because is not None:
            return
        self._closed_because = reason
        while self._waiting:
            waiting = self._waiting.popleft()
            if waiting.timer is not None:
                waiting.timer.cancel()
            if not waiting.future.done():
                message = f"connection to {self.address}: {reason}"
                waiting.future.set_exception(NetworkException(message))
        if self.on_lost is not None:
            self.on_lost()

    async def _shake_hands(self, timeout_ms: int) -> None:
        """Learn the broker's versions; a second time, lower, if it does not know ours (KIP-511)."""
        response = await self._ask_versions(_HANDSHAKE_VERSION, timeout_ms)
        if response.error_code == _UNSUPPORTED_VERSION:
            listed = [api for api in response.api_keys if api.api_key == API_VERSIONS_KEY]
            lower = min(listed[0].max_version, _HANDSHAKE_VERSION - 1) if listed else 0
            response = await self._ask_versions(max(lower, 0), timeout_ms)
        if response.error_code:
            code = KafkaError.of(response.error_code)
            raise CannotConnect(f"{self.address} refuses the handshake: {code}")
        self.versions = {
            api.api_key: (api.min_version, api.max_version) for api in response.api_keys
        }

    async def _ask_versions(self, version: int, timeout_ms: int) -> ApiVersionsResponse:
        request = ApiVersionsRequest(
            client_software_name=SOFTWARE_NAME, client_software_version=SOFTWARE_VERSION
        )
        return await self.request(request, ApiVersionsResponse, timeout_ms, version)

    def _unsupported(self, key: int, first: int, last: int) -> UnsupportedByCluster:
        served = self.versions.get(key)
        theirs = f"versions {served[0]} to {served[1]}" if served else "no version"
        needed = f"this needs one of {first} to {last}"
        return UnsupportedByCluster(f"{self.address} serves {theirs} of {api_name(key)}; {needed}")


def _decode_answer(waiting: _Waiting, frame: memoryview) -> Any:
    """The message behind the response header; raises ProtocolError."""
    version, position = waiting.version, _CORRELATION_ID.size
    if schema_of(waiting.response_class).key == API_VERSIONS_KEY:
        if len(frame) < _RESPONSE_START.size:
            raise ProtocolError("an ApiVersions answer without an error code")
        if _RESPONSE_START.unpack_from(frame)[1] == _UNSUPPORTED_VERSION:
            return _decode_refusal(frame, position)
    elif has_flexible_response_header(waiting.response_class, version):
        try:
            position, _ = skip_tags(frame, position)
        except IndexError as error:
            raise ProtocolError("a response header is cut short", len(frame)) from error
    return decode(waiting.response_class, frame, version, position)[0]


def _decode_refusal(frame: memoryview, position: int) -> ApiVersionsResponse:
    """UNSUPPORTED_VERSION: version 0 whatever was asked (KIP-511), with the versions to ask for.

    Some, like librdkafka's mock brokers, put them into another form: then we know none.
    """
    try:
        return decode(ApiVersionsResponse, frame, 0, position)[0]
    except ProtocolError:
        return ApiVersionsResponse(error_code=_UNSUPPORTED_VERSION, api_keys=[])
