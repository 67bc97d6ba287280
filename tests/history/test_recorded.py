"""Our clients at a real node, written down and judged; and the node killed in the middle of it."""

import asyncio
from pathlib import Path

from ..nodes import NodeProcess
from .workload import RECORDS_AT_ONCE, SENDERS, Workload

ROUNDS = 40
DEADLINE_S = 90.0


async def work(workload: Workload) -> None:
    """As many rounds as each test has."""
    async with asyncio.timeout(DEADLINE_S):
        await workload.run(lambda: range(ROUNDS))


async def test_what_clients_of_a_node_saw_is_valid(broker: NodeProcess, tmp_path: Path) -> None:
    workload = Workload(broker.bootstrap)
    await work(workload)
    report = workload.judge(tmp_path / "history.jsonl")
    assert report.is_valid, report.text()
    assert report.records_sent == SENDERS * ROUNDS * RECORDS_AT_ONCE
    assert report.counts["ok"] > SENDERS * ROUNDS
    assert report.records_read >= 2 * report.records_sent


async def test_it_stays_valid_when_the_node_is_killed(broker: NodeProcess, tmp_path: Path) -> None:
    workload = Workload(broker.bootstrap)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(work(workload))
        while len(workload.events) < 60 and not running.done():
            await asyncio.sleep(0)
        broker.kill()
        await asyncio.to_thread(broker.start)
    report = workload.judge(tmp_path / "history.jsonl")
    assert report.is_valid, report.text()


async def test_a_record_left_out_of_the_history_is_found(
    broker: NodeProcess, tmp_path: Path
) -> None:
    workload = Workload(broker.bootstrap)
    await work(workload)
    lost = "1-7-1"
    for event in workload.events:
        if event.f == "poll" and event.type == "ok":
            for _, read in event.value:
                for key, records in read.items():
                    read[key] = [each for each in records if each[1] != lost]
    report = workload.judge(tmp_path / "history.jsonl")
    assert {"lost-write", "unseen"} <= set(report.violated)
    assert f"{lost!r} was written" in report.text()
