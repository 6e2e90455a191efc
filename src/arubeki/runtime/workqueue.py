"""Which keys have to be looked at: each at most once, never two runs of one key at a time.

A key is in exactly one of four places: *ready* (in order of arrival), *delayed* (until a moment),
*running* (a worker has it), or nowhere. `_items` is canonical for ready and delayed keys: it holds
what a key waits with (its causes, its moment); the two ready lanes and the heap only order the keys,
and entries of theirs that no longer agree with `_items` are skipped. A key that is added while it
runs waits in `_dirty` and becomes ready, or delayed, when its run is done.

On the ring: [informer > **workqueue** > reconcile].
"""

import asyncio
import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from arubeki.runtime.cause import Cause

K = TypeVar("K", bound=Hashable)

BASE_SECONDS = 0.005
MAX_SECONDS = 1000.0
"""First and longest delay of a failing key. Source: client-go util/workqueue
default_rate_limiters.go, controller-runtime's default rate limiter."""

CAUSES_LIMIT = 16
"""How many different causes of a key are kept; more are only counted."""

KEYS_LIMIT = 1_000_000
"""How many keys may wait. Keys name objects, which fill memory long before."""


SLACK_SECONDS = 0.000_001
"""A timer may fire a rounding error early; what is due by then is due."""


class ShutDown(Exception):
    """The queue was shut down; there is no next key."""


@dataclass(frozen=True, slots=True)
class Item(Generic[K]):
    """A key handed to a worker, with all that made it wait.

    `merged` counts the adds that became this one item, `waited_seconds` is the time since the first
    of them (for a delayed key: since it was due).
    """

    key: K
    causes: tuple[Cause, ...]
    merged: int
    waited_seconds: float


class _Waiting:
    """What a key waits with. `due` is 0 when it is ready, `ticket` its current place in the heap."""

    __slots__ = ("causes", "due", "low", "merged", "since", "ticket")

    def __init__(self, due: float, low: bool, since: float) -> None:
        self.due = due
        self.low = low
        self.since = since
        self.ticket = -1
        self.merged = 0
        self.causes: dict[Cause, None] = {}

    def merge(self, cause: Cause | None) -> None:
        self.merged += 1
        if cause is not None and len(self.causes) < CAUSES_LIMIT:
            self.causes[cause] = None


