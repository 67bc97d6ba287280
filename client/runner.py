"""What runs a handler, made from what the user chose.

Inline, Tasks                                in the event loop     task_runner
Threads, Pool, ThreadPerRecord               in threads            thread_runner
Processes            a thread for each, which waits for it         handler_process
"""

from typing import Protocol

from .concurrency import Concurrency, Inline, Pool, Processes, Tasks, ThreadPerRecord, Threads
from .handler import Handler, HandlerCall, is_async
from .task_runner import Finished, TaskRunner
from .thread_runner import ThreadRunner
from .work_ledger import Work


class Runner(Protocol):
    """Calls a handler for one record after the other, or for many at once."""

    def run(self, work: Work) -> None:
        """Begin soon; `finished` is called in the event loop when the handler has come back."""
        ...

    def take_back(self) -> list[Work]:
        """What was given to `run` and has not begun, in that order."""
        ...

    async def close(self) -> None:
        """Begin nothing more, and let go of what there is."""
        ...


def require_fitting(concurrency: Concurrency, handler: Handler) -> None:
    """Raise TypeError for a handler that cannot be run so."""
    if isinstance(concurrency, Tasks) and not is_async(handler):
        raise TypeError("Tasks needs an async handler: for a plain one there is Threads")
    if isinstance(concurrency, Processes):
        from .handler_process import require_picklable

        require_picklable(handler)


def make_runner(
    concurrency: Concurrency, handler: Handler, timeout_s: float | None, finished: Finished
) -> Runner:
    """What runs the handler; within the running loop."""

    def call() -> HandlerCall:
        return HandlerCall(handler)

    match concurrency:
        case Inline():
            return TaskRunner(handler, 1, timeout_s, finished)
        case Tasks(count):
            return TaskRunner(handler, count, timeout_s, finished)
        case Threads(count):
            return ThreadRunner(call, count, count, finished)
        case Pool(least, most):
            return ThreadRunner(call, least, most, finished)
        case ThreadPerRecord(most):
            return ThreadRunner(call, 0, most, finished, is_thread_per_record=True)
        case Processes(count):
            # Only here: multiprocessing takes its time to import.
            from .handler_process import HandlerProcess

            def child() -> HandlerProcess:
                return HandlerProcess(handler, timeout_s)

            return ThreadRunner(child, count, count, finished)
