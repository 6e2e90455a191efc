"""What a type hint cannot say of a field: `Annotated[int, field(format="int32", minimum=0)]`.

The server checks these rules, as it does for any CustomResourceDefinition; constructing or decoding
an object does not.

On the ring: read once, when a class becomes a schema.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from arubeki.kinds.meta_v1 import Condition

Rule: TypeAlias = str | Mapping[str, Any]
"""A CEL rule: its text, or `{"rule": str, "message": str, "reason": str, "fieldPath": str, ...}`."""

IMMUTABLE: Rule = {"rule": "self == oldSelf", "message": "field is immutable"}
"""Holds on updates only, where both the old and the new object have the field."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """The rules and the description of one field; made by `field`."""

    doc: str = ""
    format: str = ""
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    min_items: int | None = None
    max_items: int | None = None
    min_properties: int | None = None
    max_properties: int | None = None
    enum: Sequence[Any] = ()
    list_type: Literal["", "atomic", "set", "map"] = ""
    list_keys: Sequence[str] = ()
    map_type: Literal["", "atomic", "granular"] = ""
    rules: Sequence[Rule] = ()
    immutable: bool = False
    preserve_unknown: bool = False


def field(
    *,
    doc: str = "",
    format: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    exclusive_minimum: bool = False,
    exclusive_maximum: bool = False,
    multiple_of: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str = "",
    min_items: int | None = None,
    max_items: int | None = None,
    min_properties: int | None = None,
    max_properties: int | None = None,
    enum: Sequence[Any] = (),
    list_type: Literal["", "atomic", "set", "map"] = "",
    list_keys: Sequence[str] = (),
    map_type: Literal["", "atomic", "granular"] = "",
    rules: Sequence[Rule] = (),
    immutable: bool = False,
    preserve_unknown: bool = False,
) -> Field:
    """Return what `Annotated` takes beside a type to say more of a field.

        replicas: Annotated[int, field(format="int32", minimum=0, doc="How many.")] = 1

    `doc` is what `kubectl explain` shows. Lengths count characters, items and properties; limits are
    inclusive unless `exclusive_...`. `enum` names all allowed values (a `Literal` type does so too).
    `list_type="map"` with `list_keys` lets several managers own items of one list; without it a list
    has one owner. `map_type="atomic"` gives an object one owner. `rules` are CEL rules on the field,
    `immutable` is one that holds on updates. `preserve_unknown` keeps fields that nobody declared.
    `format` is OpenAPI's (`int32`, `date-time`, `byte`, ...), `pattern` an RE2 expression.

    What does not fit the type is said by `manifest`, as a ConfigError that names the field.
    Source: apiextensions v1 types_jsonschema.go.
    """
    return Field(**locals())


Conditions: TypeAlias = Annotated[
    tuple[Condition, ...], Field(list_type="map", list_keys=("type",))
]
"""A status' conditions, one of each type: `conditions: Conditions = ()`."""
