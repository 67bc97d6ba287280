"""Frames out of a stream: the same ones however it is cut, in bounded memory."""

import random
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka.protocol.primitives import ProtocolError
from minikafka.transport.framing import (
    MOVED_FROM_BYTES,
    POOL_KEEPS_BYTES,
    SHARED_BUFFER_BYTES,
    FrameBuffers,
    FrameReceiver,
)

MEBIBYTE = 1 << 20
NO_LIMIT = 1 << 40
EDGES = (0, 1, 3, MOVED_FROM_BYTES, SHARED_BUFFER_BYTES, 3 * SHARED_BUFFER_BYTES, MEBIBYTE)
frame_sizes = st.one_of(
    st.integers(0, 300),
    st.builds(lambda edge, by: max(edge + by, 0), st.sampled_from(EDGES), st.integers(-9, 9)),
    st.integers(MEBIBYTE, 5 * MEBIBYTE),
)
cuts = st.one_of(st.integers(1, 50), st.integers(1, 200_000), st.just(NO_LIMIT))


def frame_of(size: int, seed: int = 0) -> bytes:
    """Bytes of which no stretch looks like another."""
    return random.Random(size * 1000 + seed).randbytes(size)


def stream_of(frames: Iterable[bytes]) -> bytes:
    """The frames with their sizes."""
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


class Feed:
    """A socket's side: fills the receiver's buffers from a stream, `cut` bytes a time."""

    def __init__(self, receiver: FrameReceiver, stream: bytes) -> None:
        self.receiver = receiver
        self.stream = memoryview(stream)
        self.position = 0

    @property
    def is_over(self) -> bool:
        """Whether all of the stream has been read."""
        return self.position == len(self.stream)

    def read(self, cut: int) -> list[bytes]:
        """One readable event; copies of the frames that it completes."""
        frames = [bytes(frame) for frame in self.begin(cut)]
        self.receiver.end_event()
        return frames

    def begin(self, cut: int) -> list[memoryview]:
        """The same, before its end: the frames themselves."""
        buffer = self.receiver.get_buffer()
        assert len(buffer) > 0
        count = min(cut, len(buffer), len(self.stream) - self.position)
        buffer[:count] = self.stream[self.position : self.position + count]
        self.position += count
        return list(self.receiver.received(count))


