"""The base class of all typed data: a frozen struct that knows what was said and what was not.

A server-side apply intent must hold exactly what its author said: a field that is written is owned,
a field that is left out is given up. So a `Model` keeps apart three states of a field:

    said             `Spec(replicas=1)`     on the wire, also where the value equals the default
    not said         `Spec()`               never on the wire; reading gives the class's default
    UNSET            `X | UnsetType = UNSET`  the default of optional fields: not said, reads UNSET

The same holds for decoded objects: what the server did not send is not said. `None` says nothing
where it is the default; where a field has another default or none, it is written as `null`.

Two models are equal when all their fields read equal. Fields bear the wire's own names; Python's
keywords get a trailing underscore. Data are frozen and untracked by the garbage collector: sequences
are tuples, maps are `Mapping`s that nobody changes.

On the ring: below everything that holds typed objects; knows msgspec and nothing of Kubernetes.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform, get_origin

import msgspec
from msgspec import UNSET, UnsetType

__all__ = ["UNSET", "Model", "UnsetType", "empty", "required", "unsaid"]

T = TypeVar("T")


class _Required:
    """The mark that `required` leaves in a class body until the class is made."""

    __slots__ = ("zero",)

    def __init__(self, zero: Any) -> None:
        self.zero = zero


def required(zero: T) -> T:
    """Declare a field that type checkers demand and that reads as `zero` where it is missing.

    Go reads a missing field as its type's zero value, so decoding never fails for one; the server
    is what refuses objects that lack a required field.
    """
    return cast(T, _Required(zero))


def unsaid() -> Any:
    """Declare a field that need not be given and is not on the wire unless it is."""
    return UNSET


def empty(part: type[T]) -> T:
    """Declare a field that reads as an empty `part` where it was not said."""
    return part()


class Reader(property):
    """Reads a field of a struct, and `default()` in its place where the field was not said.

    The struct's own slot keeps UNSET there, and that is what encoding sees.
    """

    get: Callable[[Any], Any]
    default: Callable[[], Any]
    is_required: bool

    def __init__(self, slot: Any, default: Callable[[], Any], *, is_required: bool = False) -> None:
        get = slot.get if isinstance(slot, Reader) else slot.__get__

        def read(obj: Any) -> Any:
            value = get(obj)
            return default() if value is UNSET else value

        super().__init__(read)
        self.get = get
        self.default = default
        self.is_required = is_required


class ModelMeta(msgspec.StructMeta):
    """Makes structs frozen, keyword-only and untracked, and their defaults readable but unsaid."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> "ModelMeta":
        """Move each field's default from the struct, where it would be said, to its reader."""
        defaults = _take_defaults(namespace, _read_fields(bases))
        if defaults:
            namespace.setdefault("__eq__", _equal)
            namespace.setdefault("__hash__", _hash)
        settings: dict[str, Any] = {
            "frozen": True,
            "kw_only": True,
            "gc": False,
            "omit_defaults": True,
            "repr_omit_defaults": True,
        }
        cls = super().__new__(mcls, name, bases, namespace, **(settings | options))
        for field, (default, is_required) in defaults.items():
            # A field that a base declared keeps the base's slot.
            slot = cls.__dict__.get(field) or getattr(cls, field)
            setattr(cls, field, Reader(slot, default, is_required=is_required))
        return cls


def default_of(cls: type[msgspec.Struct], field: Any) -> tuple[Any, bool]:
    """Return what a field reads as where it was not said, and whether it must be said.

    `field` is one of `msgspec.structs.fields(cls)`.
    """
    reader = getattr(cls, field.name)
    if isinstance(reader, Reader):
        return reader.default(), reader.is_required
    missing = msgspec.NODEFAULT
    if field.default is missing and field.default_factory is missing:
        return UNSET, True
    return (UNSET if field.default is missing else field.default), False


def _take_defaults(
    namespace: dict[str, Any], inherited: Collection[str]
) -> dict[str, tuple[Callable[[], Any], bool]]:
    """Replace each default of a class body by UNSET; return what the fields shall read instead.

    `inherited` are the fields that have a reader in a base class.
    """
    found: dict[str, tuple[Callable[[], Any], bool]] = {}
    for field in _field_names(namespace):
        value, name = namespace.get(field, UNSET), None
        if isinstance(value, _MsgspecField):
            name, factory, value = value.name, value.default_factory, value.default
            if factory is not msgspec.NODEFAULT:
                found[field] = (factory, False)
                namespace[field] = msgspec.field(default=UNSET, name=name)
                continue
        if value is UNSET or value is None or value is msgspec.NODEFAULT:
            if field in inherited:  # the base's reader would go on giving the base's default
                found[field] = (_constant(value), field not in namespace)
            continue
        is_required = isinstance(value, _Required)
        found[field] = (_constant(value.zero if is_required else value), is_required)
        namespace[field] = msgspec.field(default=UNSET, name=name) if name else UNSET
    return found


def _read_fields(bases: tuple[type, ...]) -> set[str]:
    return {
        field
        for base in bases
        for field in getattr(base, "__struct_fields__", ())
        if isinstance(getattr(base, field), Reader)
    }


_MsgspecField: Any = type(msgspec.field(default=0))


def _constant(value: Any) -> Callable[[], Any]:
    """Return a function that gives `value`, a fresh copy where it could be changed."""
    if isinstance(value, dict | list | set):
        return value.copy
    return lambda: value


def _field_names(namespace: Mapping[str, Any]) -> list[str]:
    """Return the annotated names of a class body, without class variables."""
    annotations = _annotations(namespace)
    return [name for name, hint in annotations.items() if not _is_class_variable(hint)]


def _annotations(namespace: Mapping[str, Any]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            form = annotationlib.Format.FORWARDREF
            return annotationlib.call_annotate_function(annotate, form)
    found: Mapping[str, Any] = namespace.get("__annotations__", {})
    return found


def _is_class_variable(hint: Any) -> bool:
    if isinstance(hint, str):
        return hint.startswith(("ClassVar", "typing.ClassVar", "t.ClassVar"))
    return hint is ClassVar or get_origin(hint) is ClassVar


def _equal(self: msgspec.Struct, other: object) -> Any:
    """Equal where all fields read equal, said or not."""
    if type(self) is not type(other):
        return NotImplemented
    return all(getattr(self, field) == getattr(other, field) for field in self.__struct_fields__)


def _hash(self: msgspec.Struct) -> int:
    return hash((type(self), *(getattr(self, field) for field in self.__struct_fields__)))


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field, required)
)
class Model(msgspec.Struct, frozen=True, kw_only=True, metaclass=ModelMeta):
    """A part of an object: `class Spec(Model): replicas: int = 1`.

    Instances are frozen and shared; `evolve` makes a changed copy.
    """

    def evolve(self, **changes: Any) -> Self:
        """Return a copy in which `changes` are said.

        Raises: TypeError for a field that the class does not have.
        """
        return msgspec.structs.replace(self, **changes)
