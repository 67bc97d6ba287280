"""What a program does when its partitions change: subclass this, and give it to `subscribe`."""

from collections.abc import Awaitable

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
