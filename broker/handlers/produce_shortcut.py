"""The short way of a produce request that looks like an earlier one.

A producer's requests to one partition differ in three places: correlation id, length of the
batch, and the batch.

    | key version | correlation id | client id ... partition index | length | batch | tags |
    |--- equal ---|--- differs ----|----------- equal -------------|-- differ ------|- 0 -|

So a request with one topic and one partition that went the long way is remembered by the bytes
that stay equal, with the partition that they led to; the next one with these bytes needs no
decoding. Its answer differs from others in the correlation id and three offsets, so it is made
from a template that the generated encoder wrote. Checks, append, acks and answers on error are
those of the long way (a test compares the two, byte for byte). Each connection remembers its own.

This is the only place where bytes of the protocol are handled without the codec. It takes
more than half off the broker's time for a request of one record.
"""

from struct import Struct

from ...protocol.api.produce import (
    ProduceRequest,
    ProduceResponse,
    ProduceResponsePartition,
    ProduceResponseTopic,
)
from ...protocol.batch import HEADER_BYTES
from ...protocol.codec import encode
from ...protocol.errors import ErrorCode
from ...protocol.primitives import (
    ProtocolError,
    decode_compact_length,
    decode_length,
    encode_varint,
)
from ..controller.decide import INTERNAL_TOPICS
from ..replica.appended import Appended
from ..replica.partition import Partition
from .context import Context, Exchange
from .produce import ALL_REPLICAS, LEADER_ONLY, ProduceWait
from .route import Route
from .topics import find_topic

MAX_REMEMBERED = 64
MAX_LENGTHS = 4
"""Lengths of the equal bytes that are tried: one per length of a topic's name, mostly."""
FIRST_VERSION = 7
_VERSION_END = 4
_CORRELATION_ID_END = 8
_TAGS = bytes(3)  # no tagged fields: of the partition, the topic, the request
_FRAME_START = Struct(">ii")  # frame size, correlation id
_OFFSETS = Struct(">qqq")  # base offset, log append time, log start offset
_MARKS = (0x0102030405060708, 0x1112131415161718, 0x2122232425262728)
"""Found again in an encoded answer, they show where its three offsets stand."""


class Shortcut:
    """What the equal bytes of a request led to."""

    __slots__ = (
        "_after",
        "_before",
        "_context",
        "_index",
        "_timeout_ms",
        "_topic",
        "acks",
        "partition",
        "route",
    )

    def __init__(
        self, partition: Partition, request: ProduceRequest, route: Route, context: Context
    ) -> None:
        topic = request.topic_data[0]
        self._context = context
        self.partition = partition
        self.route = route
        self.acks = request.acks
        self._timeout_ms = request.timeout_ms
        self._topic = topic.name, topic.topic_id
        self._index = topic.partition_data[0].index
        encoded = b"".join(map(bytes, encode(self._marked_answer(), route.version)))
        before, _, self._after = encoded.partition(_OFFSETS.pack(*_MARKS))
        self._before = (b"\0" if route.has_flexible_response else b"") + before

    def handle(self, exchange: Exchange, batch: memoryview, context: Context) -> None:
        """Stage the batch; the manager finishes the wait after the write or after the flush."""
        replicas = context.replicas
        appended = replicas.append(self.partition, batch, context.clock.now_ms(), self.acks)
        replicas.finish_after_write(ShortWait(exchange, self, appended), self._timeout_ms)

    def answer(self, exchange: Exchange, appended: Appended) -> None:
        """Send the answer of a successful append."""
        offsets = _OFFSETS.pack(
            appended.base_offset,
            appended.log_append_time_ms,
            self.partition.log.log_start_offset,
        )
        size = 4 + len(self._before) + len(offsets) + len(self._after)
        start = _FRAME_START.pack(size, exchange.correlation_id)
        exchange.answer_frame(start + self._before + offsets + self._after)

    def answer_failure(self, exchange: Exchange, appended: Appended) -> None:
        """Answer an append that failed or has no acks in time, as the long way does."""
        wait = ProduceWait(exchange, self.acks, self._context)
        wait.add_topic(*self._topic).append((self._index, self.partition, appended))
        wait.finish()

    def _marked_answer(self) -> ProduceResponse:
        base_offset, log_append_time_ms, log_start_offset = _MARKS
        partition = ProduceResponsePartition(
            index=self._index,
            error_code=0,
            base_offset=base_offset,
            log_append_time_ms=log_append_time_ms,
            log_start_offset=log_start_offset,
        )
        name, topic_id = self._topic
        topic = ProduceResponseTopic(name=name, topic_id=topic_id, partition_responses=[partition])
        return ProduceResponse(responses=[topic])


