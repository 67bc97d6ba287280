"""Handlers for processes: each a function that another process can import."""

import os
import signal
import time

from minikafka import ConsumerRecord


def note(record: ConsumerRecord) -> None:
    """Append value and process to the file that the key names."""
    with open(record.key, "ab", buffering=0) as file:
        file.write(b"%s %d\n" % (record.value, os.getpid()))


async def note_later(record: ConsumerRecord) -> None:
    """The same, as a coroutine."""
    note(record)


def misbehave(record: ConsumerRecord) -> None:
    """Do what the value says; anything else is noted."""
    match record.value:
        case b"raise":
            raise ValueError("as it was told")
        case b"exit":
            raise SystemExit(3)
        case b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"hang":
            time.sleep(3600)
        case _:
            note(record)


class NeverArrives:
    """Can be pickled, but not unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('not here')",)

    def __call__(self, record: ConsumerRecord) -> None:
        """Not reached."""
