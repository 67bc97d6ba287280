"""Request and response headers, and the frame around them.

    frame            size int32 | header | body           size counts what follows it
    request header   api_key int16 | api_version int16 | correlation_id int32 | client_id string?
                     v2, for flexible messages, adds tagged fields (KIP-482)
    response header  correlation_id int32                  v1 adds tagged fields

Two exceptions that every implementation meets: `client_id` is never compact, not even in v2; and
an ApiVersions response always has header v0, whatever its version, because its reader does not
know yet which versions the broker speaks (KIP-511).
"""

from struct import Struct
from struct import error as struct_error
from typing import NamedTuple

from .primitives import (
    Buffer,
    ProtocolError,
    decode_nullable_string,
    encode_nullable_string,
    skip_tags,
)
from .schema import schema_of

API_VERSIONS_KEY = 18
REQUEST_START = Struct(">hhi")  # api_key, api_version, correlation_id
FRAME_SIZE = Struct(">i")
_RESPONSE_START = Struct(">ii")  # frame size, correlation_id


class RequestStart(NamedTuple):
    """The part of a request header that has the same form in every version."""

    api_key: int
    api_version: int
    correlation_id: int


def decode_request_start(frame: memoryview) -> RequestStart:
    """Key, version and correlation id of the request in `frame` (without its size)."""
    if len(frame) < REQUEST_START.size:
        raise ProtocolError("a request without a header", len(frame))
    return RequestStart(*REQUEST_START.unpack_from(frame))


def decode_client_id(frame: memoryview, flexible: bool) -> tuple[str | None, int]:
    """The rest of the request header: the client id, and the position of the body."""
    try:
        client_id, position = decode_nullable_string(frame, REQUEST_START.size)
        if flexible:
            position, _ = skip_tags(frame, position)
    except (struct_error, IndexError) as error:
        raise ProtocolError("a request header is cut short", len(frame)) from error
    return client_id, position


def encode_request(
    message: list[Buffer], start: RequestStart, client_id: str | None, flexible: bool
) -> list[Buffer]:
    """The chunks of a whole request frame around an encoded message."""
    header = REQUEST_START.pack(*start) + encode_nullable_string(client_id)
    if flexible:
        header += b"\0"
    size = len(header) + sum(map(len, message))
    return [FRAME_SIZE.pack(size) + header, *message]


def encode_response(message: list[Buffer], correlation_id: int, flexible: bool) -> list[Buffer]:
    """The chunks of a whole response frame; `flexible` chooses response header v1."""
    tags = b"\0" if flexible else b""
    size = 4 + len(tags) + sum(map(len, message))
    return [_RESPONSE_START.pack(size, correlation_id) + tags, *message]


def has_flexible_request_header(request_class: type, version: int) -> bool:
    """Whether this request has header v2."""
    return version in schema_of(request_class).flexible


def has_flexible_response_header(response_class: type, version: int) -> bool:
    """Whether this response has header v1; never for ApiVersions."""
    schema = schema_of(response_class)
    return schema.key != API_VERSIONS_KEY and version in schema.flexible