class ShortWait:
    """A produce request that took the short way, on its way to its acks."""

    __slots__ = ("_appended", "_exchange", "_shortcut")

    def __init__(self, exchange: Exchange, shortcut: Shortcut, appended: Appended) -> None:
        self._exchange = exchange
        self._shortcut = shortcut
        self._appended = appended

    def partitions(self) -> list[Partition]:
        """The one partition."""
        return [self._shortcut.partition]

    def is_ready(self) -> bool:
        """Whether the append has its acks, or can get none."""
        shortcut = self._shortcut
        return shortcut.acks == LEADER_ONLY or shortcut.partition.has_all_acks(self._appended)

    def finish(self) -> None:
        """Answer."""
        shortcut, appended = self._shortcut, self._appended
        outcome: ErrorCode | None = appended.error_code
        if shortcut.acks == ALL_REPLICAS:
            outcome = shortcut.partition.acks_outcome(appended)
        if outcome is ErrorCode.NONE:
            shortcut.answer(self._exchange, appended)
        else:
            shortcut.answer_failure(self._exchange, appended)


class Shortcuts:
    """Those of one connection."""

    __slots__ = ("_by_start", "_lengths")

    def __init__(self) -> None:
        self._by_start: dict[bytes, Shortcut] = {}
        self._lengths: list[int] = []

    def find(self, frame: memoryview) -> tuple[Shortcut, memoryview] | None:
        """The shortcut for this frame and the batch in it; None to go the long way."""
        for end in self._lengths:
            shortcut = self._by_start.get(_start(frame, end))
            if shortcut is not None and not shortcut.partition.is_removed:
                batch = _batch(frame, end, shortcut.route.has_flexible_request)
                return None if batch is None else (shortcut, batch)
        return None

    def remember(
        self, frame: memoryview, request: ProduceRequest, route: Route, context: Context
    ) -> None:
        """Make a shortcut of a request that went the long way, if it is of the common kind."""
        partition = _only_partition(request, context)
        if route.version < FIRST_VERSION or partition is None:
            return
        end = _length_position(frame, request, route.has_flexible_request)
        if end not in self._lengths:
            if len(self._lengths) == MAX_LENGTHS:
                return
            self._lengths.append(end)
        if len(self._by_start) == MAX_REMEMBERED:
            self._by_start.clear()
        self._by_start[_start(frame, end)] = Shortcut(partition, request, route, context)


def _start(frame: memoryview, end: int) -> bytes:
    """The bytes that stay equal."""
    return bytes(frame[:_VERSION_END]) + frame[_CORRELATION_ID_END:end]


def _length_position(frame: memoryview, request: ProduceRequest, is_flexible: bool) -> int:
    """Where the length of the one batch stands."""
    batch_bytes = len(request.topic_data[0].partition_data[0].records or b"")
    if not is_flexible:
        return len(frame) - batch_bytes - 4
    return len(frame) - len(_TAGS) - batch_bytes - len(encode_varint(batch_bytes + 1))


def _batch(frame: memoryview, position: int, is_flexible: bool) -> memoryview | None:
    """The batch whose length stands at `position`, if it reaches just to the end."""
    end = len(frame)
    if end - position < HEADER_BYTES:
        return None
    try:
        if not is_flexible:
            length, position = decode_length(frame, position)
        else:
            length, position = decode_compact_length(frame, position)
            end -= len(_TAGS)
    except ProtocolError:
        return None  # The long way says what is wrong, and in which request.
    if is_flexible and bytes(frame[end:]) != _TAGS:
        return None
    return frame[position:end] if length == end - position else None


def _only_partition(request: ProduceRequest, context: Context) -> Partition | None:
    """The partition, if the request is for one, which this node leads, and wants an answer."""
    if request.acks not in (LEADER_ONLY, ALL_REPLICAS) or request.transactional_id is not None:
        return None
    if len(request.topic_data) != 1 or len(request.topic_data[0].partition_data) != 1:
        return None
    topic = request.topic_data[0]
    found = find_topic(context.controller.image, topic.name, topic.topic_id)
    if isinstance(found, ErrorCode) or found.name in INTERNAL_TOPICS:
        return None
    return context.replicas.find(found.name, topic.partition_data[0].index)
