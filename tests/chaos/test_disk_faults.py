"""A real node on a disk that fills up or fails: a small tmpfs, and system calls that strace fails.

What the node promises: a full disk refuses writes with KAFKA_STORAGE_ERROR, serves reads, and takes
writes again by itself when there is room. A disk that fails ends the node at once with status 1,
and nothing is acknowledged after that. In either case every acknowledged record is there later.
"""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import pytest

from minikafka.broker.log.checkpoints import CLEAN_SHUTDOWN
from minikafka.broker.log.last_run import LAST_RUN
from minikafka.protocol.api.create_topics import CreateTopicsRequest, CreateTopicsRequestTopic
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.fetch import FetchRequest
from minikafka.protocol.api.produce import ProduceRequest
from minikafka.protocol.errors import ErrorCode

from ..broker.in_process import (
    RawClient,
    batch_of,
    decode_answer,
    fetch_request,
    produce_request,
    records_of,
)
from ..nodes import NodeProcess

TOPIC = "orders"
StartNode: TypeAlias = Callable[..., NodeProcess]
STRACE = shutil.which("strace")
DISK = "6m"
BALLAST_BYTES = 2 << 20
VALUE_BYTES = 20_000
ATTACH_DEADLINE_S = 20.0
MAX_BATCHES = 2_000
_TRACED = re.compile(r"TracerPid:\t[1-9]")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(mount_point)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    yield mount_point
    subprocess.run(["umount", "--lazy", str(mount_point)], check=True)


@pytest.fixture
def start() -> Iterator[StartNode]:
    """Start a node; all of them are killed at the end."""
    nodes: list[NodeProcess] = []

    def start_node(data_dir: Path, *options: str) -> NodeProcess:
        nodes.append(NodeProcess(data_dir, *options))
        return nodes[-1].start()

    yield start_node
    for node in nodes:
        node.kill()


