"""Three kinds of work, and the ways to share it out: the second lab's variables.

    printing    count from 0 to 1000 and print each count     the original's
    waiting     wait for a millisecond                        as for a database
    computing   10,000 multiplications                        the interpreter lock's worst case

The work of a record is cut into `parts`: 1 is done at once, 5 are done by five threads that are
made for it. Printed is to the null device, a line a write, so that it is real system calls and no
terminal's speed.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import Final, Literal, TextIO

from ...client.concurrency import Concurrency, Inline, Pool, Processes
from ...client.record import ConsumerRecord
from .journal import pack

Kind = Literal["printing", "waiting", "computing"]
Way = Literal["single thread", "five threads a record", "pool", "processes"]

COUNTS: Final = 1001
WAIT_S: Final = 0.001
MULTIPLICATIONS: Final = 10_000
PARTS: Final = 5
POOL_MIN: Final = 5
POOL_MAX: Final = 10


class Handler:
    """Does a record's work, and writes down when: in any thread, in any process."""

    def __init__(self, kind: Kind, parts: int, journal: str) -> None:
        """Nothing is opened here: a handler is sent to its process before it works."""
        self._kind: Kind = kind
        self._parts = parts
        self._journal = journal

    def __call__(self, record: ConsumerRecord) -> None:
        """Work for this record; its value is its id."""
        began = time.monotonic()
        if self._parts == 1:
            self._do(0, 1)
        else:
            threads = [
                threading.Thread(target=self._do, args=(part, self._parts))
                for part in range(self._parts)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        entry = pack(int(record.value or b"-1"), began, time.monotonic())
        os.write(self._journal_file, entry)  # Appended whole, whoever else writes.

    def close(self) -> None:
        """Close what was opened in this process."""
        if "_journal_file" in self.__dict__:
            os.close(self._journal_file)
        if "_null_device" in self.__dict__:
            self._null_device.close()

    @cached_property
    def _do(self) -> Callable[[int, int], None]:
        match self._kind:
            case "printing":
                return self._print
            case "waiting":
                return _wait
            case "computing":
                return _compute

    def _print(self, part: int, parts: int) -> None:
        for count in share(COUNTS, part, parts):
            print(count, file=self._null_device)

    @cached_property
    def _null_device(self) -> TextIO:
        return open(os.devnull, "w", buffering=1)

    @cached_property
    def _journal_file(self) -> int:
        return os.open(self._journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _wait(part: int, parts: int) -> None:
    time.sleep(WAIT_S / parts)


def _compute(part: int, parts: int) -> None:
    product = 1
    for number in share(MULTIPLICATIONS, part, parts):
        product = product * (number + 1) % 1_000_003


def share(total: int, part: int, parts: int) -> range:
    """One of the `parts` of range(total)."""
    return range(total * part // parts, total * (part + 1) // parts)


def concurrency_of(way: Way, size: int) -> Concurrency:
    """How a worker runs its handler; `size` is a pool's, where it is not from 5 to 10."""
    match way:
        case "single thread" | "five threads a record":
            return Inline()
        case "pool":
            return Pool(size, size) if size else Pool(POOL_MIN, POOL_MAX)
        case "processes":
            return Processes(size or os.cpu_count() or 1)


def parts_of(way: Way) -> int:
    """Into how many parts a record's work is cut."""
    return PARTS if way == "five threads a record" else 1
