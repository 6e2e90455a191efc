"""From a class to a kind that API servers serve: `@crd("view.example.com/v1")`.

The decorator names the kind; `manifest` writes its CustomResourceDefinition: names, scope, schema
(see `structural`), subresources, printer columns. The class is the only source, so what a controller
reads and what the server checks cannot drift apart.

    @crd("view.example.com/v1", columns={"Replicas": ".spec.replicas"})
    class View(Resource[Spec, Status]): ...

On the ring: the manifest is applied before informers of the kind start.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as data_field
from typing import Any, Literal, TypeAlias, TypeVar

from arubeki.api.objects import Kind
from arubeki.errors import ConfigError
from arubeki.kinds.base import Resource
from arubeki.kinds.marks import Conditions, Field, Rule, field
from arubeki.kinds.structural import Node, rules_of, schema_of, struct_schema

__all__ = ["Column", "Conditions", "Field", "Rule", "crd", "declaration", "field", "manifest"]

R = TypeVar("R", bound=Resource[Any, Any])

Column: TypeAlias = str | Mapping[str, Any]
"""A JSONPath, or `{"jsonPath": str, "type": str, "format": str, "description": str, "priority": int}`."""

_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_API_VERSION = re.compile(rf"^({_LABEL}(?:\.{_LABEL})+)/([a-z](?:[-a-z0-9]*[a-z0-9])?)$")
_STEP = re.compile(r"\.((?:[^.\[\\]|\\.)+)|\['([^']+)'\]|\[([^\]]*)\]")


_METADATA_TYPES = {
    "creationTimestamp": "date",
    "deletionTimestamp": "date",
    "generation": "integer",
    "deletionGracePeriodSeconds": "integer",
}


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What `@crd` was told, beside the kind itself."""

    singular: str
    scope: Literal["Namespaced", "Cluster"]
    columns: Mapping[str, Column] = data_field(default_factory=dict)
    short_names: Sequence[str] = ()
    categories: Sequence[str] = ()
    scale: Mapping[str, str] = data_field(default_factory=dict)
    selectable_fields: Sequence[str] = ()
    rules: Sequence[Rule] = ()


def crd(
    api_version: str,
    *,
    columns: Mapping[str, Column] | None = None,
    short_names: Sequence[str] = (),
    categories: Sequence[str] = (),
    scope: Literal["Namespaced", "Cluster"] = "Namespaced",
    kind: str | None = None,
    plural: str | None = None,
    singular: str | None = None,
    scale: Mapping[str, str] | None = None,
    selectable_fields: Sequence[str] = (),
    rules: Sequence[Rule] = (),
) -> Callable[[type[R]], type[R]]:
    """Return the decorator that makes a Resource class a kind of its own.

    `api_version` is `group/version` ("view.example.com/v1"); the group must have a dot. `kind` is the
    class's name unless given, `plural` its lower-case English plural. `columns` are what `kubectl get`
    shows, by heading: `{"Replicas": ".spec.replicas"}`; their types come from the schema. `scale` has
    the paths of the scale subresource: `{"specReplicasPath": ..., "statusReplicasPath": ...,
    "labelSelectorPath": ...}`. `selectable_fields` are paths (".spec.color") for `--field-selector`.
    `rules` are CEL rules on the whole object. The class's docstring, and those of its parts, are the
    descriptions that `kubectl explain` shows.

    Raises: ConfigError when the names are malformed or the status has no empty form; `manifest`
    raises it for types that no schema can express.
    Source: apiextensions v1 types.go.
    """
    given: object = api_version
    if isinstance(given, type):  # the decorator without its parentheses
        raise ConfigError(
            f'@crd on {given.__name__} without a version\nhelp: @crd("view.example.com/v1")'
        )
    match = _API_VERSION.match(api_version)
    if match is None:
        raise ConfigError(
            f"{api_version!r} is no group and version; expected like view.example.com/v1"
        )
    group, version = match[1], match[2]

    def declare(cls: type[R]) -> type[R]:
        if not hasattr(cls, "SPEC"):
            raise ConfigError(f"{cls.__name__} must derive from Resource[Spec, Status]")
        name = kind or cls.__name__
        cls.KIND = Kind(group, version, name, plural or _plural(name), scope == "Namespaced")
        cls.DECLARED = Declaration(
            singular=singular or name.lower(),
            scope=scope,
            columns=dict(columns or {}),
            short_names=tuple(short_names),
            categories=tuple(categories),
            scale=dict(scale or {}),
            selectable_fields=tuple(selectable_fields),
            rules=tuple(rules),
        )
        _check_status(cls)
        return cls

    return declare


def declaration(cls: type[Any]) -> Declaration:
    """Return what `@crd` was told of a class. Raises: ConfigError for a class without `@crd`."""
    found = cls.__dict__.get("DECLARED")
    if not isinstance(found, Declaration):
        raise ConfigError(f"{cls.__name__} is not decorated with @crd")
    return found


