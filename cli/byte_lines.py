r"""Lines of bytes from a file or a pipe, read without stopping the event loop.

    os.read -> b"first\nsec" -> b"first"     what is behind the last newline waits for the rest

A pipe or a terminal is waited for by the loop, so that the producer goes on sending while nobody
types; a file is always ready. A last line without a newline counts. Memory is bounded by
MAX_LINE_BYTES and one read.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from typing import Final

from .failure import Failure

READ_BYTES: Final = 128 << 10
MAX_LINE_BYTES: Final = 16 << 20


async def byte_lines(descriptor: int) -> AsyncIterator[bytes]:
    """The lines behind a file descriptor, without their newlines; Failure for an endless one."""
    must_wait = _must_wait(descriptor)
    rest = bytearray()
    while True:
        if must_wait:
            await _readable(descriptor)
        chunk = os.read(descriptor, READ_BYTES)
        if not chunk:
            break
        rest += chunk
        if b"\n" in chunk:
            *lines, last = rest.split(b"\n")
            rest = last
            for line in lines:
                yield bytes(line)
        if len(rest) > MAX_LINE_BYTES:
            raise Failure(f"a line is longer than {MAX_LINE_BYTES} bytes")
    if rest:
        yield bytes(rest)


def _must_wait(descriptor: int) -> bool:
    """Whether a read may block: files and /dev/null never do, and the loop cannot watch them."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


async def _readable(descriptor: int) -> None:
    """Wait until a read gives something, or the end."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
