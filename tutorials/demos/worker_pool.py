"""A pool of threads works for the records of a topic, and each key keeps its order.

minikafka serve &
python tutorials/demos/producer.py
python tutorials/demos/worker_pool.py
"""

import asyncio
import os
import threading
import time

from minikafka import Consumer, ConsumerRecord, Pool, Worker

BOOTSTRAP = os.environ.get("MINIKAFKA_BOOTSTRAP", "localhost:9092")
TOPIC = "demo-orders"
RECORDS = 12


def handle(record: ConsumerRecord) -> None:
    """Work for a while, as a call to another service does; plain code, in a thread of the pool."""
    time.sleep(0.2)
    thread = threading.get_native_id()
    print(f"{record.key.decode()}: {record.value.decode()} is done by thread {thread}")


async def main() -> None:
    """Work until twelve orders are done."""
    consumer = Consumer(
        TOPIC, bootstrap_servers=BOOTSTRAP, group_id="demo-pool", auto_offset_reset="earliest"
    )
    async with Worker(consumer, handle, concurrency=Pool(min=2, max=4)) as worker:
        await worker.run(until=lambda statistics: statistics.done >= RECORDS)
        statistics = worker.statistics
    print(
        f"{statistics.done} records, {statistics.work.average_ms:.0f} ms of work each, "
        f"begun after {statistics.wait.average_ms:.0f} ms on average."
    )


asyncio.run(main())
