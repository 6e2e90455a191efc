"""Who wants to hear of which keys: the watches of a storage, found by prefix.

There is no task and no queue per watch. A watch is a callback under its prefix; a change looks up
those prefixes of its own key that have the length of some watch's prefix. That costs one dictionary
access per distinct length (a handful), whether ten watches are open or ten thousand.

On the ring: [storage > **watch**].
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from arubeki.storage.base import Change, Observer


class PrefixWatch:
    """A running watch: `base.Watch`."""

    __slots__ = ("_watches", "observer", "prefix")

    def __init__(self, watches: "Watches", prefix: str, observer: Observer) -> None:
        self._watches: Watches | None = watches
        self.prefix = prefix
        self.observer = observer

    @property
    def is_active(self) -> bool:
        """Whether it has not been cancelled."""
        return self._watches is not None

    def cancel(self) -> None:
        """Stop it; no callback comes after."""
        if self._watches is not None:
            self._watches._remove(self)
            self._watches = None


class Watches:
    """All watches of one storage."""

    __slots__ = ("_by_prefix", "_length_counts", "_lengths")

    def __init__(self) -> None:
        # The inner dictionary is an ordered set: a watch is cancelled in constant time.
        self._by_prefix: dict[str, dict[PrefixWatch, None]] = {}
        self._length_counts: Counter[int] = Counter()
        self._lengths: Sequence[int] = ()

    def add(self, prefix: str, observer: Observer) -> PrefixWatch:
        """Call `observer` from now on with every change to a key that begins with `prefix`."""
        watch = PrefixWatch(self, prefix, observer)
        among = self._by_prefix.get(prefix)
        if among is None:
            among = self._by_prefix[prefix] = {}
            self._length_counts[len(prefix)] += 1
            self._lengths = sorted(self._length_counts)
        among[watch] = None
        return watch

    def tell(self, changes: Sequence[Change]) -> None:
        """Call each observer concerned once, with those of `changes` that are under its prefix.

        A watch added by an observer meanwhile is not told: it has read these from history.
        """
        due: dict[PrefixWatch, list[Change]] = {}
        by_prefix = self._by_prefix
        for change in changes:
            key = change.key
            size = len(key)
            for length in self._lengths:
                if length > size:
                    break
                for watch in by_prefix.get(key[:length], ()):
                    if watch in due:
                        due[watch].append(change)
                    else:
                        due[watch] = [change]
        for watch, seen in due.items():
            if watch.is_active:
                call(watch.observer, seen)

    def _remove(self, watch: PrefixWatch) -> None:
        among = self._by_prefix[watch.prefix]
        del among[watch]
        if not among:
            del self._by_prefix[watch.prefix]
            length = len(watch.prefix)
            self._length_counts[length] -= 1
            if not self._length_counts[length]:
                del self._length_counts[length]
                self._lengths = sorted(self._length_counts)


def call(observer: Observer, changes: Sequence[Change]) -> None:
    """Call `observer`; what it raises goes to the loop's exception handler.

    The change is durable by now and the others must hear of it, so a faulty observer stops nobody.
    """
    try:
        observer(changes)
    except Exception as error:
        asyncio.get_running_loop().call_exception_handler(
            {"message": "an observer of the storage raised", "exception": error}
        )
