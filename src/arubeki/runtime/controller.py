"""A controller in its plainest form: keys come from sources, workers reconcile them.

Kubernetes' own controllers and `App` are built on this. A reconciler gets a key and a `Session`,
never what happened; it returns `None` or `Again`, or raises. Whatever it raises, the controller goes
on. Nothing is lost by a crash, since everything is looked at again after a start.

    controller = Controller("replicaset", reconcile, workers=5)
    controller.watch(apps.ReplicaSet)                            # the key is the object's place
    controller.watch(core.Pod, owner_of(apps.ReplicaSet))        # the key is the owner's place
    Manager(client, [controller])

On the ring: [informer > workqueue > **controller** > reconcile].
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from arubeki import clock
from arubeki.errors import ArubekiError, ConfigError, Conflict, Terminal, TimedOut
from arubeki.runtime.cache import Key
from arubeki.runtime.cause import Cause
from arubeki.runtime.change import Change
from arubeki.runtime.echo import Echoes
from arubeki.runtime.failures import Failures, line, told
from arubeki.runtime.informer import Informer
from arubeki.runtime.results import Again
from arubeki.runtime.session import Environment, Session
from arubeki.runtime.shape import field, kind_of, metadata_of
from arubeki.runtime.trace import Record, Trace
from arubeki.runtime.workqueue import MAX_SECONDS, Item, ShutDown, Workqueue

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 300.0
"""The longest run: one that hangs must not hold a worker for ever."""
SOURCE_SECONDS = 1.0
"""The pause before a source that failed is started again, doubling up to a minute."""

Reconcile: TypeAlias = Callable[[K, Session], Awaitable[Again | None]]
Mapper: TypeAlias = Callable[[Any], Iterable[K]]
Predicate: TypeAlias = Callable[[Change[Any]], bool]


def itself(obj: Any) -> Iterable[Any]:
    """Map an object to its own place."""
    metadata = metadata_of(obj)
    return (Key(field(metadata, "namespace", ""), field(metadata, "name", "")),)


def owner_of(kind: Any) -> Callable[[Any], Iterable[Any]]:
    """Return the mapper from an object to the place of its controlling owner of `kind`."""
    owner = kind_of(kind)

    def mapper(obj: Any) -> Iterable[Any]:
        metadata = metadata_of(obj)
        for one in field(metadata, "ownerReferences", ()):
            group = str(field(one, "apiVersion", "")).rpartition("/")[0]
            if (
                field(one, "controller", False)
                and field(one, "kind", "") == owner.kind
                and group == owner.group
            ):
                namespace = field(metadata, "namespace", "") if owner.namespaced else ""
                yield Key(namespace, field(one, "name", ""))

    return mapper


class Lookup:
    """What a mapper may read: the caches of its controller, as they are now."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def get(self, kind: type[T], name: str, namespace: str = "") -> T | None:
        """Return the cached object, None when there is none."""
        return self._cache(kind, namespace).get(name, namespace)

    def list(self, kind: type[T], namespace: str = "") -> Sequence[T]:
        """Return the cached objects of a namespace ("": of all)."""
        return self._cache(kind, namespace).list(namespace)

    def index(self, kind: type[T], name: str, value: Hashable) -> Sequence[T]:
        """Return the cached objects that an index files under `value`."""
        return self._cache(kind, "").index(self._env.index_name(name), value)

    def _cache(self, kind: type[T], namespace: str) -> Informer[T]:
        # Not only synced ones: at the start, what is not there yet wakes its keys when it comes.
        found = self._env.declared.get(kind) or self._env.informers.find(kind, namespace)
        if found is None:
            raise ConfigError(f"{self._env.name} does not watch {kind_of(kind).plural}")
        return found


