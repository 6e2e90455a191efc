"""How a process that runs for long uses its memory.

Two habits of the interpreter and of the C library suit programs that end soon. The collector looks
for garbage again and again while a cluster starts, an eighth of its start, although hardly anything
that a start makes is garbage. And glibc, once a connection has been closed, no longer maps TLS's
buffer of 256 KB apart, so that a connection costs twice the memory.

Outside the ring: [you > **cli** > cluster].
"""

import contextlib
import gc
import sys
from collections.abc import Iterator

# TLS's buffer is as large as this, uvloop's SSL_READ_MAX_SIZE, and lies in a mapping of its own.
_MAPPED_BYTES = 256 * 1024
_M_MMAP_THRESHOLD = -3  # Source: glibc malloc/malloc.h


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Collect nothing in this block, and never again look at what it made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def map_large_blocks() -> None:
    """Have glibc keep large blocks apart for as long as this process lives.

    It does so from 128 KB on, but raises that bound to the size of any such block that is freed,
    unless it has been set.
    """
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
