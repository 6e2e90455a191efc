"""From a class to the structural schema of a CustomResourceDefinition.

Walks the fields of a struct and writes what the API server asks for: no references, one type per
node, `nullable` instead of a union with null. A field with a default is never required; a default
that says something is told to the server, an empty one is not, because the reader gives it anyway
and the server refuses a default that breaks the field's own rules (an empty map under
`minProperties: 1`).
Source: apiextensions v1 types_jsonschema.go and its validation.go; KEP-1693 (structural schemas).

On the ring: used once, when a class becomes a CustomResourceDefinition.
"""

import enum
import functools
import inspect
import operator
import types
from collections.abc import Mapping, Sequence, Set
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from arubeki.errors import ConfigError
from arubeki.kinds.base import Object
from arubeki.kinds.marks import IMMUTABLE, Field, Rule
from arubeki.kinds.meta_v1 import Condition
from arubeki.kinds.model import UNSET, UnsetType, default_of

Node = dict[str, Any]

_SCALARS: dict[Any, Node] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "format": "byte"},
}
_SIZES = (
    ("minimum", "minimum"),
    ("maximum", "maximum"),
    ("multiple_of", "multipleOf"),
    ("min_length", "minLength"),
    ("max_length", "maxLength"),
    ("min_items", "minItems"),
    ("max_items", "maxItems"),
    ("min_properties", "minProperties"),
    ("max_properties", "maxProperties"),
)


def schema_of(hint: Any, path: str) -> Node:
    """Return the schema of a type hint. `path` names the field in errors.

    Raises: ConfigError for a type that a schema cannot express, naming the field.
    """
    return _node(hint, path, ())


def struct_schema(cls: type[msgspec.Struct], *, without: Sequence[str] = ()) -> Node:
    """Return the schema of a struct as an object with properties, except those in `without`.

    Raises: ConfigError for a type that a schema cannot express, naming the field.
    """
    return _struct(cls, cls.__name__, (), without)


def rules_of(rules: Sequence[Rule]) -> list[Node]:
    """Return CEL rules as `x-kubernetes-validations` has them."""
    return [{"rule": rule} if isinstance(rule, str) else dict(rule) for rule in rules]


def _struct(
    cls: type[msgspec.Struct], path: str, above: tuple[type, ...], without: Sequence[str] = ()
) -> Node:
    if cls is Condition:
        return _condition()
    if cls in above:
        raise ConfigError(f"{path}: {cls.__name__} holds itself; a schema cannot, use Any or dict")
    node: Node = {"type": "object"}
    if description := _described(cls):
        node["description"] = description
    properties: Node = {}
    missing = []
    for one in msgspec.structs.fields(cls):
        if one.name in without:
            continue
        where = f"{path}.{one.encode_name}"
        child = _node(one.type, where, (*above, cls))
        default, is_required = default_of(cls, one)
        if is_required:
            missing.append(one.encode_name)
        elif (written := _written_default(default, child)) is not UNSET:
            child["default"] = written
        properties[one.encode_name] = child
    if properties:
        node["properties"] = properties
    if missing:
        node["required"] = sorted(missing)
    return node


def _node(hint: Any, path: str, above: tuple[type, ...]) -> Node:
    """Return the schema of any type hint."""
    hint, marks = _unwrapped(hint)
    hint, nullable = _without_null(hint)
    hint, more = _unwrapped(hint)
    node = _plain(hint, path, above)
    for mark in (*more, *marks):
        _mark(node, mark, path)
    if nullable:
        node["nullable"] = True
    if node.get("nullable") and None not in node.get("enum", (None,)):
        # Null is checked against the enum as any value is (kube-openapi validate/schema.go).
        node["enum"] = [*node["enum"], None]
    return node


def _unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """Return the type inside `Annotated`, and what it is annotated with."""
    marks: list[Any] = []
    while get_origin(hint) is Annotated:
        hint, *found = get_args(hint)
        marks = [*found, *marks]
    return hint, marks


