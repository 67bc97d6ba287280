"""Every decoder of every version: a broker's, of requests, and a client's, of responses.

The first two bytes are API key and version, so that a stored input means the same when APIs are
added. What comes of the table is what is tested: a new API is in from its first day.
"""

from functools import cache

from minikafka.protocol.api import API_MODULES, request_class, response_class
from minikafka.protocol.codec import decode, encode
from minikafka.protocol.primitives import ProtocolError
from minikafka.protocol.schema import schema_of

from .choices import Choices
from .grammar import Whim, Writer

Case = tuple[type, int]
_SMALL_BYTES = 100_000
_LONGEST_ROUND_TRIP = 4096


@cache
def cases(is_request: bool) -> dict[tuple[int, int], Case]:
    """(API key, version) to the message's class and the version."""
    found: dict[tuple[int, int], Case] = {}
    for key in sorted(API_MODULES):
        cls = (request_class if is_request else response_class)(key)
        assert cls is not None
        versions = schema_of(cls).versions
        for version in range(versions.first, versions.last + 1):
            found[key, version] = cls, version
    return found


def choose(choices: Choices, is_request: bool) -> Case:
    """The case that the next two bytes name, or another if they name none."""
    every = cases(is_request)
    key, version = choices.byte(), choices.byte()
    return every.get((key, version)) or list(every.values())[(key << 8 | version) % len(every)]


def requests(data: bytes) -> None:
    """Any bytes as any request: a message, or ProtocolError with a position."""
    _read_any(data, is_request=True)


def responses(data: bytes) -> None:
    """Any bytes as any response."""
    _read_any(data, is_request=False)


def written_requests(data: bytes) -> None:
    """A request written by the grammar is read, unless it lies; then it may be refused."""
    _read_written(data, is_request=True)


def written_responses(data: bytes) -> None:
    """The same for responses."""
    _read_written(data, is_request=False)


def _read_any(data: bytes, is_request: bool) -> None:
    choices = Choices(data)
    cls, version = choose(choices, is_request)
    _read(cls, version, choices.rest())


def _read_written(data: bytes, is_request: bool) -> None:
    choices = Choices(data)
    cls, version = choose(choices, is_request)
    whim = Whim(choices)
    body = Writer(cls, version, whim).message()
    end = _read(cls, version, body)
    if whim.is_honest and end != len(body):
        assert _costs_too_much(cls, version, body), (
            f"{cls.__name__} v{version} refuses {body[:200].hex()} ({len(body)} bytes)"
        )


def _costs_too_much(cls: type, version: int, body: bytes) -> bool:
    """Whether the message is refused for the number of its values, which no small one has."""
    try:
        decode(cls, memoryview(body), version)
    except ProtocolError as error:
        return len(body) > _SMALL_BYTES and "too many values" in str(error)
    return False


def _read(cls: type, version: int, body: bytes) -> int | None:
    """Decode, and what was decoded must be what its encoding says; where it ends, None: refused."""
    message, position = _decoded(cls, version, body)
    assert position is not None
    assert 0 <= position <= len(body)
    if message is None:
        return None
    end = position
    if end <= _LONGEST_ROUND_TRIP:
        encoded = _encoded(message, version)
        again, _ = decode(cls, memoryview(encoded), version)
        assert _encoded(again, version) == encoded
    return end


def _decoded(cls: type, version: int, body: bytes) -> tuple[object, int | None]:
    """The message and where it ends; or None, and where it breaks the protocol."""
    try:
        return decode(cls, memoryview(body), version)
    except ProtocolError as error:
        return None, error.position


def _encoded(message: object, version: int) -> bytes:
    return b"".join(encode(message, version))
