"""The newest entries, their order, the recent history and the watches of a storage, in memory.

Every storage answers reads from a mirror: memory is nothing else, sqlite keeps one over its file,
etcd one fed by a watch. Changes come in with `apply`, in the order of revisions. The past is kept
as an undo log: to read at an old revision, the changes since are taken back, newest first.

History is bounded by age, number and size (`Retention`); what passes a bound is forgotten as if
`compact` had been called.

On the ring: inside storage.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from arubeki import clock
from arubeki.errors import Compacted, FutureRevision
from arubeki.storage.base import Change, Entry, Observer, Range
from arubeki.storage.keys import SortedKeys, end_of
from arubeki.storage.watches import PrefixWatch, Watches, call

# Time is noted at most this often, so history lives up to this much longer than its age bound.
_MARK_SECONDS = 10.0
_by_revision = attrgetter("revision")


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history is kept: what is older, beyond the number or beyond the size goes.

    `seconds` is what a client may rely on in quiet times, for a paginated list or to resume a
    watch; it is what kube-apiserver leaves in etcd. Age is looked at when something is committed.
    The other two bound memory when writes come thick; a tenth more is kept before trimming.
    `size_bytes` counts values that only history still holds. `seconds=0` keeps by the other two.
    Source: apiserver pkg/storage/etcd3/compact.go (every 5 minutes, what is 5 minutes old).
    """

    seconds: float = 300.0
    events: int = 100_000
    size_bytes: int = 256 << 20


class Mirror:
    """Entries by key and in order, at `revision`, with history back to `compacted`.

    `entries` may be read by anyone, and is changed by `load` and `apply` alone.
    """

    __slots__ = (
        "_history",
        "_history_bytes",
        "_keys",
        "_marks",
        "_retention",
        "_watches",
        "compacted",
        "entries",
        "revision",
    )

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self._watches = Watches()
        self.load((), (), revision=0, compacted=0)

    def load(
        self,
        entries: Iterable[Entry],
        history: Iterable[Change],
        *,
        revision: int,
        compacted: int,
    ) -> None:
        """Begin anew with `entries` and the `history` after `compacted`; tells no watch."""
        self.entries: dict[str, Entry] = {entry.key: entry for entry in entries}
        self.revision = revision
        self.compacted = compacted
        self._keys = SortedKeys(self.entries)
        self._history = list(history)
        self._history_bytes = sum(map(_size_bytes, self._history))
        # (when, revision): everything up to that revision is at least that old.
        self._marks: deque[tuple[float, int]] = deque()

    def range(self, prefix: str, start: str, limit: int, revision: int) -> Range:
        """Do as `Storage.range` says."""
        low, high = max(prefix, start), end_of(prefix)
        if revision in (0, self.revision):
            entries = self.entries
            keys = self._keys.select(low, high, limit)
            remaining = self._keys.count(low, high) - len(keys) if limit else 0
            return Range([entries[key] for key in keys], self.revision, remaining)
        self.check(revision)
        return self._range_at(low, high, limit, revision)

    def check(self, revision: int) -> None:
        """Raise FutureRevision or Compacted unless `revision` can be read and watched from."""
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        if revision < self.compacted:
            raise Compacted(revision, self.compacted)

    def _range_at(self, low: str, high: str, limit: int, revision: int) -> Range:
        then: dict[str, Entry | None] = {}
        for change in reversed(self._after(revision)):
            key = change.key
            if low <= key and (not high or key < high):
                then[key] = change.previous
        # Of this many keys of today at least `limit` have not changed since, or it is all there is.
        room = limit + len(then) if limit else 0
        keys = [key for key in self._keys.select(low, high, room) if key not in then]
        keys += [key for key, entry in then.items() if entry is not None]
        keys.sort()
        if limit:
            unchanged = self._keys.count(low, high) - sum(key in self.entries for key in then)
            total = unchanged + sum(entry is not None for entry in then.values())
            del keys[limit:]
        else:
            total = len(keys)
        found = [then.get(key) or self.entries[key] for key in keys]
        return Range(found, revision, total - len(found))

    def _after(self, revision: int) -> Sequence[Change]:
        return self._history[bisect_right(self._history, revision, key=_by_revision) :]

    def watch(self, prefix: str, after: int, observer: Observer) -> PrefixWatch:
        """Do as `Storage.watch` says."""
        self.check(after)
        past = [change for change in self._after(after) if change.key.startswith(prefix)]
        watch = self._watches.add(prefix, observer)
        if past:
            call(observer, past)
        return watch

    def apply(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Take over `changes`, in the order of revisions, tell the watches, trim the history.

        Returns the changes forgotten by that.
        """
        entries = self.entries
        for change in changes:
            if change.entry is None:
                if entries.pop(change.key, None) is not None:
                    self._keys.remove(change.key)
            else:
                if change.key not in entries:
                    self._keys.add(change.key)
                entries[change.key] = change.entry
            if change.previous is not None:
                self._history_bytes += _size_bytes(change)
        self._history.extend(changes)
        self.revision = changes[-1].revision
        self._watches.tell(changes)
        return self._trim()

    def find(self, key: str, revision: int) -> Change | None:
        """Return the change of `key` at `revision` if history has it."""
        at = bisect_left(self._history, revision, key=_by_revision)
        while at < len(self._history) and self._history[at].revision == revision:
            if self._history[at].key == key:
                return self._history[at]
            at += 1
        return None

    def advance(self, revision: int) -> None:
        """Note that nothing has changed up to `revision`."""
        self.revision = max(self.revision, revision)

    def compact(self, revision: int) -> Sequence[Change]:
        """Forget history up to and including `revision`; return the changes forgotten.

        Raises: FutureRevision.
        """
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        if revision <= self.compacted:
            return ()
        cut = bisect_right(self._history, revision, key=_by_revision)
        return self._cut(cut, revision)

    def _cut(self, cut: int, revision: int) -> Sequence[Change]:
        forgotten = self._history[:cut]
        del self._history[:cut]
        self._history_bytes -= sum(map(_size_bytes, forgotten))
        self.compacted = revision
        return forgotten

    def _trim(self) -> Sequence[Change]:
        retention = self._retention
        due = 0
        if retention.seconds:
            now = clock.monotonic()
            marks = self._marks
            if not marks or now - marks[-1][0] >= _MARK_SECONDS:
                marks.append((now, self.revision))
            while marks and now - marks[0][0] >= retention.seconds:
                due = marks.popleft()[1]
        forgotten = list(self.compact(due)) if due else []
        keep = len(self._history)
        if keep > retention.events * 11 // 10:
            keep = retention.events
        size = self._history_bytes
        if size > retention.size_bytes * 11 // 10:
            first = len(self._history) - keep
            while size > retention.size_bytes:
                size -= _size_bytes(self._history[first])
                first += 1
            keep = len(self._history) - first
        if keep < len(self._history):
            cut = len(self._history) - keep
            forgotten += self._cut(cut, self._history[cut - 1].revision)
        return forgotten


def _size_bytes(change: Change) -> int:
    """Return how many bytes only history holds because of this change."""
    size = len(change.previous.value) if change.previous else 0
    return size + (len(change.removed.value) if change.removed else 0)
