"""Which of very many objects bear a label, without a look at all of them.

A list by labels looks at every object, which at a hundred thousand of them takes as long as a
hundred other requests. Where a resource has that many, the first such list leaves an index behind:
the entries by label, kept up by a watch of the storage, so that it is always as new as the storage
is. An index that nobody asks while very much is written goes again.

On the ring: [storage > **server** > HTTP].
"""

import asyncio
from collections.abc import Callable, Sequence

from arubeki.api.selectors import LabelSelector
from arubeki.server.meta import Projection
from arubeki.storage.base import Change, Entry, Storage, Watch

INDEXED_FROM = 5_000
"""Objects from which on an index is worth its upkeep."""
_TURN_ENTRIES = 1_000
_UNASKED_WRITES = 100_000
"""Writes that an index bears without being asked."""

_Label = tuple[str, str]


class LabelIndexes:
    """The indexes by storage prefix of their resource."""

    def __init__(self, storage: Storage, indexed_from: int = INDEXED_FROM) -> None:
        self._storage = storage
        self._indexes: dict[str, _Index] = {}
        self.indexed_from = indexed_from

    def has(self, prefix: str) -> bool:
        """Tell whether a resource's index is there, or is being made."""
        return prefix in self._indexes

    def candidates(self, prefix: str, selector: LabelSelector | None) -> list[Entry] | None:
        """Return all entries under a resource's prefix that `selector` may mean, in order.

        They are of the storage's newest revision. None where no index helps.
        """
        index = self._indexes.get(prefix)
        if index is None or selector is None or not index.is_complete:
            return None
        return index.candidates(selector)

    async def build(
        self, prefix: str, selector: LabelSelector | None, projection: Projection
    ) -> None:
        """Make the index of a resource, if there is none and `selector` could have used it."""
        if prefix in self._indexes or not _asked(selector):
            return
        index = _Index(projection, lambda: self._drop(prefix))
        self._indexes[prefix] = index
        try:
            part = await self._storage.range(prefix)
            index.follow(self._storage.watch(prefix, part.revision, index.observe))
            await index.fill(part.entries)
        finally:
            if not index.is_complete:
                self._drop(prefix)

    def close(self) -> None:
        """Drop all indexes."""
        for prefix in list(self._indexes):
            self._drop(prefix)

    def _drop(self, prefix: str) -> None:
        index = self._indexes.pop(prefix, None)
        if index is not None:
            index.stop()


class _Index:
    """The entries of one resource by label."""

    def __init__(self, projection: Projection, drop: Callable[[], None]) -> None:
        self._projection = projection
        self._drop = drop
        self._entries: dict[_Label, dict[str, Entry]] = {}
        self._missed: list[Change] = []  # what happened while the index was being filled
        self._watch: Watch | None = None
        self._unasked = 0
        self.is_complete = False

    def follow(self, watch: Watch) -> None:
        """Be kept up by a watch, which calls `observe`."""
        self._watch = watch

    def stop(self) -> None:
        """Follow nothing any more."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def fill(self, entries: Sequence[Entry]) -> None:
        """Take in what is there; others get a turn meanwhile."""
        for start in range(0, len(entries), _TURN_ENTRIES):
            for entry in entries[start : start + _TURN_ENTRIES]:
                self._add(entry)
            await asyncio.sleep(0)
        self._take(self._missed)
        self._missed = []
        self.is_complete = True

    def observe(self, changes: Sequence[Change]) -> None:
        """Take over what was committed."""
        if not self.is_complete:
            self._missed += changes
            return
        self._take(changes)
        self._unasked += len(changes)
        if self._unasked > _UNASKED_WRITES:
            self._drop()

    def candidates(self, selector: LabelSelector) -> list[Entry] | None:
        """Return the entries that bear what is asked for most narrowly; None if nothing is."""
        self._unasked = 0
        best: list[dict[str, Entry]] | None = None
        for wanted in _asked(selector):
            found = [self._entries.get(label, {}) for label in wanted]
            if best is None or sum(map(len, found)) < sum(map(len, best)):
                best = found
        if best is None:
            return None
        together = {key: entry for one in best for key, entry in one.items()}
        return [together[key] for key in sorted(together)]

    def _take(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.previous is not None:
                for label in self._projection.of(change.previous).labels.items():
                    self._remove(label, change.key)
            if change.entry is not None:
                self._add(change.entry)

    def _add(self, entry: Entry) -> None:
        for label in self._projection.of(entry).labels.items():
            among = self._entries.get(label)
            if among is None:
                among = self._entries[label] = {}
            among[entry.key] = entry

    def _remove(self, label: _Label, key: str) -> None:
        among = self._entries.get(label)
        if among is not None:
            among.pop(key, None)
            if not among:
                del self._entries[label]


def _asked(selector: LabelSelector | None) -> list[list[_Label]]:
    """Return what a selector asks objects to bear: one of these labels, and one of those, …"""
    if selector is None:
        return []
    return [
        [(one.key, value) for value in one.values]
        for one in selector.requirements
        if one.operator in ("=", "==", "in")
    ]
