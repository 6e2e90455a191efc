"""The shape of a kind, as validation, defaulting, pruning and every patch form read it.

One node class serves built-in kinds (compiled from `api.facts`) and custom resources (parsed from a
CustomResourceDefinition's OpenAPI v3 schema).

Pure: no I/O, no clock.
"""

from typing import Any


class Schema:
    """One node of a structural schema. Nodes are shared and never changed after being built.

    `type` is `object`, `array`, `string`, `integer`, `number`, `boolean`, or "" for anything.
    `properties` are an object's named fields; `additional` is the node of a map's values. A node
    with neither keeps unknown fields (`preserve_unknown`) or has none.
    """

    __slots__ = (
        "additional",      # Schema | None: values of a map
        "default",         # Any: what an absent field becomes; UNSET_DEFAULT when nothing
        "embedded",        # bool: x-kubernetes-embedded-resource
        "enum",            # tuple[Any, ...]: allowed values, () for any
        "format",          # str: int32, date-time, byte, quantity, ...
        "go_type",         # str: the type's name in Go, for messages of built-in kinds, ""
        "inlined",         # str: the Go struct that this field is inlined from, for messages, ""
        "int_or_string",   # bool
        "items",           # Schema | None
        "list_keys",       # tuple[str, ...]: keys of a list_type "map"
        "list_type",       # str: "atomic" (default), "set", "map"
        "map_type",        # str: "granular" (default) or "atomic" (for objects and maps)
        "maximum",         # float | None
        "merge_key",       # str: strategic merge key of a list, ""
        "merge_strategy",  # tuple[str, ...]: of "merge", "replace", "retainKeys"
        "minimum",         # float | None
        "name",            # str: the definition's name for built-ins (`io.k8s.api.core.v1.PodSpec`), ""
        "nullable",        # bool
        "presence",        # str: when Go writes a built-in's field: "" as it is, "nonzero", "always"
        "preserve_unknown",  # bool: x-kubernetes-preserve-unknown-fields
        "properties",      # dict[str, Schema]
        "raw",             # dict[str, Any] | None: the OpenAPI v3 source of a CR's node
        "required",        # tuple[str, ...]
        "type",            # str
        "walks",           # dict[str, Any]: what api.structure compiled from this node, by use
    )  # fmt: skip

    additional: "Schema | None"
    default: Any
    embedded: bool
    enum: tuple[Any, ...]
    format: str
    go_type: str
    inlined: str
    int_or_string: bool
    items: "Schema | None"
    list_keys: tuple[str, ...]
    list_type: str
    map_type: str
    maximum: float | None
    merge_key: str
    merge_strategy: tuple[str, ...]
    minimum: float | None
    name: str
    nullable: bool
    presence: str
    preserve_unknown: bool
    properties: "dict[str, Schema]"
    raw: dict[str, Any] | None
    required: tuple[str, ...]
    type: str
    walks: dict[str, Any]

    def __init__(self, type: str = "", **attributes: Any) -> None:
        self.type = type
        self.additional = None
        self.default = UNSET_DEFAULT
        self.embedded = False
        self.enum = ()
        self.format = ""
        self.go_type = ""
        self.inlined = ""
        self.int_or_string = False
        self.items = None
        self.list_keys = ()
        self.list_type = "atomic"
        self.map_type = "granular"
        self.maximum = None
        self.merge_key = ""
        self.merge_strategy = ()
        self.minimum = None
        self.name = ""
        self.nullable = False
        self.presence = ""
        self.preserve_unknown = False
        self.properties = {}
        self.raw = None
        self.required = ()
        self.walks = {}
        for name, value in attributes.items():
            setattr(self, name, value)


def parse(openapi: dict[str, Any]) -> Schema:
    """Return the node of a custom resource's OpenAPI v3 schema, with all that is below it.

    Every node keeps its source as `raw`. Keywords of no use here (`description`, `pattern`, ...)
    are not looked at, so a schema that is accepted here may still be against Kubernetes' rules.
    Raises: ValueError naming the place, when a keyword is of the wrong shape or nesting too deep.
    """
    return _parse(openapi, "", DEPTH_LIMIT)


DEPTH_LIMIT = 64
"""Nesting above this in a custom resource's schema is refused."""


def _parse(source: Any, place: str, left: int) -> Schema:
    shown = place or "the schema"
    if not isinstance(source, dict):
        raise ValueError(f"{shown} must be an object")
    if not left:
        raise ValueError(f"{shown} is nested more than {DEPTH_LIMIT} deep")
    node = Schema(_word(source, "type", str, place, ""))
    node.raw = source
    node.format = _word(source, "format", str, place, "")
    node.nullable = _word(source, "nullable", bool, place, False)
    node.required = tuple(_word(source, "required", list, place, []))
    node.enum = tuple(_word(source, "enum", list, place, []))
    node.minimum = _word(source, "minimum", int | float, place, None)
    node.maximum = _word(source, "maximum", int | float, place, None)
    node.default = source.get("default", UNSET_DEFAULT)
    node.embedded = _word(source, "x-kubernetes-embedded-resource", bool, place, False)
    node.int_or_string = _word(source, "x-kubernetes-int-or-string", bool, place, False)
    node.preserve_unknown = _word(
        source, "x-kubernetes-preserve-unknown-fields", bool, place, False
    )
    node.list_type = _word(source, "x-kubernetes-list-type", str, place, "atomic")
    node.list_keys = tuple(_word(source, "x-kubernetes-list-map-keys", list, place, []))
    node.map_type = _word(source, "x-kubernetes-map-type", str, place, "granular")
    for name in (*node.required, *node.list_keys):
        if not isinstance(name, str):
            raise ValueError(f"{shown} names a field that is no text")
    properties: dict[str, Any] = _word(source, "properties", dict, place, {})
    node.properties = {
        name: _parse(one, f"{place}.properties[{name}]".lstrip("."), left - 1)
        for name, one in properties.items()
    }
    if "items" in source and source["items"] is not None:
        node.items = _parse(source["items"], f"{place}.items".lstrip("."), left - 1)
    additional = source.get("additionalProperties")
    if isinstance(additional, dict):
        inner = f"{place}.additionalProperties".lstrip(".")
        node.additional = _parse(additional, inner, left - 1)
    elif additional is True:
        node.additional = Schema()
    elif additional not in (None, False):
        raise ValueError(f"additionalProperties of {shown} must be a schema or a boolean")
    return node


def _word(source: dict[str, Any], name: str, kind: Any, place: str, absent: Any) -> Any:
    value = source.get(name)
    if value is None:
        return absent
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} of {place or 'the schema'} is of the wrong type")
    return value


class _Unset:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET_DEFAULT"


UNSET_DEFAULT = _Unset()
"""A node's `default` when an absent field stays absent (`None` would be a default of null)."""
