"""A real node in the test's own event loop, and a client that speaks in raw messages.

    async with serving(tmp_path) as node:
        await node.create("orders", partitions=2)
        answer = await node.call(MetadataRequest(topics=None), 12)

The client is `minikafka.protocol` over a plain socket: it sends what it is told, in any version,
and hides nothing of the answer. Every wait has a deadline; nothing sleeps.
"""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from struct import Struct
from typing import Any

from minikafka.broker.clock import WallClock
from minikafka.broker.config import BrokerConfig
from minikafka.broker.log.files import Files
from minikafka.broker.node import Node
from minikafka.broker.replica.partition import Partition
from minikafka.protocol.api import response_class
from minikafka.protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)
from minikafka.protocol.api.describe_configs import ConfigResourceType
from minikafka.protocol.api.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponsePartition,
)
from minikafka.protocol.api.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigOperation,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from minikafka.protocol.api.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
    ProduceResponsePartition,
)
from minikafka.protocol.codec import decode, encode
from minikafka.protocol.header import (
    RequestStart,
    encode_request,
    has_flexible_request_header,
    has_flexible_response_header,
)
from minikafka.protocol.primitives import Buffer
from minikafka.protocol.records import BatchBuilder, Record, iterate, iterate_batches
from minikafka.protocol.schema import schema_of

DEADLINE_S = 10.0
CLIENT_ID = "raw"
_INT32 = Struct(">i")


class SetClock(WallClock):
    """Wall time that stands still until the test moves it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now = now_ms

    def now_ms(self) -> int:
        return self.now


class Rebooted(Files):
    """The files after the machine has booted again: what was not flushed may be gone."""

    def __init__(self, boot_id: str = "another boot") -> None:
        super().__init__()
        self._boot_id = boot_id

    def boot_id(self) -> str:
        return self._boot_id


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._correlation_id = 0

    @staticmethod
    async def connect(address: tuple[str, int]) -> "RawClient":
        """A new connection to `address`."""
        return RawClient(*await asyncio.open_connection(*address))

    @property
    def name(self) -> str:
        """How the broker's log calls this connection."""
        host, port = self._writer.get_extra_info("sockname")
        return f"{host}:{port}"

    async def call(self, request: Any, version: int | None = None) -> Any:
        """Send a request and return its answer."""
        self.send(request, version)
        return await self.receive(type(request), version)

    def send(self, request: Any, version: int | None = None) -> bytes:
        """Send a request, and return the bytes of its frame."""
        frame = self.frame(request, version)
        self.send_bytes(frame)
        return frame

    def frame(self, request: Any, version: int | None = None) -> bytes:
        """The whole frame of a request, with the next correlation id."""
        self._correlation_id += 1
        return frame_of(request, version, self._correlation_id)

    def send_bytes(self, data: Buffer) -> None:
        """Send any bytes."""
        self._writer.write(data)

    async def receive(self, request_class: type, version: int | None = None) -> Any:
        """The next answer, which must be to a request of this class and version."""
        return decode_answer(await self.receive_frame(), request_class, version)

    async def receive_frame(self) -> bytes:
        """The next answer's bytes, correlation id included."""
        async with asyncio.timeout(DEADLINE_S):
            (size,) = _INT32.unpack(await self._reader.readexactly(4))
            return await self._reader.readexactly(size)

    async def is_silent(self, other: "RawClient", request: Any) -> bool:
        """Whether nothing has come here by the time that `other` got an answer."""
        await other.call(request)
        return not self._reader._buffer  # type: ignore[attr-defined] # streams cannot be peeked

    async def closed_by_peer(self) -> bytes:
        """Wait for the end of the connection; what came before it."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    async def drain(self) -> None:
        """Wait until the socket has taken what was sent."""
        async with asyncio.timeout(DEADLINE_S):
            await self._writer.drain()

    def stop_reading(self) -> None:
        """Leave the answers in the kernel, which then has no room for more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport too

    def resume_reading(self) -> None:
        """Take them again."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    def half_close(self) -> None:
        """Send no more, but listen."""
        self._writer.write_eof()

    def abort(self) -> None:
        """Go away with a reset."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Go away properly."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


