"""The face of the framework: an app, its controllers, and the functions that do the work.

    app = App("markdown-view")
    views = app.controller(MarkdownView, owns=[core.ConfigMap, apps.Deployment])

    @views.reconcile
    async def reconcile(view: MarkdownView, ctx: Context[MarkdownView]) -> None:
        await ctx.apply(config_map(view))

An app only declares. A `Manager` runs it, as often and wherever one likes, since nothing is kept
here but the declaration.

On the ring: [informer > workqueue > **reconcile** > client].
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from arubeki.api import names
from arubeki.errors import ConfigError
from arubeki.kinds.base import Dynamic, Object
from arubeki.runtime.cache import Key
from arubeki.runtime.context import Context, Plan
from arubeki.runtime.controller import (
    TIMEOUT_SECONDS,
    Controller,
    Lookup,
    Predicate,
    itself,
    owner_of,
)
from arubeki.runtime.declaration import (
    check_index,
    check_kinds,
    check_mapper,
    check_reconcile,
    check_seconds,
    check_selectors,
    check_source,
)
from arubeki.runtime.reconcile import Reconciler
from arubeki.runtime.results import Again
from arubeki.runtime.shape import key_of, kind_of

T = TypeVar("T", bound="Object | Dynamic")
S = TypeVar("S", bound="Object | Dynamic")

Reconcile: TypeAlias = Callable[[T, Context[T]], Coroutine[Any, Any, Again | None]]
"""`async def reconcile(obj, ctx) -> None` (or `-> Again | None`)."""
MapObject: TypeAlias = Callable[[S, Lookup], Iterable[Any]]
"""From a watched object to those it concerns: objects of the controller's kind, or their `Key`s."""


class App:
    """A named set of controllers, for `arubeki run`, a `Manager` or a test's `cluster.run`.

    The name is their field manager: it owns what they apply. Under another name the same code would
    take its own children for somebody else's, so it stays the same for good.
    """

    def __init__(self, name: str) -> None:
        """Declare an app; `name` has lower-case letters, digits and `-`, at most 63.

        Raises: ConfigError when the name is no DNS label.
        """
        if faults := names.dns_label(name):
            raise ConfigError(f"app {name!r}: {faults[0]}")
        self.name = name
        self.controllers: list[KindController[Any]] = []

    def controller(
        self,
        kind: type[T],
        *,
        owns: Sequence[Any] = (),
        watches: Sequence[Any] = (),
        name: str = "",
        workers: int = 1,
        every: float = 0.0,
        timeout: float = TIMEOUT_SECONDS,
        on_error: str = "",
        predicates: Sequence[Predicate] = (),
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        finalizer: str = "",
    ) -> "KindController[T]":
        """Declare the controller of a kind: a class under `@crd`, of `arubeki.kinds`, or a `Dynamic`.

        owns: kinds it applies; their changes wake the owner, and those it drops are deleted.
        watches: kinds it reads from the cache; whom they wake, `watch` says.
        name: its name in logs and, for a second controller of a kind, its field manager.
        workers: how many objects are reconciled at once, at least 1; never one twice at a time.
        every: look at each object again that many seconds after a run that succeeded; 0: never.
        timeout: seconds that one run may take before it is ended and has failed; 0: no limit.
        on_error: a condition ("Degraded") that is True after a run that raised.
        predicates: all must agree to a change of the kind for it to wake the reconciler.
        namespace, labels, fields: reconcile only the objects they choose ("" chooses all); the
        selectors are kubectl's: "app=web,tier!=db", "spec.nodeName=n1".
        finalizer: the name under which a cleanup holds objects, `<group>/<app>` unless said.

        Raises: ConfigError when something of this is declared wrongly, saying what to write; also
        when the app has a controller of the kind and this one has no name of its own.
        Source: controller-runtime pkg/builder/controller.go.
        """
        given = kind_of(kind)
        check_selectors(labels, fields)
        check_seconds(every=every, timeout=timeout)
        if not name and any(one.plan.kind is kind for one in self.controllers):
            raise ConfigError(
                f"app {self.name} has two controllers of {given.plural}\n"
                "help: give the second a name=..., which is its field manager too"
            )
        manager = name or self.name
        plan = Plan(
            kind,
            owns=check_kinds(owns, "owns"),
            on_error=on_error,
            finalizer=finalizer or _finalizer(given.group, manager),
            timeout_seconds=timeout,
        )
        first = name or (self.name if not self.controllers else f"{self.name}-{given.plural}")
        found: KindController[T] = KindController(first, manager, plan, workers, every)
        chosen = {"namespace": namespace, "labels": labels, "fields": fields}
        found.main = {"predicates": tuple(predicates), **chosen}
        found.namespace = namespace
        found.watches = check_kinds(watches, "watches")
        self.controllers.append(found)
        return found

    def build(self) -> list[Controller[Any]]:
        """Return fresh controllers, ready for a manager.

        Raises: ConfigError when there is none, or one has no reconcile function.
        """
        if not self.controllers:
            raise ConfigError(
                f"app {self.name} has no controller\nhelp: views = app.controller(View, owns=[...])"
            )
        return [one.build() for one in self.controllers]


