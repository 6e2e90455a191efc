"""The hub of a resource: changes come in from commits, chunks of bytes go out to its watchers.

Watchers who want the same bytes (version, shape, namespace, selectors) share a channel. The changes
of one tick of the loop are encoded once per channel, as one chunk, and written to each watcher of
it: no task and no queue per watch, one write per watcher and tick. A watcher that does not take
what it is sent is cut off, so that a slow one costs a bound of memory and nobody else waits.

On the ring: [storage > **watch** > informer].
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from arubeki.net.message import Chunk, Sink
from arubeki.server.meta import Projection, Selection
from arubeki.server.watch.views import Event, View
from arubeki.server.wire import stamp
from arubeki.storage.base import Change, Entry, Storage, Watch

_log = logging.getLogger("arubeki.server.watch")

PENDING_LIMIT_BYTES = 16 * 1024 * 1024
"""What a watcher may leave untaken before it is cut off."""
BOOKMARK_SECONDS = 60.0
"""How often a quiet watch hears how far it has come. Source: cacher.go defaultBookmarkFrequency."""


class Filter:
    """Which of a resource's changes a channel shows, and as what."""

    __slots__ = ("key", "prefix", "projection", "selection")

    def __init__(
        self, prefix: str, selection: Selection, projection: Projection, key: str = ""
    ) -> None:
        self.prefix = prefix
        self.selection = selection
        self.projection = projection
        self.key = key
        """When only one object can match, its storage key."""

    def has(self, entry: Entry) -> bool:
        """Tell whether an object is shown."""
        if self.key and entry.key != self.key:
            return False
        selection = self.selection
        return selection.is_all or selection.matches(self.projection.of(entry))

    def events(self, changes: Sequence[Change]) -> list[Event]:
        """Return the changes as this channel sees them.

        An object that begins to match is ADDED; one that ceases to is DELETED, in its last matching
        state, at the revision of the change that ended it.
        """
        found: list[Event] = []
        prefix, only, everything = self.prefix, self.key, self.selection.is_all
        for change in changes:
            key = change.key
            if (only and key != only) or not key.startswith(prefix):
                continue
            entry, previous = change.entry, change.previous
            was = previous is not None and (everything or self.has(previous))
            if entry is None:
                if was and change.removed is not None:
                    found.append((b"DELETED", change.removed.value))
            elif everything or self.has(entry):
                found.append((b"MODIFIED" if was else b"ADDED", entry.value))
            elif was and previous is not None:
                found.append((b"DELETED", stamp(previous.value, change.revision)))
        return found


class Watcher:
    """One watch that has caught up: where its bytes go."""

    __slots__ = ("bookmarks", "channel", "has_headers", "sink")

    def __init__(self, sink: Sink, *, bookmarks: bool, has_headers: bool) -> None:
        self.sink = sink
        self.bookmarks = bookmarks
        self.has_headers = has_headers
        self.channel: Channel | None = None


class Channel:
    """The watchers that are sent the same bytes."""

    __slots__ = ("filter", "hub", "key", "view", "watchers")

    def __init__(self, hub: "Hub", key: object, view: View, filter: Filter) -> None:
        self.hub = hub
        self.key = key
        self.view = view
        self.filter = filter
        self.watchers: dict[Watcher, None] = {}

    def deliver(self, changes: Sequence[Change]) -> None:
        """Send what of `changes` this channel shows to everybody on it."""
        events = self.filter.events(changes)
        if not events:
            return
        chunk = Chunk(self.view.events(events, headers=False))
        late: list[Watcher] = []
        for watcher in list(self.watchers):
            sink = watcher.sink
            if sink.pending_bytes() > PENDING_LIMIT_BYTES:
                late.append(watcher)
            elif watcher.has_headers:
                sink.write(chunk)
            else:
                watcher.has_headers = True
                sink.write(Chunk(self.view.events(events, headers=True)))
        for watcher in late:
            self.hub.leave(watcher)
            watcher.sink.abort()

    def bookmark(self, revision: int) -> None:
        """Tell those who asked how far they have come."""
        chunk: Chunk | None = None
        for watcher in list(self.watchers):
            if watcher.bookmarks:
                chunk = chunk or Chunk(self.view.bookmark(revision))
                watcher.sink.write(chunk)


