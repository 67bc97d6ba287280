"""From a stream of bytes to frames, without copying those that arrive whole.

    socket -> shared buffer -> |size|frame|size|frame|size|fra...
                                 whole frames: slices of the shared buffer
                                 a cut frame:  moves to a buffer of its own, which the socket then
                                               fills directly

All connections of one loop share one receive buffer: asyncio asks for a buffer, reads into it and
reports in one synchronous step. A frame is therefore valid until the next read, and who wants to
keep bytes copies them. Buffers of cut frames come from a pool, because fresh memory of this size
costs page faults on each use; their sum over all connections is bounded, and who finds no room
waits.
"""

from collections.abc import Callable, Iterator
from struct import Struct

from ..protocol.primitives import ProtocolError

SHARED_BUFFER_BYTES = 128 << 10
POOL_KEEPS_BYTES = 8 << 20
MOVED_FROM_BYTES = 32 << 10
"""A cut frame with more than this at hand gets its own buffer; less is copied back and forth."""
_LEAST_POOLED_BYTES = 64 << 10
_SIZE = Struct(">i")  # frame size, not counting itself


class FrameBuffers:
    """The receive memory of one loop: the shared buffer, and buffers for frames that are cut."""

    def __init__(self, limit_bytes: int) -> None:
        self.shared = memoryview(bytearray(SHARED_BUFFER_BYTES))
        self.limit_bytes = limit_bytes
        self.taken_bytes = 0
        self._free: dict[int, list[bytearray]] = {}
        self._free_bytes = 0
        self._waiting: list[Callable[[], None]] = []

    def take(self, size: int) -> bytearray | None:
        """A buffer of at least `size` bytes, or None while the limit is reached."""
        capacity = _capacity(size)
        if self.taken_bytes and self.taken_bytes + capacity > self.limit_bytes:
            return None
        self.taken_bytes += capacity
        free = self._free.get(capacity)
        if free:
            self._free_bytes -= capacity
            return free.pop()
        return bytearray(capacity)

    def give_back(self, buffer: bytearray) -> None:
        """Return a buffer, and let those who wait for room try again."""
        capacity = len(buffer)
        self.taken_bytes -= capacity
        if self._free_bytes + capacity <= POOL_KEEPS_BYTES:
            self._free.setdefault(capacity, []).append(buffer)
            self._free_bytes += capacity
        waiting, self._waiting = self._waiting, []
        for retry in waiting:
            retry()

    def wait(self, retry: Callable[[], None]) -> None:
        """Call `retry` once, when a buffer has come back."""
        self._waiting.append(retry)


class FrameReceiver:
    """Splits one connection's bytes into frames."""

    def __init__(self, buffers: FrameBuffers, max_frame_bytes: int) -> None:
        self._buffers = buffers
        self._max_frame_bytes = max_frame_bytes
        self._head = b""  # the start of a frame that has no buffer yet
        self._frame: bytearray | None = None
        self._frame_view: memoryview | None = None
        self._size = 0
        self._filled = 0
        self.is_stalled = False
        """No room for the next frame: stop reading, and call `resume` when a buffer is back."""

    @property
    def has_started_frame(self) -> bool:
        """Whether a part of a frame has arrived and its rest has not."""
        return bool(self._head) or self._frame is not None

    def get_buffer(self) -> memoryview:
        """Where the socket's next bytes go."""
        if self._frame_view is not None:
            return self._frame_view[self._filled : self._size]
        head = len(self._head)
        self._buffers.shared[:head] = self._head
        return self._buffers.shared[head:]

    def received(self, count: int) -> Iterator[memoryview]:
        """Yield each frame that `count` more bytes complete; raises ProtocolError.

        Frames are valid until `end_event`. The iterator must be exhausted.
        """
        if self._frame_view is not None:
            self._filled += count
            if self._filled == self._size:
                yield self._frame_view[: self._size]
            return
        end = len(self._head) + count
        self._head = b""
        yield from self._split(self._buffers.shared[:end])

    def end_event(self) -> None:
        """The frames of this event are done with; their memory may be used again."""
        if self._frame is not None and self._filled == self._size:
            self.release()

    def resume(self) -> bool:
        """Try again to find room for the frame that stalled; True when there is."""
        head = self._head
        self._head = b""
        self.is_stalled = False
        self._begin(head)
        return not self.is_stalled

    def release(self) -> None:
        """Give back the buffer of the frame in progress; also when the connection ends."""
        if self._frame is not None:
            frame, self._frame, self._frame_view = self._frame, None, None
            self._buffers.give_back(frame)

    def _split(self, view: memoryview) -> Iterator[memoryview]:
        position, end = 0, len(view)
        while end - position >= 4:
            (size,) = _SIZE.unpack_from(view, position)
            if not 0 <= size <= self._max_frame_bytes:
                raise ProtocolError(f"a frame of {size} bytes, {self._max_frame_bytes} at most")
            if end - position - 4 < size:
                break
            yield view[position + 4 : position + 4 + size]
            position += 4 + size
        if position < end:
            self._begin(bytes(view[position:]))

    def _begin(self, head: bytes) -> None:
        """Keep the start of a frame: in a buffer of the frame's size once the size is known."""
        if len(head) >= 4:
            (self._size,) = _SIZE.unpack_from(head)
            if self._size + 4 > SHARED_BUFFER_BYTES or len(head) > MOVED_FROM_BYTES:
                self._frame = self._buffers.take(self._size)
                if self._frame is not None:
                    self._frame_view = memoryview(self._frame)
                    self._filled = len(head) - 4
                    self._frame_view[: self._filled] = head[4:]
                    return
                self.is_stalled = True
        self._head = head


def _capacity(size: int) -> int:
    """Sizes are rounded up to a power of two, so that buffers fit again."""
    return max(_LEAST_POOLED_BYTES, 1 << (size - 1).bit_length())
