"""A client that does nothing wrong: it writes a record with acks=all, reads it back, and counts.

Each record and each fetch is one measurement, taken on the client's side of a blocking socket.
What was acknowledged must be there in the end, once and in order.
"""

import socket
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from ..broker.in_process import (
    batch_of,
    correlation_id_of,
    decode_answer,
    fetch_request,
    frame_of,
    produce_request,
    records_of,
)

EVERY_S = 0.05
TIMEOUT_S = 30.0
CORRELATION_ID = 7


class GoodClient:
    """Writes and reads in a thread of its own until it is stopped."""

    def __init__(self, address: tuple[str, int], topic: str) -> None:
        self._topic = topic
        self._socket = socket.create_connection(address, TIMEOUT_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._values = count()
        self._latencies_s: list[float] = []
        self.acknowledged: list[tuple[int, bytes]] = []
        self.failure: Exception | None = None

    def call(self, request: Any, version: int) -> Any:
        """Send a request and return its answer."""
        frame = self.send(frame_of(request, version, CORRELATION_ID))
        assert correlation_id_of(frame) == CORRELATION_ID
        return decode_answer(frame, type(request), version)

    def send(self, frame: bytes) -> bytes:
        """Send a request's frame and return that of its answer."""
        self._socket.sendall(frame)
        return self._receive(int.from_bytes(self._receive(4), "big"))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def take_latencies_s(self) -> list[float]:
        """What was measured since the last call."""
        taken, self._latencies_s = self._latencies_s, []
        return taken

    def stop(self) -> None:
        """End, and raise what went wrong."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_S)
        if self.failure is not None:
            raise self.failure

    def read_all(self) -> list[tuple[int, bytes]]:
        """Every record of the topic: offset and value."""
        found: list[tuple[int, bytes]] = []
        while new := self._fetch(found[-1][0] + 1 if found else 0):
            found += new
        return found

    def close(self) -> None:
        """Go away."""
        self._socket.close()

    def _run(self) -> None:
        try:
            while not self._stop.wait(EVERY_S):
                offset = self._measured(self._produce)
                read = self._measured(lambda offset=offset: self._fetch(offset))
                assert read == self.acknowledged[-1:], (read, self.acknowledged[-1:])
        except Exception as error:  # noqa: BLE001 - raised by `stop`, in the thread that waits
            self.failure = error

    def _measured(self, act: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = act()
        self._latencies_s.append(time.perf_counter() - start)
        return result

    def _produce(self) -> int:
        value = b"good %d" % next(self._values)
        answer = self.call(produce_request(self._topic, batch_of(value)), 9)
        partition = answer.responses[0].partition_responses[0]
        assert partition.error_code == 0, partition
        self.acknowledged.append((partition.base_offset, value))
        return partition.base_offset

    def _fetch(self, offset: int) -> list[tuple[int, bytes]]:
        request = fetch_request(self._topic, offset, max_wait_ms=0)
        partition = self.call(request, 11).responses[0].partitions[0]
        assert partition.error_code == 0, partition
        return [(each.offset, each.value) for each in records_of(partition)]

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the node hung up on a good client")
            data += part
        return bytes(data)
