"""A process seen from outside: its CPU time, its memory, the core it may run on. Linux only.

CPU time is read from the kernel's clock of that process (what clock_getcpuclockid(3) returns):
user and system time of all its threads, ended ones too, in nanoseconds. The same sum stands in
/proc/PID/stat in steps of 10 ms, too coarse for a run of 200 ms.
"""

import contextlib
import mmap
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from types import FrameType

BROKER_CPU = 0
CLIENT_CPU = 1
"""With `--pin`, brokers run on the first core and clients on the second."""

STOPPED_S = 0.09
RUNNING_S = 0.01

TOUCHED_BYTES = 8 << 30
"""More than all files and brokers of one round take together."""

_PROCESS_CPU_CLOCK = 2  # CPUCLOCK_SCHED of the kernel's posix-timers


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that process `pid` has used so far."""
    return time.clock_gettime((~pid << 3) | _PROCESS_CPU_CLOCK)


def memory_bytes(pid: int) -> int:
    """Return the resident memory of process `pid`; files in the page cache do not count."""
    return _memory_bytes(pid, "VmRSS:")


def forget_peak_memory() -> None:
    """Begin anew to look for the peak of this process's memory."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes(pid: int) -> int:
    """Return the most resident memory that process `pid` has had, or since it was told to forget.

    getrusage would tell the parent's, if that was more when it started the process.
    """
    return _memory_bytes(pid, "VmHWM:")


def _memory_bytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has no memory: it has ended")


@contextlib.contextmanager
def mostly_stopped(pid: int) -> Generator[None]:
    """Let process `pid` run for a tenth of the time only, in turns of 100 ms."""
    is_over = threading.Event()

    def stop_and_go() -> None:
        while not is_over.is_set():
            os.kill(pid, signal.SIGSTOP)
            is_over.wait(STOPPED_S)
            os.kill(pid, signal.SIGCONT)
            is_over.wait(RUNNING_S)

    thread = threading.Thread(target=stop_and_go)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def pin(pid: int, cpu: int | None) -> None:
    """Keep process `pid` (0: this one) and its later threads on `cpu`; None changes nothing."""
    if cpu is not None:
        os.sched_setaffinity(pid, {cpu})


def allow_many_files() -> None:
    """Raise the limit of open files as far as it goes; processes started later inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def touch_memory() -> None:
    """Use much of the free memory once and give it back.

    In a virtual machine the first use of a page makes the host find one: seven times what the
    write to the page cache costs afterwards. Who is measured first would pay for all.
    """
    free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    mmap.mmap(-1, min(TOUCHED_BYTES, free_bytes // 2), flags=flags).close()


def end_in_order_when_terminated() -> None:
    """Make SIGTERM raise SystemExit, so that the brokers that were started are ended too."""

    def on_terminate(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, on_terminate)