class Workqueue(Generic[K]):
    """Keys to work on. All methods are called on one event loop; none but `get` and `idle` waits."""

    def __init__(
        self,
        name: str = "",
        *,
        base_seconds: float = BASE_SECONDS,
        max_seconds: float = MAX_SECONDS,
        keys_limit: int = KEYS_LIMIT,
    ) -> None:
        """Make an empty queue; a failing key waits `base_seconds`, doubling up to `max_seconds`."""
        self.name = name
        self._base_seconds = base_seconds
        self._max_seconds = max_seconds
        self._keys_limit = keys_limit
        self._items: dict[K, _Waiting] = {}
        self._dirty: dict[K, _Waiting] = {}
        self._running: set[K] = set()
        self._lanes: tuple[OrderedDict[K, None], OrderedDict[K, None]] = (
            OrderedDict(),
            OrderedDict(),
        )
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._failures: dict[K, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._idlers: list[asyncio.Future[None]] = []
        self._closed = False
        self.adds = 0
        self.retries = 0

    def __len__(self) -> int:
        """Count the keys that are ready or would be if they were not running."""
        return len(self._lanes[0]) + len(self._lanes[1]) + len(self._dirty)

    @property
    def running(self) -> int:
        """How many keys workers have."""
        return len(self._running)

    @property
    def delayed(self) -> int:
        """How many keys wait for a moment."""
        return len(self._items) - len(self._lanes[0]) - len(self._lanes[1])

    @property
    def failing(self) -> int:
        """How many keys failed and were not forgotten since."""
        return len(self._failures)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is ready and nothing runs. Delayed keys do not count."""
        return not (self._lanes[0] or self._lanes[1] or self._running)

    @property
    def is_shut_down(self) -> bool:
        """Whether `shut_down` was called."""
        return self._closed

    @property
    def next_due(self) -> float | None:
        """The moment (on the loop's clock) at which the next delayed key becomes ready."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def add(
        self, key: K, cause: Cause | None = None, *, low: bool = False, after_seconds: float = 0
    ) -> None:
        """Let `key` be worked on, at once or `after_seconds`; merged with what it waits for already.

        A key has one moment: the earliest asked for; one that is ready before its moment loses the
        causes it was delayed with. `low` keys go after all others (the initial
        list must not hold up what changes now); one add that is not `low` lifts the key.
        Raises: OverflowError when the queue is full, which means that keys are made up endlessly.
        """
        if self._closed:
            return
        self.adds += 1
        now = asyncio.get_running_loop().time()
        due = now + after_seconds if after_seconds > 0 else 0.0
        place = self._dirty if key in self._running else self._items
        waiting = place.get(key)
        if waiting is None:
            if len(self._items) + len(self._dirty) >= self._keys_limit:
                raise OverflowError(f"workqueue {self.name} holds {self._keys_limit} keys")
            waiting = place[key] = _Waiting(due, low, due or now)
            waiting.merge(cause)
            if place is self._items:
                self._enter(key, waiting)
            return
        sooner = waiting.due != 0 and due < waiting.due
        if sooner and not due:
            # The moment it waited for has not come, and is no cause of this run.
            waiting.causes.clear()
            waiting.merged = 0
        waiting.merge(cause)
        lifted = waiting.low and not low
        if not sooner and not lifted:
            return
        if place is self._items and waiting.due == 0:
            self._lanes[waiting.low].pop(key)
        if sooner:
            waiting.due = due
            waiting.since = due or now
        if lifted:
            waiting.low = False
        if place is self._items:
            self._enter(key, waiting)

    def retry(self, key: K, cause: Cause | None = None) -> float:
        """Let a key that failed be worked on after its backoff, and return that delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.retries += 1
        # 2**64 is past any bound, and the exponent must not grow for ever.
        delay = min(self._base_seconds * 2.0 ** min(failures, 64), self._max_seconds)
        self.add(key, cause, after_seconds=delay)
        return delay

    def forget(self, key: K) -> None:
        """Let the next failure of `key` begin with the shortest delay again."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How many times `key` failed since it was last forgotten."""
        return self._failures.get(key, 0)

    async def get(self) -> Item[K]:
        """Wait for a key and take it; it is running until `done`.

        Raises: ShutDown once the queue is shut down.
        """
        while not self._closed and not (self._lanes[0] or self._lanes[1]):
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter in self._getters:
                    self._getters.remove(getter)
                elif not getter.cancelled():
                    self._wake()  # this wake-up was ours and goes unused
                raise
        if self._closed:
            raise ShutDown(self.name)
        key, _ = (self._lanes[0] or self._lanes[1]).popitem(last=False)
        waiting = self._items.pop(key)
        self._running.add(key)
        waited = max(0.0, asyncio.get_running_loop().time() - waiting.since)
        return Item(key, tuple(waiting.causes), waiting.merged, waited)

    def done(self, key: K) -> None:
        """Give a key back after its run; if it was added meanwhile it waits again."""
        self._running.discard(key)
        waiting = self._dirty.pop(key, None)
        if waiting is not None and not self._closed:
            self._items[key] = waiting
            self._enter(key, waiting)
        self._tell_idle()

    def shut_down(self) -> None:
        """Hand out no more keys and forget those that wait; runs go on to their end."""
        self._closed = True
        self._items.clear()
        self._dirty.clear()
        self._heap.clear()
        self._failures.clear()
        for lane in self._lanes:
            lane.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._getters:
            self._wake()
        self._tell_idle()

    async def idle(self) -> None:
        """Wait until nothing is ready and nothing runs (see `is_idle`)."""
        while not self.is_idle:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idlers.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._idlers:
                    self._idlers.remove(waiter)

    def _enter(self, key: K, waiting: _Waiting) -> None:
        """Put a key of `_items` where its moment says."""
        if waiting.due > asyncio.get_running_loop().time() + SLACK_SECONDS:
            if len(self._heap) > 2 * len(self._items) + 64:
                self._heap = [one for one in self._heap if self._is_current(one)]
                heapq.heapify(self._heap)
            waiting.ticket = next(self._order)
            heapq.heappush(self._heap, (waiting.due, waiting.ticket, key))
            self._set_timer()
            return
        waiting.due, waiting.ticket = 0, -1
        self._lanes[waiting.low][key] = None
        self._wake()

    def _is_current(self, entry: tuple[float, int, K]) -> bool:
        waiting = self._items.get(entry[2])
        return waiting is not None and waiting.ticket == entry[1]

    def _set_timer(self) -> None:
        due = self.next_due
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return  # it comes early at worst, and is set anew then
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while True:
            due = self.next_due
            if due is None or due > now + SLACK_SECONDS:
                break
            _, _, key = heapq.heappop(self._heap)
            self._enter(key, self._items[key])
        self._set_timer()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _tell_idle(self) -> None:
        if self.is_idle:
            for waiter in self._idlers:
                if not waiter.done():
                    waiter.set_result(None)
            self._idlers.clear()
