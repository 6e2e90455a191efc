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
        "preserve_unknown",  # bool: x-kubernetes-preserve-unknown-fields
        "properties",      # dict[str, Schema]
        "raw",             # dict[str, Any] | None: the OpenAPI v3 source of a CR's node
        "required",        # tuple[str, ...]
        "type",            # str
    )  # fmt: skip

    additional: "Schema | None"
    default: Any
    embedded: bool
    enum: tuple[Any, ...]
    format: str
    go_type: str
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
    preserve_unknown: bool
    properties: "dict[str, Schema]"
    raw: dict[str, Any] | None
    required: tuple[str, ...]
    type: str

    def __init__(self, type: str = "", **attributes: Any) -> None:
        self.type = type
        self.additional = None
        self.default = UNSET_DEFAULT
        self.embedded = False
        self.enum = ()
        self.format = ""
        self.go_type = ""
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
        self.preserve_unknown = False
        self.properties = {}
        self.raw = None
        self.required = ()
        for name, value in attributes.items():
            setattr(self, name, value)


class _Unset:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET_DEFAULT"


UNSET_DEFAULT = _Unset()
"""A node's `default` when an absent field stays absent (`None` would be a default of null)."""
