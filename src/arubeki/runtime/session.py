"""What one run may do: read from the caches, write to the server.

Reads come from the caches of the kinds that the controller declared, and from the server for others
or when `live` is asked for. Every write made here (create, apply, update, patch, delete) lays its
answer over the caches, so that reads in this and later runs see it although the watch has not told
of it yet. A controller therefore needs no expectations.

On the ring: [workqueue > **reconcile** > client].
"""

import builtins
import logging
from collections.abc import Hashable, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from arubeki.api.objects import Kind
from arubeki.api.selectors import LabelSelector
from arubeki.client.client import Client
from arubeki.client.options import PATCH_TYPES, delete_options, query_text
from arubeki.errors import ConfigError, NotFound
from arubeki.kinds.base import Dynamic, Object
from arubeki.runtime.cache import NAMESPACE_INDEX, OWNER_INDEX, Entry, Key
from arubeki.runtime.decoding import revision_of
from arubeki.runtime.events import Recorder
from arubeki.runtime.informer import Informer
from arubeki.runtime.informers import Informers
from arubeki.runtime.intents import Intents, Target
from arubeki.runtime.shape import encode, key_of, kind_of, revision_text_of, uid_of
from arubeki.runtime.trace import Record, Write

R = TypeVar("R", bound="Object | Dynamic")
D = TypeVar("D", bound=Dynamic)
logger = logging.getLogger("arubeki")


class Environment:
    """What all runs of one controller share.

    `manager` is its field manager, `client` writes under its identity. `declared` are the informers
    of this controller's own selectors and namespaces, which reads prefer.
    """

    def __init__(
        self, name: str, client: Client, informers: Informers, *, manager: str = ""
    ) -> None:
        self.name = name
        self.manager = manager or name
        self.client = client
        self.informers = informers
        self.declared: dict[Any, Informer[Any]] = {}
        self.intents = Intents(self.manager)
        self.statuses: dict[Hashable, dict[str, Any]] = {}
        self.recorder = Recorder(client, self.manager)

    def forget(self, key: Hashable) -> None:
        """Drop what was kept for a key: its object is gone."""
        self.intents.forget(key)
        self.statuses.pop(key, None)

    def index_name(self, name: str) -> str:
        """Return the name of an index in the shared cache: those declared are the controller's own."""
        return name if name in (OWNER_INDEX, NAMESPACE_INDEX) else f"{self.name}/{name}"

    def informer(self, kind: Any, namespace: str = "") -> Informer[Any] | None:
        """Return a synced cache that answers for a kind in a namespace ("": all of them)."""
        found = self.declared.get(kind)
        if found is None or (found.namespace and found.namespace != namespace):
            found = self.informers.find(kind, namespace)
        return found if found is not None and found.is_synced else None


class _Log(logging.LoggerAdapter[logging.Logger]):
    """Puts the controller, the object and the run before each message.

    On the record, `controller` is the controller's name, and `ends_run` whether the framework says how
    the run failed, which the trace tells too.
    """

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        own = cast(Mapping[str, Any], self.extra)
        said = {"controller": own["controller"], "ends_run": False, **(kwargs.get("extra") or {})}
        kwargs["extra"] = said
        return f"{own['run']} {own['object']}: {msg}", kwargs


