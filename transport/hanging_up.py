"""Which peers have hung up, of connections that are not read.

Who reads a socket learns of its end behind the last byte. While nothing is read, an end is not seen
either: neither by us nor by the event loop. The kernel knows it, and says so without a read.
"""

import select
from collections.abc import Iterable

_HAS_SENT_ALL = getattr(select, "POLLRDHUP", 0)  # Linux; elsewhere POLLHUP says it as well.


def hung_up(descriptors: Iterable[int]) -> list[int]:
    """Those of these sockets whose peers will send no more: closed, half closed or reset."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, _HAS_SENT_ALL)
    return [descriptor for descriptor, _ in poll.poll(0)]
