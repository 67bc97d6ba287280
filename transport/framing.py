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

Who has its hands full sets `is_holding`: frames that are whole are then kept instead of given out
(those in the shared buffer as a copy), and `held` gives them later; `put_back` keeps the frame at
hand as well. Meanwhile nothing more may be read, so that a connection keeps one shared buffer's
content at most.
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

    @property
    def is_short(self) -> bool:
        """Whether somebody waits for room."""
        return bool(self._waiting)

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

    def let_go(self) -> None:
        """Keep free buffers no longer: they spare a burst its page faults, and then lie idle."""
        self._free.clear()
        self._free_bytes = 0

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
        self._is_given = False  # the frame in its own buffer was yielded
        self._is_put_back = False
        self._held: memoryview | None = None
        self.is_holding = False
        """Give out no more frames for now; the one at hand was the last."""
        self.is_stalled = False
        """No room for the next frame: stop reading, and call `resume` when a buffer is back."""

    @property
    def has_started_frame(self) -> bool:
        """Whether a part of a frame has arrived and its rest has not."""
        return bool(self._head) or self._frame is not None

    @property
    def has_held_frames(self) -> bool:
        """Whether whole frames are kept: stop reading, and take them with `held`."""
        return self._held is not None or (
            self._frame is not None and self._filled == self._size and not self._is_given
        )

    @property
    def held_bytes(self) -> int:
        """Memory of what is held, frames in buffers of their own not counted."""
        return 0 if self._held is None else self._held.nbytes

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
            yield from self._own_frame(self._frame_view)
            return
        end = len(self._head) + count
        self._head = b""
        yield from self._split(self._buffers.shared[:end])

    def held(self) -> Iterator[memoryview]:
        """Yield what was held, as `received` does."""
        if self._frame_view is not None:
            yield from self._own_frame(self._frame_view)
        elif self._held is not None:
            held, self._held = self._held, None
            yield from self._split(held)

    def put_back(self) -> None:
        """Hold the frame just given, and all behind it: it was too early for it."""
        self.is_holding = self._is_put_back = True

    def end_event(self) -> None:
        """The frames of this event are done with; their memory may be used again."""
        if self._is_given:
            self._release_frame()

    def resume(self) -> bool:
        """Try again to find room for the frame that stalled; True when there is."""
        head = self._head
        self._head = b""
        self.is_stalled = False
        self._begin(head)
        return not self.is_stalled

    def release(self) -> None:
        """The connection ends: give back what it has."""
        self._held = None
        self._release_frame()

    def _release_frame(self) -> None:
        self._is_given = False
        if self._frame is not None:
            frame, self._frame, self._frame_view = self._frame, None, None
            self._buffers.give_back(frame)

    def _own_frame(self, view: memoryview) -> Iterator[memoryview]:
        if self._filled == self._size and not self.is_holding:
            yield view[: self._size]
            self._is_given = not self._is_put_back
            self._is_put_back = False

    def _split(self, view: memoryview) -> Iterator[memoryview]:
        position, end = 0, len(view)
        while end - position >= 4:
            (size,) = _SIZE.unpack_from(view, position)
            if not 0 <= size <= self._max_frame_bytes:
                raise ProtocolError(f"a frame of {size} bytes, {self._max_frame_bytes} at most")
            if end - position - 4 < size:
                break
            if self.is_holding:
                self._hold(view[position:])
                return
            yield view[position + 4 : position + 4 + size]
            if self._is_put_back:
                self._is_put_back = False
                self._hold(view[position:])
                return
            position += 4 + size
        if position < end:
            self._begin(bytes(view[position:]))

    def _hold(self, view: memoryview) -> None:
        """Keep these frames, outside of the shared buffer."""
        is_shared = view.obj is self._buffers.shared.obj
        self._held = memoryview(bytearray(view)) if is_shared else view

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
