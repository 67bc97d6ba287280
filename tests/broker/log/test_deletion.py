"""Deleting logs: nothing is left of them, and what is being read stays readable."""

import os
from pathlib import Path

from minikafka.broker.log.deletion import DELETED_ENDING, MAX_NAME_BYTES, delete_logs
from minikafka.broker.log.files import Files
from minikafka.broker.log.log import Log, LogOptions

from .appending import append


def test_a_deleted_log_leaves_nothing(tmp_path: Path) -> None:
    directory = str(tmp_path / "orders-0")
    log = Log.open(Files(), directory, LogOptions())
    batch = append(log, 1000)
    found = log.read(0, 1000, 1)
    log.let_go()
    delete_logs(Files(), [directory])
    assert os.listdir(os.path.dirname(directory)) == []
    assert found is not None
    assert found.read() == batch
    assert Log.open(Files(), directory, LogOptions()).log_end_offset == 0


def test_a_name_that_would_become_too_long_is_cut(tmp_path: Path) -> None:
    directory = str(tmp_path / ("t" * (MAX_NAME_BYTES - 2) + "-0"))
    Log.open(Files(), directory, LogOptions())
    delete_logs(Files(), [directory])
    assert os.listdir(tmp_path) == []
    assert len(DELETED_ENDING) < MAX_NAME_BYTES