@given(st.lists(frame_sizes, max_size=6), st.lists(cuts, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_cut_of_a_stream_gives_the_same_frames(sizes: list[int], parts: list[int]) -> None:
    sent = [frame_of(size, index) for index, size in enumerate(sizes)]
    buffers = FrameBuffers(NO_LIMIT)
    feed = Feed(FrameReceiver(buffers, 8 * MEBIBYTE), stream_of(sent))
    received: list[bytes] = []
    events = 0
    while not feed.is_over:
        # Once the parts are used up, no event is small: a test need not read megabytes in bytes.
        received += feed.read(parts[events] if events < len(parts) else 100_000)
        events += 1
    assert received == sent
    assert not feed.receiver.has_started_frame
    assert buffers.taken_bytes == 0


@given(st.lists(st.integers(0, 2000), max_size=5))
@settings(max_examples=20, deadline=None)
def test_a_byte_at_a_time_gives_the_same_frames(sizes: list[int]) -> None:
    sent = [frame_of(size, index) for index, size in enumerate(sizes)]
    feed = Feed(FrameReceiver(FrameBuffers(NO_LIMIT), MEBIBYTE), stream_of(sent))
    assert [frame for _ in range(len(feed.stream)) for frame in feed.read(1)] == sent


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_connections_that_share_buffers_do_not_mix(data: st.DataObject) -> None:
    buffers = FrameBuffers(NO_LIMIT)
    sent = [
        [frame_of(size, seed) for size in data.draw(st.lists(frame_sizes, max_size=3))]
        for seed in range(3)
    ]
    feeds = [Feed(FrameReceiver(buffers, 8 * MEBIBYTE), stream_of(each)) for each in sent]
    received: list[list[bytes]] = [[] for _ in feeds]
    steps = 0
    while not all(feed.is_over for feed in feeds):
        index = data.draw(st.integers(0, 2)) if steps < 20 else steps % 3
        cut = data.draw(cuts) if steps < 20 else NO_LIMIT
        steps += 1
        if not feeds[index].is_over:
            received[index] += feeds[index].read(cut)
    assert received == sent
    assert buffers.taken_bytes == 0


@pytest.mark.parametrize("size", [-1, -(2**31), 1001, 2**31 - 1])
def test_a_size_out_of_range_is_an_error_that_tells_it(size: int) -> None:
    buffers = FrameBuffers(NO_LIMIT)
    feed = Feed(FrameReceiver(buffers, 1000), size.to_bytes(4, "big", signed=True) + bytes(8))
    with pytest.raises(ProtocolError, match=str(size)):
        feed.read(NO_LIMIT)
    assert buffers.taken_bytes == 0


def test_a_size_is_refused_as_soon_as_it_is_there() -> None:
    feed = Feed(FrameReceiver(FrameBuffers(NO_LIMIT), 1000), b"\x7f\xff\xff\xff")
    for _ in range(3):
        assert feed.read(1) == []
    with pytest.raises(ProtocolError):
        feed.read(1)


def test_the_frames_before_a_bad_size_are_given() -> None:
    feed = Feed(FrameReceiver(FrameBuffers(NO_LIMIT), 1000), stream_of([b"good"]) + b"\xff" * 4)
    buffer = feed.receiver.get_buffer()
    buffer[: len(feed.stream)] = feed.stream
    frames = feed.receiver.received(len(feed.stream))
    assert bytes(next(frames)) == b"good"
    with pytest.raises(ProtocolError):
        next(frames)


def test_the_largest_frame_is_received() -> None:
    sent = frame_of(MEBIBYTE)
    feed = Feed(FrameReceiver(FrameBuffers(NO_LIMIT), MEBIBYTE), stream_of([sent]))
    frames: list[bytes] = []
    while not feed.is_over:
        frames += feed.read(NO_LIMIT)
    assert frames == [sent]


def test_whole_frames_are_slices_of_the_shared_buffer() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    feed = Feed(FrameReceiver(buffers, MEBIBYTE), stream_of([b"one", b"two"]))
    frames = feed.begin(NO_LIMIT)
    assert [frame.obj is buffers.shared.obj for frame in frames] == [True, True]
    assert buffers.taken_bytes == 0


def test_a_large_frame_is_filled_in_place() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    feed = Feed(FrameReceiver(buffers, MEBIBYTE), stream_of([frame_of(MEBIBYTE)]))
    feed.read(NO_LIMIT)
    before = feed.receiver.get_buffer()
    assert len(before) == MEBIBYTE + 4 - SHARED_BUFFER_BYTES
    feed.read(1000)
    assert feed.receiver.get_buffer().obj is before.obj


def test_a_frame_in_progress_shows() -> None:
    feed = Feed(FrameReceiver(FrameBuffers(NO_LIMIT), MEBIBYTE), stream_of([b"abc", b"def"]))
    expected = [True] * 6 + [False] + [True] * 6 + [False]
    seen: list[bool] = []
    for _ in expected:
        feed.read(1)
        seen.append(feed.receiver.has_started_frame)
    assert seen == expected


def stalled(buffers: FrameBuffers, frame: bytes) -> Feed:
    """A feed whose frame has no room."""
    feed = Feed(FrameReceiver(buffers, 8 * MEBIBYTE), stream_of([frame]))
    assert feed.read(NO_LIMIT) == []
    assert feed.receiver.is_stalled
    return feed


def begun(buffers: FrameBuffers, frame: bytes) -> Feed:
    """A feed whose frame has a buffer and is not complete."""
    feed = Feed(FrameReceiver(buffers, 8 * MEBIBYTE), stream_of([frame]))
    assert feed.read(NO_LIMIT) == []
    assert not feed.receiver.is_stalled
    return feed


def finish(feed: Feed) -> list[bytes]:
    """Read the rest."""
    frames: list[bytes] = []
    while not feed.is_over:
        frames += feed.read(NO_LIMIT)
    return frames


def test_who_finds_no_room_stalls_and_goes_on_when_there_is() -> None:
    buffers = FrameBuffers(2 * MEBIBYTE)
    first, second = frame_of(MEBIBYTE, 1), frame_of(MEBIBYTE, 2)
    one, two = begun(buffers, first), begun(buffers, second)
    third = stalled(buffers, frame_of(MEBIBYTE, 3))
    assert not third.receiver.resume()
    woken: list[bool] = []
    buffers.wait(lambda: woken.append(third.receiver.resume()))
    assert finish(one) == [first]
    assert woken == [True]
    assert finish(third) == [frame_of(MEBIBYTE, 3)]
    assert finish(two) == [second]
    assert buffers.taken_bytes == 0


def test_one_frame_always_has_room_however_small_the_limit() -> None:
    buffers = FrameBuffers(1000)
    frame = frame_of(MEBIBYTE)
    assert finish(begun(buffers, frame)) == [frame]
    assert buffers.taken_bytes == 0


def test_who_waits_is_asked_once_for_each_wait() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    asked: list[int] = []
    buffers.wait(lambda: asked.append(1))
    for _ in range(2):
        buffer = buffers.take(10)
        assert buffer is not None
        buffers.give_back(buffer)
    assert asked == [1]


def test_who_still_finds_no_room_can_wait_again() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    asked: list[int] = []

    def ask_again() -> None:
        asked.append(1)
        buffers.wait(ask_again)

    buffers.wait(ask_again)
    for _ in range(3):
        buffer = buffers.take(10)
        assert buffer is not None
        buffers.give_back(buffer)
    assert asked == [1, 1, 1]


@pytest.mark.parametrize("size", [100, 100_000, MEBIBYTE])
def test_a_frame_is_valid_to_the_end_of_its_event_whatever_others_do(size: int) -> None:
    buffers = FrameBuffers(2 * MEBIBYTE)
    first = frame_of(size, 1)
    feed = Feed(FrameReceiver(buffers, 8 * MEBIBYTE), stream_of([first]))
    frames: list[memoryview] = []
    while not feed.is_over:
        frames = feed.begin(NO_LIMIT)
        if not feed.is_over:
            feed.receiver.end_event()
    other = begun(buffers, frame_of(MEBIBYTE, 2)) if size == MEBIBYTE else None
    # Another connection ends, and gives its buffer back to a third that waits for it.
    waiting: list[bool] = []
    if other is not None:
        third = Feed(FrameReceiver(buffers, 8 * MEBIBYTE), stream_of([frame_of(MEBIBYTE, 3)]))
        third.read(NO_LIMIT)
        assert third.receiver.is_stalled
        buffers.wait(lambda: waiting.append(third.receiver.resume()))
        other.receiver.release()
        assert waiting == [True]
    assert [bytes(frame) for frame in frames] == [first]
    feed.receiver.end_event()


def test_release_gives_a_buffer_back_once() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    feed = begun(buffers, frame_of(MEBIBYTE))
    assert buffers.taken_bytes == MEBIBYTE
    feed.receiver.release()
    feed.receiver.release()
    assert buffers.taken_bytes == 0


def test_buffers_are_used_again() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    first = buffers.take(300_000)
    assert first is not None
    buffers.give_back(first)
    assert buffers.take(400_000) is first
    assert buffers.take(400_000) is not first


def test_the_pool_keeps_so_much_and_no_more() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    taken = [buffers.take(MEBIBYTE) for _ in range(20)]
    for buffer in taken:
        assert buffer is not None
        buffers.give_back(buffer)
    again = [buffers.take(MEBIBYTE) for _ in range(20)]
    kept = [each for each in again if any(each is before for before in taken)]
    assert len(kept) == POOL_KEEPS_BYTES // MEBIBYTE


@pytest.mark.parametrize("size", [1, 65_536, 65_537, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1])
def test_a_buffer_has_room_and_less_than_twice_that(size: int) -> None:
    buffer = FrameBuffers(NO_LIMIT).take(size)
    assert buffer is not None
    assert size <= len(buffer) < max(2 * size, 65_537)


def held(feed: Feed) -> list[bytes]:
    """What was held, as one event gives it."""
    frames = [bytes(frame) for frame in feed.receiver.held()]
    feed.receiver.end_event()
    return frames


@pytest.mark.parametrize("size", [10, 50_000, MEBIBYTE])
def test_frames_behind_the_last_one_wanted_are_held_and_given_later(size: int) -> None:
    sent = [frame_of(size, seed) for seed in range(5)]
    buffers = FrameBuffers(NO_LIMIT)
    feed = Feed(FrameReceiver(buffers, 8 * MEBIBYTE), stream_of(sent))
    received: list[bytes] = []
    while len(received) < len(sent):
        feed.receiver.is_holding = False
        frames = feed.receiver.held() if feed.receiver.has_held_frames else event_of(feed)
        for frame in frames:
            received.append(bytes(frame))
            feed.receiver.is_holding = True
        feed.receiver.end_event()
        # Somebody else reads in between: what is held must not lie in the shared buffer.
        buffers.shared[:] = bytes(len(buffers.shared))
    assert received == sent
    assert not feed.receiver.has_held_frames
    assert buffers.taken_bytes == 0


def event_of(feed: Feed) -> Iterator[memoryview]:
    """One readable event, frame by frame."""
    buffer = feed.receiver.get_buffer()
    count = min(len(buffer), len(feed.stream) - feed.position)
    buffer[:count] = feed.stream[feed.position : feed.position + count]
    feed.position += count
    yield from feed.receiver.received(count)


@pytest.mark.parametrize("size", [10, 50_000, MEBIBYTE])
def test_a_frame_that_is_put_back_is_given_again(size: int) -> None:
    sent = [frame_of(size, 1), frame_of(size, 2)]
    buffers = FrameBuffers(NO_LIMIT)
    feed = Feed(FrameReceiver(buffers, 8 * MEBIBYTE), stream_of(sent))
    received: list[bytes] = []
    while not feed.is_over:
        for frame in event_of(feed):
            received.append(bytes(frame))
            feed.receiver.put_back()
        feed.receiver.end_event()
        while feed.receiver.has_held_frames:
            feed.receiver.is_holding = False
            received += held(feed)
    # A frame of two small ones that came together is put back with what lies behind it.
    both = [sent[0], sent[0], sent[1]] if size < MEBIBYTE else [sent[0], sent[0], sent[1], sent[1]]
    assert received == both
    assert buffers.taken_bytes == 0


def test_frames_held_are_writable_and_cost_what_is_told() -> None:
    sent = [bytes(1000), bytes(1000)]
    feed = Feed(FrameReceiver(FrameBuffers(NO_LIMIT), MEBIBYTE), stream_of(sent))
    feed.receiver.is_holding = True
    assert feed.read(NO_LIMIT) == []
    assert feed.receiver.held_bytes == 2008
    feed.receiver.is_holding = False
    for frame in feed.receiver.held():
        frame[0] = 7  # a broker writes offsets into batches
    assert feed.receiver.held_bytes == 0


def test_a_connection_that_ends_forgets_what_it_held() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    for size in (1000, MEBIBYTE):
        feed = Feed(FrameReceiver(buffers, MEBIBYTE), stream_of([frame_of(size)]))
        feed.receiver.is_holding = True
        while not feed.is_over:
            assert feed.read(NO_LIMIT) == []
        assert feed.receiver.has_held_frames
        feed.receiver.release()
        assert not feed.receiver.has_held_frames
        assert buffers.taken_bytes == 0


def test_free_buffers_are_kept_for_a_burst_and_then_let_go() -> None:
    buffers = FrameBuffers(NO_LIMIT)
    first = buffers.take(MEBIBYTE)
    assert first is not None
    buffers.give_back(first)
    assert buffers.take(MEBIBYTE) is first
    buffers.give_back(first)
    buffers.let_go()
    assert buffers.take(MEBIBYTE) is not first
