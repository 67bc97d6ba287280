"""A question about partitions, put to the leader of each until every one has answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from ..protocol.errors import KafkaError
from ..transport.connection import KafkaTimeout
from .metadata import TopicPartition
from .network import Network

Answer = TypeVar("Answer")
AskLeader = Callable[[int, dict[TopicPartition, int], int], Awaitable[dict[TopicPartition, Answer]]]
"""Asks a leader (its node id) once, with a number for each partition, within some ms."""


async def ask_leaders(
    network: Network, numbers: Mapping[TopicPartition, int], timeout_ms: int, ask: AskLeader[Answer]
) -> dict[TopicPartition, Answer]:
    """The answer for each partition; `ask` leaves out those whose error may pass.

    Asks again while leaders move; raises KafkaTimeout, or the error that no waiting can mend.
    """
    deadline_ms = network.now_ms() + timeout_ms
    found: dict[TopicPartition, Answer] = {}
    for topic in {partition.topic for partition in numbers}:
        await network.topic(topic, timeout_ms)
    while left := {each: number for each, number in numbers.items() if each not in found}:
        left_ms = deadline_ms - network.now_ms()
        if left_ms <= 0:
            names = ", ".join(f"{each.topic}-{each.partition}" for each in left)
            raise KafkaTimeout(f"no leader of {names} answered within {timeout_ms} ms")
        requests = [
            _ask_once(ask, leader, part, left_ms) for leader, part in _by_leader(network, left)
        ]
        for answer in await asyncio.gather(*requests):
            found |= answer
        if len(found) < len(numbers):
            network.request_refresh()
            pause_ms = network.settings.retry_backoff_ms
            await network.changed.wait(min(deadline_ms, network.now_ms() + pause_ms))
    return found


def raise_unless_retriable(partition: TopicPartition, error_code: int) -> None:
    """Raise a partition's error if the same question cannot succeed later."""
    error = KafkaError.of(error_code)
    if not error.retriable:
        raise KafkaError.of(error_code, f"{partition.topic}-{partition.partition}: {error}")


def _by_leader(
    network: Network, numbers: Mapping[TopicPartition, int]
) -> list[tuple[int, dict[TopicPartition, int]]]:
    """The partitions that have a leader, by its node id."""
    leaders: dict[int, dict[TopicPartition, int]] = {}
    for partition, number in numbers.items():
        leader = network.metadata.leader(*partition)
        if leader is not None:
            leaders.setdefault(leader, {})[partition] = number
        elif network.metadata.partition(*partition) is None:
            raise ValueError(f"topic {partition.topic} has no partition {partition.partition}")
    return list(leaders.items())


async def _ask_once(
    ask: AskLeader[Answer], leader: int, numbers: dict[TopicPartition, int], timeout_ms: int
) -> dict[TopicPartition, Answer]:
    """The answers of one leader: none if it could not be asked now."""
    try:
        return await ask(leader, numbers, timeout_ms)
    except KafkaError as error:
        if not error.retriable:
            raise
        return {}