class Session:
    """One run's way to the caches and to the server.

    `key` is what the run is for, `env` what all runs of the controller share.
    """

    def __init__(self, env: Environment, key: Hashable, record: Record) -> None:
        self.key = key
        self.client = env.client
        self.record = record
        self.env = env
        self.quiet: set[int] = set()
        """Revisions of writes that need not wake this key (see `runtime.echo`)."""

    @property
    def log(self) -> "logging.LoggerAdapter[logging.Logger]":
        """A logger that says which controller, object and run it is."""
        record = self.record
        extra = {"run": record.id, "object": record.key, "controller": record.controller}
        return _Log(logger, extra)

    # Reading.

    async def get(
        self, kind: type[R], name: str, namespace: str | None = None, *, live: bool = False
    ) -> R | None:
        """Return an object, None when there is none; from the cache unless `live`.

        `namespace` is that of the object this run is for, unless said.
        """
        namespace = self._namespace(kind, namespace)
        informer = None if live else self.env.informer(kind, namespace)
        if informer is not None:
            return cast("R | None", informer.get(name, namespace))
        self.record.requests += 1
        try:
            data = await self.client.request("GET", kind_of(kind).path(namespace, name))
        except NotFound:
            return None
        return self.env.informers.decoding(kind).entry(data).object

    async def list(
        self,
        kind: type[R],
        namespace: str | None = None,
        *,
        labels: str | LabelSelector = "",
        live: bool = False,
    ) -> builtins.list[R]:
        """Return the objects of a namespace ("": of all); from the cache unless `live`.

        `namespace` is that of the object this run is for, unless said.
        """
        namespace = self._namespace(kind, namespace)
        informer = None if live else self.env.informer(kind, namespace)
        if informer is not None:
            selector = LabelSelector.parse(labels) if isinstance(labels, str) else labels
            return informer.list(namespace, labels=None if not str(selector) else selector)
        self.record.requests += 1
        return list(await self.client.list(kind, namespace, labels=str(labels)))

    async def index(self, kind: type[R], name: str, value: Hashable) -> builtins.list[R]:
        """Return the cached objects that an index of theirs files under `value`.

        "owner" (uid of any owner) and "namespace" are always there.
        Raises: ConfigError when the kind is not cached by this controller.
        """
        informer = self.env.informer(kind)
        if informer is None:
            raise ConfigError(
                f"{self.env.name} does not watch {kind_of(kind).plural}, so there is no index"
            )
        return informer.index(self.env.index_name(name), value)

    # Writing.

    async def create(self, obj: R) -> R:
        """Create an object and return it as the server made it.

        Raises: AlreadyExists, Invalid, and any other ApiError.
        """
        kind = kind_of(type(obj))
        path = kind.path(key_of(obj).namespace)
        data = await self._write("create", "POST", path, kind, key_of(obj), body=encode(obj))
        return self._entry(type(obj), data).object

    async def apply(self, obj: R, *, subresource: str = "", force: bool = True) -> R:
        """Apply an object as this controller's field manager and return the live one.

        Nothing is sent when the intent is the last one and the fields that it set are still ours
        (see `runtime.intents`); then the cached object is returned.
        Raises: Conflict without `force`, Invalid, and any other ApiError.
        """
        return await self.apply_bytes(
            type(obj), key_of(obj), encode(obj), subresource=subresource, force=force
        )

    async def apply_bytes(
        self, cls: type[R], key: Key, body: bytes, *, subresource: str = "", force: bool = True
    ) -> R:
        """Apply an object given as JSON: what `apply` is made of."""
        env, kind = self.env, kind_of(cls)
        target = Target(kind.group, kind.kind, key, subresource)
        informer = env.informer(cls, key.namespace)
        cached = None if informer is None else informer.cache.get(key)
        if cached is not None and env.intents.is_applied(self.key, target, body, cached):
            self.record.skipped += 1
            return cast(R, cached.object)
        data = await self._write(
            "apply",
            "PATCH",
            kind.path(*key, subresource),
            kind,
            key,
            subresource=subresource,
            body=body,
            media_type=PATCH_TYPES["apply"],
            force=force,
        )
        entry = self._entry(cls, data)
        env.intents.remember(self.key, target, body, entry)
        return entry.object

    async def last_intent(self, target: Target, kind: type[Any]) -> dict[str, Any]:
        """Ask the server what this field manager applied last to an object."""
        from arubeki.api.apply import extract

        self.record.requests += 1
        data = await self.client.request("GET", kind_of(kind).path(*target.key))
        return extract(msgspec.json.decode(data), self.env.manager, target.subresource)

    async def update(self, obj: D, *, subresource: str = "") -> D:
        """Replace a `Dynamic` object; its resourceVersion, if it has one, must be current.

        A typed object is never sent back whole: it lacks what its class does not declare.
        Raises: Conflict when the object has changed since, and any other ApiError.
        """
        kind, key = kind_of(type(obj)), key_of(obj)
        path = kind.path(*key, subresource)
        data = await self._write(
            "update", "PUT", path, kind, key, subresource=subresource, body=encode(obj)
        )
        return self._entry(type(obj), data).object

    async def patch(
        self,
        kind: type[R],
        name: str,
        namespace: str = "",
        *,
        patch: Mapping[str, Any] | Sequence[Any],
        type: str = "merge",
        subresource: str = "",
    ) -> R:
        """Patch an object ("merge", "json" or "strategic") and return it.

        `metadata.resourceVersion` and `metadata.uid` in a merge patch make it conditional.
        Raises: NotFound, Conflict, and any other ApiError.
        """
        where, key = kind_of(kind), Key(namespace, name)
        data = await self._write(
            "patch",
            "PATCH",
            where.path(namespace, name, subresource),
            where,
            key,
            subresource=subresource,
            body=msgspec.json.encode(patch),
            media_type=PATCH_TYPES[type],
        )
        return self._entry(kind, data).object

    async def post(
        self, obj: "Object | Dynamic", subresource: str, body: Mapping[str, Any]
    ) -> None:
        """Create a subresource that is a deed (`binding`, `eviction`) on an object.

        Raises: NotFound, Conflict, and any other ApiError.
        """
        key, kind = key_of(obj), kind_of(type(obj))
        await self._write(
            subresource,
            "POST",
            kind.path(*key, subresource),
            kind,
            key,
            subresource=subresource,
            body=msgspec.json.encode(body),
        )

    async def delete(
        self,
        obj: "Object | Dynamic",
        *,
        resource_version: bool = False,
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> bool:
        """Delete this very object (its uid is a precondition); False when it is gone already.

        `resource_version`: only as it was read. `propagation`: Background, Foreground or Orphan.
        Raises: Conflict when another object has the name, and any other ApiError.
        """
        kind, key, uid = kind_of(type(obj)), key_of(obj), uid_of(obj)
        options = delete_options(
            uid=uid,
            resource_version=revision_text_of(obj) if resource_version else "",
            grace_seconds=grace_seconds,
            propagation=propagation,
        )
        body = msgspec.json.encode(options)
        try:
            await self._write("delete", "DELETE", kind.path(*key), kind, key, body=body, uid=uid)
        except NotFound:
            self.env.informers.cover_gone(kind, key, uid)
            return False
        return True

    def forget(self) -> None:
        """Drop what is kept for this run's key: what it is for is gone."""
        self.env.forget(self.key)

    def event_about(self, obj: Any, type: str, reason: str, message: str) -> None:
        """Report an Event about an object (`type` is "Normal" or "Warning") when the run ends.

        Equal events are counted, not repeated, and too many about one object are dropped.
        """
        self.env.recorder.add(obj, type, reason, message)

    def _namespace(self, kind: Any, said: str | None) -> str:
        if said is not None:
            return said
        return self.key.namespace if isinstance(self.key, Key) and kind_of(kind).namespaced else ""

    def _entry(self, cls: type[R], data: bytes) -> Entry[R]:
        return self.env.informers.decoding(cls).entry(data)

    async def _write(
        self,
        verb: str,
        method: str,
        path: str,
        kind: Kind,
        key: Key,
        *,
        body: bytes,
        subresource: str = "",
        media_type: str = "application/json",
        force: bool = False,
        uid: str = "",
    ) -> bytes:
        """Send a write, note it in the trace, and lay its answer over the caches."""
        informers = self.env.informers
        manager = "" if method == "DELETE" else self.env.manager
        query = query_text(fieldManager=manager, force=force)
        self.record.requests += 1
        # As it was before: the watch may tell of the write sooner than its answer comes.
        before = {one.revision for one in informers.cached(kind, key)}
        data = await self.client.request(
            method, path, query=query, body=body, media_type=media_type
        )
        answer = msgspec.json.decode(data, type=_Answer)
        if answer.kind != kind.kind:
            # A Status: deleted at once. Or the answer of a subresource of another kind.
            if method == "DELETE":
                informers.cover_gone(kind, key, uid)
            self.record.add(Write(verb, kind.kind, *key, subresource))
            return data
        key = Key(answer.metadata.namespace, answer.metadata.name)
        revision = revision_of(answer.metadata.resourceVersion)
        self.record.add(Write(verb, kind.kind, *key, subresource, revision, revision not in before))
        # Some kinds are answered with the object although it is gone, unmarked if it went at once.
        is_unmarked = method == "DELETE" and answer.metadata.deletionTimestamp is None
        if is_unmarked or answer.is_gone:
            informers.cover_gone(kind, key, answer.metadata.uid)
        else:
            informers.cover(kind, data)
        return data


class _AnswerMetadata(msgspec.Struct, gc=False, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    deletionTimestamp: str | None = None
    deletionGracePeriodSeconds: int | None = None
    finalizers: tuple[str, ...] | None = None


class _NamespaceSpec(msgspec.Struct, gc=False, frozen=True):
    finalizers: tuple[str, ...] | None = None


class _Answer(msgspec.Struct, gc=False, frozen=True):
    kind: str = ""
    apiVersion: str = ""
    metadata: _AnswerMetadata = _AnswerMetadata()
    spec: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def is_gone(self) -> bool:
        """Whether the write took away the last thing that held a deleted object.

        Source: apiserver pkg/registry/generic/registry/store.go ShouldDeleteDuringUpdate, and
        kubernetes pkg/registry/core/namespace/storage for what holds a namespace besides.
        """
        found = self.metadata
        if found.deletionTimestamp is None or found.finalizers or found.deletionGracePeriodSeconds:
            return False
        if (self.apiVersion, self.kind) == ("v1", "Namespace"):
            return not msgspec.json.decode(self.spec, type=_NamespaceSpec).finalizers
        return True
