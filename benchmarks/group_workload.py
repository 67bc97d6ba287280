"""Three members of one group in one process: until all have their share, and after one has left.

    parent  --argv: client, bootstrap, topic, group-->  this process  --stdout: a JSON object

`start_ms` runs from before the first consumer is made until each of the three owns a third of the
partitions; `leave_ms` from before one of them closes until the others own a half each. Members poll
without a pause, as programs do, and begin and end in order.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

PARTITIONS: Final = 6
MEMBERS: Final = 3
DEADLINE_S: Final = 60.0
POLL_S: Final = 0.05
MODULES: Final = {
    "minikafka": "minikafka.client.consumer",
    "aiokafka": "aiokafka",
    "kafka-python": "kafka",
    "confluent-kafka": "confluent_kafka",
}


class Shares:
    """How many partitions each member owns now, and when that last became what was waited for."""

    def __init__(self) -> None:
        self._owned: dict[int, int] = dict.fromkeys(range(MEMBERS), 0)
        self._wanted: list[int] = []
        self._reached = threading.Event()
        self._reached_s = 0.0

    def assigned(self, member: int, partitions: Iterable[Any]) -> None:
        """A member owns these and no others; who has gone owns nothing that counts."""
        if member not in self._owned:
            return
        self._owned[member] = len(list(partitions))
        if sorted(self._owned.values()) == self._wanted and not self._reached.is_set():
            self._reached_s = time.perf_counter()
            self._reached.set()

    def expect(self, *counts: int) -> None:
        """Wait for these numbers from now on."""
        self._reached.clear()
        self._wanted = sorted(counts)

    def forget(self, member: int) -> None:
        """A member goes."""
        del self._owned[member]

    def wait(self) -> float:
        """When they were reached."""
        if not self._reached.wait(DEADLINE_S):
            raise TimeoutError(f"the members own {self._owned}, not {self._wanted}")
        return self._reached_s


async def _minikafka(member: int, names: list[str], shares: Shares, stop: Any) -> None:
    from minikafka import Consumer, RebalanceListener

    class Listener(RebalanceListener):
        def on_partitions_assigned(self, assigned: Any) -> None:
            shares.assigned(member, consumer.assignment())

        def on_partitions_revoked(self, revoked: Any) -> None:
            shares.assigned(member, ())

    bootstrap, topic, group = names
    consumer = Consumer(bootstrap_servers=bootstrap, group_id=group)
    consumer.subscribe([topic], listener=Listener())
    async with consumer:
        while not stop.is_set():
            await consumer.getmany(timeout_ms=int(POLL_S * 1000))


async def _aiokafka(member: int, names: list[str], shares: Shares, stop: Any) -> None:
    from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # pyright: ignore[reportUntypedBaseClass]
        async def on_partitions_revoked(self, revoked: Any) -> None:
            shares.assigned(member, ())

        async def on_partitions_assigned(self, assigned: Any) -> None:
            shares.assigned(member, assigned)

    bootstrap, topic, group = names
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group)
    consumer.subscribe([topic], listener=Listener())
    await consumer.start()
    while not stop.is_set():
        await consumer.getmany(timeout_ms=int(POLL_S * 1000))
    await consumer.stop()


def _confluent(member: int, names: list[str], shares: Shares, stop: threading.Event) -> None:
    from confluent_kafka import Consumer

    bootstrap, topic, group = names
    consumer: Any = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    consumer.subscribe(
        [topic],
        on_assign=lambda _, assigned: shares.assigned(member, assigned),
        on_revoke=lambda _, revoked: shares.assigned(member, ()),
    )
    while not stop.is_set():
        consumer.poll(POLL_S)
    consumer.close()


def _kafka_python(member: int, names: list[str], shares: Shares, stop: threading.Event) -> None:
    from kafka import KafkaConsumer
    from kafka.consumer.subscription_state import ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # pyright: ignore[reportUntypedBaseClass]
        def on_partitions_revoked(self, revoked: Any) -> None:
            shares.assigned(member, ())

        def on_partitions_assigned(self, assigned: Any) -> None:
            shares.assigned(member, assigned)

    bootstrap, topic, group = names
    consumer: Any = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group)
    consumer.subscribe([topic], listener=Listener())
    while not stop.is_set():
        consumer.poll(timeout_ms=int(POLL_S * 1000))
    consumer.close()


def _in_tasks(client: Any, names: list[str]) -> dict[str, float]:
    async def run() -> dict[str, float]:
        shares = Shares()
        shares.expect(2, 2, 2)
        began_s = time.perf_counter()
        stops = [asyncio.Event() for _ in range(MEMBERS)]
        tasks = [
            asyncio.create_task(client(member, names, shares, stop))
            for member, stop in enumerate(stops)
        ]
        await asyncio.to_thread(shares.wait)
        start_s = shares.wait() - began_s
        shares.forget(0)
        shares.expect(3, 3)
        began_s = time.perf_counter()
        stops[0].set()
        await asyncio.to_thread(shares.wait)
        leave_s = shares.wait() - began_s
        for stop in stops:
            stop.set()
        await asyncio.gather(*tasks)
        return {"start_ms": start_s * 1000, "leave_ms": leave_s * 1000}

    return asyncio.run(run())


def _in_threads(client: Any, names: list[str]) -> dict[str, float]:
    shares = Shares()
    shares.expect(2, 2, 2)
    began_s = time.perf_counter()
    stops = [threading.Event() for _ in range(MEMBERS)]
    threads = [
        threading.Thread(target=client, args=(member, names, shares, stop))
        for member, stop in enumerate(stops)
    ]
    for thread in threads:
        thread.start()
    start_s = shares.wait() - began_s
    shares.forget(0)
    shares.expect(3, 3)
    began_s = time.perf_counter()
    stops[0].set()
    leave_s = shares.wait() - began_s
    for stop in stops:
        stop.set()
    for thread in threads:
        thread.join()
    return {"start_ms": start_s * 1000, "leave_ms": leave_s * 1000}


def main() -> int:
    """Measure the client in argv, print what came out, and return the exit status."""
    client, *names = sys.argv[1:]
    import_module(MODULES[client])  # so that it does not count
    tasks = {"minikafka": _minikafka, "aiokafka": _aiokafka}
    threads = {"confluent-kafka": _confluent, "kafka-python": _kafka_python}
    if client in tasks:
        measured = _in_tasks(tasks[client], names)
    else:
        measured = _in_threads(threads[client], names)
    print(json.dumps(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
