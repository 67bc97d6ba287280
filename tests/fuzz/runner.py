"""Runs a target so many times, from its seeds on, and says what came of it."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .mutation import inputs
from .seeds import seeds
from .targets import TARGETS


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that broke a promise, and how."""

    data: bytes
    error: BaseException


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often a target ran, and the first failure, which ended the run."""

    executions: int
    cpu_s: float
    failure: Failure | None


def run(target: str, executions: int, seed: int, seconds: float = 0) -> Outcome:
    """Run the target on its seeds and on changed ones; repeatable for one `seed`.

    It ends at the first failure, and after `seconds` of CPU time unless they are 0.
    """
    function = TARGETS[target]
    count = 0
    began = time.process_time()
    with silenced():
        for count, data in zip(range(1, executions + 1), inputs(seeds(target), seed), strict=False):
            try:
                function(data)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                return Outcome(count, time.process_time() - began, Failure(data, error))
            if seconds and time.process_time() - began > seconds:
                break
    return Outcome(count, time.process_time() - began, None)


@contextmanager
def silenced() -> Iterator[None]:
    """No log lines: a broker has much to say about hostile bytes."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
