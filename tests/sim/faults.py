"""The call that fails, and how: the N-th of its kind on a disk, once or from then on.

A fault of the kind ANY counts every call: with `stays`, the disk dies at the N-th.
"""

import errno
import os
from dataclasses import dataclass

KINDS = ("write", "fsync", "rename", "open", "truncate", "unlink", "mkdir", "rmdir", "list", "read")
"""The kinds of calls that can fail, by the names that `SimulatedDisk` gives them."""
ANY = "any"


@dataclass(slots=True)
class Fault:
    """The call number `nth` of this `kind` fails with `error`; so do those after it, if it stays.

    A write takes `room_bytes` first: a short write, whose rest fails when it is tried.
    """

    kind: str
    nth: int
    error: int = errno.EIO
    stays: bool = False
    room_bytes: int = 0
    seen: int = 0
    struck: int = 0

    def strike(self, path: str, wanted_bytes: int) -> int | None:
        """Count a call; raise the error, or say how many bytes of a write are taken."""
        self.seen += 1
        if self.seen < self.nth or (self.struck and not self.stays):
            return None
        self.struck += 1
        taken_bytes, self.room_bytes = min(self.room_bytes, wanted_bytes), 0
        if taken_bytes:
            return taken_bytes
        raise OSError(self.error, os.strerror(self.error), path)


NO_FAULT = Fault("nothing", 0)
EIO, ENOSPC = errno.EIO, errno.ENOSPC
