"""The descriptors of this process: how many there may be, and how many of them sockets may take.

Sockets and files share one limit. If peers could take all of it, no segment could be opened any
more, and honest producers would get errors; so a quarter is kept for files. A new descriptor has
the lowest number that is free, so its own number tells how many are in use.
"""

import resource

SHARE_FOR_SOCKETS = 0.75
_UNLIMITED = 1 << 20


def raise_limit() -> None:
    """Take what this user may have: the soft limit is for programs that use select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return  # macOS has a limit below "unlimited" that it does not tell.


def first_refused_descriptor() -> int:
    """The lowest number that a socket must not have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _UNLIMITED if soft == resource.RLIM_INFINITY else soft
    return int(limit * SHARE_FOR_SOCKETS)
