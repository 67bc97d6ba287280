"""Crash states of a whole node: topics, records and identity, from start to stop and to start."""

import os
import time
from itertools import chain, count
from random import Random

import pytest

from minikafka.broker.log.checkpoints import CLEAN_SHUTDOWN

from .crash import Way, crash
from .disk import SimulatedDisk
from .files import SimulatedFiles
from .log_states import WAYS
from .loop import run_simulated
from .node_check import check_node
from .node_run import DATA_DIR, NodePromise, start_node
from .node_states import NodeSample, replay_node

STATES = int(os.environ.get("MINIKAFKA_CRASH_STATES", "20000")) // 40
FIRST_SEED = int(os.environ.get("MINIKAFKA_SEED", "0"))
MAX_SHOWN = 10
REGRESSIONS = (4,)
"""Seeds by which mistakes were found."""


def test_no_crash_takes_a_topic_or_a_record_that_was_acknowledged() -> None:
    started, states, seeds = time.perf_counter(), 0, 0
    found: list[str] = []
    for seed in chain(REGRESSIONS, count(FIRST_SEED)):
        each = NodeSample(seed).run()
        states += each.states
        seeds += 1
        found += map(str, each.failures)
        if states >= STATES or len(found) > MAX_SHOWN:
            break
    seconds = time.perf_counter() - started
    print(f"\nnode: {states:,} crash states of {seeds} seeds, {len(found)} bad, {seconds:.1f} s")
    if found:
        pytest.fail("\n".join(found[:MAX_SHOWN]), pytrace=False)


def test_without_flushes_a_power_cut_takes_records_that_were_acknowledged() -> None:
    """The positive control."""
    found = [str(one) for seed in range(4) for one in NodeSample(seed, "os", 0.3).run().failures]
    assert any("was acknowledged, and holds None" in each for each in found)


def test_a_state_of_a_node_is_had_again_by_its_name() -> None:
    found = [one for seed in range(4) for one in NodeSample(seed, "os", 0.3).run().failures]
    first = found[0]
    with pytest.raises(type(first.error)) as error:
        replay_node(first.seed, first.operation, first.choice, "os")
    assert str(error.value) == str(first.error)


def stopped() -> SimulatedDisk:
    """A disk on which a node has lived and was stopped cleanly."""
    disk = SimulatedDisk()

    async def live() -> None:
        served = await start_node(SimulatedFiles(disk), 1, "fsync")
        await served.create("orders", 2)
        await served.close()

    run_simulated(live())
    disk.end_process()
    return disk


def test_a_crash_while_loading_does_not_look_like_a_clean_stop() -> None:
    """KAFKA-10471: the marker is on the disk only as long as nothing else has changed there."""
    disk = stopped()
    before = {path: content for path, content in disk.tree().items() if not path.endswith(".lock")}
    assert f"{DATA_DIR}/{CLEAN_SHUTDOWN}" in before
    seen = 0

    def look() -> None:
        nonlocal seen
        for choice, way in enumerate(WAYS):
            tree = crash(disk, way, Random(disk.operations * 100 + choice)).tree()
            if f"{DATA_DIR}/{CLEAN_SHUTDOWN}" in tree:
                tree.pop(f"{DATA_DIR}/.lock", None)
                assert tree == before
            seen += 1

    async def load() -> None:
        disk.on_operation = look
        await start_node(SimulatedFiles(disk), 2, "fsync")

    run_simulated(load())
    assert seen > 50


def test_a_crash_during_a_stop_looks_clean_only_when_all_is_there() -> None:
    disk = SimulatedDisk()
    marked: list[dict[str, bytes | None]] = []

    def look() -> None:
        for way in (Way.NOTHING, Way.SUBSET, Way.PREFIX):
            tree = crash(disk, way, Random(disk.operations)).tree()
            if f"{DATA_DIR}/{CLEAN_SHUTDOWN}" in tree:
                marked.append(tree)

    async def live() -> None:
        served = await start_node(SimulatedFiles(disk), 1, "fsync")
        await served.create("orders", 2)
        disk.on_operation = look
        await served.close()

    run_simulated(live())
    final = disk.tree()
    assert marked
    assert all(tree == final for tree in marked)


def test_the_first_start_of_all_may_be_cut_anywhere() -> None:
    disk = SimulatedDisk()
    images: list[SimulatedDisk] = []

    async def start() -> None:
        await start_node(SimulatedFiles(disk), 1, "fsync")

    disk.on_operation = lambda: images.extend(
        crash(disk, way, Random(disk.operations)) for way in (Way.NOTHING, Way.SUBSET, Way.KILLED)
    )
    run_simulated(start())
    for image in images:
        check_node(image, NodePromise(), "fsync", Random(1))