def manifest(cls: type[Resource[Any, Any]]) -> Node:
    """Return the CustomResourceDefinition of a class, ready to be applied.

    Raises: ConfigError when a type has no schema or a path leads nowhere, naming it.
    """
    told, kind = declaration(cls), cls.KIND
    schema = _root_schema(cls, told)
    names: Node = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": told.singular,
    }
    if told.short_names:
        names["shortNames"] = list(told.short_names)
    if told.categories:
        names["categories"] = list(told.categories)
    version: Node = {"name": kind.version, "served": True, "storage": True}
    if told.columns:
        version["additionalPrinterColumns"] = [
            _column(name, column, schema, cls) for name, column in told.columns.items()
        ]
    version["schema"] = {"openAPIV3Schema": schema}
    if told.selectable_fields:
        for path in told.selectable_fields:
            _type_at(path, schema, f"{cls.__name__}: selectable field {path}")
        version["selectableFields"] = [{"jsonPath": path} for path in told.selectable_fields]
    if subresources := _subresources(cls, told, schema):
        version["subresources"] = subresources
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": told.scope,
            "versions": [version],
        },
    }


def _check_status(cls: type[Resource[Any, Any]]) -> None:
    """A new object has no status, and yet `obj.status` must read as one."""
    if cls.STATUS is None:
        return
    try:
        cls.STATUS()
    except TypeError as error:
        raise ConfigError(
            f"{cls.__name__}: a new object has no status, so every field of "
            f"{cls.STATUS.__name__} needs a default ({error})"
        ) from error


def _root_schema(cls: type[Resource[Any, Any]], told: Declaration) -> Node:
    """Return the schema of whole objects; the server knows metadata itself."""
    own = ("apiVersion", "kind", "metadata", "spec", "status")
    schema = struct_schema(cls, without=own)
    properties: Node = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        **schema.get("properties", {}),
        "spec": schema_of(cls.SPEC, f"{cls.__name__}.spec"),
    }
    if cls.STATUS is not None:
        properties["status"] = schema_of(cls.STATUS, f"{cls.__name__}.status")
    schema["properties"] = properties
    if properties["spec"].get("required"):
        schema["required"] = sorted([*schema.get("required", ()), "spec"])
    if told.rules:
        schema["x-kubernetes-validations"] = rules_of(told.rules)
    return schema


def _subresources(cls: type[Resource[Any, Any]], told: Declaration, schema: Node) -> Node:
    subresources: Node = {}
    if cls.STATUS is not None:
        subresources["status"] = {}
    if told.scale:
        for name, path in told.scale.items():
            _type_at(path, schema, f"{cls.__name__}: scale {name} {path}")
        subresources["scale"] = dict(told.scale)
    return subresources


def _column(name: str, column: Column, schema: Node, cls: type) -> Node:
    """Return a printer column, its type taken from the schema where it is not said."""
    said: Node = {"jsonPath": column} if isinstance(column, str) else dict(column)
    path = said.get("jsonPath", "")
    if not path.startswith("."):
        raise ConfigError(f"{cls.__name__}: column {name}: {path!r} is no path like .spec.replicas")
    if "type" not in said:
        said["type"] = _type_at(path, schema, f"{cls.__name__}: column {name}: {path}")
    return {"name": name, **said}


def _type_at(path: str, schema: Node, where: str) -> str:
    """Return the type of a column that shows what is at `path`.

    Raises: ConfigError when the schema has nothing there. Below the parts that keep unknown fields,
    and in metadata, anything may be.
    """
    node = schema
    for match in _STEP.finditer(path):
        name = (match[1] or match[2] or "").replace("\\", "")
        if not name and not match[3].lstrip("-").isdecimal():
            return "string"  # a filter or a wildcard finds any number of values
        if node is schema["properties"]["metadata"]:
            return _METADATA_TYPES.get(name, "string")
        below = node.get("properties", {}).get(name) if name else node.get("items")
        below = below or node.get("additionalProperties")
        if below is None:
            if node.get("x-kubernetes-preserve-unknown-fields"):
                return "string"
            raise ConfigError(f"{where}: the schema has no such field")
        node = below
    if node.get("format") in ("date-time", "date"):
        return "date"
    kind = node.get("type", "string")
    return kind if kind in ("integer", "number", "boolean") else "string"


def _plural(kind: str) -> str:
    """Return the English plural. Source: apimachinery pkg/api/meta/restmapper.go (s, y); endings in
    x, z, ch, sh as English has them.
    """
    lower = kind.lower()
    if lower.endswith("y") and lower[-2:-1] not in ("a", "e", "i", "o", "u"):
        return lower[:-1] + "ies"
    return lower + ("es" if lower.endswith(("s", "x", "z", "ch", "sh")) else "s")