class Orders:
    """A producer of numbered records to one topic, and its reader."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self.acknowledged: list[bytes] = []
        self._sent = 0

    async def create(self, topic: str = TOPIC) -> int:
        """Create a topic; the error code."""
        wanted = CreateTopicsRequestTopic(name=topic, num_partitions=1, replication_factor=1)
        request = CreateTopicsRequest(topics=[wanted], timeout_ms=1000)
        return (await self._client.call(request, 5)).topics[0].error_code

    async def delete(self, topic: str) -> int:
        """Delete a topic; the error code."""
        request = DeleteTopicsRequest(topic_names=[topic], timeout_ms=1000)
        return (await self._client.call(request, 5)).responses[0].error_code

    async def produce(self, acks: int = -1, topic: str = TOPIC) -> int:
        """Produce the next record; the error code."""
        self._sent += 1
        value = b"%d:" % self._sent + bytes(VALUE_BYTES)
        request = produce_request(topic, batch_of(value), acks=acks)
        answer = await self._client.call(request, 9)
        code = answer.responses[0].partition_responses[0].error_code
        if code == 0 and topic == TOPIC:
            self.acknowledged.append(value)
        return code

    async def produce_until_full(self, topic: str = TOPIC) -> None:
        """Produce until the disk is full."""
        for _ in range(MAX_BATCHES):
            if code := await self.produce(topic=topic):
                assert code == ErrorCode.KAFKA_STORAGE_ERROR
                return
        raise AssertionError("the disk did not fill up")

    async def read(self) -> list[bytes]:
        """The values of all records, whose offsets must be without a gap."""
        values: list[bytes] = []
        while True:
            request: FetchRequest = fetch_request(TOPIC, len(values), max_wait_ms=0)
            answer = (await self._client.call(request, 12)).responses[0].partitions[0]
            assert answer.error_code == ErrorCode.NONE
            records = records_of(answer)
            if not records:
                return values
            assert [each.offset for each in records] == [
                len(values) + index for index in range(len(records))
            ]
            values += [each.value or b"" for each in records]


@asynccontextmanager
async def orders_of(node: NodeProcess) -> AsyncIterator[Orders]:
    """A connection to the node."""
    client = await RawClient.connect(("127.0.0.1", node.port))
    yield Orders(client)
    await client.close()


async def read_all(node: NodeProcess) -> list[bytes]:
    """Every record of the topic."""
    async with orders_of(node) as orders:
        return await orders.read()


class Strace:
    """strace on a running node: from here on, some of its system calls fail."""

    def __init__(self, node: NodeProcess, inject: str, path: Path | None = None) -> None:
        assert STRACE is not None
        calls = inject.split(":")[0]
        command = [STRACE, "-f", "-q", "-o", "/dev/null", "-p", str(node.pid)]
        command += ["-e", f"trace={calls}", "-e", f"inject={inject}"]
        command += ["-P", str(path)] if path is not None else []
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self._wait_until_attached(node)

    def _wait_until_attached(self, node: NodeProcess) -> None:
        """Every thread of the node says who traces it."""
        assert self._process.stderr is not None
        tasks = Path(f"/proc/{node.pid}/task")
        while not all(_TRACED.search((task / "status").read_text()) for task in tasks.iterdir()):
            if self._process.poll() is not None:
                reason = self._process.stderr.read()
                pytest.skip(f"strace cannot trace a process here: {reason.strip()}")

    def detach(self) -> None:
        """Let the calls succeed again."""
        self._process.terminate()
        self._process.wait(ATTACH_DEADLINE_S)
        if self._process.stderr is not None:
            self._process.stderr.close()


needs_strace = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


@pytest.mark.parametrize("flush", ["fsync", "os"])
def test_a_full_disk_refuses_writes_serves_reads_and_recovers(
    disk: Path, start: StartNode, flush: str
) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    data_dir = disk / "node"
    options = ["--flush", flush, "-c", "log.segment.bytes=100000", "-c"]
    options += ["log.flush.offset.checkpoint.interval.ms=20"]
    node = start(data_dir, *options)

    async def fill_and_recover() -> list[bytes]:
        async with orders_of(node) as orders:
            assert await orders.create() == ErrorCode.NONE
            await orders.produce_until_full()
            for _ in range(20):
                await orders.produce()  # Some may find the room that a failed roll has left.
            assert await orders.read() == orders.acknowledged
            refused = [await orders.create(f"topic-{index}") for index in range(50)]
            assert ErrorCode.KAFKA_STORAGE_ERROR in refused
            ballast.unlink()
            for _ in range(MAX_BATCHES):
                if await orders.produce() == ErrorCode.NONE:
                    break
            for _ in range(10):
                assert await orders.produce() == ErrorCode.NONE
            assert await orders.create("later") == ErrorCode.NONE
            assert await orders.read() == orders.acknowledged
            return orders.acknowledged

    acknowledged = asyncio.run(fill_and_recover())
    node.kill()
    node.start()
    assert asyncio.run(read_all(node)) == acknowledged
    assert node.stop() == 0


def test_a_topic_can_be_deleted_on_a_full_disk_and_makes_room(disk: Path, start: StartNode) -> None:
    node = start(disk / "node", "-c", "log.segment.bytes=100000")

    async def fill_and_delete() -> None:
        async with orders_of(node) as orders:
            assert await orders.create() == ErrorCode.NONE
            assert await orders.create("doomed") == ErrorCode.NONE
            for _ in range(5):
                assert await orders.produce() == ErrorCode.NONE
            await orders.produce_until_full("doomed")
            assert await orders.delete("doomed") == ErrorCode.NONE
            for _ in range(20):
                assert await orders.produce() == ErrorCode.NONE
            assert await orders.read() == orders.acknowledged

    asyncio.run(fill_and_delete())
    assert node.stop() == 0


def test_a_node_told_to_stop_on_a_full_disk_loses_nothing(disk: Path, start: StartNode) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    node = start(disk / "node", "-c", "log.segment.bytes=100000")

    async def fill() -> list[bytes]:
        async with orders_of(node) as orders:
            assert await orders.create() == ErrorCode.NONE
            await orders.produce_until_full()
            return orders.acknowledged

    acknowledged = asyncio.run(fill())
    with (disk / "rest").open("wb", buffering=0) as rest, suppress(OSError):
        while rest.write(bytes(4096)):
            pass
    node.stop()
    assert "Traceback" not in node.log
    ballast.unlink()
    node.start()
    assert asyncio.run(read_all(node)) == acknowledged


@needs_strace
@pytest.mark.parametrize(
    ("inject", "acks"),
    [
        ("fdatasync:error=EIO", -1),
        ("fdatasync:error=EIO", 1),
        ("fdatasync:error=ENOSPC", -1),
        ("writev:error=EIO", -1),
    ],
)
def test_a_disk_that_fails_ends_the_node_and_acknowledges_nothing_more(
    tmp_path: Path, start: StartNode, inject: str, acks: int
) -> None:
    """A failed fsync is final, whatever its error says."""
    data_dir = tmp_path / "node"
    node = start(data_dir)
    log = data_dir / f"{TOPIC}-0" / f"{0:020d}.log"

    async def produce_into_failure() -> list[bytes]:
        async with orders_of(node) as orders:
            assert await orders.create() == ErrorCode.NONE
            for _ in range(3):
                assert await orders.produce() == ErrorCode.NONE
            strace = Strace(node, inject, log)
            client = await RawClient.connect(("127.0.0.1", node.port))
            client.send(produce_request(TOPIC, batch_of(b"lost"), acks=acks), 9)
            while (frame := await next_frame(client)) is not None:
                # With acks=1 the write is acknowledged, and the flush fails after it.
                assert acks == 1 or code_in(frame) != ErrorCode.NONE
                client.send(produce_request(TOPIC, batch_of(b"lost"), acks=acks), 9)
            await client.close()
            assert node.wait() == 1
            strace.detach()
            return orders.acknowledged

    acknowledged = asyncio.run(produce_into_failure())
    assert "the disk failed, the node stops at once" in node.log
    assert not (data_dir / CLEAN_SHUTDOWN).exists()
    assert not (data_dir / LAST_RUN).exists()
    node.start()
    assert asyncio.run(read_all(node))[: len(acknowledged)] == acknowledged


async def next_frame(client: RawClient) -> bytes | None:
    """The next answer, or None at the end of the connection."""
    try:
        return await client.receive_frame()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def code_in(frame: bytes) -> int:
    """The error code of the one partition in the answer to a produce."""
    answer = decode_answer(frame, ProduceRequest, 9)
    return answer.responses[0].partition_responses[0].error_code


@needs_strace
@pytest.mark.parametrize(
    "inject", ["writev:error=ENOSPC", "writev:error=EDQUOT", "writev:retval=7"]
)
def test_a_write_that_does_not_fit_is_refused_and_the_next_one_that_does_is_taken(
    tmp_path: Path, start: StartNode, inject: str
) -> None:
    """The last case is a short write: seven bytes, says the system call."""
    data_dir = tmp_path / "node"
    node = start(data_dir)
    log = data_dir / f"{TOPIC}-0" / f"{0:020d}.log"

    async def produce() -> None:
        async with orders_of(node) as orders:
            assert await orders.create() == ErrorCode.NONE
            assert await orders.produce() == ErrorCode.NONE
            strace = Strace(node, inject, log)
            for _ in range(3):
                assert await orders.produce() == ErrorCode.KAFKA_STORAGE_ERROR
                assert await orders.read() == orders.acknowledged
            strace.detach()
            for _ in range(3):
                assert await orders.produce() == ErrorCode.NONE
            assert await orders.read() == orders.acknowledged

    asyncio.run(produce())
    assert node.stop() == 0


@needs_strace
def test_a_checkpoint_that_cannot_be_flushed_ends_the_node(
    tmp_path: Path, start: StartNode
) -> None:
    data_dir = tmp_path / "node"
    interval = "log.flush.offset.checkpoint.interval.ms=50"
    node = start(data_dir, "-c", interval)

    async def produce() -> Strace:
        async with orders_of(node) as orders:
            assert await orders.create() == ErrorCode.NONE
            # A record is flushed by fdatasync; the checkpoint's new name by fsync.
            strace = Strace(node, "fsync:error=EIO")
            with suppress(EOFError, OSError):  # The checkpoint may come first.
                await orders.produce()
            return strace

    strace = asyncio.run(produce())
    assert node.wait() == 1
    strace.detach()
    assert not (data_dir / CLEAN_SHUTDOWN).exists()
