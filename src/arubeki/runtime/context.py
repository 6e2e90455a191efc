"""What a reconciler has in hand: the object's place, the caches, the writes, what it wants to say.

One `Context` is one run. What it says of the object (conditions, status, Events) is collected and
written when the run ends; what it applies is noted, so that what it did not apply can be pruned.

On the ring: [workqueue > **reconcile** > client].
"""

import builtins
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from arubeki.api.objects import Kind
from arubeki.errors import ConfigError
from arubeki.kinds.base import Dynamic, Object
from arubeki.runtime.cache import OWNER_INDEX, Entry, Key
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session
from arubeki.runtime.shape import (
    encode,
    key_of,
    kind_of,
    reference_to,
    revision_text_of,
    with_metadata,
)
from arubeki.runtime.status import Draft, Statement, fields_of, status_fields

T = TypeVar("T", bound="Object | Dynamic")
R = TypeVar("R", bound="Object | Dynamic")


class Context(Session, Generic[T]):
    """What a reconciler of a `T` may do. It holds one run and is not kept after it.

    `object` is the object as the run began, `key` its place, `client` and `log` are for what this
    class does not offer. Reads of kinds in `owns`, `watches` and `@watch` come from the cache and send
    nothing; others are one request. Reads see this process's own writes at once.

        await ctx.apply(child)                         # what should be, as this field manager
        secret = await ctx.get(core.Secret, "key")     # None when there is none
        ctx.condition("Ready", secret is not None)     # written once, when the run ends
    """

    def __init__(self, session: Session, plan: "Plan", obj: T) -> None:
        """Made by the framework for each run."""
        super().__init__(session.env, session.key, session.record)
        self.quiet = session.quiet
        self.object = obj
        self.plan = plan
        self.draft = Draft()
        self.applied: set[tuple[str, str, Key]] = set()
        self.keeps_all = False
        self._owner = reference_to(obj)
        self._owner_kind = kind_of(type(obj))
        self._owner_key = key_of(obj)

    async def apply(
        self,
        obj: R,
        *,
        subresource: str = "",
        force: bool = True,
        owned: bool = True,
    ) -> R:
        """Apply an object as this controller's field manager; return the live one, typed.

        Filled in: the namespace of the object this run is for, and, if `owned`, a reference to it as
        the controlling owner, so that it goes with it and its changes wake this reconciler (its kind
        must be among `owns`). What was applied in an earlier run and is not in this one is deleted.
        Nothing is sent when it would change nothing; then the cached object is returned.
        `subresource`: apply to "status" or "scale" instead. `force`: take over fields that another
        manager has.

        Raises: Conflict without `force`; Invalid, Forbidden and any other ApiError; TransportError;
        ConfigError when it cannot be owned or was read from the server.
        Source: KEP-555, server-side apply.
        """
        found = kind_of(type(obj))
        namespace = "" if key_of(obj).namespace or not found.namespaced else self._owner_key[0]
        filled = with_metadata(obj, namespace=namespace, owner=self._owner if owned else None)
        key = key_of(filled)
        if owned and self._owner_kind.namespaced and key.namespace != self._owner_key.namespace:
            raise ConfigError(
                f"{found.kind} {key} cannot be owned by {self._owner_kind.kind} {self._owner_key}: "
                "an owner must be in the same namespace\n"
                "help: apply it with owned=False and delete it in a cleanup"
            )
        if found.namespaced and not key.namespace:
            raise ConfigError(f"{found.kind} {key.name} needs a namespace: its owner has none")
        if revision_text_of(filled):
            raise ConfigError(
                f"{found.kind} {key} is a live object (it has a resourceVersion)\n"
                "help: apply an object that says only what you want: every field in it becomes yours"
            )
        if owned:
            self._check_owned(found, key)
        self.applied.add((found.group, found.kind, key))
        body = encode(filled)
        return await self.apply_bytes(type(obj), key, body, subresource=subresource, force=force)

    def _check_owned(self, kind: Kind, key: Key) -> None:
        """Refuse what would be neither watched nor pruned. Raises: ConfigError."""
        if key == self._owner_key and _is_same(kind, self._owner_kind):
            raise ConfigError(
                f"{kind.kind} {key} cannot own itself\nhelp: apply it with owned=False"
            )
        if not any(_is_same(kind, kind_of(one)) for one in self.plan.owns):
            raise ConfigError(
                f"{self.env.name} applies a {kind.kind}, which is not among what it owns\n"
                f"help: app.controller({self._owner_kind.kind}, owns=[..., {kind.kind}]), "
                "or apply it with owned=False"
            )

    async def children(self, kind: type[R]) -> builtins.list[R]:
        """Return the objects of a kind that this one controls, from the cache.

        Raises: ConfigError when the kind is not watched by this controller.
        """
        return [entry.object for entry in self.controlled(kind)]

    def controlled(self, kind: Any) -> builtins.list[Entry[Any]]:
        """Return the cache entries of the objects that this one controls."""
        informer = self.env.informer(kind, self._owner_key.namespace)
        if informer is None:
            raise ConfigError(
                f"{self.env.name} has no cache of {kind_of(kind).plural}\n"
                "help: name the kind in owns=[...] or watches=[...]"
            )
        uid = self._owner.uid
        found = informer.cache.lookup(OWNER_INDEX, uid)
        return [entry for entry in found if entry.controller == uid]

    def condition(
        self,
        type: str,
        status: bool | None,
        reason: str = "",
        message: str = "",
        *,
        event: bool = False,
    ) -> None:
        """Say a condition of the object (None: Unknown); `event` reports it when it flips.

        `type` and `reason` are one CamelCase word each ("AsExpected" or "NotAsExpected" unless given),
        `message` is for people, at most 32,768 characters. Written at the end of the run, together, and only when something differs.
        Raises: TypeError when `status` is neither a bool nor None; ConfigError when the class of the
        status has no conditions.
        """
        self.plan.check_status(("conditions",))
        if status is not None and not isinstance(status, bool):
            raise TypeError(
                f"condition {type}: {status!r} is none of True, False and None (Unknown)"
            )
        self.draft.say(Statement(type, status, reason, message, event))

    def status(self, given: Any = None, **fields: Any) -> None:
        """Say other fields of the status, as a struct or mapping, or by their names.

        Raises: ConfigError for a field that the class of the status does not have.
        """
        said = fields_of(given, fields)
        self.plan.check_status(said)
        self.draft.fields.update(said)

    def keep(self, kind: Any = None, name: str = "", namespace: str | None = None) -> None:
        """Hold a dependent back from pruning, though this run did not apply it; all without a kind."""
        if kind is None:
            self.keeps_all = True
            return
        found = kind_of(kind)
        place = self._namespace(kind, namespace)
        self.applied.add((found.group, found.kind, Key(place, name)))

    def event(self, type: str, reason: str, message: str) -> None:
        """Report an Event about the object ("Normal" or "Warning") when the run ends.

        `reason` is one CamelCase word, `message` at most 1,024 characters (the rest is cut off). Equal
        Events are counted up within ten minutes; past 25 an object gets one in five minutes.
        """
        self.event_about(self.object, type, reason, message)


