"""Keeps the registry as the stored definitions say, and cleans up after those that go.

Definitions are followed by a watch of the storage, so a kind is served from within the commit that
establishes it, whichever server made that commit. The slower work (removing the objects of a
deleted definition, looking again at names once their holder is gone) is one task.

On the ring: [storage > **server** > HTTP].
Source: apiextensions-apiserver pkg/controller/finalizer/crd_finalizer.go.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arubeki.errors import ArubekiError, NotFound, RevisionMismatch
from arubeki.net.message import Request, User
from arubeki.server import wire
from arubeki.server.core import Call, Core
from arubeki.server.custom.definitions import (
    condition,
    is_terminating,
    prefix_of,
    resources_of,
)
from arubeki.server.custom.strategy import CLEANUP, DefinitionStrategy, set_terminating
from arubeki.server.resources import Resource
from arubeki.server.verbs.deletion import delete_object
from arubeki.server.verbs.removal import DeleteOptions
from arubeki.storage.base import Change, Watch

_log = logging.getLogger("arubeki.server.custom")
USER = User("system:apiserver", ("system:masters",))
RETRY_SECONDS = 5.0

Object = dict[str, Any]


class Definitions:
    """All definitions as stored, and what is served because of them."""

    def __init__(self, core: Core, resource: Resource) -> None:
        self._core = core
        self._resource = resource
        self._known: dict[str, Object] = {}
        self._served: dict[str, list[Resource]] = {}
        self._watch: Watch | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._held: dict[str, Watch] = {}

    async def start(self) -> None:
        """Serve what is stored, and follow what changes."""
        part = await self._core.storage.range(self._resource.prefix)
        for entry in part.entries:
            self._take(wire.decode(entry.value))
        prefix = self._resource.prefix
        self._watch = self._core.storage.watch(prefix, part.revision, self._observe)
        self._wake.set()
        self._task = asyncio.get_running_loop().create_task(self._tidy())

    async def stop(self) -> None:
        """Follow no more."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._held:
            self._held.popitem()[1].cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def taken(self, group: str, name: str) -> Mapping[str, str]:
        """Return the accepted names of the group's other definitions, with who has them."""
        found: dict[str, str] = {}
        for owner, definition in self._known.items():
            if owner == name or definition["spec"]["group"] != group:
                continue
            names = (definition.get("status") or {}).get("acceptedNames") or {}
            single = (names.get(key) for key in ("plural", "singular", "kind", "listKind"))
            for one in (*single, *(names.get("shortNames") or ())):
                if one:
                    found[one] = owner
        return found

    def _observe(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.entry is not None:
                self._take(wire.decode(change.entry.value))
            else:
                self._drop(change.key.removeprefix(self._resource.prefix))
        self._wake.set()

    def _take(self, definition: Object) -> None:
        name = definition["metadata"]["name"]
        self._known[name] = definition
        before = self._served.get(name, [])
        after = resources_of(definition)
        kept = {(one.group, one.version, one.plural) for one in after}
        for resource in before:
            if (resource.group, resource.version, resource.plural) not in kept:
                self._core.registry.remove(resource)
        for resource in after:
            self._core.registry.add(resource)
        self._served[name] = after

    def _drop(self, name: str) -> None:
        definition = self._known.pop(name, None)
        for resource in self._served.pop(name, []):
            self._core.registry.remove(resource)
        if definition is not None:
            self._core.hubs.close(prefix_of(definition))

    async def _tidy(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for name in list(self._known):
                try:
                    await self._tidy_one(name)
                except Exception as error:
                    # One odd definition must not keep the others from being tidied.
                    known = isinstance(error, ArubekiError)
                    _log.warning("definition %s: %s", name, error, exc_info=not known)
                    asyncio.get_running_loop().call_later(RETRY_SECONDS, self._wake.set)

    async def _tidy_one(self, name: str) -> None:
        definition = self._known.get(name)
        if definition is None:
            return
        if is_terminating(definition):
            if CLEANUP in (definition["metadata"].get("finalizers") or ()):
                await self._clean_up(name, definition)
        elif condition(definition, "NamesAccepted") == "False":
            await self._accept_again(name)

    async def _accept_again(self, name: str) -> None:
        """Look at the names of a definition again: who had them may be gone."""
        strategy = self._core.strategy(self._resource)
        assert isinstance(strategy, DefinitionStrategy)

        await self._update(name, strategy.accept)

    async def _clean_up(self, name: str, definition: Object) -> None:
        """Remove the objects of a deleted definition, then let it go."""
        prefix = prefix_of(definition)
        resources = self._served.get(name, [])
        part = await self._core.storage.range(prefix)
        if part.entries and resources:
            await self._delete_all(resources[0], [entry.key for entry in part.entries])
            part = await self._core.storage.range(prefix)
        if part.entries and resources:
            self._when_changed(prefix)
            return

        def change(obj: Object) -> None:
            message = "removed all instances"
            set_terminating(obj, "False", "InstanceDeletionCompleted", message)
            finalizers = obj["metadata"].get("finalizers") or []
            obj["metadata"]["finalizers"] = [one for one in finalizers if one != CLEANUP]

        await self._update(name, change)

    async def _delete_all(self, resource: Resource, keys: Sequence[str]) -> None:
        for index, key in enumerate(keys):
            if index % 100 == 99:
                await asyncio.sleep(0)
            namespace, _, name = key.removeprefix(resource.prefix).rpartition("/")
            call = Call(
                self._core, Request("DELETE", ""), USER, resource, "delete", namespace, name
            )
            try:
                await delete_object(call, DeleteOptions())
            except NotFound:
                continue

    def _when_changed(self, prefix: str) -> None:
        """Come back when one of the objects, held by its finalizers, has changed."""
        if prefix in self._held:
            return

        def observe(_: Sequence[Change]) -> None:
            watch = self._held.pop(prefix, None)
            if watch is not None:
                watch.cancel()
            self._wake.set()

        storage = self._core.storage
        self._held[prefix] = storage.watch(prefix, storage.revision, observe)

    async def _update(self, name: str, change: Callable[[Object], None]) -> None:
        """Change a definition as it is now; without finalizers, a deleted one goes."""
        storage = self._core.storage
        while True:
            entry = await storage.get(self._resource.key("", name))
            if entry is None:
                return
            obj = wire.decode(entry.value)
            change(obj)
            gone = is_terminating(obj) and not obj["metadata"].get("finalizers")
            value = None if gone else wire.encode(obj)
            if value is not None and wire.stamp(value, entry.revision) == entry.value:
                return
            try:
                await storage.commit(entry.key, value, expected=entry.revision)
            except RevisionMismatch:
                continue
            return
