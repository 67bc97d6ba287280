"""`kill -9` of workers at random moments, and of the processes in which their handlers run.

At least once: in the end each record was handled. In order: whoever looks at one key in one life of
the worker sees number after number, and where a life begins, none was passed over. (A number may
come twice: its handler was killed between its work and its answer.)

MINIKAFKA_WORKER_KILLS sets how often the worker is killed (`make kills`: twenty times each).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from minikafka import AdminClient, NewTopic, Producer, TopicPartition

from ..nodes import NodeProcess
from .worker_life import CONCURRENCIES, GROUP

KILLS = int(os.environ.get("MINIKAFKA_WORKER_KILLS", "3"))
SEED = int(os.environ.get("MINIKAFKA_SEED", str(time.time_ns() % 1_000_000)))
PARTITIONS, KEYS = 4, 25
NUMBERS = 20 * (KILLS + 2)
"""Of each key."""
MOST_LINES_OF_A_LIFE = 400
MAX_DELAY_S = 0.05
DEADLINE_S = 120.0
LOOK_EVERY_S = 0.002


class Line:
    """A line of the sink."""

    def __init__(self, text: str) -> None:
        life, process, key, number = text.split()
        self.life, self.process, self.key, self.number = life, int(process), key, int(number)


class Trial:
    """A worker that is killed and started again and again."""

    def __init__(self, bootstrap: str, topic: str, sink: Path, concurrency: str) -> None:
        sink.touch()
        self._sink = sink
        self._arguments = [bootstrap, topic, str(sink), concurrency]
        self._has_processes = concurrency == "processes"
        self._random = Random(SEED)
        self._lives = 0

    def run(self) -> list[Line]:
        """Kill it so many times, let it come to its end, and return what it did."""
        for _ in range(KILLS):
            worker = self._begin()
            try:
                self._work_for_a_while()
                if self._has_processes:
                    self._kill_a_handler()
            finally:
                worker.kill()
                worker.wait()
        worker = self._begin()
        try:
            self._wait(lambda: len({(e.key, e.number) for e in self._lines()}) == KEYS * NUMBERS)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(DEADLINE_S) == 0
        finally:
            worker.kill()
        return self._lines()

    def _begin(self) -> "subprocess.Popen[bytes]":
        self._lives += 1
        module = "minikafka.tests.chaos.worker_life"
        return subprocess.Popen([sys.executable, "-m", module, *self._arguments, str(self._lives)])

    def _work_for_a_while(self) -> None:
        """Until it has written some lines, and then some milliseconds; or all there are."""
        goal = len(self._lines()) + self._random.randint(1, MOST_LINES_OF_A_LIFE)
        goal = min(goal, KEYS * NUMBERS - 1)
        self._wait(lambda: len(self._lines()) >= goal)
        time.sleep(self._random.random() * MAX_DELAY_S)

    def _kill_a_handler(self) -> None:
        """Kill the process that wrote the last line, and see that the work goes on."""
        before = self._lines()
        os.kill(before[-1].process, signal.SIGKILL)
        self._wait(lambda: len(self._lines()) > len(before) or self._has_all())
        time.sleep(self._random.random() * MAX_DELAY_S)

    def _has_all(self) -> bool:
        return len(self._lines()) >= KEYS * NUMBERS

    def _wait(self, is_reached: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not is_reached():
            assert time.monotonic() < deadline_s, f"no progress in life {self._lives}"
            time.sleep(LOOK_EVERY_S)

    def _lines(self) -> list[Line]:
        whole, _, _ = self._sink.read_text().rpartition("\n")
        return [Line(text) for text in whole.splitlines()]


def judge(lines: list[Line]) -> list[str]:
    """What is wrong: records that were lost, and those that came before their turn."""
    wrong: list[str] = []
    highest: dict[str, int] = {}
    last: dict[tuple[str, str], int] = {}
    for line in lines:
        before = last.get((line.life, line.key))
        in_turn = (
            line.number <= highest.get(line.key, -1) + 1
            if before is None
            else before <= line.number <= before + 1
        )
        if not in_turn:
            wrong.append(f"life {line.life}: {line.key}/{line.number} after {before}")
        last[line.life, line.key] = line.number
        highest[line.key] = max(line.number, highest.get(line.key, -1))
    seen = {(line.key, line.number) for line in lines}
    expected = [(f"key-{key}", number) for key in range(KEYS) for number in range(NUMBERS)]
    return wrong + [
        f"lost: {key}/{number}" for key, number in expected if (key, number) not in seen
    ]


async def write(bootstrap: str, topic: str) -> None:
    """Each key's numbers, one key after the other in turns."""
    async with AdminClient(bootstrap_servers=bootstrap) as admin:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    async with Producer(bootstrap_servers=bootstrap) as producer:
        for number in range(NUMBERS):
            for key in range(KEYS):
                await producer.send(topic, b"%d" % number, key=b"key-%d" % key)


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
async def test_kill_9_of_a_worker_loses_no_record_and_no_order(
    broker: NodeProcess, tmp_path: Path, concurrency: str, capsys: pytest.CaptureFixture[str]
):
    began_s = time.monotonic()
    await write(broker.bootstrap, "numbers")
    lines = Trial(broker.bootstrap, "numbers", tmp_path / "sink", concurrency).run()
    wrong = judge(lines)
    with capsys.disabled():
        print(
            f"\n{concurrency}: {KILLS} kills, {KEYS * NUMBERS} records, "
            f"{len(lines) - KEYS * NUMBERS} handled again, {len(wrong)} lost or out of order, "
            f"{time.monotonic() - began_s:.1f} s, seed {SEED}"
        )
    assert not wrong
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        committed = await admin.list_group_offsets(GROUP)
    assert sum(each.offset for each in committed.values()) == KEYS * NUMBERS
    assert set(committed) <= {TopicPartition("numbers", index) for index in range(PARTITIONS)}


def test_the_judge_sees_what_is_lost_and_what_is_out_of_order():
    good = [Line(f"1 7 key-{key} {number}") for number in range(NUMBERS) for key in range(KEYS)]
    assert judge(good) == []
    assert judge([*good, Line("2 8 key-0 3"), Line("2 8 key-0 3"), Line("2 8 key-0 4")]) == []
    assert judge(good[:-1]) == [f"lost: key-{KEYS - 1}/{NUMBERS - 1}"]
    swapped = [Line("1 7 key-0 1"), Line("1 7 key-0 0"), *good[KEYS:]]
    assert any("key-0/1 after None" in each for each in judge(swapped))
    assert judge([*good, Line("2 8 key-0 3"), Line("2 8 key-0 5")])
