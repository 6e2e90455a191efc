"""What an informer knows: the objects it was told of, and over them what we wrote ourselves.

Two layers per key. *Told* is what list and watch said; changes are computed against it alone, so
that handlers and predicates see every change, our own included. *Overlay* is the answer of a write
of ours that the watch has not passed yet (a numeric comparison of revisions), so that who writes
and then reads, reads his write. Readers and indexes see the overlay first. The typed objects are
frozen and shared with every reader, never copied; objects of dynamic kinds are dicts, which readers
must not change.

On the ring: [watch > **cache** > reconcile].
"""

import heapq
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
logger = logging.getLogger(__name__)

OWNER_INDEX = "owner"
"""Every object by the uid of each of its owners."""
NAMESPACE_INDEX = "namespace"

IndexFunction: TypeAlias = Callable[[T], Iterable[Hashable]]


class Key(NamedTuple):
    """An object's place within its kind; `namespace` is "" for what lies in none."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Mark(NamedTuple):
    """Whose fields an object has: a manager's Apply entry on the object or one of its subresources."""

    manager: str
    subresource: str


class Entry(Generic[T]):
    """An object in the cache, with what its type does not hold.

    `marks` has, for the managers of this process, a hash of the fields they own by apply; it says
    nothing of when. `controller` is the uid of the controlling owner, `owners` are all owners' uids.
    `raw` is the object's JSON as long as it may serve to find out, after a restart, what our last
    intent was.
    """

    __slots__ = ("controller", "key", "marks", "object", "owners", "raw", "revision", "uid")

    def __init__(
        self,
        key: Key,
        object: T,
        *,
        uid: str = "",
        revision: int = 0,
        owners: tuple[str, ...] = (),
        controller: str = "",
        marks: Mapping[Mark, int] | None = None,
        raw: bytes | None = None,
    ) -> None:
        self.key = key
        self.object = object
        self.uid = uid
        self.revision = revision
        self.owners = owners
        self.controller = controller
        self.marks: Mapping[Mark, int] = marks or _NO_MARKS
        self.raw = raw


_NO_MARKS: Mapping[Mark, int] = {}


class _Gone(NamedTuple):
    """In the overlay: we deleted the object of this uid and the watch has not said so yet."""

    uid: str


