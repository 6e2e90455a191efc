"""The processes that are ours: hearing of their ends, and ending them.

Below the runtimes, in the keeper's interpreter: standard library only.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

LINUX = sys.platform == "linux"


def wakeup() -> tuple[int, int]:
    """Return a pipe that becomes readable whenever a signal has come."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read, write


def ended(woken: int) -> Iterator[tuple[int, int]]:
    """Empty the pipe of `wakeup` and yield (pid, wait status) of each child that has ended."""
    with suppress(BlockingIOError):
        while os.read(woken, 4096):
            pass
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, which may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_children(spared: set[int]) -> None:
    """Kill our children but for `spared`, then those that come to us by that, until none is left."""
    while True:
        found = [pid for pid in _children() if pid not in spared]
        if not found:
            return
        for pid in found:
            kill(pid, signal.SIGKILL)
        for pid in found:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    """Return our children's numbers, those adopted included."""
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        pass  # a kernel built without it
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
            # The name, in parentheses, may hold anything, parentheses too.
            if int(file.read().rpartition(b")")[2].split()[1]) == own:
                found.append(int(entry))
    return found
