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

try:
    import fcntl
except ImportError:  # Windows: there directories are not locked, and none is taken for stale
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True

_PREFIX = "arubeki-nodes-"


class Scratch:
    """A temporary directory with a lock on it, until `close`."""

    def __init__(self) -> None:
        """Make one, and remove those whose owners are gone. Raises: OSError."""
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._descriptor = _locked(self.path)
        # A sweeper may have been faster, for which only a name that was new a moment ago is stale.
        while _HAS_LOCKS and self._descriptor is None:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._descriptor = _locked(self.path)

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def sweep() -> None:
    """Remove the directories of clusters that have crashed."""
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
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
    os.close(descriptor)
    return None