class KindController(Generic[T]):
    """The declaration of one controller; its decorators take the functions that do the work."""

    def __init__(self, name: str, manager: str, plan: Plan, workers: int, every: float) -> None:
        self.name = name
        self.manager = manager
        self.plan = plan
        self.workers = workers
        self.every = every
        self.namespace = ""
        self.main: dict[str, Any] = {}
        self.watches: tuple[Any, ...] = ()
        self._mappers: list[tuple[Any, MapObject[Any], tuple[Predicate, ...]]] = []
        self._sources: list[Callable[[], AsyncIterator[Any]]] = []
        self._indexes: list[tuple[Any, str, Callable[[Any], Iterable[Hashable]]]] = []

    def reconcile(self, function: Reconcile[T]) -> Reconcile[T]:
        """Decorate the function that brings one object to what it says.

        `async def reconcile(obj, ctx) -> Again | None`. Raises: ConfigError for anything else.
        """
        if self.plan.reconcile is not None:
            raise ConfigError(f"controller {self.name} has a reconcile function already")
        check_reconcile(function, "reconcile")
        self.plan.reconcile = function
        return function

    def cleanup(self, function: Reconcile[T]) -> Reconcile[T]:
        """Decorate the function that undoes what the cluster does not undo by itself.

        While there is one, a finalizer holds each object until the function has returned `None`. It
        is called as `reconcile` is, and may be called again after it was through: undoing what is
        undone already must succeed. Raises: ConfigError as `reconcile`.
        """
        if self.plan.cleanup is not None:
            raise ConfigError(f"controller {self.name} has a cleanup function already")
        check_reconcile(function, "cleanup")
        self.plan.cleanup = function
        return function

    def watch(
        self, kind: type[S], *, predicates: Sequence[Predicate] = ()
    ) -> Callable[[MapObject[S]], MapObject[S]]:
        """Decorate a function from an object of another kind to the objects it concerns.

        It is called with the old and the new object, and with the caches to look things up in:
        `def by_secret(secret, caches): return caches.index(View, "secret", secret.name)`.
        """
        kind_of(kind)

        def take(function: MapObject[S]) -> MapObject[S]:
            check_mapper(function)
            self._mappers.append((kind, function, tuple(predicates)))
            return function

        return take

    def index(
        self, kind: type[S], name: str
    ) -> Callable[[Callable[[S], Iterable[Hashable]]], Callable[[S], Iterable[Hashable]]]:
        """Decorate a function from an object to the hashable values it can be found under.

        `Context.index` and a mapper's `caches.index` find them. The index is this controller's own.
        """
        kind_of(kind)

        def take(function: Callable[[S], Iterable[Hashable]]) -> Any:
            check_index(function)
            self._indexes.append((kind, name, function))
            return function

        return take

    def source(
        self, function: Callable[[], AsyncIterator[Any]]
    ) -> Callable[[], AsyncIterator[Any]]:
        """Decorate an async generator of objects or `Key`s to look at, for what no watch tells."""
        check_source(function)
        self._sources.append(function)
        return function

    @property
    def kinds(self) -> list[Any]:
        """The kinds that it reconciles, owns or watches."""
        mapped = [kind for kind, _, _ in self._mappers]
        return [self.plan.kind, *self.plan.owns, *self.watches, *mapped]

    def build(self) -> Controller[Key]:
        """Return a fresh controller. Raises: ConfigError without a reconcile function."""
        if self.plan.reconcile is None:
            raise ConfigError(
                f"controller {self.name} has no reconcile function\n"
                f"help: async def reconcile(obj, ctx), decorated with its .reconcile"
            )
        controller: Controller[Key] = Controller(
            self.name,
            Reconciler(self.plan),
            workers=self.workers,
            timeout_seconds=0.0,  # the reconciler bounds the user's function, and writes status after
            every_seconds=self.every,
            manager=self.manager,
            hears_itself=False,
        )
        controller.watch(self.plan.kind, itself, **self.main)
        to_owner = owner_of(self.plan.kind)
        for kind in self.plan.owns:
            place = self.namespace if kind_of(kind).namespaced else ""
            controller.watch(kind, to_owner, namespace=place)
        for kind, function, predicates in self._mappers:
            mapper = _mapper(function, controller)
            controller.watch(kind, mapper, predicates=predicates, namespace=self._place(kind))
        mapped = {kind for kind, _, _ in self._mappers}
        for kind in self.watches:
            if kind not in mapped:
                controller.watch(kind, None, namespace=self._place(kind))
        for kind, name, indexed in self._indexes:
            controller.index(kind, name, indexed)
        for source in self._sources:
            controller.source(_source(source))
        return controller

    def _place(self, kind: Any) -> str:
        return self.namespace if kind_of(kind).namespaced else ""


def _mapper(function: MapObject[Any], controller: Controller[Key]) -> Callable[[Any], list[Key]]:
    return lambda obj: [_place_of(one) for one in function(obj, controller.lookup)]


def _source(function: Callable[[], AsyncIterator[Any]]) -> Callable[[], AsyncIterator[Key]]:
    async def places() -> AsyncIterator[Key]:
        async for one in function():
            yield _place_of(one)

    places.__name__ = getattr(function, "__name__", "source")
    return places


def _place_of(one: Any) -> Key:
    return Key(*one) if isinstance(one, tuple) else key_of(one)


def _finalizer(group: str, manager: str) -> str:
    """Return a qualified name: Kubernetes refuses others. Core kinds have no group to qualify it."""
    return f"{group or 'arubeki.dev'}/{manager}"
