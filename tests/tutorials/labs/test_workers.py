"""Each way to work finishes each record, measured end to end with real processes."""

from dataclasses import replace
from pathlib import Path

from minikafka.tutorials.labs import lessons
from minikafka.tutorials.labs.cell import Load
from minikafka.tutorials.labs.pictures import draw_sweep, draw_workers
from minikafka.tutorials.labs.workers import (
    KINDS,
    SWEEP_SIZES,
    WAYS,
    Trial,
    matrix,
    measure_all,
    sweep,
)

from ...nodes import NodeProcess

LOAD = Load("heavy", rate=1000, seconds=0.05)


async def test_each_way_finishes_each_record(tmp_path: Path, broker: NodeProcess):
    trials = [Trial(way, "printing", LOAD) for way in WAYS]
    cells = [cell async for cell in measure_all(trials, broker.bootstrap, tmp_path)]
    assert [cell.way for cell in cells] == list(WAYS)
    assert [(cell.sent, cell.finished, cell.handled_again) for cell in cells] == [(50, 50, 0)] * 4
    assert all(way in lessons.workers(cells) for way in WAYS)
    files = draw_workers(cells, lessons.workers(cells), tmp_path / "matrix")
    pools = [replace(cell, kind="waiting", size=size) for size, cell in enumerate(cells, 1)]
    files += draw_sweep(pools, lessons.sweep(pools), tmp_path / "sweep")
    assert len(files) == 4
    assert all(file.stat().st_size > 0 for file in files)


def test_the_matrix_has_every_way_work_and_load_and_the_scale_makes_it_short():
    trials = matrix(0.1)
    assert len(set(trials)) == len(WAYS) * len(KINDS) * 2
    assert {trial.load.count for trial in trials} == {5000, 500}


def test_the_sweep_has_a_pool_of_each_size():
    assert {trial.size for trial in sweep(1.0)} == set(SWEEP_SIZES)
