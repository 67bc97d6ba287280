"""All connections of a node: their number, the events they share, and how they end."""

import asyncio
import gc
import weakref
from pathlib import Path
from unittest.mock import call, patch

import pytest

from minikafka.broker import server as server_module
from minikafka.broker.server import SWEEP_INTERVAL_S, TRIM_EVERY_SWEEPS
from minikafka.protocol.api.api_versions import ApiVersionsRequest
from minikafka.protocol.api.fetch import FetchRequest
from minikafka.protocol.api.produce import ProduceRequest

from .in_process import (
    RawClient,
    SteppedLoop,
    batch_of,
    fetch_request,
    produce_request,
    records_of,
    run_stepped,
    serving,
    until,
)

PING = ApiVersionsRequest(client_software_name="raw", client_software_version="1")


async def test_one_connection_too_many_is_refused_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, max_connections=2) as node:
        first, second = await node.connect(), await node.connect()
        await first.call(PING)
        await second.call(PING)
        third = await node.connect()
        assert await third.closed_by_peer() == b""
        (line,) = [each.getMessage() for each in caplog.records if each.levelname != "DEBUG"]
        assert third.name in line
        await first.call(PING)
        await second.close()
        await until(lambda: len(node.node._server._connections) == 1)
        await (await node.connect()).call(PING)


async def test_an_append_on_one_connection_answers_a_fetch_on_another(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        await node.create("orders")
        readers = [await node.connect() for _ in range(5)]
        for reader in readers:
            reader.send(fetch_request("orders", 0, max_wait_ms=60_000), 12)
        await until(lambda: len(node.node._replicas._purgatory) == 5)
        await node.produce("orders", batch_of(b"news"))
        for reader in readers:
            answer = await reader.receive(FetchRequest, 12)
            assert [each.value for each in records_of(answer.responses[0].partitions[0])]


async def test_a_clean_stop_answers_what_waits(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        await node.create("orders")
        reader, writer = await node.connect(), await node.connect()
        reader.send(fetch_request("orders", 0, max_wait_ms=60_000, min_bytes=1 << 20), 12)
        await until(lambda: len(node.node._replicas._purgatory) == 1)
        writer.send(produce_request("orders", batch_of()), 9)
        await until(lambda: node.partition("orders").log.log_end_offset == 1)
        stopping = asyncio.ensure_future(node.stop())
        produced = await writer.receive(ProduceRequest, 9)
        fetched = await reader.receive(FetchRequest, 12)
        assert produced.responses[0].partition_responses[0].error_code == 0
        assert fetched.responses[0].partitions[0].high_watermark == 1
        assert await reader.closed_by_peer() == b""
        await stopping


async def test_a_stopped_node_accepts_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        address = node.address
    with pytest.raises(ConnectionRefusedError):
        await RawClient.connect(address)


async def test_a_thousand_clients_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        for _ in range(10):
            clients = [await RawClient.connect(node.address) for _ in range(100)]
            for client in clients:
                client.send(PING)
            for client in clients:
                client.abort()
        server = node.node._server
        await until(lambda: not server._connections)
        assert server.buffers.taken_bytes == 0
        assert not server._with_answers
        assert not server._tasks


def test_the_sweep_goes_on_for_ever(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path, connections_max_idle_ms=1000) as node:
            for _ in range(3):
                client = await node.connect()
                await client.call(PING)
                loop.advance(SWEEP_INTERVAL_S + 1)
                assert await client.closed_by_peer() == b""

    run_stepped(test)


async def test_who_keeps_most_memory_is_closed_when_all_keep_too_much(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as node:
        modest, greedy = await node.connect(), await node.connect()
        for client, count in ((modest, 10), (greedy, 900)):
            client.stop_reading()
            client.send_bytes(client.frame(fetch_request("gone", 0, max_wait_ms=0), 12) * count)
        with patch.object(server_module, "MAX_MEMORY_BYTES", 20_000):
            big = greedy.frame(fetch_request("x" * 200, 0, max_wait_ms=0), 12)
            while node.node._server._memory_bytes <= 20_000 and not lines_of(caplog):
                greedy.send_bytes(big * 100)
                await asyncio.sleep(0)
        await until(lambda: len(node.node._server._connections) == 1)
        (line,) = lines_of(caplog)
        assert greedy.name in line
        modest.resume_reading()
        for _ in range(10):
            await modest.receive_frame()
        assert node.node._server._memory_bytes == 0


async def test_sockets_leave_descriptors_to_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as node:
        first = await node.connect()
        await first.call(PING)
        node.node._server.refused_from = 0
        second = await node.connect()
        assert await second.closed_by_peer() == b""
        (line,) = lines_of(caplog)
        assert second.name in line
        assert "ulimit -n" in line
        await first.call(PING)


async def test_a_connection_that_ends_leaves_no_cycle_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        client = await node.connect()
        await client.call(PING)
        (connection,) = node.node._server._connections
        is_gone = weakref.ref(connection)
        del connection
        gc.collect()
        gc.disable()
        try:
            client.abort()
            await until(lambda: not node.node._server._connections)
            await until(lambda: is_gone() is None)
        finally:
            gc.enable()


async def test_memory_is_given_back_now_and_then(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        with patch.object(server_module.free_memory, "give_back") as give_back:
            for _ in range(3 * TRIM_EVERY_SWEEPS):
                node.node._server._expire()
            assert give_back.mock_calls == [call(after_a_crowd=False)] * 3


async def test_memory_is_collected_when_a_crowd_has_gone(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        server = node.node._server
        with (
            patch.object(server_module, "CROWD", 5),
            patch.object(server_module.free_memory, "give_back") as give_back,
        ):
            clients = [await RawClient.connect(node.address) for _ in range(7)]
            for client in clients:
                await client.call(PING)
            for _ in range(TRIM_EVERY_SWEEPS):
                server._expire()
            for client in clients:
                client.abort()
            await until(lambda: not server._connections)
            for _ in range(2 * TRIM_EVERY_SWEEPS):
                server._expire()
            expected = [call(after_a_crowd=crowd) for crowd in (False, True, False)]
            assert give_back.mock_calls == expected


async def test_a_large_request_that_waits_counts_as_memory(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        await node.create("orders")
        server = node.node._server
        client = await node.connect()
        request = fetch_request("orders", 0, max_wait_ms=60_000)
        request.rack_id = "r" * 10_000
        client.send(request, 12)
        await until(lambda: server._memory_bytes > 10_000)
        await node.produce("orders", batch_of())
        await client.receive(FetchRequest, 12)
        await until(lambda: server._memory_bytes == 0)


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Everything that was logged, at the level that a user sees."""
    return [each.getMessage() for each in caplog.records if each.levelname != "DEBUG"]
