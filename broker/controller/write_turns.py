"""One write at a time: so a machine says nothing that its disk does not know. PURE.

    event  ->  write under way?  no   it happens
                                 yes  it waits, and happens in its turn when the write is done

What a machine does with an event, it decides on the state before, of which all is durable. What
waits has to be bounded by those who bring it.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

Effect = TypeVar("Effect")
Event: TypeAlias = Callable[[int], list[Effect]]
"""Takes the time, and returns effects."""


class WriteTurns(Generic[Effect]):
    """The rule above; `go_on` is called after a write, when nothing waits any more."""

    def __init__(self, go_on: Callable[[], list[Effect]]) -> None:
        self.is_writing = False
        self._go_on = go_on
        self._waiting: deque[Event[Effect]] = deque()

    def take(self, event: Event[Effect], now_ms: int) -> list[Effect]:
        """Let it happen, now or in its turn."""
        if self.is_writing:
            self._waiting.append(event)
            return []
        return event(now_ms)

    def write(self, then: Event[Effect]) -> Event[Effect]:
        """A write begins. The result is to be called when it is done, and goes on with `then`."""
        self.is_writing = True

        def done(now_ms: int) -> list[Effect]:
            self.is_writing = False
            effects = then(now_ms)
            while self._waiting and not self.is_writing:
                effects += self._waiting.popleft()(now_ms)
            return effects if self.is_writing else effects + self._go_on()

        return done
