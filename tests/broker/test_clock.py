"""Wall time."""

import time

from minikafka.broker.clock import WallClock


def test_the_wall_clock_counts_milliseconds_since_1970() -> None:
    before = time.time()
    now_ms = WallClock().now_ms()
    assert int(before * 1000) <= now_ms <= time.time() * 1000