class ServedNode:
    """A running node, a client of it, and short ways to say what tests say often."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._clients: list[RawClient] = []
        self._is_stopped = False

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect to."""
        return self.node.client_address

    def partition(self, topic: str, index: int = 0) -> Partition:
        """The partition itself, for what no API tells."""
        found = self.node._replicas.find(topic, index)
        assert found is not None
        return found

    async def connect(self) -> RawClient:
        """A connection of its own, closed with the node."""
        client = await RawClient.connect(self.address)
        self._clients.append(client)
        return client

    async def call(self, request: Any, version: int | None = None) -> Any:
        """One request over the connection that these share."""
        client = self._clients[0] if self._clients else await self.connect()
        return await client.call(request, version)

    async def create(self, name: str, partitions: int = 1, **configs: str) -> bytes:
        """Create a topic, options by Kafka's names with underscores; its topic id."""
        options = [
            CreateTopicsRequestConfig(name=key.replace("_", "."), value=value)
            for key, value in configs.items()
        ]
        topic = CreateTopicsRequestTopic(
            name=name, num_partitions=partitions, replication_factor=-1, configs=options
        )
        answer = (await self.call(CreateTopicsRequest(topics=[topic]), 7)).topics[0]
        assert answer.error_code == 0, answer
        return answer.topic_id

    async def configure(self, topic: str, **options: str) -> None:
        """Set options of a topic, by Kafka's names with underscores; "" is for all brokers."""
        kind = ConfigResourceType.TOPIC if topic else ConfigResourceType.BROKER
        changes = [
            AlterableConfig(
                name=key.replace("_", "."), config_operation=AlterConfigOperation.SET, value=value
            )
            for key, value in options.items()
        ]
        resource = AlterConfigsResource(resource_type=kind, resource_name=topic, configs=changes)
        request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=False)
        answer = (await self.call(request)).responses[0]
        assert answer.error_code == 0, answer

    async def produce(
        self, topic: str, batch: Buffer | None, *, index: int = 0, acks: int = -1, version: int = 9
    ) -> ProduceResponsePartition:
        """Append one batch; the partition's answer."""
        answer = await self.call(produce_request(topic, batch, index=index, acks=acks), version)
        return answer.responses[0].partition_responses[0]

    async def fetch(
        self, topic: str, offset: int, *, index: int = 0, version: int = 12, **options: Any
    ) -> FetchResponsePartition:
        """Fetch from one partition; its answer."""
        answer = await self.call(fetch_request(topic, offset, index=index, **options), version)
        return answer.responses[0].partitions[0]

    async def records(self, topic: str, offset: int = 0, index: int = 0) -> list[Record]:
        """Every record from the batch with `offset` on."""
        found: list[Record] = []
        while new := records_of(await self.fetch(topic, offset, index=index, max_wait_ms=0)):
            found += new
            offset = new[-1].offset + 1
        return found

    async def stop(self) -> None:
        """Stop the node cleanly, unless that was done."""
        if not self._is_stopped:
            self._is_stopped = True
            async with asyncio.timeout(DEADLINE_S):
                await self.node.stop()

    async def close(self) -> None:
        """Close the clients and stop."""
        for client in self._clients:
            await client.close()
        await self.stop()


@asynccontextmanager
async def serving(
    data_dir: Path,
    *,
    files: Files | None = None,
    clock: WallClock | None = None,
    random: Random | None = None,
    **options: Any,
) -> AsyncIterator[ServedNode]:
    """A node on a free port, stopped cleanly at the end; options by their field names."""
    free = {"listen": "127.0.0.1:0", "controller_listen": "127.0.0.1:0"}
    config = BrokerConfig(**free | {"data_dir": str(data_dir)} | options)
    node = Node(config, files=files, clock=clock, random=random)
    await node.start()
    served = ServedNode(node)
    try:
        yield served
    finally:
        await served.close()


