"""The truth as the server sees it: bytes under keys, each change at a revision of its own.

A storage knows revisions and bytes, not Kubernetes. Three versions keep this one protocol: memory,
sqlite and etcd; one test suite runs against all. The rules:

- A revision is a positive integer; every commit takes a newer one, it never goes back and is
  never given twice. One commit changes one key. Numbers may be left out.
- `commit` returns after the change is as durable as the storage promises, and after every watch of
  this process has been told: who writes and then reads, reads his write.
- History is kept until `compact`, or until it passes the storage's stated bounds; reading or
  watching below it raises `Compacted`.
- The stored bytes lack the revision; `stamp(value, revision)` puts it in when an entry is made.
- All methods are called on one event loop.

On the ring: [server > **storage** > watch].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import msgspec

# Stamping a stamped value again replaces its revision: stamp(stamp(v, 1), 2) == stamp(v, 2). That
# is how a removed entry gets the revision of its removal without keeping the bare bytes as well.
Stamp: TypeAlias = Callable[[bytes, int], bytes]


def unstamped(value: bytes, revision: int) -> bytes:  # noqa: ARG001
    """Return `value` as it is: the stamp of a storage whose values do not bear their revision."""
    return value


class Entry(msgspec.Struct, gc=False, eq=False):
    """A key's value at the revision that wrote it.

    `value` is stamped. `meta` belongs to the server, which keeps there what lists and watches need
    without decoding; a storage hands it through (`commit`) or leaves it `None`, and never looks.
    It must not refer back to its entry: the garbage collector does not look in here.
    """

    key: str
    value: bytes
    revision: int
    meta: Any = None

    def __repr__(self) -> str:
        return f"Entry({self.key!r}, {len(self.value)} bytes, revision={self.revision})"


class Change(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One commit as a watch sees it: `entry` is None when the key went, `previous` when it came.

    `removed` is set when the key went: the last value, stamped with the revision of the removal
    (what `commit` returned), which is what Kubernetes shows in a DELETED event.
    """

    key: str
    revision: int
    entry: Entry | None
    previous: Entry | None
    removed: Entry | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the key space at one revision, in key order.

    `remaining` counts the entries after the last one returned (0: that was all).
    """

    entries: Sequence[Entry]
    revision: int
    remaining: int = 0


class Watch(Protocol):
    """A running watch."""

    def cancel(self) -> None:
        """Stop it; no callback comes after."""


Observer: TypeAlias = Callable[[Sequence[Change]], None]


class Storage(Protocol):
    """Bytes under keys with revisions. Keys are text such as `/registry/pods/default/web`."""

    @property
    def revision(self) -> int:
        """The newest revision this process has seen; 0 or 1 for an empty storage."""

    @property
    def compacted(self) -> int:
        """The revision up to which history is gone; 0 when all is kept.

        It is itself the oldest one that can be read or watched from.
        """

    async def open(self) -> None:
        """Make ready. Raises: StorageBusy, StorageCorrupt, StorageFull, StorageError."""

    async def close(self) -> None:
        """Finish what is acknowledged and let go. Commits after that raise StorageError."""

    async def current(self) -> int:
        """Return the revision of the truth right now (several servers may share an etcd).

        `revision` has reached it when this returns, so a watch from it can be had.
        """

    async def get(self, key: str) -> Entry | None:
        """Return the newest entry under `key`."""

    async def range(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Range:
        """Return the entries whose key begins with `prefix`, from key `start` (inclusive) on.

        At most `limit` (0: all), as they were at `revision` (0: now).
        Raises: Compacted, FutureRevision.
        """

    async def commit(
        self, key: str, value: bytes | None, *, expected: int | None, meta: Any = None
    ) -> Entry:
        """Put `value` under `key` (None: remove it) and return the new entry.

        `expected` is the revision the key must be at: 0 for absent, None for any. A removal returns
        the removed entry's value under the removal's revision, stamped with it. Removing an absent
        key raises RevisionMismatch whatever was expected (its `expected` is -1 for None).
        Raises: RevisionMismatch, StorageFull, StorageError; nothing is written then.
        """

    def watch(self, prefix: str, after: int, observer: Observer) -> Watch:
        """Call `observer` with each change under `prefix` after revision `after`, in order.

        Kept history is delivered before this returns, in as many calls as it likes; what follows
        comes from within commits, before they return, one call for all that was committed together.
        The observer must not block or raise.
        Raises: Compacted (also for `after` just below the history), FutureRevision.
        """

    async def compact(self, revision: int) -> None:
        """Forget history up to and including `revision`, but no newest entry.

        Raises: FutureRevision.
        """
