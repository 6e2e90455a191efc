"""One process owns a storage's file: a lock beside it, with the owner's process id in it.

The lock belongs to the open file, so the operating system lets go of it however the owner ends;
the lock's file stays, since removing it would race with who opens it next.

On the ring: inside storage.
"""

import os
from pathlib import Path

from arubeki.errors import StorageBusy, StorageError


class OwnerLock:
    """The right to be the only one at `path`, from `take` to `release`."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock. Raises: StorageBusy, naming the owner; StorageError."""
        try:
            import fcntl
        except ImportError:
            raise StorageError(f"{self.path} cannot be locked: this system has no flock") from None
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise StorageError(f"{self.path} cannot be locked: {error.strerror}") from error
            raise StorageBusy(
                f"{self.path.with_suffix('')} belongs to process {owner or 'unknown'}, "
                "which is still running\nStop that process, or give this one another path."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; does nothing when it is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None
