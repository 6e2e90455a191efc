"""One kind's objects, kept as they are at the server: list, watch, and all that goes wrong with it.

An informer is a state machine (`State`): it gets the whole state once, follows the changes, and
begins again where it stopped, or from the whole state when the server has forgotten that place.
Reading is from its cache; who wants to know of changes adds a handler. What happened while nobody
watched is found by comparing: an object that is missing in a new list was deleted, and handlers are
told so.

On the ring: [watch > **informer** > workqueue].
"""

import asyncio
import builtins
import contextlib
import enum
import logging
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Any, Generic, TypeVar

import msgspec

from arubeki import clock
from arubeki.api.objects import Kind
from arubeki.errors import (
    ApiError,
    BadRequest,
    Expired,
    Gone,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    NotServed,
    TooManyRequests,
    TransportError,
    WatchBroken,
)
from arubeki.runtime.cache import NAMESPACE_INDEX, Cache, Entry, IndexFunction, Key
from arubeki.runtime.change import Change, Handler, Selector, Source
from arubeki.runtime.decoding import Decoding
from arubeki.runtime.shape import kind_of, labels_of

T = TypeVar("T")
logger = logging.getLogger(__name__)

WATCH_SECONDS = 290
"""How long one watch is asked for, less up to a tenth: below the 295 s of the shortest proxies."""
IDLE_SECONDS = 150.0
"""A watch without event or bookmark (which come every minute) for so long is taken for dead."""
INITIAL_IDLE_SECONDS = 30.0
"""The same while the initial events come: a server that does not know watch-list never ends them."""
BACKOFF_SECONDS, BACKOFF_LIMIT_SECONDS = 0.8, 30.0
"""Source: client-go tools/cache/reflector.go, NewReflectorWithOptions."""
ABSENT_LIMIT_SECONDS = 2.0
"""The longest wait for a kind that is not served (yet): its CRD may come any moment."""
SHORT_SECONDS = 1.0
"""A watch that ends sooner and without an event is a failure, or it would be opened in a circle."""


class State(enum.Enum):
    """What an informer is doing."""

    NEW = "not started"
    STREAMING = "receiving all objects as the beginning of a watch (watch-list)"
    LISTING = "reading all objects in pages, since the server does not stream them"
    WATCHING = "following the changes; the cache is as new as the last of them"
    WAITING = "pausing after a failure before it tries again; the cache is as it was"
    STOPPED = "stopped; the cache is as it was"


