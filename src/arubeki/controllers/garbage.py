"""Garbage collection: what nobody owns any more goes.

Three things can happen to the dependents of an object that is deleted:

- background (the default): the owner goes at once, its dependents after it;
- foreground: the finalizer `foregroundDeletion` holds the owner until the dependents that block it
  are gone;
- orphan: the finalizer `orphan` holds the owner until the references of its dependents are removed.

An object with several owners stays while one of them does, and only loses its dead references. So
every kind must be watched, custom ones too as they come and go; only metadata is kept. An owner that
the cache does not know is asked for at the server before anything is deleted on its account.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/garbagecollector.
"""

import asyncio
import contextlib
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, NamedTuple, cast

import msgspec

from arubeki.api.objects import Kind
from arubeki.errors import Conflict, NotFound, Terminal
from arubeki.kinds import apiextensions_v1 as apiextensions
from arubeki.kinds.base import Object
from arubeki.kinds.meta_v1 import OwnerReference
from arubeki.runtime.change import Change
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 10.0
"""How long all wait for a kind's first list; one that takes longer holds up nobody any more."""
GONE_LIMIT = 10_000
"""How many objects of kinds that are no longer served are remembered as gone."""
_IGNORED = {("", "events"), ("events.k8s.io", "events")}
"""Events have no owners and are many. Source: garbagecollector/graph_builder.go."""


class Node(NamedTuple):
    """An object's place among all objects; "" for all of it: which kinds are there?"""

    group: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.plural}.{self.group} {where}" if self.group else f"{self.plural} {where}"


KINDS = Node()


class _Unserved(Exception):
    """An owner is of a kind that is not served, so whether it lives cannot be known yet."""


def controller() -> Controller[Node]:
    """Return the controller."""
    return Collector().controller


