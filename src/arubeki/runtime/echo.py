"""The events of a run's own writes, which need not wake what wrote them.

A run that failed comes again after its backoff, one that returned `Again` after the time it said.
Both may have written the object's status, and that write comes back as an event. Were it to wake the
key, an error message with a request's number in it would defeat every backoff, each run making the
next. So such an event is dropped: one that is of exactly the revision that the write was answered
with, and in which nothing differs but the part that was written. What anyone else writes has a
revision of its own and wakes the key as ever.

An event may come before the answer of its write. While a key runs, what might be an echo is
therefore held back until the run is over, and judged then; a key that runs could not run anyway.

On the ring: [informer > **echo** > workqueue].
"""

from collections.abc import Hashable, Iterable
from typing import Any, Generic, TypeVar

from arubeki.runtime.cause import Cause
from arubeki.runtime.change import Change

K = TypeVar("K", bound=Hashable)

PARTS = frozenset(("status", "metadata.finalizers"))
"""What the framework itself writes of the objects that it reconciles."""
REVISIONS_LIMIT = 16
"""How many writes of one key are remembered; the event of an older one wakes."""


class Echoes(Generic[K]):
    """What each key of a controller wrote of late."""

    def __init__(self) -> None:
        self._held: dict[K, list[Cause]] = {}
        self._written: dict[K, list[int]] = {}

    def begin(self, key: K) -> None:
        """Note that `key` runs."""
        self._held[key] = []

    def end(self, key: K, written: Iterable[int]) -> list[Cause]:
        """Note that `key` runs no more, and what it `written`; return what should wake it."""
        known = [*self._written.pop(key, ()), *written]
        if known:
            self._written[key] = known[-REVISIONS_LIMIT:]
        return [cause for cause in self._held.pop(key, ()) if cause.revision not in known]

    def takes(self, key: K, change: Change[Any], cause: Cause) -> bool:
        """Whether `key` need not be woken by a change, not now or not at all."""
        if change.is_listed or change.old is None or change.new is None:
            return False  # a list may tell what several did
        if change.old is change.new or not PARTS.issuperset(change.fields):
            return False
        if key in self._held:
            self._held[key].append(cause)
            return True
        return change.revision in self._written.get(key, ())

    def forget(self, key: K) -> None:
        """Drop what was noted of a key: its object is gone."""
        self._written.pop(key, None)