class Informer(Generic[T]):
    """A cache of the objects of one kind, one namespace or all, that selectors choose.

    Share it through `Informers`: two for the same objects are a waste of both sides.
    """

    def __init__(
        self,
        source: Source,
        kind: type[T] | Kind,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        resync_seconds: float = 0.0,
    ) -> None:
        """Make an informer that is not started; `resync_seconds` 0 means never."""
        self.kind: Kind = kind_of(kind)
        self.namespace = namespace
        self.cache: Cache[T] = Cache()
        self.state = State.NEW
        self.failure = ""
        self.relists = 0
        self.decoding: Decoding[T] = Decoding(kind)
        self._type = kind
        self._source = source
        self.selectors = (labels, fields)
        self._resync_seconds = resync_seconds
        self._handlers: list[Handler[T]] = []
        self._resume = ""
        self._streams = True
        self._failures = 0
        self._told = ""
        self._synced = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        chosen = "".join(f" with {text}" for text in self.selectors if text)
        return f"{self.kind.plural}{where}{chosen}"

    # Reading.

    def get(self, name: str, namespace: str = "") -> T | None:
        """Return an object from the cache."""
        entry = self.cache.get(Key(namespace, name))
        return None if entry is None else entry.object

    def list(self, namespace: str = "", *, labels: Selector | None = None) -> builtins.list[T]:
        """Return the objects of a namespace, or all, from the cache."""
        if namespace:
            found = [entry.object for entry in self.cache.lookup(NAMESPACE_INDEX, namespace)]
        else:
            found = [entry.object for entry in self.cache.entries()]
        if labels is None:
            return found
        return [one for one in found if labels.matches(labels_of(one))]

    def index(self, name: str, value: Hashable) -> builtins.list[T]:
        """Return the objects that index `name` files under `value`.

        "owner" (the uid of each owner) and "namespace" are always there.
        Raises: KeyError when nobody added that index.
        """
        return [entry.object for entry in self.cache.lookup(name, value)]

    def add_index(self, name: str, function: IndexFunction[T]) -> None:
        """Keep an index: `function` gives the values an object is filed under."""
        self.cache.add_index(name, function)

    # Changes.

    def add_handler(self, handler: Handler[T]) -> Callable[[], None]:
        """Call `handler` with every change, first with what is there; return how to end that.

        A handler must be quick and must not wait: it puts keys in queues. What it raises is logged.
        """
        self._handlers.append(handler)
        for key in self.cache.told_keys() if self.is_synced else ():
            entry = self.cache.told(key)
            if entry is not None:
                _call(handler, Change(key, None, entry.object, entry.revision, initial=True))

        def remove() -> None:
            if handler in self._handlers:
                self._handlers.remove(handler)

        return remove

    @property
    def is_synced(self) -> bool:
        """Whether the cache held the whole state once. It stays true while a new list is read."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait until the cache holds the whole state."""
        await self._synced.wait()

    def resync(self) -> None:
        """Tell the handlers of every object again, as if it had just been looked at."""
        for key in self.cache.told_keys():
            entry = self.cache.told(key)
            if entry is not None:
                self._notify(Change(key, entry.object, entry.object, entry.revision))

    # Life.

    def start(self) -> None:
        """Begin; a second call does nothing."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self.run(), name=f"informer {self}")

    async def stop(self) -> None:
        """End the watch. The cache stays readable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.state = State.STOPPED

    def cancel(self) -> None:
        """End the watch without waiting for it."""
        if self._task is not None:
            self._task.cancel()
        self.state = State.STOPPED

    async def run(self) -> None:
        """Keep the cache as the server is, until cancelled."""
        resync: asyncio.Task[None] | None = None
        if self._resync_seconds:
            resync = asyncio.get_running_loop().create_task(self._resync_forever())
        try:
            while True:
                await self._attempt()
        finally:
            self.state = State.STOPPED
            if resync is not None:
                resync.cancel()

    async def _attempt(self) -> None:
        """Go on from where it stopped, until something ends that; wait before the next if it failed."""
        began, before = asyncio.get_running_loop().time(), self.cache.revision
        try:
            if self._resume:
                await self._watch()
            elif self._streams:
                await self._stream_or_list()
            else:
                await self._list()
                return
        except (ApiError, TransportError, TimeoutError, msgspec.MsgspecError) as failure:
            await self._recover(failure)
            return
        except Exception as failure:
            logger.exception("informer of %s made a mistake and begins again", self)
            await self._recover(failure)
            return
        if asyncio.get_running_loop().time() - began < SHORT_SECONDS and (
            self.cache.revision == before
        ):
            await self._recover(WatchBroken("the watch ended at once and without an event"))

    async def _stream_or_list(self) -> None:
        try:
            await self._stream()
        except (TooManyRequests, Expired, Gone, TransportError):
            raise
        except (ApiError, TimeoutError) as refusal:
            if self._resume:
                raise  # the initial events were through: the watch failed, not watch-list
            # Source: client-go reflector.go, which falls back on every other error too. An answer
            # that says watch-list is not known here is not asked for again.
            self._streams = not isinstance(refusal, _NEVER)
            logger.info("%s: listing, since streaming failed: %s", self, refusal or "silence")
            await self._list()

    async def _recover(self, failure: Exception) -> None:
        """Decide where to go on after a failure, and wait a while, longer each time."""
        self.failure = f"{type(failure).__name__}: {failure}"
        if isinstance(failure, NotFound):
            kind = f"{self.kind.plural}.{self.kind.group}".rstrip(".")
            self.failure = f"NotFound: {kind} is not served; is its CRD applied?"
        if not _is_resumable(failure):
            self._resume = ""
        if isinstance(failure, Expired | Gone) and self._failures == 0:
            self._failures = 1
            logger.info("%s: the server has forgotten our place, beginning again", self)
            return
        delay = min(BACKOFF_SECONDS * 2 ** min(self._failures, 16), BACKOFF_LIMIT_SECONDS)
        if isinstance(failure, NotFound):
            delay = min(delay, ABSENT_LIMIT_SECONDS)
        delay *= 1 + clock.random_fraction()
        if isinstance(failure, ApiError):
            delay = max(delay, failure.retry_after_seconds)
        self._failures += 1
        self.state = State.WAITING
        # The second failure in a row is worth a warning, and then only one that reads differently:
        # all informers fail while a server is away.
        level = logging.WARNING if self._failures > 1 else logging.INFO
        if level == logging.WARNING:
            level = logging.DEBUG if self._told == self.failure else level
            self._told = self.failure
        logger.log(level, "%s: %s; trying again in %.1f s", self, self.failure, delay)
        await asyncio.sleep(delay)

    # The states.

    async def _list(self) -> None:
        self.state = State.LISTING
        labels, fields = self.selectors
        items, resource_version = await self._source.list_raw(
            self._type, self.namespace, labels=labels, fields=fields
        )
        fresh: dict[Key, Entry[T]] = {}
        for item in items:
            self._collect(item, fresh)
        self._replace(fresh, resource_version)

    async def _stream(self) -> None:
        self.state = State.STREAMING
        await self._follow("", {})

    async def _watch(self) -> None:
        self.state = State.WATCHING
        await self._follow(self._resume, None)

    async def _follow(self, resource_version: str, fresh: dict[Key, Entry[T]] | None) -> None:
        """Take in one watch to its end. `fresh` gathers the initial events, if there are to be any."""
        seconds = int(WATCH_SECONDS * (1 - clock.random_fraction() / 10))
        events = self._source.watch_raw(
            self._type,
            self.namespace,
            resource_version=resource_version,
            send_initial_events=fresh is not None,
            timeout_seconds=seconds,
            labels=self.selectors[0],
            fields=self.selectors[1],
        )
        loop = asyncio.get_running_loop()
        idle = IDLE_SECONDS if fresh is None else INITIAL_IDLE_SECONDS
        async with _closing(events), asyncio.timeout(idle) as limit:
            moved = loop.time()
            async for type_, data in events:
                if loop.time() - moved > 1.0:  # moving a timer for every event would cost more
                    moved = loop.time()
                    limit.reschedule(moved + idle)
                if fresh is None:
                    self._take(type_, data)
                elif self._gather(type_, data, fresh):
                    fresh, idle = None, IDLE_SECONDS
                    limit.reschedule(loop.time() + idle)
                    self.state = State.WATCHING
            if fresh is not None:
                raise WatchBroken("the watch ended amid the initial events")

    def _gather(self, type_: str, data: Any, fresh: dict[Key, Entry[T]]) -> bool:
        """Take in an event of the initial state; return whether it was the last of them."""
        if type_ == "ERROR":
            raise _error(data)
        if type_ == "BOOKMARK":
            head = self.decoding.head(data)
            if head.ends_initial_events:
                self._replace(fresh, head.metadata.resourceVersion)
                return True
        elif type_ == "DELETED":
            fresh.pop(self.decoding.head(data).key, None)
        else:
            self._collect(data, fresh)
        return False

    def _collect(self, data: Any, fresh: dict[Key, Entry[T]]) -> None:
        head = self.decoding.head(data)
        told = self.cache.told(head.key)
        same = told is not None and told.uid == head.metadata.uid
        if told is not None and same and told.revision == head.revision and told.revision:
            fresh[head.key] = told  # unchanged since: one object, shared, not decoded again
            return
        try:
            fresh[head.key] = self.decoding.entry(data, head, keep_raw=not self.is_synced)
        except Invalid as mistake:
            self._skip(head.key, mistake)
            if told is not None:
                fresh[head.key] = told

    def _replace(self, fresh: dict[Key, Entry[T]], resource_version: str) -> None:
        """Make `fresh` the whole state, and tell handlers what differs from before."""
        initial = not self.is_synced
        self.relists += 0 if initial else 1
        changes: list[Change[T]] = []
        for key in self.cache.told_keys():
            if key not in fresh:
                old = self.cache.tell_gone(key)
                if old is not None:
                    changes.append(Change(key, old.object, None))
        for key, entry in fresh.items():
            old = self.cache.tell(entry)
            if old is not entry:
                before = None if old is None else old.object
                changes.append(
                    Change(
                        key,
                        before,
                        entry.object,
                        entry.revision,
                        initial=initial,
                        is_listed=True,
                    )
                )
        self._resume = resource_version
        self.cache.reach(int(resource_version) if resource_version.isdecimal() else 0, reset=True)
        self._succeed()
        for change in changes:
            self._notify(change)
        self._synced.set()

    def _take(self, type_: str, data: Any) -> None:
        """Take in one event of a watch."""
        if type_ == "ERROR":
            raise _error(data)
        head = self.decoding.head(data)
        revision, key = head.revision, head.key
        if revision and revision < self.cache.revision:
            return  # out of order: what came after it is known already
        self._resume = head.metadata.resourceVersion or self._resume
        self._succeed()
        if type_ == "BOOKMARK":
            self.cache.reach(revision)
        elif type_ == "DELETED":
            old = self.cache.tell_gone(key)
            self.cache.reach(revision)
            if old is not None:
                self._notify(Change(key, old.object, None, revision))
        else:
            try:
                entry = self.decoding.entry(data, head)
            except Invalid as mistake:
                self._skip(key, mistake)
                return
            old = self.cache.tell(entry)
            self.cache.reach(revision)
            before = None if old is None else old.object
            self._notify(Change(key, before, entry.object, revision))

    def _skip(self, key: Key, mistake: Exception) -> None:
        # One object that is not as its type says must not hide all others. It is an error of the
        # type (or of a CRD's schema that allows more), so it is said loudly and every time.
        logger.error("%s %s is not as its type says, left out: %s", self.kind.kind, key, mistake)

    def _succeed(self) -> None:
        if self._told:
            logger.warning("%s: it works again", self)
            self._told = ""
        self._failures = 0
        self.failure = ""

    def _notify(self, change: Change[T]) -> None:
        for handler in tuple(self._handlers):
            _call(handler, change)

    async def _resync_forever(self) -> None:
        while True:
            # Up to a tenth earlier, so that many informers do not wake together.
            await asyncio.sleep(self._resync_seconds * (1 - clock.random_fraction() / 10))
            self.resync()


_NEVER = (BadRequest, Invalid, MethodNotAllowed, NotAcceptable, NotServed, TimeoutError)


def _is_resumable(failure: Exception) -> bool:
    """Whether the place where the watch broke off is still good.

    Source: client-go reflector.go isWatchErrorRetriable; a resourceVersion that is too large is one
    of a server whose time went back.
    """
    if isinstance(failure, TransportError | TimeoutError | TooManyRequests):
        return True
    if not isinstance(failure, ApiError) or failure.code < 500:
        return False
    return all(cause.get("reason") != "ResourceVersionTooLarge" for cause in failure.causes)


def _error(data: Any) -> ApiError:
    status = msgspec.json.decode(data)
    return ApiError.from_status(status if isinstance(status, dict) else {})


def _call(handler: Handler[T], change: Change[T]) -> None:
    try:
        handler(change)
    except Exception:
        logger.exception("a handler failed on %s %s", change.type, change.key)


@contextlib.asynccontextmanager
async def _closing(events: AsyncIterator[Any]) -> AsyncIterator[None]:
    """End a watch in good order, also when its reader was cancelled."""
    try:
        yield
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
