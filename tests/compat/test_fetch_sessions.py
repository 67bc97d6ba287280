"""A client that uses fetch sessions by default does so with us, and misses nothing (KIP-227)."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from ..broker.in_process import batch_of, serving
from .clients import DEADLINE_S
from .kafka_python_client import kafka

PARTITIONS = 20
ROUNDS = 10


def poll_value(consumer: Any) -> tuple[int, bytes]:
    """Partition and value of the next record."""
    consumer.config["consumer_timeout_ms"] = DEADLINE_S * 1000
    record = next(consumer)
    return record.partition, record.value


async def test_kafka_python_goes_on_with_one_session(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        await node.create("orders", partitions=PARTITIONS)
        host, port = node.address
        consumer: Any = await asyncio.to_thread(
            kafka.KafkaConsumer, bootstrap_servers=f"{host}:{port}"
        )
        async with AsyncExitStack() as stack:
            # It is closed from a thread, as it talks to the node, which lives in this loop.
            stack.push_async_callback(asyncio.to_thread, consumer.close)
            wanted = [kafka.TopicPartition("orders", index) for index in range(PARTITIONS)]
            consumer.assign(wanted)
            await asyncio.to_thread(consumer.seek_to_beginning)
            for number in range(ROUNDS):
                index = number * 7 % PARTITIONS
                await node.produce("orders", batch_of(b"%d" % number), index=index)
                assert await asyncio.to_thread(poll_value, consumer) == (index, b"%d" % number)
            (session,) = node.node._server.context.fetch_sessions._sessions.values()
            assert len(session) == PARTITIONS
            assert session.epoch > ROUNDS / 2
