"""Three members share a topic; one leaves, and the others take over what it had.

minikafka serve &
python tutorials/demos/producer.py
python tutorials/demos/consumer_group.py
"""

import asyncio
import os

from minikafka import Consumer

BOOTSTRAP = os.environ.get("MINIKAFKA_BOOTSTRAP", "localhost:9092")
TOPIC = "demo-orders"
SETTLED_S = 1.0


class Member:
    """One consumer, reading on its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.consumer = Consumer(
            TOPIC, bootstrap_servers=BOOTSTRAP, group_id="demo", auto_offset_reset="earliest"
        )
        self.is_leaving = False
        self.reading = asyncio.create_task(self.read())

    async def read(self) -> None:
        """Print what comes. What was read is committed now and then, and when the block ends."""
        async with self.consumer:
            while not self.is_leaving:
                batches = await self.consumer.getmany(timeout_ms=200)
                for records in batches.values():
                    for record in records:
                        order, partition = record.value.decode(), record.partition
                        print(f"  {self.name} reads {order} from partition {partition}")

    async def leave(self) -> None:
        """Stop reading, which tells the group."""
        self.is_leaving = True
        await self.reading

    def partitions(self) -> list[int]:
        """What it has now."""
        return sorted(each.partition for each in self.consumer.assignment())


async def shared_by(members: list[Member]) -> None:
    """Wait until the members have all partitions between them for a while, and print who has."""
    since = None
    loop = asyncio.get_running_loop()
    while since is None or loop.time() - since < SETTLED_S:
        for member in members:
            if member.reading.done():
                member.reading.result()  # It cannot go on, and this says why.
        owned = sorted(each for member in members for each in member.partitions())
        since = (since or loop.time()) if owned == [0, 1, 2] else None
        await asyncio.sleep(0.05)
    for member in members:
        print(f"{member.name} has the partitions {member.partitions()}")


async def main() -> None:
    """Three come, one goes."""
    members = [Member(name) for name in ("Ada", "Bob", "Cleo")]
    await shared_by(members)
    print("Cleo leaves.")
    await members.pop().leave()
    await shared_by(members)
    for member in members:
        await member.leave()


asyncio.run(main())
