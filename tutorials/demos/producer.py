"""Write records, and see where each of them went.

minikafka serve &
python tutorials/demos/producer.py
"""

import asyncio
import os

from minikafka import AdminClient, NewTopic, Producer

BOOTSTRAP = os.environ.get("MINIKAFKA_BOOTSTRAP", "localhost:9092")
TOPIC = "demo-orders"


async def main() -> None:
    """Make a topic, and send twelve orders of three customers."""
    async with AdminClient(bootstrap_servers=BOOTSTRAP) as admin:
        if TOPIC not in await admin.list_topics():
            await admin.create_topics([NewTopic(TOPIC, num_partitions=3)])
    async with Producer(bootstrap_servers=BOOTSTRAP) as producer:
        for number in range(12):
            customer = f"customer-{number % 3}"
            # Records of one key go to one partition, and stay in order there.
            place = await producer.send_and_wait(
                TOPIC, f"order {number}".encode(), customer.encode()
            )
            print(
                f"order {number} of {customer}: partition {place.partition}, offset {place.offset}"
            )


asyncio.run(main())
