"""Garbage collection: what nobody owns any more goes.

Three things can happen to the dependents of an object that is deleted:

- background (the default): the owner goes at once, its dependents after it;
- foreground: the finalizer `foregroundDeletion` holds the owner until the dependents that block it
  are gone;
- orphan: the finalizer `orphan` holds the owner until the references of its dependents are removed.

An object with several owners stays while one of them does, and only loses its dead references. So
every kind must be watched, custom ones too as they come; only metadata is kept. An owner that the
cache does not know is asked for at the server before anything is deleted on its account.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/garbagecollector.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, NamedTuple, cast

import msgspec

from arubeki.api.objects import Kind
from arubeki.errors import ArubekiError, Conflict, NotFound, Terminal
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
_IGNORED = {("", "events"), ("events.k8s.io", "events")}
"""Events have no owners and are many. Source: garbagecollector/graph_builder.go."""


class Unresolvable(ArubekiError):
    """An owner is of a kind that is not served, so whether it lives cannot be known; try later."""


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
        self.controller.watch(apiextensions.CustomResourceDefinition, lambda _: (KINDS,))
        self.controller.source(_once)

    async def reconcile(self, key: Node, session: Session) -> Again | None:
        """Look at one object as a dependent, and as an owner if it is being deleted."""
        if key == KINDS:
            await self._learn(session)
            return None
        if self.controller.unsynced:
            return Again(PAUSE_SECONDS)  # without all dependents no owner may be let go
        cls = self._metadata.get((key.group, key.plural))
        one = None if cls is None else await session.get(cls, key.name, key.namespace)
        if one is None:
            return None
        try:
            if one.deleting:
                if ORPHAN in one.finalizers:
                    return await self._orphan(one, session)
                if FOREGROUND in one.finalizers:
                    return await self._foreground(one, session)
                return None
            await self._judge(one, session)
        except (NotFound, Conflict):
            # Gone, or not what the cache said: the watch tells, and then it is judged anew.
            return Again(PAUSE_SECONDS)
        return None

    # Which kinds there are.

    async def _learn(self, session: Session) -> None:
        """Watch every kind that can be deleted, and forget those that are no longer served."""
        served: dict[tuple[str, str], Kind] = {}
        for one in await session.client.discovery.served(refresh=True):
            place = (one.kind.group, one.kind.plural)
            if {"delete", "list", "watch"} <= one.verbs and place not in _IGNORED:
                served.setdefault(place, one.kind)
        for place in self._metadata.keys() - served.keys():
            self.controller.unwatch(self._metadata.pop(place))
        for place, kind in served.items():
            if place not in self._metadata:
                cls = cast("type[Object]", type(kind.kind, (Object,), {"KIND": kind}))
                self._metadata[place] = cls
                self._watch(cls, kind)

    def _watch(self, cls: type[Object], kind: Kind) -> None:
        def itself(one: Object) -> Iterable[Node]:
            yield Node(kind.group, kind.plural, one.namespace, one.name)

        def relatives(one: Object) -> Iterable[Node]:
            yield from self._nodes(self.dependents(one.uid))
            for reference in one.owners:
                yield from self._owner_node(reference, one)

        self.controller.watch(cls, itself, predicates=(_is_relevant,))
        self.controller.watch(cls, relatives, predicates=(_ends,))

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
            gone = [*dead, *(ref for ref in waiting if ref.blockOwnerDeletion)]
            if gone:
                await self._drop(one, [ref.uid for ref in gone], session)
            return
        dependents = list(self.dependents(one.uid))
        if waiting and dependents:
            if any(each.deleting and FOREGROUND in each.finalizers for each in dependents):
                # A circle: each would wait for the other. Nobody blocks then.
                await self._unblock(one, session)
            await session.delete(one, resource_version=False, propagation="Foreground")
            return
        policy = "Orphan" if ORPHAN in one.finalizers else "Background"
        if FOREGROUND in one.finalizers:
            policy = "Foreground"
        await session.delete(one, propagation=policy)

    async def _owner(
        self, reference: OwnerReference, one: Object, session: Session
    ) -> Object | None:
        """Return a living owner; None when it is gone. What cannot be known raises."""
        cls = self._class_of(reference)
        if cls is None:
            raise Unresolvable(f"{reference.apiVersion} {reference.kind} is not served")
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

    async def _foreground(self, owner: Object, session: Session) -> Again | None:
        """Delete the dependents that block, and let the owner go when they are gone."""
        blocking = [
            one
            for one in self.dependents(owner.uid)
            if any(ref.uid == owner.uid and ref.blockOwnerDeletion for ref in one.owners)
        ]
        if not blocking:
            await self._release(owner, FOREGROUND, session)
            return None
        for one in self._nodes(one for one in blocking if not one.deleting):
            self.controller.enqueue(one, f"{owner.kind} {owner.name} is being deleted")
        return None

    async def _orphan(self, owner: Object, session: Session) -> Again | None:
        """Take the owner from its dependents' references, then let it go."""
        for one in list(self.dependents(owner.uid)):
            try:
                await self._drop(one, [owner.uid], session)
            except NotFound:
                continue
        await self._release(owner, ORPHAN, session)
        return None

    async def _release(self, owner: Object, finalizer: str, session: Session) -> None:
        rest = [name for name in owner.finalizers if name != finalizer]
        await self._patch(
            owner,
            {"finalizers": rest or None, "resourceVersion": owner.resource_version},
            session,
        )

    async def _drop(self, one: Object, uids: list[str], session: Session) -> None:
        """Remove references; the revision makes sure that no other reference is lost."""
        rest = [msgspec.to_builtins(ref) for ref in one.owners if ref.uid not in uids]
        await self._patch(
            one,
            {"ownerReferences": rest or None, "resourceVersion": one.resource_version},
            session,
        )

    async def _unblock(self, one: Object, session: Session) -> None:
        references = [
            {**msgspec.to_builtins(ref), "blockOwnerDeletion": False} for ref in one.owners
        ]
        await self._patch(
            one, {"ownerReferences": references, "resourceVersion": one.resource_version}, session
        )

    async def _patch(self, one: Object, metadata: dict[str, Any], session: Session) -> None:
        patch = {"metadata": {"uid": one.uid, **metadata}}
        await session.patch(type(one), one.name, one.namespace, patch=patch)


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
        old.owners != new.owners
        or old.deleting != new.deleting
        or (new.deleting and old.finalizers != new.finalizers)
    )


def _ends(change: Change[Any]) -> bool:
    """Whether an owner has gone, or has begun to wait for its dependents."""
    old, new = change.old, change.new
    if new is None:
        return True
    return bool(new.deleting and FOREGROUND in new.finalizers and (old is None or not old.deleting))
