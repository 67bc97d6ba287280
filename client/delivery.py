"""What `send` returns: the place of a record, once it is known.

    Delivery  ──the how-manieth record──>  BatchDelivery  ──>  base offset, or the error
    one per record, two fields             one per batch

A Delivery is future-like (asyncio.isfuture says so): await it, once or often, hand it to gather,
wait or wait_for, ask it for done(), result() and exception(), add callbacks. Nothing is kept for a
record in which nobody is interested: a future for each would cost more than encoding the record.
In Kafka's Java client the pair is FutureRecordMetadata and ProduceRequestResult.

To cancel a Delivery is to stop waiting for it; the record is sent nevertheless. If a record failed
and nobody ever asked, the log is told when its delivery goes, as asyncio does for a future.
"""

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from typing import Any

from .batch_delivery import BatchDelivery
from .record import RecordMetadata


class Delivery:
    """The place of one record, to come; see above."""

    __slots__ = ("_batch", "_index")

    # By this asyncio knows a future. It stores False here when a task begins to wait for it.
    _asyncio_future_blocking = property(lambda self: True, lambda self, value: None)

    def __init__(self, batch: BatchDelivery, index: int) -> None:
        """Made by the producer."""
        self._batch = batch
        self._index = index

    def __await__(self) -> Generator[Any, None, RecordMetadata]:
        """Wait until the record is written; the error if it is not."""
        if not self.done():
            yield self
        return self.result()

    def __repr__(self) -> str:
        """Say where the record goes, and how far it is."""
        batch = self._batch
        state = "done" if self.done() else "on its way"
        return f"<Delivery to {batch.topic}-{batch.partition}, {state}>"

    def done(self) -> bool:
        """Whether the record is written, has failed, or was cancelled."""
        return self._batch.is_over or self.cancelled()

    def cancelled(self) -> bool:
        """Whether this was cancelled; the record may be written all the same."""
        return self._index in self._batch.cancelled

    def result(self) -> RecordMetadata:
        """Where the record is; its error, CancelledError, or InvalidStateError if not done."""
        error = self.exception()
        if error is not None:
            raise error.with_traceback(None)
        return self._batch.metadata(self._index)

    def exception(self) -> BaseException | None:
        """Why the record failed, None if it did not; CancelledError, InvalidStateError as above."""
        if self.cancelled():
            raise asyncio.CancelledError
        if not self._batch.is_over:
            raise asyncio.InvalidStateError("the record is still on its way")
        return self._batch.error_of(self._index)

    def cancel(self, msg: object = None) -> bool:
        """Stop waiting, for all who do; False if it is done. The record is sent nevertheless."""
        if self.done():
            return False
        self._batch.cancel(self._index)
        return True

    def add_done_callback(
        self, callback: Callable[["Delivery"], object], /, *, context: Context | None = None
    ) -> None:
        """Have `callback(self)` called by the event loop, soon after this is done."""
        loop, context = self.get_loop(), copy_context() if context is None else context

        def schedule() -> object:
            return loop.call_soon(callback, self, context=context)

        if self.done():
            schedule()
        else:
            self._batch.waiting.setdefault(self._index, []).append((callback, schedule))

    def remove_done_callback(self, callback: Callable[["Delivery"], object], /) -> int:
        """Do not call it; return how many were removed."""
        callbacks = self._batch.waiting.pop(self._index, [])
        kept = [each for each in callbacks if each[0] != callback]
        if kept:
            self._batch.waiting[self._index] = kept
        return len(callbacks) - len(kept)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The running loop, which must be the producer's."""
        return asyncio.get_running_loop()
