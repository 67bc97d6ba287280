"""Wall time, for record timestamps and retention; order and time-outs use the loop's clock.

The node hands one clock down, so that tests and simulations can advance it.
"""

import time


class WallClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000
