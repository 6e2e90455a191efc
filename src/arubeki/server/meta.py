"""What lists and watches need to know of an object, without decoding it.

The labels and the selectable fields are projected out of the stored bytes the first time a selector
asks, and kept on the entry (`Entry.meta`). An object that nobody selects is never looked into.

On the ring: [HTTP > **server** > storage].
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from arubeki.api.selectors import FieldSelector, LabelSelector
from arubeki.storage.base import Entry


@dataclass(frozen=True, slots=True)
class Selectable:
    """Where a selectable field's value lies: the first of `paths` that is there, else `default`."""

    paths: tuple[str, ...]
    default: str = ""


class Meta(msgspec.Struct, frozen=True, gc=False):
    """Labels, selectable fields (metadata.name and .namespace too), and whether it is deleting."""

    labels: dict[str, str]
    fields: dict[str, str]
    deleting: bool


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class Projection:
    """Reads `Meta` out of a resource's stored bytes."""

    __slots__ = ("_decode", "_readers")

    def __init__(self, selectable: Mapping[str, Selectable]) -> None:
        paths = {path for one in selectable.values() for path in one.paths}
        members = _tree(path.split(".") for path in paths)
        shape = _struct("Projected", members, [("metadata", _Metadata)])
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape).decode
        self._readers = [
            (label, [_steps(path) for path in one.paths], one.default)
            for label, one in selectable.items()
        ]

    def read(self, value: bytes) -> Meta:
        """Return what selectors ask of an object."""
        try:
            found = self._decode(value)
        except msgspec.ValidationError:
            # Some place is of another shape than the path through it; read what can be read.
            found = _Whole(msgspec.json.decode(value))
        metadata: _Metadata = found.metadata
        fields = {"metadata.name": metadata.name, "metadata.namespace": metadata.namespace}
        for label, alternatives, default in self._readers:
            fields[label] = default
            for path in alternatives:
                text = _text(_walk(found, path))
                if text:
                    fields[label] = text
                    break
        return Meta(metadata.labels or {}, fields, metadata.deletion_timestamp is not None)

    def of(self, entry: Entry) -> Meta:
        """Return an entry's meta, read once."""
        meta: Meta | None = entry.meta
        if meta is None:
            meta = entry.meta = self.read(entry.value)
        return meta


def projection_of(selectable: Mapping[str, Selectable]) -> Projection:
    """Return what reads the fields; kinds of which only the name selects share one."""
    return Projection(selectable) if selectable else _by_name()


@functools.cache
def _by_name() -> Projection:
    return Projection({})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects a list, a watch or a deletecollection is about."""

    labels: LabelSelector | None = None
    fields: FieldSelector | None = None

    @property
    def is_all(self) -> bool:
        """Whether every object is meant."""
        return self.labels is None and self.fields is None

    def matches(self, meta: Meta) -> bool:
        """Tell whether an object is meant."""
        if self.labels is not None and not self.labels.matches(meta.labels):
            return False
        return self.fields is None or self.fields.matches(meta.fields)


def _tree(paths: Any) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for part in path:
            node = node.setdefault(part, {})
    return tree


def _struct(name: str, members: Mapping[str, Any], fixed: list[tuple[str, Any]]) -> Any:
    """Return a Struct type with just these members; anything, or nothing, may be in a leaf."""
    fields: list[Any] = list(fixed)
    rename = {}
    for wire_name, below in members.items():
        attribute = _attribute(wire_name)
        rename[attribute] = wire_name
        kind = _struct(attribute, below, []) | None if below else Any
        fields.append((attribute, kind, None))
    return msgspec.defstruct(name, fields, gc=False, rename=rename)


def _attribute(wire_name: str) -> str:
    """Any member name as a Python one: `node-name` and `class` are none."""
    return "m_" + "".join(one if one.isalnum() else f"_{ord(one)}_" for one in wire_name)


class _Whole:
    """A wholly decoded object, with the face of a projected one."""

    def __init__(self, obj: dict[str, Any]) -> None:
        self.obj = obj
        metadata = {name: obj["metadata"].get(name) for name in ("labels", "deletionTimestamp")}
        named = {name: obj["metadata"].get(name, "") for name in ("name", "namespace")}
        self.metadata = msgspec.convert({**metadata, **named}, _Metadata)


def _steps(path: str) -> list[tuple[str, str]]:
    """Return a path's names, each with its attribute."""
    return [(name, _attribute(name)) for name in path.split(".")]


def _walk(found: Any, path: list[tuple[str, str]]) -> Any:
    if isinstance(found, _Whole):
        found = found.obj
    for name, attribute in path:
        if found is None:
            return None
        if isinstance(found, msgspec.Struct):
            found = getattr(found, attribute)
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
