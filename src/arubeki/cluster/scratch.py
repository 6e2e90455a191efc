"""Directories that do not outlive their cluster, however that ends.

A cluster that keeps its state elsewhere still needs room for its Pods' volumes and logs. It holds a
lock on its directory, which the kernel drops with the process; so whoever starts next can tell what
a crashed one left, and removes it. Secrets were in there.

Above both halves.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from arubeki import clock

try:
    import fcntl
except ImportError:  # Windows: there directories are not locked, and none is taken for stale
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True

_PREFIX = "arubeki-nodes-"
_PROBE_PREFIX = "arubeki-probe-"
_PROBE_SECONDS = 600
_TRIES = 5


class Scratch:
    """A temporary directory with a lock on it, until `close`."""

    def __init__(self) -> None:
        """Make one, and remove those whose owners are gone. Raises: OSError."""
        sweep()
        # A sweeper who comes between making and locking takes it for stale: then there is another.
        # Where locks do not work at all, nothing is ever taken for stale.
        for left in reversed(range(_TRIES)):
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._descriptor = _locked(self.path)
            if self._descriptor is not None or not left:
                return
            shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def sweep() -> None:
    """Remove the directories of clusters that have crashed."""
    for path in Path(tempfile.gettempdir()).glob(_PROBE_PREFIX + "*"):
        # A probe takes a second. Its directory holds nothing, so it has no lock either.
        with contextlib.suppress(OSError):
            if _is_own(path.stat()) and path.stat().st_mtime < clock.now() - _PROBE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
    for path in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        descriptor = _locked(path)
        if descriptor is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)


def _locked(path: Path) -> int | None:
    """Lock a directory of ours; None when its owner lives, or it is gone or another user's."""
    if not _HAS_LOCKS:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        if _is_own(os.fstat(descriptor)):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
    os.close(descriptor)
    return None


def _is_own(status: os.stat_result) -> bool:
    return not _HAS_LOCKS or status.st_uid == os.getuid()
