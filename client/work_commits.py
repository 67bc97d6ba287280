"""Commits of what a worker has done, never of more.

begin     in the background, now and then: a group that rebalances refuses commits until its
          members were polled, so the worker must not wait for one
finish    the last one for partitions that are given up, after the one in the background has
          ended, so that an older commit never undoes a newer
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

from ..protocol.errors import ErrorCode, KafkaError
from .consumer import Consumer
from .metadata import TopicPartition
from .work_ledger import WorkLedger

log = logging.getLogger(__name__)

_NO_PLACE: Final = frozenset(
    {
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.REBALANCE_IN_PROGRESS,
    }
)
"""A commit that is refused so is made good by whoever has the partition next."""


class WorkCommits:
    """The commits of one worker."""

    def __init__(
        self, consumer: Consumer, ledger: WorkLedger, on_refused: Callable[[KafkaError], None]
    ) -> None:
        """`on_refused` hears of a refusal that does not pass; without a group nothing happens."""
        self._consumer = consumer
        self._ledger = ledger
        self._on_refused = on_refused
        self._background: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Commit in the background, unless that is going on, or there is nothing new."""
        if self._background is None or self._background.done():
            offsets = self._ledger.committable()
            if offsets:
                self._background = asyncio.create_task(self._commit(offsets))

    async def cancel(self) -> None:
        """End the commit in the background."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)

    async def finish(self, names: Collection[TopicPartition]) -> None:
        """Commit what is done of these partitions, and return when that is known to the group."""
        await self.cancel()
        news = self._ledger.committable()
        await self._commit({name: news[name] for name in names if name in news})

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self._consumer.group_id is None or not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except KafkaError as error:
            if error.retriable or error.code in _NO_PLACE:
                log.warning("commit: %s", error)
            else:
                self._on_refused(error)
        else:
            self._ledger.committed(offsets)
