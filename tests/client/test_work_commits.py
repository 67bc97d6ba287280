"""What is made of a refused commit, and that an older one never comes after a newer."""

import asyncio
from typing import Any

import pytest

from minikafka import ConsumerRecord, KafkaError, TopicPartition
from minikafka.client.errors import KafkaTimeout
from minikafka.client.work_commits import WorkCommits
from minikafka.client.work_ledger import WorkLedger
from minikafka.protocol.errors import ErrorCode

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


class Group:
    """Stands for a consumer in a group: takes commits, refuses them or lets them wait."""

    group_id: str | None = "g"

    def __init__(self) -> None:
        self.committed: list[dict[TopicPartition, int]] = []
        self.refusals: list[KafkaError] = []
        self.waits = False

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.waits:
            await asyncio.sleep(3600)
        if self.refusals:
            raise self.refusals.pop()
        self.committed.append(offsets)


@pytest.fixture
def ledger() -> WorkLedger:
    """One record of each partition is done."""
    ledger = WorkLedger(2, 10)
    for name in (P0, P1):
        record = ConsumerRecord("t", name.partition, 5, -1, 0, None, b"", (), 0)
        ledger.admit(name, [record], 0.0)
        work = ledger.take()
        assert work is not None
        ledger.done(work)
    return ledger


def commits_of(group: Any, ledger: WorkLedger) -> tuple[WorkCommits, list[KafkaError]]:
    refused: list[KafkaError] = []
    return WorkCommits(group, ledger, refused.append), refused


async def test_what_is_given_up_is_committed_and_no_more(ledger: WorkLedger):
    group = Group()
    commits, _ = commits_of(group, ledger)
    await commits.finish([P0])
    await commits.finish([P0])
    assert group.committed == [{P0: 6}]
    assert ledger.committable() == {P1: 6}


@pytest.mark.parametrize(
    "error",
    [
        KafkaTimeout("later"),
        KafkaError.of(ErrorCode.ILLEGAL_GENERATION),
        KafkaError.of(ErrorCode.REBALANCE_IN_PROGRESS),
        KafkaError.of(ErrorCode.COORDINATOR_NOT_AVAILABLE),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_a_refusal_that_passes_is_made_good_later(ledger: WorkLedger, error: KafkaError):
    group = Group()
    commits, refused = commits_of(group, ledger)
    group.refusals.append(error)
    await commits.finish([P0, P1])
    assert not refused
    await commits.finish([P0, P1])
    assert group.committed == [{P0: 6, P1: 6}]


async def test_any_other_refusal_is_told(ledger: WorkLedger):
    group = Group()
    commits, refused = commits_of(group, ledger)
    group.refusals.append(error := KafkaError.of(ErrorCode.GROUP_AUTHORIZATION_FAILED))
    await commits.finish([P0])
    assert refused == [error]


async def test_a_commit_that_waits_does_not_hold_up_the_last_one(ledger: WorkLedger):
    group = Group()
    commits, _ = commits_of(group, ledger)
    group.waits = True
    commits.begin()
    await asyncio.sleep(0)
    group.waits = False
    await commits.finish([P0, P1])
    assert group.committed == [{P0: 6, P1: 6}]


async def test_without_a_group_nothing_is_committed(ledger: WorkLedger):
    group = Group()
    group.group_id = None
    commits, _ = commits_of(group, ledger)
    await commits.finish([P0, P1])
    assert group.committed == []