@dataclass(frozen=True, slots=True)
class Watching:
    """One kind that a controller watches, and whom its changes wake (nobody: it is only cached)."""

    kind: Any
    mapper: Mapper[Any] | None
    predicates: tuple[Predicate, ...] = ()
    namespace: str = ""
    labels: str = ""
    fields: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all objects of the kind are watched."""
        return not (self.namespace or self.labels or self.fields)


class Controller(Generic[K]):
    """Keys, workers and a reconciler."""

    def __init__(
        self,
        name: str,
        reconcile: Reconcile[K],
        *,
        workers: int = 1,
        timeout_seconds: float = TIMEOUT_SECONDS,
        every_seconds: float = 0.0,
        manager: str = "",
        hears_itself: bool = True,
        retry_limit_seconds: float = MAX_SECONDS,
    ) -> None:
        """Declare a controller.

        `manager` is the field manager of its writes (its name, unless said); `every_seconds` looks
        at a key again that long after a run that succeeded; `timeout_seconds` 0 means no limit.
        `hears_itself`: writes that a run notes as `quiet` wake its key too. A key that fails is tried
        again after pauses that double up to `retry_limit_seconds`.
        Raises: ConfigError when it is declared wrongly.
        """
        if workers < 1:
            raise ConfigError(f"controller {name}: workers={workers}, at least 1 is needed")
        self.name = name
        self.manager = manager or name
        self.workers = workers
        self.watchings: list[Watching] = []
        self.queue: Workqueue[K] = Workqueue(name, max_seconds=retry_limit_seconds)
        self.echoes: Echoes[K] | None = None if hears_itself else Echoes()
        self.errors = 0
        self.panics = 0
        self._reconcile = reconcile
        self._timeout_seconds = timeout_seconds
        self._every_seconds = every_seconds
        self._sources: list[Callable[[], AsyncIterator[K]]] = []
        self._indexes: list[tuple[Any, str, Callable[[Any], Iterable[Hashable]]]] = []
        self._observers: list[tuple[Any, Callable[[Change[Any]], None]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._informers: list[Informer[Any]] = []
        self._removers: list[Callable[[], None]] = []
        self._env: Environment | None = None
        self._trace = Trace(1)
        self.failures = Failures()
        self._count = 0

    # Declaring.

    def watch(
        self,
        kind: Any,
        mapper: Mapper[K] | None = itself,
        *,
        predicates: Iterable[Predicate] = (),
        namespace: str = "",
        labels: str = "",
        fields: str = "",
    ) -> None:
        """Let changes of a kind wake the keys that `mapper` finds, from the old and the new object.

        Without a mapper the kind is only cached. All `predicates` must agree to a change. A kind may
        also be added while the controller runs, for those that learn of kinds as they go.
        """
        watching = Watching(kind, mapper, tuple(predicates), namespace, labels, fields)
        self.watchings.append(watching)
        if self._env is not None:
            self._hook(watching, self._env)

    def observe(self, kind: Any, observer: Callable[[Change[Any]], None]) -> None:
        """Tell `observer` of every change of a kind, before any key that it wakes is looked at.

        For a picture that is too costly to draw anew in each run (what is free on each node). It must
        be drawn from the caches alone, so that a restart draws the same.
        """
        self._observers.append((kind, observer))

    def unwatch(self, kind: Any) -> None:
        """Watch a kind no more: it is not served any longer. Its caches are dropped."""
        self.watchings = [one for one in self.watchings if one.kind is not kind]
        if self._env is not None:
            self._env.declared.pop(kind, None)
            dropped = self._env.informers.drop(kind)
            self._informers = [one for one in self._informers if one not in dropped]

    def source(self, generator: Callable[[], AsyncIterator[K]]) -> None:
        """Let an async generator wake keys; one that fails is started again."""
        self._sources.append(generator)

    def index(self, kind: Any, name: str, function: Callable[[Any], Iterable[Hashable]]) -> None:
        """Keep an index of a watched kind; `Session.index` asks it."""
        self._indexes.append((kind, name, function))

    def enqueue(self, key: K, detail: str = "") -> None:
        """Wake a key by hand."""
        self.queue.add(key, Cause("manual", detail=detail))

    @property
    def lookup(self) -> Lookup:
        """The caches, for mappers."""
        assert self._env is not None, "only a running controller has caches"
        return Lookup(self._env)

    # Life; the manager calls these.

    def bind(self, env: Environment, trace: Trace) -> None:
        """Take the environment, and hook into the informers, which are not started yet.

        Raises: ConfigError when another manager has this controller: make a new one for each.
        """
        if self._env is not None:
            raise ConfigError(f"controller {self.name} belongs to a manager already")
        self._env, self._trace = env, trace
        for watching in self.watchings:
            self._hook(watching, env)
        for kind, observer in self._observers:
            informer = env.declared.get(kind) or env.informers.of(kind)
            self._removers.append(informer.add_handler(observer))
        for kind, name, function in self._indexes:
            informer = env.declared.get(kind) or env.informers.of(kind)
            informer.add_index(env.index_name(name), function)

    def _hook(self, watching: Watching, env: Environment) -> None:
        informer = env.informers.of(
            watching.kind,
            namespace=watching.namespace,
            labels=watching.labels,
            fields=watching.fields,
        )
        self._informers.append(informer)
        env.declared.setdefault(watching.kind, informer)
        if watching.mapper is not None:
            handler = self._handler(watching, watching.mapper, informer)
            self._removers.append(informer.add_handler(handler))

    @property
    def unsynced(self) -> list[Informer[Any]]:
        """The informers that this controller still waits for."""
        return [informer for informer in self._informers if not informer.is_synced]

    async def run(self) -> None:
        """Reconcile until cancelled or until `stop`, once the caches are filled."""
        for informer in self._informers:
            await informer.wait_synced()
        loop = asyncio.get_running_loop()
        for generator in self._sources:
            self._tasks.append(loop.create_task(self._pull(generator)))
        for number in range(self.workers):
            self._tasks.append(loop.create_task(self._work(), name=f"{self.name} {number}"))
        await asyncio.gather(*self._tasks)

    async def stop(self, grace_seconds: float) -> None:
        """Take no more keys, let runs end within `grace_seconds`, then cancel them."""
        for remove in self._removers:
            remove()
        self.queue.shut_down()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self.queue.idle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Waking.

    def _handler(
        self, watching: Watching, mapper: Mapper[K], informer: Informer[Any]
    ) -> Callable[[Change[Any]], None]:
        kind = informer.kind.kind

        def handle(change: Change[Any]) -> None:
            if not all(predicate(change) for predicate in watching.predicates):
                return
            # Both, since a change may move an object from one owner to another.
            keys: dict[K, None] = {}
            if change.old is not None and change.old is not change.new:
                keys.update(dict.fromkeys(mapper(change.old)))
            if change.new is not None:
                keys.update(dict.fromkeys(mapper(change.new)))
            if not keys:
                return
            cause = Cause(
                "change",
                kind,
                change.key.namespace,
                change.key.name,
                change.type,
                change.revision,
                change.fields,
            )
            echoes = self.echoes if watching.mapper is itself else None
            for key in keys:
                if echoes is None or not echoes.takes(key, change, cause):
                    self.queue.add(key, cause, low=change.initial)

        return handle

    async def _pull(self, generator: Callable[[], AsyncIterator[K]]) -> None:
        delay, cause = SOURCE_SECONDS, Cause("source", detail=_name(generator))
        while True:
            try:
                async for key in generator():
                    delay = SOURCE_SECONDS
                    self.queue.add(key, cause)
                return
            except Exception:
                logger.exception("source of %s failed, again in %.0f s", self.name, delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, 60.0)

    # Working.

    async def _work(self) -> None:
        while True:
            try:
                item = await self.queue.get()
            except ShutDown:
                return
            try:
                await self._run_one(item)
            finally:
                self.queue.done(item.key)

    async def _run_one(self, item: Item[K]) -> None:
        env = self._env
        assert env is not None
        self._count += 1
        record = Record(
            f"{self.name}#{self._count}",
            self.name,
            str(item.key),
            item.causes,
            item.merged,
            item.waited_seconds,
            started=clock.now(),
        )
        began = clock.monotonic()
        session = Session(env, item.key, record)
        if self.echoes is not None:
            self.echoes.begin(item.key)
        try:
            await self._judged(item.key, session)
            env.recorder.send_soon()
        except asyncio.CancelledError:
            record.result = "stopped"
            raise
        finally:
            if self.echoes is not None:
                for cause in self.echoes.end(item.key, session.quiet):
                    self.queue.add(item.key, cause)
            record.duration_seconds = clock.monotonic() - began
            self._trace.add(record)

    async def _judged(self, key: K, session: Session) -> None:
        """Reconcile, and decide from the result or the error when this key comes again."""
        record, queue = session.record, self.queue
        try:
            result = await self._timed(key, session)
        except Terminal as refusal:
            queue.forget(key)
            self.failures.forget(key)
            self.errors += 1
            record.result, record.error = "terminal", line(refusal)
            session.log.error(
                "not tried again until something changes: %s", refusal, extra={"ends_run": True}
            )
            return
        except (Exception, asyncio.CancelledError) as failure:
            task = asyncio.current_task()
            if isinstance(failure, asyncio.CancelledError) and task and task.cancelling():
                raise  # we are being stopped; otherwise something that the run awaited was
            self.errors += 1
            # A ConfigError is a mistake in the reconciler, too: it is told with its place and its help.
            is_panic = not isinstance(failure, ArubekiError) or isinstance(failure, ConfigError)
            self.panics += is_panic
            record.result, record.error = "error", line(failure)
            is_news = self.failures.is_news(key, record.error)
            record.after_seconds = queue.retry(key, Cause("retry", detail=record.error))
            # A conflict says that the cache was behind, which the next run sees put right.
            level = logging.INFO if isinstance(failure, Conflict) else logging.ERROR
            session.log.log(
                level,
                "failed, again in %.3f s: %s",
                record.after_seconds,
                record.error,
                exc_info=told(failure) if is_panic and is_news else None,
                extra={"ends_run": True},
            )
            return
        queue.forget(key)
        self.failures.forget(key)
        if result is not None:
            if record.result == "success":
                record.result = "again"
            record.after_seconds = result.after
            queue.add(key, Cause("again"), after_seconds=result.after)
        elif record.result == "gone":
            if self.echoes is not None:
                self.echoes.forget(key)
        elif self._every_seconds:
            queue.add(key, Cause("every"), after_seconds=self._every_seconds)

    async def _timed(self, key: K, session: Session) -> Again | None:
        if not self._timeout_seconds:
            return await self._reconcile(key, session)
        limit = asyncio.timeout(self._timeout_seconds)
        try:
            async with limit:
                return await self._reconcile(key, session)
        except TimeoutError as failure:
            if not limit.expired():
                raise
            raise TimedOut(f"the run took longer than {self._timeout_seconds:g} s") from failure


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", function))