class Collector:
    """The garbage collector: it learns of kinds as it goes, so it knows its own controller."""

    def __init__(self) -> None:
        self.controller: Controller[Node] = Controller(
            "generic-garbage-collector", self.reconcile, workers=10
        )
        self._metadata: dict[tuple[str, str], type[Object]] = {}
        self._custom: set[str] = set()
        # Who has an owner of a kind (group, kind) that is not served: looked at again when it is.
        self._waiting: defaultdict[tuple[str, str], set[Node]] = defaultdict(set)
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._given_up: set[Any] = set()
        self.controller.watch(apiextensions.CustomResourceDefinition, lambda _: (KINDS,))
        self.controller.source(_once)

    async def reconcile(self, key: Node, session: Session) -> Again | None:
        """Look at one object as a dependent, and as an owner if it is being deleted."""
        if key == KINDS:
            await self._learn(session)
            return None
        await self._all_known()
        cls = self._metadata.get((key.group, key.plural))
        one = None if cls is None else await session.get(cls, key.name, key.namespace)
        if one is None:
            return None
        try:
            if one.deleting:
                if ORPHAN in one.finalizers:
                    await self._orphan(one, session)
                elif FOREGROUND in one.finalizers:
                    await self._foreground(one, session)
                return None
            await self._judge(one, session)
        except _Unserved as missing:
            group, kind = missing.args
            self._waiting[group, kind].add(key)
        except (NotFound, Conflict):
            # Gone, or not what the cache said: the watch tells, and then it is judged anew.
            return Again(PAUSE_SECONDS)
        return None

    async def _all_known(self) -> None:
        """Wait for the first lists: who does not know all dependents would let an owner go early."""
        missing = [one for one in self.controller.unsynced if one not in self._given_up]
        if not missing:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for informer in missing:
                    await informer.wait_synced()
        except TimeoutError:
            self._given_up.update(one for one in missing if not one.is_synced)

    # Which kinds there are.

    async def _learn(self, session: Session) -> None:
        """Watch every kind that can be deleted, and forget those that are no longer served."""
        served: dict[tuple[str, str], list[Kind]] = defaultdict(list)
        for one in await session.client.discovery.served(refresh=True):
            place = (one.kind.group, one.kind.plural)
            if {"delete", "list", "watch"} <= one.verbs and place not in _IGNORED:
                served[place].append(one.kind)
        for place, cls in list(self._metadata.items()):
            if cls.KIND not in served.get(place, ()):
                del self._metadata[place]
                await self._forget(cls, session)
        for place, kinds in served.items():
            if place not in self._metadata:
                # Any of its versions will do: the metadata is the same in all.
                cls = cast("type[Object]", type(kinds[0].kind, (Object,), {"KIND": kinds[0]}))
                self._metadata[place] = cls
                self._watch(cls, kinds[0])
                if await _is_defined(kinds[0], session):
                    self._custom.add(f"{kinds[0].plural}.{kinds[0].group}")
                for key in self._waiting.pop((kinds[0].group, kinds[0].kind), ()):
                    self.controller.enqueue(key, f"{kinds[0].plural} are served now")

    async def _forget(self, cls: type[Object], session: Session) -> None:
        """Watch a kind no more. If its definition went, its objects did, whoever told of them."""
        kind = cls.KIND
        definition = f"{kind.plural}.{kind.group}"
        if definition in self._custom and not await _is_defined(kind, session):
            self._custom.discard(definition)
            for one in self.controller.lookup.list(cls):
                self._gone[one.uid] = None
                for key in self._nodes(self.dependents(one.uid)):
                    self.controller.enqueue(key, f"{kind.plural} are no longer served")
            while len(self._gone) > GONE_LIMIT:
                self._gone.popitem(last=False)
        self.controller.unwatch(cls)

    def _watch(self, cls: type[Object], kind: Kind) -> None:
        def itself(one: Object) -> Iterable[Node]:
            yield Node(kind.group, kind.plural, one.namespace, one.name)

        def dependents(one: Object) -> Iterable[Node]:
            yield from self._nodes(self.dependents(one.uid))

        def owners(one: Object) -> Iterable[Node]:
            for reference in one.owners:
                yield from self._owner_node(reference, one)

        self.controller.watch(cls, itself, predicates=(_is_relevant,))
        self.controller.watch(cls, dependents, predicates=(_ends,))
        self.controller.watch(cls, owners, predicates=(_lets_go,))

    def dependents(self, uid: str) -> Iterator[Object]:
        """Yield every object that names this uid among its owners."""
        if uid:
            for cls in tuple(self._metadata.values()):
                yield from self.controller.lookup.index(cls, "owner", uid)

    def _nodes(self, objects: Iterable[Object]) -> Iterator[Node]:
        for one in objects:
            kind = type(one).KIND
            yield Node(kind.group, kind.plural, one.namespace, one.name)

    def _owner_node(self, reference: OwnerReference, one: Object) -> Iterator[Node]:
        """Yield the place of an owner: one that waits for its dependents must look again."""
        cls = self._class_of(reference)
        if cls is not None:
            kind = cls.KIND
            namespace = one.namespace if kind.namespaced else ""
            yield Node(kind.group, kind.plural, namespace, reference.name)

    def _class_of(self, reference: OwnerReference) -> type[Object] | None:
        group = reference.apiVersion.rpartition("/")[0]
        for cls in self._metadata.values():
            if cls.KIND.group == group and cls.KIND.kind == reference.kind:
                return cls
        return None

    # As a dependent.

    async def _judge(self, one: Object, session: Session) -> None:
        """Delete an object whose owners are all gone; else take its dead references away."""
        if not one.owners:
            return
        dead, waiting, solid = [], [], []
        for reference in one.owners:
            owner = await self._owner(reference, one, session)
            if owner is None:
                dead.append(reference)
            elif owner.deleting and FOREGROUND in owner.finalizers:
                waiting.append(reference)
            else:
                solid.append(reference)
        if solid:
            # Also those that wait: they would wait for this object for ever.
            gone = {ref.uid for ref in (*dead, *waiting)}
            if gone:
                await self._drop(one, gone, session)
            return
        policy = "Orphan" if ORPHAN in one.finalizers else "Background"
        if FOREGROUND in one.finalizers:
            policy = "Foreground"
        dependents = list(self.dependents(one.uid))
        if waiting and dependents:
            policy = "Foreground"
            if any(each.deleting and FOREGROUND in each.finalizers for each in dependents):
                # Perhaps a circle, in which each would wait for the other. Nobody blocks then.
                one = await self._unblock(one, session)
        # Only as it was judged: it may have got a living owner in the meantime.
        await session.delete(one, resource_version=True, propagation=policy)

    async def _owner(
        self, reference: OwnerReference, one: Object, session: Session
    ) -> Object | None:
        """Return a living owner; None when it is gone. Raises: _Unserved, Terminal."""
        if reference.uid in self._gone:
            return None
        cls = self._class_of(reference)
        if cls is None:
            raise _Unserved(reference.apiVersion.rpartition("/")[0], reference.kind)
        if cls.KIND.namespaced and not one.namespace:
            message = (
                f"ownerRef [{reference.apiVersion}/{reference.kind}, namespace: , "
                f"name: {reference.name}, uid: {reference.uid}] does not exist in namespace "
                f'""'
            )
            session.event_about(one, "Warning", "OwnerRefInvalidNamespace", message)
            raise Terminal(message)
        namespace = one.namespace if cls.KIND.namespaced else ""
        cached = await session.get(cls, reference.name, namespace)
        if cached is not None and cached.uid == reference.uid:
            return cached
        live = await session.get(cls, reference.name, namespace, live=True)
        return live if live is not None and live.uid == reference.uid else None

    # As an owner.

    async def _foreground(self, owner: Object, session: Session) -> None:
        """Delete the dependents that block, and let the owner go when they are gone."""
        blocking = [
            one
            for one in self.dependents(owner.uid)
            if one.uid != owner.uid  # who owns itself need not wait for itself
            and any(ref.uid == owner.uid and ref.blockOwnerDeletion for ref in one.owners)
        ]
        if not blocking:
            await self._release(owner, FOREGROUND, session)
        for one in self._nodes(one for one in blocking if not one.deleting):
            self.controller.enqueue(one, f"{owner.kind} {owner.name} is being deleted")

    async def _orphan(self, owner: Object, session: Session) -> None:
        """Take the owner from its dependents' references, then let it go."""
        for one in list(self.dependents(owner.uid)):
            with contextlib.suppress(NotFound):
                await self._drop(one, {owner.uid}, session)
        await self._release(owner, ORPHAN, session)

    async def _release(self, owner: Object, finalizer: str, session: Session) -> None:
        rest = [name for name in owner.finalizers if name != finalizer]
        await self._patch(owner, {"finalizers": rest or None}, session)

    async def _drop(self, one: Object, uids: set[str], session: Session) -> None:
        """Remove references."""
        rest = [msgspec.to_builtins(ref) for ref in one.owners if ref.uid not in uids]
        await self._patch(one, {"ownerReferences": rest or None}, session)

    async def _unblock(self, one: Object, session: Session) -> Object:
        references = [
            {**msgspec.to_builtins(ref), "blockOwnerDeletion": False} for ref in one.owners
        ]
        return await self._patch(one, {"ownerReferences": references}, session)

    async def _patch(self, one: Object, metadata: dict[str, Any], session: Session) -> Object:
        """Change an object as it was read, so that nothing that was added since is lost."""
        precondition = {"uid": one.uid, "resourceVersion": one.resource_version}
        patch = {"metadata": {**precondition, **metadata}}
        return await session.patch(type(one), one.name, one.namespace, patch=patch)


