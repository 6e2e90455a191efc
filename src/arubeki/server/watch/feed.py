"""The first part of a watch's life: what is there already, what happened since, then the hub.

Initial objects and history may be many megabytes. They are written in portions under the peer's
back-pressure, by a task that ends when the watch has caught up; a small backlog, the usual case,
needs no task.

On the ring: [storage > **watch** > informer].
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from arubeki.errors import ApiError, Compacted, FutureRevision
from arubeki.net.message import Chunk, Sink
from arubeki.server import failures
from arubeki.server.negotiation import TABLE
from arubeki.server.watch.hub import Filter, Hub, Hubs, Watcher
from arubeki.server.watch.views import Event, View, error_event
from arubeki.storage.base import Entry

_log = logging.getLogger("arubeki.server.watch")

PORTION_EVENTS = 200
"""Events between two looks at the peer's back-pressure."""
LAST_BOOKMARK_SECONDS = 2.0
"""How long before its end a watch gets its last bookmark. Source: cache_watcher.go nextBookmarkTime."""


@dataclass(slots=True)
class Plan:
    """What a watch is to show. `after` is the revision that `initial` was read at."""

    view: View
    filter: Filter
    key: object
    after: int
    initial: Sequence[Entry] = field(default_factory=tuple)
    bookmarks: bool = False
    initial_end: bool = False
    timeout_seconds: float = 1800.0
    error: ApiError | None = None


class Feed:
    """One watch, from the head of its answer to its end; `net.message.Stream`'s two callbacks."""

    __slots__ = ("_at_due", "_due", "_hub", "_hubs", "_plan", "_sink", "_task", "_watcher")

    def __init__(self, hubs: Hubs, hub: Hub, plan: Plan) -> None:
        self._hubs = hubs
        self._hub = hub
        self._plan: Plan | None = plan
        self._sink: Sink | None = None
        self._watcher: Watcher | None = None
        self._task: asyncio.Task[None] | None = None
        self._due = 0
        self._at_due = self._expire

    def opened(self, sink: Sink) -> None:
        """Begin to send."""
        plan = self._plan
        assert plan is not None
        self._sink = sink
        if plan.error is not None:
            sink.write(Chunk(error_event(plan.error)))
            sink.close()
            return
        has_headers = plan.view.shape != TABLE  # only a Table has any
        self._watcher = Watcher(sink, bookmarks=plan.bookmarks, has_headers=has_headers)
        rest = plan.timeout_seconds - LAST_BOOKMARK_SECONDS
        if plan.bookmarks and rest > 0:
            self._due, self._at_due = self._hubs.deadlines.add(rest, self._wind_up), self._wind_up
        else:
            self._end_in(plan.timeout_seconds)
        if not self._send_all(plan, sink):
            self._task = asyncio.get_running_loop().create_task(self._send_slowly(plan, sink))

    def closed(self) -> None:
        """Stop: the stream has ended."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._watcher is not None:
            self._hub.leave(self._watcher)
            self._watcher = None
        if self._due:
            self._hubs.deadlines.remove(self._due, self._at_due)
            self._due = 0
        self._plan = None

    def _send_all(self, plan: Plan, sink: Sink) -> bool:
        """Catch up at once and join the hub, if there is little to send; tell whether."""
        if len(plan.initial) > PORTION_EVENTS:
            return False
        events = [(b"ADDED", entry.value) for entry in plan.initial if plan.filter.has(entry)]
        self._write(plan, sink, events)
        if plan.initial_end:
            sink.write(Chunk(plan.view.bookmark(plan.after, initial_end=True)))
        plan.initial, plan.initial_end = (), False
        return self._join(plan, sink)

    def _join(self, plan: Plan, sink: Sink) -> bool:
        """Send what has happened meanwhile and join the hub, unless it is too much; tell whether."""
        try:
            changes = self._hub.history(plan.after)
        except (Compacted, FutureRevision):
            sink.write(Chunk(error_event(failures.too_old_revision(plan.after, plan.after))))
            sink.close()
            return True
        if len(changes) > PORTION_EVENTS:
            return False
        self._write(plan, sink, plan.filter.events(changes))
        assert self._watcher is not None
        self._hub.join(self._watcher, plan.key, plan.view, lambda: plan.filter)
        self._plan = None
        return True

    async def _send_slowly(self, plan: Plan, sink: Sink) -> None:
        try:
            await self._send_portions(plan, sink)
        except Exception:
            _log.exception("watch of %s", plan.filter.prefix)
            sink.abort()
        self._task = None

    async def _send_portions(self, plan: Plan, sink: Sink) -> None:
        entries, plan.initial = plan.initial, ()
        for start in range(0, len(entries), PORTION_EVENTS):
            portion = entries[start : start + PORTION_EVENTS]
            events = [(b"ADDED", entry.value) for entry in portion if plan.filter.has(entry)]
            self._write(plan, sink, events)
            await self._drain(sink)
        entries = ()
        if plan.initial_end:
            sink.write(Chunk(plan.view.bookmark(plan.after, initial_end=True)))
        while not self._join(plan, sink):
            changes = self._hub.history(plan.after)[:PORTION_EVENTS]
            self._write(plan, sink, plan.filter.events(changes))
            plan.after = changes[-1].revision
            await self._drain(sink)

    async def _drain(self, sink: Sink) -> None:
        await sink.drain()
        await asyncio.sleep(0)

    def _write(self, plan: Plan, sink: Sink, events: Sequence[Event]) -> None:
        watcher = self._watcher
        if events and watcher is not None:
            sink.write(Chunk(plan.view.events(events, headers=not watcher.has_headers)))
            watcher.has_headers = True

    def _end_in(self, seconds: float) -> None:
        self._due, self._at_due = self._hubs.deadlines.add(seconds, self._expire), self._expire

    def _wind_up(self) -> None:
        """Send a last bookmark, so that the watch can be resumed cheaply, and end it soon."""
        watcher = self._watcher
        if watcher is not None and watcher.channel is not None and self._sink is not None:
            self._hub.flush()
            if watcher.channel is not None:
                self._sink.write(Chunk(watcher.channel.view.bookmark(self._hub.revision)))
        self._end_in(LAST_BOOKMARK_SECONDS)

    def _expire(self) -> None:
        """End the watch in good order."""
        self._due = 0
        sink, watcher = self._sink, self._watcher
        if sink is None or watcher is None:
            return
        if watcher.channel is not None:
            self._hub.flush()
        self.closed()
        sink.close()
