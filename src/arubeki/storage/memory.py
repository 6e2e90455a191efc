"""A storage that ends with its process: for tests, for check, and to try things out.

It is a mirror with nothing behind it. A commit is one step of the loop from the comparison to the
last observer, so nothing can come in between, and nothing is ever pending.

On the ring: [server > **storage** > watch].
"""

from typing import Any

from arubeki.errors import StorageError
from arubeki.storage.base import Entry, Observer, Range, Stamp, Watch, unstamped
from arubeki.storage.commits import check_expected, make_change, result_of
from arubeki.storage.mirror import Mirror, Retention


class MemoryStorage:
    """`base.Storage` in memory. Usable from the start; `open` has nothing to do."""

    def __init__(self, stamp: Stamp = unstamped, *, retention: Retention | None = None) -> None:
        self._stamp = stamp
        self._mirror = Mirror(retention or Retention())
        self._closed = False

    @property
    def revision(self) -> int:
        """The newest revision; 0 for an empty storage."""
        return self._mirror.revision

    @property
    def compacted(self) -> int:
        """The oldest revision that can be read or watched from."""
        return self._mirror.compacted

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Refuse commits from now on; reads go on."""
        self._closed = True

    async def current(self) -> int:
        """Return `revision`."""
        return self._mirror.revision

    async def get(self, key: str) -> Entry | None:
        """Return the newest entry under `key`."""
        return self._mirror.entries.get(key)

    async def range(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Range:
        """Do as `Storage.range` says."""
        return self._mirror.range(prefix, start, limit, revision)

    async def commit(
        self, key: str, value: bytes | None, *, expected: int | None, meta: Any = None
    ) -> Entry:
        """Do as `Storage.commit` says."""
        if self._closed:
            raise StorageError(f"{key} cannot be written, the storage is closed")
        previous = self._mirror.entries.get(key)
        check_expected(key, value, expected, previous.revision if previous else 0)
        change = make_change(
            key, value, previous, self._mirror.revision + 1, self._stamp, meta=meta
        )
        self._mirror.apply((change,))
        return result_of(change)

    def watch(self, prefix: str, after: int, observer: Observer) -> Watch:
        """Do as `Storage.watch` says."""
        return self._mirror.watch(prefix, after, observer)

    async def compact(self, revision: int) -> None:
        """Forget history up to and including `revision`."""
        self._mirror.compact(revision)