async def _is_defined(kind: Kind, session: Session) -> bool:
    """Whether there is a definition of a custom kind."""
    name = f"{kind.plural}.{kind.group}"
    return await session.get(apiextensions.CustomResourceDefinition, name, "") is not None


async def _once() -> AsyncIterator[Node]:
    """Ask which kinds there are when the controller starts."""
    yield KINDS


def _is_relevant(change: Change[Any]) -> bool:
    """Whether a change can matter to garbage: owners, finalizers or the mark of deletion differ."""
    old, new = change.old, change.new
    if new is None:
        return False
    if old is None or old is new:
        return bool(new.owners) or new.deleting
    return bool(
        old.uid != new.uid
        or old.owners != new.owners
        or old.deleting != new.deleting
        or (new.deleting and old.finalizers != new.finalizers)
    )


def _waits(one: Object) -> bool:
    return one.deleting and FOREGROUND in one.finalizers


def _ends(change: Change[Any]) -> bool:
    """Whether an owner has gone, or has begun to wait for its dependents."""
    old, new = change.old, change.new
    if new is None or (old is not None and old.uid != new.uid):
        return True
    return _waits(new) and (old is None or not _waits(old))


def _lets_go(change: Change[Any]) -> bool:
    """Whether a dependent has gone, or no longer holds its owners: one may wait for that."""
    old, new = change.old, change.new
    return new is None or (old is not None and bool(old.uid != new.uid or old.owners != new.owners))
