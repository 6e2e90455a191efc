"""All informers of a process: one for each (class, namespace, selectors), shared by who asks.

The class is the projection: a class that declares only metadata makes a cache that holds only
metadata. Answers of writes are laid over every cache that would show the object.

On the ring: [watch > **informer** > workqueue].
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from arubeki.api.objects import Kind
from arubeki.api.selectors import LabelSelector
from arubeki.runtime.cache import Entry, Key
from arubeki.runtime.change import Source
from arubeki.runtime.decoding import Decoding
from arubeki.runtime.informer import Informer
from arubeki.runtime.shape import labels_of

T = TypeVar("T")


class _Place(NamedTuple):
    what: Any
    namespace: str
    labels: str
    fields: str


class Informers:
    """Makes informers, finds them again, starts and stops them."""

    def __init__(self, source: Source, *, resync_seconds: float = 0.0) -> None:
        """Read from `source`; tell every object again each `resync_seconds` (0: never)."""
        self.managers: set[str] = set()
        self._source = source
        self._resync_seconds = resync_seconds
        self._informers: dict[_Place, Informer[Any]] = {}
        self._decodings: dict[Any, Decoding[Any]] = {}
        self._started = False

    def __iter__(self) -> Iterator[Informer[Any]]:
        """Give every informer."""
        return iter(tuple(self._informers.values()))

    def of(
        self, kind: type[T] | Kind, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Informer[T]:
        """Return the informer of these objects, made if there is none, started if others are."""
        place = _Place(kind, namespace, labels, fields)
        informer = self._informers.get(place)
        if informer is None:
            informer = self._informers[place] = Informer(
                self._source,
                kind,
                namespace=namespace,
                labels=labels,
                fields=fields,
                resync_seconds=self._resync_seconds,
            )
            informer.decoding.managers = self.managers
            if self._started:
                informer.start()
        return informer

    def find(self, kind: type[T] | Kind, namespace: str = "") -> Informer[T] | None:
        """Return an informer that holds *all* objects of a kind in `namespace` ("": everywhere)."""
        found = self._informers.get(_Place(kind, "", "", ""))
        if found is None and namespace:
            found = self._informers.get(_Place(kind, namespace, "", ""))
        return found

    def drop(self, kind: Any) -> list[Informer[Any]]:
        """Forget every informer of a class; they stop by themselves. Return them."""
        places = [place for place in self._informers if place.what is kind]
        dropped = [self._informers.pop(place) for place in places]
        for informer in dropped:
            informer.cancel()
        return dropped

    def start(self) -> None:
        """Start all, and from now on each that is made."""
        self._started = True
        for informer in self:
            informer.start()

    async def stop(self) -> None:
        """Stop all."""
        self._started = False
        for informer in self:
            await informer.stop()

    def decoding(self, kind: type[T] | Kind) -> Decoding[T]:
        """Return what makes entries of a kind, whether or not there is an informer of it."""
        found = self._decodings.get(kind)
        if found is None:
            found = self._decodings[kind] = Decoding(kind)
            found.managers = self.managers
        return found

    def cached(self, kind: Kind, key: Key) -> Iterator[Entry[Any]]:
        """Give what each cache of a kind shows of an object."""
        for informer in self._showing(kind):
            entry = informer.cache.get(key)
            if entry is not None:
                yield entry

    def cover(self, kind: Kind, data: bytes) -> None:
        """Lay the object that a write was answered with over the caches."""
        for informer in self._showing(kind):
            entry = informer.decoding.entry(data)
            if self._would_show(informer, entry):
                informer.cache.cover(entry)

    def cover_gone(self, kind: Kind, key: Key, uid: str) -> None:
        """Hide an object that the server says is gone."""
        for informer in self._showing(kind):
            informer.cache.cover_gone(key, uid)

    def _showing(self, kind: Kind) -> Iterator[Informer[Any]]:
        for informer in self._informers.values():
            # By group and plural: another version's class shows the same objects.
            if informer.kind.plural == kind.plural and informer.kind.group == kind.group:
                yield informer

    def _would_show(self, informer: Informer[Any], entry: Entry[Any]) -> bool:
        if informer.namespace and informer.namespace != entry.key.namespace:
            return False
        labels, fields = informer.selectors
        if fields and informer.cache.told(entry.key) is None:
            return False  # whether it would be selected is the server's to say
        return not labels or LabelSelector.parse(labels).matches(labels_of(entry.object))
