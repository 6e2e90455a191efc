"""What all kinds share: apiVersion, kind, metadata, and the questions one asks of any object.

`Object` is the base of built-in kinds (generated) and, as `Resource[Spec, Status]`, of the kinds
that users define. `Dynamic` holds an object without a class. All three have `KIND` and the same
properties, so that clients, informers and reconcilers take any of them as `type[T]`.

`spec` and `status` always read as a struct, as in Go: what was not said reads as an empty one and
is not on the wire. So a typed object without its spec is a partial intent like any other.

On the ring: what informers keep and reconcilers get.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar, get_args, get_origin

import msgspec

from arubeki.api.objects import Kind
from arubeki.errors import ConfigError
from arubeki.kinds.codec import decode, encode, from_dict, from_yaml, to_dict, to_yaml
from arubeki.kinds.meta_v1 import ObjectMeta, OwnerReference
from arubeki.kinds.model import UNSET, Model, UnsetType, unsaid

__all__ = [
    "UNSET",
    "Dynamic",
    "Model",
    "Object",
    "ObjectMeta",
    "Resource",
    "UnsetType",
    "decode",
    "encode",
    "from_dict",
    "from_yaml",
    "to_dict",
    "to_yaml",
]

S = TypeVar("S")
T = TypeVar("T")


class Face:
    """The questions one asks of any object, typed or not."""

    __slots__ = ()

    KIND: ClassVar[Kind]

    @property
    def name(self) -> str:
        """`metadata.name`, "" while it has none."""
        return self._metadata().name or ""

    @property
    def namespace(self) -> str:
        """`metadata.namespace`, "" for cluster-scoped objects."""
        return self._metadata().namespace or ""

    @property
    def uid(self) -> str:
        """`metadata.uid`, "" before the object is created."""
        return self._metadata().uid or ""

    @property
    def resource_version(self) -> str:
        """`metadata.resourceVersion`, "" before the object is created."""
        return self._metadata().resourceVersion or ""

    @property
    def generation(self) -> int:
        """`metadata.generation`: counts changes of the spec; 0 for kinds without one."""
        return self._metadata().generation or 0

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`, perhaps empty."""
        return self._metadata().labels or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """`metadata.annotations`, perhaps empty."""
        return self._metadata().annotations or {}

    @property
    def finalizers(self) -> tuple[str, ...]:
        """`metadata.finalizers`, perhaps empty."""
        return self._metadata().finalizers or ()

    @property
    def owners(self) -> tuple[OwnerReference, ...]:
        """`metadata.ownerReferences`, perhaps empty."""
        return self._metadata().ownerReferences or ()

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that manages this object, of which there is at most one."""
        return next((owner for owner in self.owners if owner.controller), None)

    @property
    def deleting(self) -> bool:
        """Whether deletion was asked for; finalizers or a grace period still hold the object."""
        return bool(self._metadata().deletionTimestamp)

    def _metadata(self) -> ObjectMeta:
        raise NotImplementedError


class Object(Face, Model):
    """Any object that has a kind and metadata; `KIND` tells where it is served.

    apiVersion and kind need not be given and are always on the wire. Items of a list come without
    them and have them filled in.
    """

    apiVersion: str = unsaid()
    kind: str = unsaid()
    metadata: ObjectMeta = ObjectMeta()

    def __post_init__(self) -> None:
        """Fill in what the class knows."""
        missing = [field for field in ("apiVersion", "kind") if getattr(self, field) is UNSET]
        if not missing:
            return
        kind = getattr(type(self), "KIND", None)
        if kind is None:
            raise ConfigError(f"{type(self).__name__} has no KIND: decorate it with @crd")
        known = {"apiVersion": kind.api_version, "kind": kind.kind}
        for field in missing:
            msgspec.structs.force_setattr(self, field, known[field])

    def _metadata(self) -> ObjectMeta:
        return self.metadata


class Confidential(Object):
    """An object that shows the keys but never the values of its `CONCEALED` maps.

    A repr ends in logs, in tracebacks and in test reports.
    """

    CONCEALED: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """`Secret(metadata=..., data=('password',))`."""
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the same for printers that take objects apart."""
        concealed = [(field, tuple(getattr(self, field) or ())) for field in self.CONCEALED]
        return [("metadata", self.metadata), *concealed]


class Resource(Object, Generic[S, T]):
    """A kind that its users define: `class View(Resource[Spec, Status]): ...` under `@crd(...)`.

    Without a status subresource: `Resource[Spec, None]`.
    """

    SPEC: ClassVar[type[Any]]
    STATUS: ClassVar[type[Any] | None]
    DECLARED: ClassVar[Any]
    """What `@crd` was told: a `kinds.crd.Declaration`."""

    spec: S = unsaid()
    status: T = unsaid()

    def __init_subclass__(cls, **options: Any) -> None:
        """Note the two classes, for the reader of an absent spec and for the schema."""
        super().__init_subclass__(**options)
        for base in getattr(cls, "__orig_bases__", ()):
            if get_origin(base) is Resource:
                spec, status = get_args(base)
                cls.SPEC = spec
                cls.STATUS = None if status in (None, type(None)) else status


def _read_parts() -> None:
    """Let an unsaid spec or status of a Resource read as an empty one of its class."""
    for field, part in (("spec", "SPEC"), ("status", "STATUS")):
        slot = Resource.__dict__[field]

        def read(self: Any, get: Any = slot.__get__, part: str = part) -> Any:
            value = get(self)
            if value is not UNSET:
                return value
            cls = getattr(type(self), part, None)
            return None if cls is None or cls is Any else cls()

        setattr(Resource, field, property(read))


_read_parts()


class Dynamic(Face, dict[str, Any]):
    """An object without a class: the parsed JSON itself, with the same questions as `Object`.

    A cache shares it, so it must not be changed; `evolve` makes a changed copy.
    """

    __slots__ = ()

    @staticmethod
    def of(kind: Kind) -> "type[Dynamic]":
        """Return the class of dynamic objects of one kind, for `app.controller` and the client."""
        return type(kind.kind, (Dynamic,), {"KIND": kind, "__module__": __name__})

    @property
    def metadata(self) -> ObjectMeta:
        """The metadata, typed; decoded on each use."""
        return from_dict(ObjectMeta, self.get("metadata") or {})

    def _metadata(self) -> ObjectMeta:
        return self.metadata

    def evolve(self, **changes: Any) -> Self:
        """Return a copy with top-level fields replaced."""
        return type(self)({**self, **changes})