class Cache(Generic[T]):
    """Two layers of entries, and indexes over what is visible."""

    def __init__(self) -> None:
        self.revision = 0
        self._told: dict[Key, Entry[T]] = {}
        self._overlay: dict[Key, Entry[T] | _Gone] = {}
        self._passing: list[tuple[int, Key]] = []
        self._functions: dict[str, IndexFunction[T] | None] = {}
        self._buckets: dict[str, dict[Hashable, dict[Key, None]]] = {}
        for name in (OWNER_INDEX, NAMESPACE_INDEX):
            self._functions[name] = None
            self._buckets[name] = {}

    # Reading.

    def __len__(self) -> int:
        """Count the visible objects."""
        return sum(1 for _ in self.entries()) if self._overlay else len(self._told)

    def get(self, key: Key) -> Entry[T] | None:
        """Return the entry as readers see it."""
        if self._overlay:
            over = self._overlay.get(key)
            if over is not None:
                return over if isinstance(over, Entry) else None
        return self._told.get(key)

    def entries(self) -> Iterator[Entry[T]]:
        """Give every visible entry."""
        if not self._overlay:
            yield from self._told.values()
            return
        for key, entry in self._told.items():
            if key not in self._overlay:
                yield entry
        for over in self._overlay.values():
            if isinstance(over, Entry):
                yield over

    def lookup(self, index: str, value: Hashable) -> list[Entry[T]]:
        """Return the visible entries that `index` files under `value`.

        Raises: KeyError when there is no such index.
        """
        found = (self.get(key) for key in self._buckets[index].get(value, ()))
        return [entry for entry in found if entry is not None]

    def values(self, index: str) -> list[Hashable]:
        """Return the values that `index` has entries under."""
        return list(self._buckets[index])

    def add_index(self, name: str, function: IndexFunction[T]) -> None:
        """File every object, those here and those to come, under the values of `function`.

        Raises: ValueError when another function has that name.
        """
        if name in self._functions:
            if self._functions[name] is function:
                return
            raise ValueError(f"there is an index {name!r} already")
        self._functions[name] = function
        self._buckets[name] = {}
        for entry in self.entries():
            self._file(name, entry)

    # What the watch says.

    def told(self, key: Key) -> Entry[T] | None:
        """Return the entry that list and watch last said, whatever we wrote since."""
        return self._told.get(key)

    def told_keys(self) -> list[Key]:
        """Return the keys of all objects that list and watch last said."""
        return list(self._told)

    def tell(self, entry: Entry[T]) -> Entry[T] | None:
        """Put in what the watch says of an object that is there; return what it said before."""
        before = self.get(entry.key)
        old = self._told.get(entry.key)
        self._told[entry.key] = entry
        over = self._overlay.get(entry.key)
        if over is not None and _is_passed(over, entry):
            del self._overlay[entry.key]
        self._refile(entry.key, before)
        return old

    def tell_gone(self, key: Key) -> Entry[T] | None:
        """Take out what the watch says is gone; return what it said before."""
        before = self.get(key)
        old = self._told.pop(key, None)
        over = self._overlay.get(key)
        if isinstance(over, _Gone) or (
            over is not None and old is not None and over.uid == old.uid
        ):
            del self._overlay[key]
        self._refile(key, before)
        return old

    def reach(self, revision: int, *, reset: bool = False) -> None:
        """Note that the watch has said everything up to `revision`: overlays up to it have served.

        `reset` after a list: a server whose time went back (a restored backup) must not leave
        overlays of a future that never comes.
        """
        if reset:
            went_back = revision < self.revision
            self.revision = min(self.revision, revision)
            for key, over in list(self._overlay.items()):
                if went_back or (isinstance(over, _Gone) and key not in self._told):
                    self._uncover(key)
        self.revision = max(self.revision, revision)
        while self._passing and self._passing[0][0] <= self.revision:
            passed, key = heapq.heappop(self._passing)
            entry = self._overlay.get(key)
            if isinstance(entry, Entry) and entry.revision <= passed:
                self._uncover(key)

    # What we wrote.

    def cover(self, entry: Entry[T]) -> None:
        """Lay the answer of a write of ours over the cache until the watch has passed it."""
        told = self._told.get(entry.key)
        if entry.revision <= self.revision or (told and told.revision >= entry.revision):
            return
        over = self._overlay.get(entry.key)
        if isinstance(over, Entry) and over.revision >= entry.revision:
            return
        before = self.get(entry.key)
        self._overlay[entry.key] = entry
        heapq.heappush(self._passing, (entry.revision, entry.key))
        self._refile(entry.key, before)

    def cover_gone(self, key: Key, uid: str) -> None:
        """Hide an object that the server told us is gone, until the watch says so too."""
        told, over = self._told.get(key), self._overlay.get(key)
        before = self.get(key)
        if told is not None and told.uid == uid:
            self._overlay[key] = _Gone(uid)
        elif isinstance(over, Entry) and over.uid == uid:
            # We made it, and deleted it again before the watch told of either: its ADDED may still
            # come, and must not bring it back.
            self._overlay[key] = _Gone(uid)
        self._refile(key, before)

    def _uncover(self, key: Key) -> None:
        before = self.get(key)
        self._overlay.pop(key, None)
        self._refile(key, before)

    # Indexes.

    def _refile(self, key: Key, before: Entry[T] | None) -> None:
        after = self.get(key)
        if before is after:
            return
        for name in self._functions:
            buckets = self._buckets[name]
            old = self._values(name, before) if before is not None else ()
            new = self._values(name, after) if after is not None else ()
            if old == new:
                continue
            for value in old:
                bucket = buckets.get(value)
                if bucket is not None:
                    bucket.pop(key, None)
                    if not bucket:
                        del buckets[value]
            for value in new:
                buckets.setdefault(value, {})[key] = None

    def _file(self, name: str, entry: Entry[T]) -> None:
        for value in self._values(name, entry):
            self._buckets[name].setdefault(value, {})[entry.key] = None

    def _values(self, name: str, entry: Entry[T]) -> tuple[Hashable, ...]:
        function = self._functions[name]
        if function is None:
            return entry.owners if name == OWNER_INDEX else (entry.key.namespace,)
        try:
            return tuple(dict.fromkeys(function(entry.object)))
        except Exception:
            # A mistake in one index must not blind all who share this cache.
            logger.exception("index %s failed on %s, which it leaves out", name, entry.key)
            return ()


def _is_passed(over: "Entry[T] | _Gone", told: Entry[T]) -> bool:
    if isinstance(over, Entry):
        return told.revision >= over.revision
    return told.uid != over.uid
