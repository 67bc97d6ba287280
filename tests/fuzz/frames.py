"""Frames and request headers: what a connection reads before it knows whom it speaks to."""

from contextlib import suppress

from minikafka.broker.handlers.table import find_route
from minikafka.protocol.header import decode_client_id, decode_request_start
from minikafka.protocol.primitives import ProtocolError
from minikafka.transport.framing import SHARED_BUFFER_BYTES, FrameBuffers, FrameReceiver

from .choices import Choices

MAX_FRAME_BYTES = 200_000
_LIMIT_BYTES = 1 << 20
_LONG_BYTES = 150_000
_LEAST_PIECE_BYTES = 1000


def frames(data: bytes) -> None:
    """The same frames whatever the split; ProtocolError or an end; no memory is kept."""
    choices = Choices(data)
    cuts = [choices.below(1 << 16) for _ in range(choices.below(5))] or [8]
    is_long = choices.byte() == 0xFF
    stream = choices.rest()
    if is_long:  # Longer than the shared buffer, so that it needs one of its own.
        stream = _LONG_BYTES.to_bytes(4, "big") + bytes(_LONG_BYTES) + stream
        cuts = [max(cut, _LEAST_PIECE_BYTES) for cut in cuts]
    whole = _receive(stream, [SHARED_BUFFER_BYTES])
    assert _receive(stream, [1 + cut for cut in cuts]) == whole


def _receive(stream: bytes, pieces: list[int]) -> tuple[list[bytes], bool]:
    """The frames of a stream that comes in pieces of these sizes, and whether it broke."""
    buffers = FrameBuffers(_LIMIT_BYTES)
    receiver = FrameReceiver(buffers, MAX_FRAME_BYTES)
    found: list[bytes] = []
    position = turn = 0
    is_broken = False
    while position < len(stream) and not is_broken:
        room = receiver.get_buffer()
        piece = stream[position : position + min(pieces[turn % len(pieces)], len(room))]
        room[: len(piece)] = piece
        position, turn = position + len(piece), turn + 1
        try:
            for frame in receiver.received(len(piece)):
                found.append(bytes(frame))
        except ProtocolError:
            is_broken = True
        receiver.end_event()
        assert not receiver.is_stalled
        assert buffers.taken_bytes <= 2 * MAX_FRAME_BYTES
    receiver.release()
    assert buffers.taken_bytes == 0
    return found, is_broken


def request_header(data: bytes) -> None:
    """A frame is for a route, or for none, or is refused; the body begins within it."""
    frame = memoryview(data)
    with suppress(ProtocolError):
        start = decode_request_start(frame)
        route = find_route(start.api_key, start.api_version)
        _, position = decode_client_id(frame, route is not None and route.has_flexible_request)
        assert position <= len(frame)
