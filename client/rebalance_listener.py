"""What a program does when its partitions change: subclass this, and give it to `subscribe`."""

import inspect
from collections.abc import Awaitable, Callable

from .metadata import TopicPartition


class RebalanceListener:
    """Told of each rebalance, while a task asks for records, and before it gets any more.

    Methods may be `async def` or plain ones. While one runs, the group waits for this member: be
    brief. `seek`, `commit` and `pause` may be called in them.
    """

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> Awaitable[None] | None:
        """These are to be given up; what was read of them may still be committed."""

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> Awaitable[None] | None:
        """These have come; called at each rebalance, if nothing has come with an empty set."""

    def on_partitions_lost(self, lost: set[TopicPartition]) -> Awaitable[None] | None:
        """These are gone, and others may read them already: nothing can be committed."""
        return self.on_partitions_revoked(lost)


class Listeners(RebalanceListener):
    """Several listeners, told one after the other."""

    def __init__(self, *listeners: RebalanceListener) -> None:
        """In the order in which they are told."""
        self._listeners = listeners

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Tell all."""
        for each in self._listeners:
            await call_listener(each.on_partitions_revoked, revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Tell all."""
        for each in self._listeners:
            await call_listener(each.on_partitions_assigned, assigned)

    async def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        """Tell all."""
        for each in self._listeners:
            await call_listener(each.on_partitions_lost, lost)


async def call_listener(
    function: Callable[[set[TopicPartition]], Awaitable[None] | None],
    partitions: set[TopicPartition],
) -> None:
    """Call a listener's method, whether it is async or not."""
    result = function(partitions)
    if inspect.isawaitable(result):
        await result