class Hub:
    """All watchers of the objects under one storage prefix."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix
        self._channels: dict[object, Channel] = {}
        self._pending: list[Change] = []
        self._watch: Watch | None = None
        self._bookmarks: asyncio.TimerHandle | None = None

    @property
    def revision(self) -> int:
        """How far the storage has come; once flushed, so have the watchers."""
        return self._storage.revision

    def history(self, after: int) -> list[Change]:
        """Return the changes after a revision up to now. Raises: Compacted, FutureRevision."""
        seen: list[Change] = []
        self._storage.watch(self._prefix, after, seen.extend).cancel()
        return seen

    def join(
        self, watcher: Watcher, key: object, view: View, make_filter: Callable[[], Filter]
    ) -> None:
        """Send a watcher everything that happens from now on."""
        self.flush()
        if self._watch is None:
            self._watch = self._storage.watch(self._prefix, self._storage.revision, self._observe)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(self, key, view, make_filter())
        channel.watchers[watcher] = None
        watcher.channel = channel
        if watcher.bookmarks and self._bookmarks is None:
            self._tick_later()

    def leave(self, watcher: Watcher) -> None:
        """Send a watcher nothing more."""
        channel, watcher.channel = watcher.channel, None
        if channel is None:
            return
        channel.watchers.pop(watcher, None)
        if not channel.watchers and self._channels.get(channel.key) is channel:
            del self._channels[channel.key]
        if not self._channels:
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None
            if self._bookmarks is not None:
                self._bookmarks.cancel()
                self._bookmarks = None
            self._pending.clear()

    def flush(self) -> None:
        """Send what has come in during this tick."""
        if self._pending:
            changes, self._pending = self._pending, []
            for channel in list(self._channels.values()):
                try:
                    channel.deliver(changes)
                except Exception:
                    # Whoever has missed a change must notice, and nobody else must suffer.
                    _log.exception("watch of %s", self._prefix)
                    self._cut_off(channel)

    def _cut_off(self, channel: Channel) -> None:
        for watcher in list(channel.watchers):
            self.leave(watcher)
            watcher.sink.abort()

    def watchers(self) -> list[Watcher]:
        """Return everybody."""
        return [one for channel in self._channels.values() for one in channel.watchers]

    def _observe(self, changes: Sequence[Change]) -> None:
        if not self._pending:
            asyncio.get_running_loop().call_soon(self.flush)
        self._pending.extend(changes)

    def _tick_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._bookmarks = loop.call_later(BOOKMARK_SECONDS, self._tick)

    def _tick(self) -> None:
        self.flush()
        for channel in list(self._channels.values()):
            channel.bookmark(self._storage.revision)
        if any(one.bookmarks for one in self.watchers()):
            self._tick_later()
        else:
            self._bookmarks = None


class Hubs:
    """The hubs by storage prefix, and the deadlines of all watches."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._hubs: dict[str, Hub] = {}
        self.deadlines = Deadlines()

    def of(self, prefix: str) -> Hub:
        """Return the hub of a resource."""
        hub = self._hubs.get(prefix)
        if hub is None:
            hub = self._hubs[prefix] = Hub(self._storage, prefix)
        return hub

    def close(self, prefix: str = "") -> None:
        """End all watches in good order (those under `prefix`: its resource is gone)."""
        for key, hub in list(self._hubs.items()):
            if key.startswith(prefix):
                hub.flush()
                for watcher in hub.watchers():
                    hub.leave(watcher)
                    watcher.sink.close()


class Deadlines:
    """Calls back at a time, to the next full second, with one timer per second in use."""

    def __init__(self) -> None:
        self._due: dict[int, dict[Callable[[], None], None]] = {}

    def add(self, seconds: float, action: Callable[[], None]) -> int:
        """Call `action` in `seconds`; return what `remove` needs."""
        loop = asyncio.get_running_loop()
        second = -int(-(loop.time() + seconds) // 1)
        due = self._due.get(second)
        if due is None:
            due = self._due[second] = {}
            loop.call_at(second, self._fire, second)
        due[action] = None
        return second

    def remove(self, second: int, action: Callable[[], None]) -> None:
        """Do not call `action`. Its timer stays and finds nothing."""
        due = self._due.get(second)
        if due is not None:
            due.pop(action, None)

    def _fire(self, second: int) -> None:
        for action in self._due.pop(second, ()):
            action()
