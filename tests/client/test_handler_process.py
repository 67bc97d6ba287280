"""A handler in its own process: what it raises, how it ends, how it is ended."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minikafka import ConsumerRecord
from minikafka.client.handler import (
    CannotStartHandler,
    HandlerDied,
    HandlerFailed,
    HandlerTimeout,
)
from minikafka.client.handler_process import HandlerProcess, require_picklable

# By the name under which a process of its own can import it.
from minikafka.tests.client.worker_handlers import NeverArrives, misbehave, note_later


def record(value: bytes, key: Any = None) -> ConsumerRecord:
    return ConsumerRecord("t", 0, 1, -1, 0, key, value, (), 0)


@pytest.fixture
def process() -> Iterator[HandlerProcess]:
    process = HandlerProcess(misbehave, None)
    yield process
    process.close()


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


def test_the_handler_runs_elsewhere_in_one_process(process: HandlerProcess, tmp_path: Path):
    for value in (b"1", b"2"):
        process(record(value, os.fspath(tmp_path / "notes")))
    (first, pid), (second, same_pid) = lines(tmp_path / "notes")
    assert (first, second) == ("1", "2")
    assert pid == same_pid != str(os.getpid())


def test_what_it_raises_comes_back_with_its_traceback(process: HandlerProcess):
    with pytest.raises(HandlerFailed, match="ValueError: as it was told") as failure:
        process(record(b"raise"))
    assert "in misbehave" in failure.value.__notes__[0]


@pytest.mark.parametrize(
    ("value", "how"), [(b"kill", "signal 9"), (b"exit", "exit status 3")], ids=["kill", "exit"]
)
def test_one_that_takes_its_process_along_is_followed_by_another(
    process: HandlerProcess, tmp_path: Path, value: bytes, how: str
):
    with pytest.raises(HandlerDied, match=how):
        process(record(value))
    process(record(b"1", os.fspath(tmp_path / "notes")))
    assert lines(tmp_path / "notes")


def test_a_process_that_dies_idle_harms_no_record(process: HandlerProcess, tmp_path: Path):
    for value in (b"1", b"2", b"3"):
        process(record(value, os.fspath(tmp_path / "notes")))
        os.kill(int(lines(tmp_path / "notes")[-1][1]), signal.SIGKILL)
        assert process._child is not None
        process._child[0].join(20)
    assert [value for value, _ in lines(tmp_path / "notes")] == ["1", "2", "3"]


def test_one_that_hangs_is_ended(tmp_path: Path):
    process = HandlerProcess(misbehave, 0.5)
    try:
        with pytest.raises(HandlerTimeout, match=r"after 0\.5 s"):
            process(record(b"hang"))
        process(record(b"1", os.fspath(tmp_path / "notes")))
    finally:
        process.close()
    assert lines(tmp_path / "notes")


def test_a_record_that_cannot_be_pickled_is_a_failure_of_its_own(process: HandlerProcess):
    with pytest.raises(AttributeError, match="pickle"):
        process(record(b"1", lambda: None))


def test_an_async_handler_has_a_loop_of_its_own(tmp_path: Path):
    process = HandlerProcess(note_later, None)
    process(record(b"1", os.fspath(tmp_path / "notes")))
    process.close()
    assert lines(tmp_path / "notes")


def test_a_process_that_never_starts_is_nobodys_fault_but_its_own():
    process = HandlerProcess(NeverArrives(), None)
    with pytest.raises(CannotStartHandler, match="ended 3 times before it had a record"):
        process(record(b"1"))
    process.close()


def test_a_handler_that_nobody_can_import_is_refused():
    with pytest.raises(TypeError, match="no lambda and none defined in a function"):
        require_picklable(lambda record: None)
    require_picklable(misbehave)