def _without_null(hint: Any) -> tuple[Any, bool]:
    """Return a hint without None and UNSET, and whether None was there."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    members = get_args(hint)
    kept = [one for one in members if one not in (types.NoneType, UnsetType)]
    rest = functools.reduce(operator.or_, kept) if kept else hint
    return rest, types.NoneType in members


def _plain(hint: Any, path: str, above: tuple[type, ...]) -> Node:
    """Return the schema of a hint that is neither annotated nor nullable."""
    if hint is Any or hint is object:
        return {"x-kubernetes-preserve-unknown-fields": True}
    if hint in _SCALARS:
        return dict(_SCALARS[hint])
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, types.UnionType):
        if set(arguments) == {int, str}:
            return {"x-kubernetes-int-or-string": True}
        raise ConfigError(f"{path}: a schema has one type, not {_shown(hint)}")
    if origin is Literal:
        return _choices(list(arguments), hint, path)
    if not isinstance(origin, type):
        raise ConfigError(f"{path}: {_shown(hint)} has no schema")
    if issubclass(origin, enum.Enum):
        return _choices([one.value for one in origin], hint, path)
    if issubclass(origin, Object):
        return {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        }
    if issubclass(origin, msgspec.Struct):
        return _struct(hint, path, above)
    if issubclass(origin, Mapping):
        return _map(arguments, hint, path, above)
    if issubclass(origin, Sequence | Set):
        return _array(origin, arguments, hint, path, above)
    if (origin.__module__, origin.__name__) == ("datetime", "datetime"):
        return {"type": "string", "format": "date-time"}
    help = (
        f"\nhelp: class {origin.__name__}(Model): ..." if hasattr(origin, "__annotations__") else ""
    )
    raise ConfigError(f"{path}: {_shown(hint)} has no schema{help}")


def _map(arguments: tuple[Any, ...], hint: Any, path: str, above: tuple[type, ...]) -> Node:
    if not arguments or arguments[1] is Any:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if arguments[0] is not str:
        raise ConfigError(f"{path}: the keys of {_shown(hint)} must be str")
    return {"type": "object", "additionalProperties": _node(arguments[1], f"{path}[*]", above)}


def _array(
    origin: type, arguments: tuple[Any, ...], hint: Any, path: str, above: tuple[type, ...]
) -> Node:
    fixed = origin is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis)
    if not arguments or fixed:
        raise ConfigError(f"{path}: {_shown(hint)} has no schema; say tuple[T, ...]")
    node: Node = {"type": "array", "items": _node(arguments[0], f"{path}[*]", above)}
    if issubclass(origin, Set):
        node["x-kubernetes-list-type"] = "set"
    return node


def _choices(values: list[Any], hint: Any, path: str) -> Node:
    """Return the schema of a closed set of values."""
    nullable = None in values
    values = [value for value in values if value is not None]
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or (kind := kinds.pop()) not in _SCALARS:
        raise ConfigError(f"{path}: the values of {_shown(hint)} must be of one plain type")
    node: Node = {**_SCALARS[kind], "enum": values}
    return {**node, "nullable": True} if nullable else node


def _mark(node: Node, mark: Any, path: str) -> None:
    """Write into `node` what one annotation says."""
    if isinstance(mark, msgspec.Meta):
        mark = _from_meta(mark)
    if not isinstance(mark, Field):
        return
    texts = {"description": mark.doc, "format": mark.format, "pattern": mark.pattern}
    node.update({key: value for key, value in texts.items() if value})
    for name, key in _SIZES:
        if (value := getattr(mark, name)) is not None:
            node[key] = value
    for name, key in (("exclusive_minimum", "exclusiveMinimum"),
                      ("exclusive_maximum", "exclusiveMaximum")):  # fmt: skip
        if getattr(mark, name):
            node[key] = True
    if mark.enum:
        node["enum"] = list(mark.enum)
    if mark.preserve_unknown:
        node["x-kubernetes-preserve-unknown-fields"] = True
    if mark.map_type:
        _expect(node, "object", "map_type", path)
        node["x-kubernetes-map-type"] = mark.map_type
    if mark.list_type:
        _expect(node, "array", "list_type", path)
        node["x-kubernetes-list-type"] = mark.list_type
    if mark.list_type == "map" or mark.list_keys:
        _list_map(node, mark, path)
    if rules := rules_of((*mark.rules, *((IMMUTABLE,) if mark.immutable else ()))):
        node["x-kubernetes-validations"] = [*node.get("x-kubernetes-validations", ()), *rules]


def _expect(node: Node, kind: str, what: str, path: str) -> None:
    if node.get("type") != kind:
        raise ConfigError(f"{path}: {what} is for type {kind}, this is {node.get('type', 'any')}")


def _list_map(node: Node, mark: Field, path: str) -> None:
    """Check the keys of a list-type map as the server does, and write them."""
    if mark.list_type != "map" or not mark.list_keys:
        raise ConfigError(f'{path}: list_type="map" and list_keys go together')
    items = node["items"]
    for key in mark.list_keys:
        found = items.get("properties", {}).get(key)
        if found is None or ("default" not in found and key not in items.get("required", ())):
            raise ConfigError(
                f"{path}: list key {key!r} must be a field of the items, required or with a default"
            )
    node["x-kubernetes-list-map-keys"] = list(mark.list_keys)


def _from_meta(meta: msgspec.Meta) -> Field:
    """Return msgspec's own constraints as ours."""
    low, high = (meta.ge, meta.gt), (meta.le, meta.lt)
    return Field(
        doc=meta.description or "",
        minimum=low[0] if low[0] is not None else low[1],
        maximum=high[0] if high[0] is not None else high[1],
        exclusive_minimum=meta.gt is not None,
        exclusive_maximum=meta.lt is not None,
        multiple_of=meta.multiple_of,
        min_length=meta.min_length,
        max_length=meta.max_length,
        pattern=meta.pattern or "",
    )


def _written_default(default: Any, node: Node) -> Any:
    """Return what to tell the server as `default`, UNSET for nothing."""
    if default is None or default is UNSET:
        return UNSET
    value = msgspec.json.decode(msgspec.json.encode(default))
    if isinstance(default, msgspec.Struct):
        return UNSET if "required" in node and not value else value
    if isinstance(value, list | dict) and not value:
        return UNSET
    return UNSET if value == "" and node.get("minLength") else value


def _condition() -> Node:
    """Return the schema of a condition. Source: apimachinery meta/v1 types.go, Condition."""
    return {
        "type": "object",
        "properties": {
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "message": {"type": "string", "maxLength": 32768},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "type": {
                "type": "string",
                "maxLength": 316,
                "pattern": (
                    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
                    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
                ),
            },
        },
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    }


def _described(cls: type) -> str:
    """Return the docstring that `cls` itself has, "" for none."""
    text = cls.__dict__.get("__doc__")
    return inspect.cleandoc(text) if isinstance(text, str) else ""


def _shown(hint: Any) -> str:
    if isinstance(hint, TypeVar):
        return f"the type variable {hint.__name__}"
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