Function: TypeAlias = Callable[[Any, Context[Any]], Coroutine[Any, Any, Again | None]]


@dataclass(slots=True)
class Plan:
    """How objects of one kind are reconciled: what the user declared.

    `on_error` is the condition that is True after a run that raised; `finalizer` the name that the
    framework puts on the object while there is a `cleanup`.
    """

    kind: Any
    reconcile: Function | None = None
    cleanup: Function | None = None
    owns: Sequence[Any] = ()
    on_error: str = ""
    finalizer: str = ""
    timeout_seconds: float = 300.0
    status_fields: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self.status_fields = status_fields(self.kind)
        if self.on_error:
            self.check_status(("conditions",))

    def check_status(self, said: Iterable[str]) -> None:
        """Refuse fields that the status cannot hold. Raises: ConfigError."""
        known = self.status_fields
        if known is None or not (unknown := [one for one in said if one not in known]):
            return
        kind = kind_of(self.kind).kind
        if not known:
            help_ = f"class {kind}(Resource[Spec, Status])" if hasattr(self.kind, "SPEC") else ""
            raise ConfigError(f"{kind} has no status" + (f"\nhelp: {help_}" if help_ else ""))
        help_ = f"it has {', '.join(known)}"
        if unknown == ["conditions"]:
            help_ = "conditions: Conditions = ()"
        raise ConfigError(f"the status of {kind} has no field {', '.join(unknown)}\nhelp: {help_}")


def _is_same(one: Kind, other: Kind) -> bool:
    return (one.group, one.kind) == (other.group, other.kind)
