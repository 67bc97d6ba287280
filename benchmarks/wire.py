"""A blocking connection to a broker, and the frames that go through it, without a client library.

Requests are encoded once, ahead of the measurement, with `minikafka.protocol`. Topics are named, so
Produce and Fetch stay below version 13, which asks for topic ids (KIP-516).

    connect -> ApiVersions v0 -> the highest version that both sides know
    frame:  size int32 | request header | body

Errors: BrokerError when the broker answers with an error code, OSError when it goes away.
"""

import socket
import time
from collections.abc import Iterable
from struct import Struct
from typing import Any, NamedTuple

from minikafka.protocol import codec, header
from minikafka.protocol.api.api_versions import ApiVersionsRequest, ApiVersionsResponse
from minikafka.protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
    CreateTopicsResponse,
)
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from minikafka.protocol.api.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from minikafka.protocol.api.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
)
from minikafka.protocol.api.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
    ProduceResponse,
)
from minikafka.protocol.records import BatchBuilder

TIMEOUT_S = 30.0
"""The longest wait for any one answer."""
LAST_VERSION_BY_NAME = 12
FETCH_WAIT_MS = 500
CLIENT_ID = "benchmarks"

TOPIC_ALREADY_EXISTS = 36
_SIZE = Struct(">i")  # frame size, not counting itself


class BrokerError(Exception):
    """The broker answered, and the answer carries an error code."""


class Address(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Connection:
    """One blocking connection that knows which versions its broker speaks."""

    def __init__(self, address: Address) -> None:
        self.socket = open_socket(address)
        versions = self.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)
        self._highest = {each.api_key: each.max_version for each in versions.api_keys}

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def version_of(self, request_class: type) -> int:
        """Return the version to use: the highest that both sides know and that goes by names."""
        schema = codec.schema_of(request_class)
        return min(self._highest.get(schema.key, 0), schema.versions.last, LAST_VERSION_BY_NAME)

    def frame(self, request: object) -> bytes:
        """Return a request as the bytes to send."""
        return encode(request, self.version_of(type(request)))

    def ask(self, request: object, response_class: type[Any], version: int | None = None) -> Any:
        """Send a request and return the decoded answer."""
        if version is None:
            version = self.version_of(type(request))
        self.socket.sendall(encode(request, version))
        return self.answer(response_class, version)

    def answer(self, response_class: type[Any], version: int) -> Any:
        """Receive the next answer and decode it."""
        frame = receive_frame(self.socket)
        position = 5 if header.has_flexible_response_header(response_class, version) else 4
        return codec.decode(response_class, frame, version, position)[0]

    def create_topic(self, topic: str, partitions: int, replicas: int = 1) -> None:
        """Create a topic, unless it is there, and wait until each partition has a leader."""
        wanted = CreateTopicsRequestTopic(
            name=topic, num_partitions=partitions, replication_factor=replicas
        )
        answer = self.ask(CreateTopicsRequest(topics=[wanted]), CreateTopicsResponse)
        if answer.topics[0].error_code not in (0, TOPIC_ALREADY_EXISTS):
            raise BrokerError(f"create {topic}: error {answer.topics[0].error_code}")
        deadline = time.monotonic() + TIMEOUT_S
        while not self._has_leaders(topic, partitions):
            if time.monotonic() > deadline:
                raise BrokerError(f"{topic} has no leaders after {TIMEOUT_S:.0f} s")

    def delete_topic(self, topic: str) -> None:
        """Delete a topic; whether the broker agrees does not matter to a measurement."""
        self.ask(
            DeleteTopicsRequest(topic_names=[topic], timeout_ms=int(TIMEOUT_S * 1000)),
            DeleteTopicsResponse,
            5,
        )

    def produce(self, request: ProduceRequest) -> ProduceResponse:
        """Send a produce request; raises BrokerError unless every partition accepted."""
        answer: ProduceResponse = self.ask(request, ProduceResponse)
        check_produced(answer)
        return answer

    def _has_leaders(self, topic: str, partitions: int) -> bool:
        asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
        described: MetadataResponse = self.ask(asked, MetadataResponse)
        found = described.topics[0].partitions
        return len(found) == partitions and all(each.leader_id >= 0 for each in found)


def encode(request: object, version: int) -> bytes:
    """Return the whole frame of a request; all carry correlation id 0, as answers keep order."""
    flexible = header.has_flexible_request_header(type(request), version)
    start = header.RequestStart(codec.schema_of(type(request)).key, version, 0)
    return b"".join(
        header.encode_request(codec.encode(request, version), start, CLIENT_ID, flexible)
    )


def compile_messages() -> None:
    """Compile what a first produce needs, ahead of time: a start-up that is timed does not wait."""
    messages: tuple[type, ...] = (
        ApiVersionsRequest,
        ApiVersionsResponse,
        CreateTopicsRequest,
        CreateTopicsResponse,
        MetadataRequest,
        MetadataResponse,
        ProduceRequest,
        ProduceResponse,
    )
    for message in messages:
        versions = codec.schema_of(message).versions
        for version in range(versions.first, min(versions.last, LAST_VERSION_BY_NAME) + 1):
            codec.encoder_of(message, version)


def open_socket(address: Address) -> socket.socket:
    """Return a connected socket with Nagle's delay off."""
    opened = socket.create_connection(address, timeout=TIMEOUT_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def receive_exactly(source: socket.socket, view: memoryview) -> None:
    """Fill `view` from the socket; raises ConnectionError when the peer ends before that."""
    while view:
        count = source.recv_into(view)
        if count == 0:
            raise ConnectionError("the broker closed the connection")
        view = view[count:]


def receive_frame(source: socket.socket) -> memoryview:
    """Return the next frame without its size."""
    start = bytearray(_SIZE.size)
    receive_exactly(source, memoryview(start))
    frame = memoryview(bytearray(_SIZE.unpack(start)[0]))
    receive_exactly(source, frame)
    return frame


def check_produced(answer: ProduceResponse) -> None:
    """Raise BrokerError for the first partition that did not accept."""
    for topic in answer.responses:
        for partition in topic.partition_responses:
            if partition.error_code:
                raise BrokerError(
                    f"produce to {topic.name}-{partition.index}: error {partition.error_code}"
                )


def make_batch(record_bytes: int, count: int = 1) -> bytes:
    """Return a record batch of `count` records without keys, each with a value of that size."""
    builder = BatchBuilder()
    timestamp_ms = int(time.time() * 1000)
    for _ in range(count):
        builder.append(timestamp_ms, None, b"\xa5" * record_bytes)
    return bytes(builder.build())


def produce_request(
    topic: str, batch: bytes, partitions: Iterable[int] = (0,), acks: int = 1
) -> ProduceRequest:
    """Return a request that appends the same batch to each of `partitions`."""
    data = [ProduceRequestPartition(index=index, records=batch) for index in partitions]
    return ProduceRequest(
        acks=acks,
        timeout_ms=int(TIMEOUT_S * 1000),
        topic_data=[ProduceRequestTopic(name=topic, partition_data=data)],
    )


def fetch_request(
    topic: str, offset: int, max_bytes: int, partitions: Iterable[int] = (0,)
) -> FetchRequest:
    """Return a request for what follows `offset` in each of `partitions`."""
    wanted = [
        FetchRequestPartition(partition=index, fetch_offset=offset, partition_max_bytes=max_bytes)
        for index in partitions
    ]
    return FetchRequest(
        max_wait_ms=FETCH_WAIT_MS,
        min_bytes=1,
        max_bytes=max_bytes,
        topics=[FetchRequestTopic(topic=topic, partitions=wanted)],
    )
