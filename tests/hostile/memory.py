"""The memory of a node: read from /proc, and a limit that is kept as the kernel would keep it.

The limit is on VmHWM, the most that was ever resident: the kernel notes it, so that no peak slips
between two looks. A node that passes it is killed on the spot, as by a memory cgroup's limit.
Unlike that, it needs no rights and works in a container; page cache and socket buffers are the
kernel's and do not count.
"""

import os
import re
import signal
import threading
from contextlib import suppress
from pathlib import Path

LIMIT_BYTES = 256 << 20
LOOK_EVERY_S = 0.02
_LINE = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB$", re.MULTILINE)


class MemoryLimit:
    """Watches a process, in a thread, and kills it above the limit."""

    def __init__(self, pid: int, limit_bytes: int = LIMIT_BYTES) -> None:
        self._pid = pid
        self._limit_bytes = limit_bytes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.exceeded_bytes = 0
        self._thread.start()

    def resident_bytes(self) -> int:
        """What is resident now."""
        return self._read()["VmRSS"]

    def take_peak_bytes(self) -> int:
        """The most that was resident since the last call."""
        peak = self._read()["VmHWM"]
        with suppress(OSError):  # Then it is the most since the start.
            Path(f"/proc/{self._pid}/clear_refs").write_text("5")
        return peak

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            peak = self._read()["VmHWM"]
            if peak > self._limit_bytes:
                self.exceeded_bytes = peak
                os.kill(self._pid, signal.SIGKILL)
                return

    def _read(self) -> dict[str, int]:
        """In bytes; zeros when the process is gone."""
        try:
            text = Path(f"/proc/{self._pid}/status").read_text()
        except OSError:
            text = ""
        found = {name: int(number) << 10 for name, number in _LINE.findall(text)}
        return {"VmRSS": 0, "VmHWM": 0} | found
