"""Whole requests to a real node: each is answered as its version says, or the connection ends.

The node keeps its files in memory and is never reached over a socket: its connection's protocol is
handed bytes. It lives for many inputs, since a start costs more than they do: what one input has
made of the one topic, the next one finds; other topics are gone by then.
"""

import asyncio
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

from minikafka.broker.config import BrokerConfig
from minikafka.broker.connection import Connection
from minikafka.broker.controller.decide import Decision, NewTopic, create_topic, delete_topic
from minikafka.broker.controller.image import Image
from minikafka.broker.handlers.table import find_route
from minikafka.broker.node import Node
from minikafka.protocol.api import response_class
from minikafka.protocol.api.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from minikafka.protocol.codec import decode, encode
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.header import RequestStart, encode_request
from minikafka.protocol.records import Record, build_batch

from .choices import Choices
from .grammar import Whim, Writer
from .memory_files import MemoryFiles
from .messages import choose

TOPIC = "orders"
"""As the grammar calls topics, so that its requests mean this one."""
_TURNS = 12
"""Rounds of the loop in which an answer comes that does not wait for time to pass."""
_MAX_REQUESTS = 3


class Wire(asyncio.Transport):
    """A socket's place: keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False
        self.is_reading = True

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_closed = True

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def get_write_buffer_size(self) -> int:
        return 0


class Host:
    """The node and its loop, and what went wrong in it."""

    def __init__(self) -> None:
        self.errors: list[Any] = []
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        config = BrokerConfig(listen="127.0.0.1:0", data_dir="data")
        self.node = Node(config, files=MemoryFiles(), random=Random(1))
        self.loop.run_until_complete(self.node.start())

    def make_topic(self) -> None:
        """The topic that requests speak of; other topics are gone.

        What was said before may have its effect only while this is done.
        """
        image = self.node._controller.image
        for name, topic in list(image.topics.items()):
            if name != TOPIC:
                self._submit(lambda image, gone=topic.topic_id: delete_topic(image, gone))
        while TOPIC not in image.topics:
            made = self._submit(self._create)
            assert made.error_code in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS), made.message

    @property
    def topic_id(self) -> bytes:
        """The id of that topic."""
        return self.node._controller.image.topics[TOPIC].topic_id

    def _create(self, image: Image) -> Decision:
        return create_topic(image, self.node.config, NewTopic(TOPIC, 2), Random(2))

    def _submit(self, command: Any) -> Any:
        return self.loop.run_until_complete(self.node._controller.submit(command))

    def speak(self, frames: list[bytes]) -> Wire:
        """Hand over frames on a new connection; what was answered by the time it is quiet."""
        wire = Wire()
        connection = Connection(self.node._server, self.loop)
        connection.connection_made(wire)
        stream = memoryview(b"".join(frames))
        for _ in range(_TURNS):
            while stream and wire.is_reading and not wire.is_closed:
                room = connection.get_buffer(-1)
                size = min(len(room), len(stream))
                room[:size] = stream[:size]
                stream = stream[size:]
                connection.buffer_updated(size)
            if wire.is_closed or (wire.is_reading and not connection._exchanges):
                break
            self.loop.run_until_complete(asyncio.sleep(0))
        connection.connection_lost(None)
        return wire


@cache
def host(target: str) -> Host:
    """The one of a target in this process: another's would have its own past."""
    del target
    return Host()


def conversation(data: bytes) -> None:
    """Every answer can be read, in the order of the requests; nothing is raised on the way."""
    choices = Choices(data)
    served = host("conversation")
    served.make_topic()
    asked: list[tuple[int, int]] = []
    frames: list[bytes] = []
    for number in range(1 + choices.below(_MAX_REQUESTS)):
        cls, version = choose(choices, True)
        key = cls.__kafka__.key  # type: ignore[attr-defined]
        route = find_route(key, version)
        if route is None:
            continue
        body = _body(choices, cls, version, served.topic_id)
        start = RequestStart(key, version, number)
        frames.append(b"".join(encode_request([body], start, "fuzz", route.has_flexible_request)))
        asked.append((key, version))
    wire = served.speak(frames)
    _check_answers(bytes(wire.written), asked)
    assert not served.errors, served.errors.pop()


def _body(choices: Choices, cls: type, version: int, topic_id: bytes) -> bytes:
    """What the grammar writes, with the name and the id of a topic that is there here and there."""
    if cls is ProduceRequest and choices.byte() & 1:
        return _produce(choices, version, topic_id)
    body = Writer(cls, version, Whim(choices)).message()
    return body.replace(bytes(16), topic_id, 1) if choices.byte() & 1 else body


def _produce(choices: Choices, version: int, topic_id: bytes) -> bytes:
    """A batch that has a chance to be taken."""
    batch = build_batch([Record(0, 5, None, choices.take(9))], choices.below(5))
    if choices.byte() & 3 == 3:
        batch[choices.below(len(batch))] ^= 1 << choices.below(8)
    data = [ProduceRequestPartition(index=choices.below(3), records=batch)]
    named = {"name": TOPIC} if version < 13 else {"topic_id": topic_id}
    topic = ProduceRequestTopic(partition_data=data, **named)
    acks = choices.one_of((-1, 0, 1, 2))
    request = ProduceRequest(acks=acks, timeout_ms=choices.below(300), topic_data=[topic])
    return b"".join(map(bytes, encode(request, version)))


def frames_in(written: bytes | bytearray) -> Iterator[memoryview]:
    """What was answered, without the sizes."""
    rest = memoryview(written)
    while rest:
        size = int.from_bytes(rest[:4], "big")
        frame, rest = rest[4 : 4 + size], rest[4 + size :]
        assert len(frame) == size
        yield frame


def _check_answers(written: bytes, asked: list[tuple[int, int]]) -> None:
    """Each frame is the answer to its request; with acks 0 there may be fewer."""
    last = -1
    for frame in frames_in(written):
        correlation_id = int.from_bytes(frame[:4], "big")
        assert last < correlation_id < _MAX_REQUESTS
        last = correlation_id
        key, version = asked[correlation_id]
        route, cls = find_route(key, version), response_class(key)
        assert route is not None
        assert cls is not None
        start = 5 if route.has_flexible_response else 4
        _, end = decode(cls, frame, version, start)
        assert end == len(frame)
