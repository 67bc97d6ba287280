"""Waiting for what another process does."""

import time
from collections.abc import Callable

DEADLINE_S = 60.0
LOOK_EVERY_S = 0.1


def until(is_so: Callable[[], bool]) -> None:
    """Return when it is so; AssertionError after DEADLINE_S."""
    end_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end_s, "it does not get so"
        time.sleep(LOOK_EVERY_S)
