"""Memory that was freed goes back to the operating system.

The C library keeps what is freed between pieces that are still in use: after ten thousand
connections that is 20 MiB. It gives them back when asked, which takes 0.2 ms, or some milliseconds
when there is much. Only glibc has this call; elsewhere nothing happens.

Python does the like with small objects, in arenas of a megabyte: a few free ones that it keeps at
hand for the next use hold on to an arena each. A full collection lets go of them. It looks at every
object there is, which takes tens of milliseconds, so it is made only after a crowd has gone.
"""

import gc


def give_back(after_a_crowd: bool = False) -> None:
    """Ask for it, and first collect what a crowd has left."""
    if after_a_crowd:
        gc.collect()
    import ctypes  # Not before it is needed: start-up is imports.

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
