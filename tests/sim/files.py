"""The broker's `Files` on a simulated disk: its own code but for the threads of `flush`.

A flush takes time, file by file, in an order that the seed decides, since worker threads keep none.
`hold()` makes flushes wait until `release()` lets them end, in any order. Where the files are
*instant*, a flush needs no loop.
"""

import asyncio
from collections.abc import Sequence
from random import Random

from minikafka.broker.clock import WallClock
from minikafka.broker.log.files import File, Files

from .disk import SimulatedDisk

FLUSH_S = 0.001
"""What one file costs, in the time of the simulated loop."""


class SimulatedFiles(Files):
    """See the module."""

    def __init__(
        self,
        disk: SimulatedDisk,
        random: Random | None = None,
        *,
        is_instant: bool = False,
        clock: WallClock | None = None,
    ) -> None:
        self._calls = disk  # type: ignore[assignment] # it has the methods of SystemCalls
        self._failure = None
        self.disk = disk
        self._random = random
        self._is_instant = is_instant
        self._is_held = False
        self._clock = clock
        self.flush_s = FLUSH_S
        self.held: list[asyncio.Future[None]] = []

    def boot_id(self) -> str:
        return f"boot {self.disk.boot}"

    def modified_ms(self, path: str) -> int:
        """No file is older than this moment: nothing goes for its age."""
        return self._clock.now_ms() if self._clock is not None else 0

    def volume_space(self, path: str) -> tuple[int, int]:
        """Room enough."""
        return 1 << 40, 1 << 39

    async def flush(self, files: Sequence[File | str]) -> None:
        if self._is_held:
            self.held.append(asyncio.get_running_loop().create_future())
            await self.held[-1]
        for file in self.shuffled(files):
            if not self._is_instant:
                await asyncio.sleep(self.flush_s)
            self.flush_now([file])
        self.flush_now([])

    def shuffled(self, files: Sequence[File | str]) -> list[File | str]:
        """The files in another order."""
        mixed = list(files)
        if self._random is not None:
            self._random.shuffle(mixed)
        return mixed

    def hold(self) -> None:
        """Let no flush end that begins from now on."""
        self._is_held = True

    def release(self, index: int = 0) -> None:
        """Let one of the held flushes end."""
        self.held.pop(index).set_result(None)

    def close(self) -> None:
        """There are no threads to end."""
