"""What has happened: a hash of it all, and the last of it in words.

Two runs of one seed must have the same hash. It takes in every byte that arrives anywhere, with
its time and its way, so that nothing that a node or client does can differ unseen for long.
"""

from collections import deque
from zlib import crc32

RECENT_EVENTS = 50


class Trace:
    """See the module."""

    def __init__(self) -> None:
        self.events = 0
        self.recent: deque[str] = deque(maxlen=RECENT_EVENTS)
        self._hash = 0

    @property
    def hash(self) -> str:
        """Eight digits for all that has happened."""
        return f"{self._hash:08x}"

    def event(self, now_s: float, who: object, what: str) -> None:
        """Something that is worth a line."""
        line = f"{now_s:11.6f} {who}: {what}"
        self.events += 1
        self.recent.append(line)
        self._hash = crc32(line.encode(), self._hash)

    def arrival(self, now_s: float, way: str, data: bytes) -> None:
        """Bytes arrive; not worth a line."""
        self.events += 1
        self._hash = crc32(data, crc32(f"{now_s!r}{way}".encode(), self._hash))