def as_after_kill(data_dir: Path) -> Path:
    """What a `kill -9` at this moment leaves of a running node's directory, as a copy."""
    copy = data_dir.with_name(data_dir.name + "-killed")
    shutil.copytree(data_dir, copy)
    return copy


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until `condition` holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0)


def last_version(request_class: type) -> int:
    """The newest version of an API."""
    return schema_of(request_class).versions.last


def frame_of(request: Any, version: int | None, correlation_id: int) -> bytes:
    """The whole frame of a request; without a version the newest."""
    cls = type(request)
    if version is None:
        version = last_version(cls)
    start = RequestStart(schema_of(cls).key, version, correlation_id)
    flexible = has_flexible_request_header(cls, version)
    return b"".join(encode_request(encode(request, version), start, CLIENT_ID, flexible))


def decode_answer(frame: bytes, request_class: type, version: int | None = None) -> Any:
    """The response in a frame; nothing may follow it."""
    if version is None:
        version = last_version(request_class)
    cls = response_class(schema_of(request_class).key)
    assert cls is not None
    position = 5 if has_flexible_response_header(cls, version) else 4
    answer, end = decode(cls, memoryview(frame), version, position)
    assert end == len(frame)
    return answer


def correlation_id_of(frame: bytes) -> int:
    """Which request this answers."""
    return _INT32.unpack_from(frame)[0]


def batch_of(
    *values: bytes | None,
    key: bytes | None = b"key",
    timestamps: tuple[int, ...] = (),
    compression: int = 0,
    producer: tuple[int, int, int] = (-1, -1, -1),
    transactional: bool = False,
    control: bool = False,
) -> bytearray:
    """One batch; `producer` is id, epoch and base sequence."""
    builder = BatchBuilder(compression, transactional=transactional, control=control)
    for number, value in enumerate(values or (b"value",)):
        builder.append(timestamps[number] if timestamps else 1_700_000_000_000, key, value)
    producer_id, epoch, sequence = producer
    return builder.build(0, producer_id, epoch, sequence)


def produce_request(
    topic: str, batch: Buffer | None, *, index: int = 0, acks: int = -1, topic_id: bytes = bytes(16)
) -> ProduceRequest:
    """One batch for one partition."""
    data = [ProduceRequestPartition(index=index, records=batch)]
    wanted = ProduceRequestTopic(name=topic, topic_id=topic_id, partition_data=data)
    return ProduceRequest(acks=acks, timeout_ms=5000, topic_data=[wanted])


def fetch_request(
    topic: str,
    offset: int,
    *,
    index: int = 0,
    topic_id: bytes = bytes(16),
    max_wait_ms: int = 5000,
    min_bytes: int = 1,
    max_bytes: int = 1 << 20,
    partition_max_bytes: int = 1 << 20,
    leader_epoch: int = -1,
) -> FetchRequest:
    """One partition from one offset."""
    partition = FetchRequestPartition(
        partition=index,
        fetch_offset=offset,
        partition_max_bytes=partition_max_bytes,
        current_leader_epoch=leader_epoch,
    )
    return FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        topics=[FetchRequestTopic(topic=topic, topic_id=topic_id, partitions=[partition])],
    )


def records_of(partition: FetchResponsePartition) -> list[Record]:
    """The records in one partition's answer."""
    batches = iterate_batches(partition.records or b"")
    return [record for batch in batches for record in iterate(batch)]


def listing(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b""
        for path in sorted(directory.rglob("*"))
    }


def busy_port() -> tuple[socket.socket, int]:
    """A socket that listens, and its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time the test can move forward; what is due then runs at once."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Let this much time pass."""
        self._ahead_s += seconds


def run_stepped(test: Callable[[SteppedLoop], Coroutine[Any, Any, None]]) -> None:
    """Run a test in a loop of its own, whose time it moves."""
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SteppedLoop)
        runner.run(test(loop))
