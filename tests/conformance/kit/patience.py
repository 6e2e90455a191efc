"""Waiting for what comes true by and by.

The official tests wait for minutes, since clusters differ; here a deadline is only met by a failure.
A test that is known not to pass yet waits just long enough to be seen passing the day it does.
"""

import contextlib
import time

USUAL_SECONDS = 20.0
NOT_YET_SECONDS = 0.5
_seconds = [USUAL_SECONDS]


def patience_seconds():
    """Return how long to wait for what should come true."""
    return _seconds[-1]


@contextlib.contextmanager
def patience(seconds):
    """Wait so long in a block."""
    _seconds.append(seconds)
    try:
        yield
    finally:
        _seconds.pop()


def eventually(check, what=""):
    """Return what `check` returns as soon as that is true. Raises: AssertionError."""
    until = time.monotonic() + patience_seconds()
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"{what or check} did not come true: {found!r}")
        time.sleep(0.02)
