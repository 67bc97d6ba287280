"""`kill -9` at random moments, again and again, while producers write.

Each test says one line of figures. MINIKAFKA_KILLS sets how often the first of them kills the node
(`make kills`: a hundred times) and the variants half as often; MINIKAFKA_SEED repeats the moments
of an earlier run as far as a machine can repeat them.
"""

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from minikafka.protocol.records import Record

from ..compat.confluent_client import ConfluentClient
from ..nodes import NodeProcess
from .ledger import PARTITIONS, Ledger, Verdict, judge
from .producers import FLUSH_DEADLINE_S, IMPATIENT

KILLS = int(os.environ.get("MINIKAFKA_KILLS", "5"))
VARIANT_KILLS = (KILLS + 1) // 2
SEED = int(os.environ.get("MINIKAFKA_SEED", str(time.time_ns() % 1_000_000)))

TOPIC = "killed"
MAX_ACKNOWLEDGED_BETWEEN_KILLS = 3_000
MAX_DELAY_S = 0.05
KILLED_WHEN_EVERYBODY_IS_BACK = 0.5  # the others also hit producers that find their way back
KILLED_WHILE_IT_STARTS = 0.2  # the share of kills that also hit the recovery from the last one
MAX_START_S = 0.5
READ_AT_ONCE = 50_000

PROGRESS_DEADLINE_S = 40.0
LOOK_EVERY_S = 0.002

Tell: TypeAlias = Callable[[str], None]

SMALL_SEGMENTS = {"segment.bytes": "65536", "index.interval.bytes": "1024"}
"""So that kills hit the rolling of segments."""

# kafka-python leaves the sockets of failed connections to the garbage collector, which gets them in
# the end of a trial if no captured log record holds on to them: see `quiet`.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Trial:
    """A node, its producers, and those who kill and judge."""

    def __init__(self, node: NodeProcess, configs: Mapping[str, str], is_idempotent: bool) -> None:
        self._node = node
        self._is_idempotent = is_idempotent
        self._random = Random(SEED)
        self._stop = threading.Event()
        self._crashes: list[str] = []
        self.ledgers = {name: Ledger(name) for name in IMPATIENT}
        ConfluentClient(node.bootstrap).create_topic(TOPIC, PARTITIONS, configs)

    def run(self, kills: int) -> Verdict:
        """Kill so many times while all producers write; judge what can be read in the end."""
        threads = [threading.Thread(target=self._produce, args=(name,)) for name in IMPATIENT]
        for thread in threads:
            thread.start()
        try:
            for _ in range(kills):
                self._kill_once()
            self._wait_for_everybody()
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(FLUSH_DEADLINE_S)
            gc.collect()
        assert not self._crashes
        assert not any(thread.is_alive() for thread in threads)
        return judge(self.ledgers.values(), map(self._read, range(PARTITIONS)))

    def acknowledged(self) -> int:
        """How many records all producers together may rely on."""
        return sum(each.acknowledged_count for each in self.ledgers.values())

    def _produce(self, name: str) -> None:
        try:
            produce, ledger = IMPATIENT[name], self.ledgers[name]
            produce(self._node.bootstrap, TOPIC, ledger, self._is_idempotent, self._stop)
        except Exception as crash:  # noqa: BLE001 - whatever it is, the test fails with it
            self._crashes.append(f"{name}: {crash!r}")

    def _kill_once(self) -> None:
        """Wait for some records and then some milliseconds, kill, start."""
        if self._random.random() < KILLED_WHEN_EVERYBODY_IS_BACK:
            self._wait_for_everybody()
        goal = self.acknowledged() + self._random.randrange(MAX_ACKNOWLEDGED_BETWEEN_KILLS)
        self._wait(lambda: self.acknowledged() >= goal)
        self._stop.wait(self._random.random() * MAX_DELAY_S)
        self._node.kill()
        if self._random.random() < KILLED_WHILE_IT_STARTS:
            self._node.launch()
            self._stop.wait(self._random.random() * MAX_START_S)
            self._node.kill()
        self._node.start()

    def _wait_for_everybody(self) -> None:
        """Wait until each producer has come back from the last kill, if there was one."""
        goals = {each: each.acknowledged_count + 1 for each in self.ledgers.values()}
        self._wait(lambda: all(each.acknowledged_count >= goal for each, goal in goals.items()))

    def _wait(self, is_reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PROGRESS_DEADLINE_S
        while not is_reached():
            counts = {name: each.acknowledged_count for name, each in self.ledgers.items()}
            assert time.monotonic() < deadline, f"no progress: {counts}, {self._crashes}"
            assert not self._crashes
            self._stop.wait(LOOK_EVERY_S)

    def _read(self, partition: int) -> Iterator[Record]:
        client = ConfluentClient(self._node.bootstrap)
        start, end = client.watermarks(TOPIC, partition)
        while start < end:
            records = client.read(TOPIC, min(READ_AT_ONCE, end - start), partition, start)
            yield from records
            start = records[-1].offset + 1


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody needs to hear each time that a connection was refused."""
    caplog.set_level(logging.CRITICAL, "kafka")


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Print a line that is seen even when the test passes."""

    def print_line(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return print_line


def test_kill_9_loses_duplicates_and_disorders_nothing(tmp_path: Path, tell: Tell):
    verdict = _try(NodeProcess(tmp_path / "node-1"), tell, KILLS, is_idempotent=True)
    assert not verdict.duplicated
    assert not verdict.disordered


def test_kill_9_loses_nothing_from_the_page_cache(tmp_path: Path, tell: Tell):
    node = NodeProcess(tmp_path / "node-1", "--flush", "os")
    verdict = _try(node, tell, VARIANT_KILLS, is_idempotent=True, configs=SMALL_SEGMENTS)
    assert not verdict.duplicated
    assert not verdict.disordered


def test_kill_9_without_idempotence_loses_nothing(tmp_path: Path, tell: Tell):
    node = NodeProcess(tmp_path / "node-1")
    _try(node, tell, VARIANT_KILLS, is_idempotent=False, configs=SMALL_SEGMENTS)


def _try(
    node: NodeProcess,
    tell: Tell,
    kills: int,
    is_idempotent: bool,
    configs: Mapping[str, str] | None = None,
) -> Verdict:
    """Run a trial, tell its figures, and return its verdict if nothing was lost."""
    began = time.monotonic()
    node.start()
    try:
        trial = Trial(node, configs or {}, is_idempotent)
        verdict = trial.run(kills)
    finally:
        node.kill()
    name = "idempotent" if is_idempotent else "not idempotent"
    settings = " ".join([name, *node.options, *(["small segments"] if configs else [])])
    tell(
        f"{settings}: {kills} kills, "
        f"{trial.acknowledged()} records acknowledged, {verdict.read} read, "
        f"{len(verdict.lost)} lost, {len(verdict.duplicated)} duplicated, "
        f"{len(verdict.disordered)} out of order, {time.monotonic() - began:.1f} s, seed {SEED}"
    )
    assert not verdict.lost
    assert not verdict.unknown
    for each in trial.ledgers.values():
        assert not each.failures
        assert each.acknowledged_count == each.sent_count
    return verdict
