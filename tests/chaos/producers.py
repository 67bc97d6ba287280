"""Producers that go on until they are told to stop, whatever happens to the node.

Each is a function that runs in a thread of its own: it takes numbers from its ledger, sends them
with acks=all and settles them, and at the end waits for everything that is under way. All else is
as the client has it by default, except where a test of a hundred kills must not wait.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from minikafka.client.delivery import Delivery
from minikafka.client.producer import Producer

from ..compat.aiokafka_client import aiokafka
from ..compat.confluent_client import confluent
from ..compat.kafka_python_client import kafka
from .ledger import PARTITIONS, Ledger

TURN_S = 0.05
FLUSH_DEADLINE_S = 60.0
RECONNECT_MAX_MS = 200

Produce: TypeAlias = Callable[[str, str, Ledger, bool, threading.Event], None]
"""(bootstrap, topic, ledger, is_idempotent, stop)"""


def produce_with_confluent(
    bootstrap: str,
    topic: str,
    ledger: Ledger,
    is_idempotent: bool,
    stop: threading.Event,
    **settings: Any,
) -> None:
    """Librdkafka calls back from poll()."""

    def delivered(number: int, error: object, message: object) -> None:
        del message
        ledger.settle(number, error)

    settings |= {"bootstrap.servers": bootstrap, "enable.idempotence": is_idempotent}
    producer = confluent.Producer(settings)
    while not stop.is_set():
        number = ledger.take_number(0)
        if number is None:
            producer.poll(TURN_S)
            continue
        producer.produce(
            topic,
            ledger.value(number),
            partition=number % PARTITIONS,
            on_delivery=partial(delivered, number),
        )
        producer.poll(0)
    producer.flush(FLUSH_DEADLINE_S)


def produce_with_kafka_python(
    bootstrap: str,
    topic: str,
    ledger: Ledger,
    is_idempotent: bool,
    stop: threading.Event,
    **settings: Any,
) -> None:
    """kafka-python calls back from its own thread."""

    def written(number: int, metadata: object) -> None:
        del metadata
        ledger.settle(number, None)

    producer = kafka.KafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=is_idempotent, acks="all", **settings
    )
    while not stop.is_set():
        number = ledger.take_number(TURN_S)
        if number is not None:
            future = producer.send(topic, ledger.value(number), partition=number % PARTITIONS)
            future.add_callback(partial(written, number))
            future.add_errback(partial(ledger.settle, number))
    producer.flush(FLUSH_DEADLINE_S)
    producer.close()


def produce_with_minikafka(
    bootstrap: str, topic: str, ledger: Ledger, is_idempotent: bool, stop: threading.Event
) -> None:
    """Our own producer, in an event loop of its own."""

    async def run() -> None:
        producer = Producer(bootstrap_servers=bootstrap, enable_idempotence=is_idempotent)
        await _produce(producer, topic, ledger, stop)

    asyncio.run(run())


def produce_with_aiokafka(
    bootstrap: str, topic: str, ledger: Ledger, is_idempotent: bool, stop: threading.Event
) -> None:
    """aiokafka, in an event loop of its own; by default it waits for the leader alone."""

    async def run() -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=is_idempotent
        )
        await _produce(producer, topic, ledger, stop)

    asyncio.run(run())


async def _produce(producer: Any, topic: str, ledger: Ledger, stop: threading.Event) -> None:
    """Ours and aiokafka's have the same face."""

    def settle(number: int, future: Delivery) -> None:
        ledger.settle(number, future.exception())

    async with producer:
        while not stop.is_set():
            number = ledger.take_number(0)
            if number is None:
                await asyncio.sleep(0.001)
                continue
            future = await producer.send(topic, ledger.value(number), partition=number % PARTITIONS)
            future.add_done_callback(partial(settle, number))


PRODUCERS: Mapping[str, Produce] = {
    "confluent": produce_with_confluent,
    "kafka-python": produce_with_kafka_python,
    "aiokafka": produce_with_aiokafka,
    "minikafka": produce_with_minikafka,
}
IMPATIENT: Mapping[str, Produce] = {
    name: partial(produce, **{setting: RECONNECT_MAX_MS})
    for name, produce, setting in (
        ("confluent", produce_with_confluent, "reconnect.backoff.max.ms"),
        ("confluent-2", produce_with_confluent, "reconnect.backoff.max.ms"),
        ("kafka-python", produce_with_kafka_python, "reconnect_backoff_max_ms"),
    )
} | {"minikafka": produce_with_minikafka}
"""They connect again soon."""
