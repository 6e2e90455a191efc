"""Custom kinds as OpenAPI v3 schemas: what their definition says, and what every object has.

Only the keywords that a definition may use are taken over, so that nothing else gets into a
document. Version 2 knows less: there the junctors go, nullable and free-form nodes lose their type
and what is below them, and a kind that is free-form as a whole is told of as an object and no more,
since kubectl would refuse what it does not find.

On the ring: [HTTP > **server**].
Source: apiextensions-apiserver pkg/apiserver/schema/{convert,unfold,kubeopenapi}.go,
pkg/controller/openapi/builder/builder.go, pkg/controller/openapi/v2/conversion.go.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.server.openapi import descriptions
from arubeki.server.openapi.builtins import META, Node, gvk_node, reference
from arubeki.server.openapi.routes import definition_name
from arubeki.server.resources import Resource

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
# Keywords whose absence and emptiness are one.
_WORDS = (
    "description", "externalDocs", "format", "nullable", "title", "type", "enum", "required",
    "exclusiveMaximum", "exclusiveMinimum", "uniqueItems", "pattern",
    _EMBEDDED, _INT_OR_STRING, _PRESERVE, "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
    "x-kubernetes-map-type", "x-kubernetes-validations",
)  # fmt: skip
# Keywords that may be zero.
_NUMBERS = (
    "maximum", "maxItems", "maxLength", "maxProperties", "minimum", "minItems", "minLength",
    "minProperties", "multipleOf",
)  # fmt: skip
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_INTEGER, _STRING = {"type": "integer"}, {"type": "string"}


def schema(resource: Resource, *, narrow: bool = False) -> Node:
    """Return a custom kind's schema; `narrow` as OpenAPI v2 can say it."""
    custom = resource.custom
    source = custom.schema if custom is not None else None
    if source is None or (narrow and source.get(_PRESERVE)):
        node: Node = {"type": "object"}
    else:
        node = _node(source, narrow=narrow)
        node["properties"] = {**node.get("properties", {}), **_object()}
    node["x-kubernetes-group-version-kind"] = [gvk_node(resource.gvk)]
    return node | _selectable(resource)


def list_schema(resource: Resource) -> Node:
    """Return the schema of a custom kind's list."""
    items = {
        "description": f"The {resource.plural} of the list.",
        "type": "array",
        "items": reference(definition_name(resource)),
    }
    gvk = resource.gvk._replace(kind=resource.list_kind)
    node: Node = {
        "description": f"A list of objects of kind {resource.kind}.",
        "type": "object",
        "required": ["items"],
        "properties": {**_object("ListMeta", descriptions.LIST_META), "items": items},
        "x-kubernetes-group-version-kind": [gvk_node(gvk)],
    }
    return node | _selectable(resource)


def _selectable(resource: Resource) -> Node:
    if not resource.selectable:
        return {}
    fields = [{"fieldPath": label} for label in resource.selectable]
    return {"x-kubernetes-selectable-fields": fields}


def _object(meta: str = "ObjectMeta", text: str = descriptions.OBJECT_META) -> Node:
    """Return the properties that every object has."""
    return {
        "apiVersion": {"description": descriptions.API_VERSION, "type": "string"},
        "kind": {"description": descriptions.KIND, "type": "string"},
        "metadata": {"description": text, "allOf": [reference(META + meta)]},
    }


def _node(source: Mapping[str, Any], *, narrow: bool) -> Node:
    """Return a structural node with all that is below it."""
    node = {word: source[word] for word in _WORDS if source.get(word)}
    node |= {word: source[word] for word in _NUMBERS if source.get(word) is not None}
    node |= {word: source[word] for word in ("default", "example") if source.get(word) is not None}
    properties: Mapping[str, Any] = source.get("properties") or {}
    additional = source.get("additionalProperties")
    if narrow:
        _narrow(node, properties, additional)
    else:
        _add_junctors(node, source)
    bare = narrow and (source.get("nullable") or source.get(_PRESERVE))
    if properties and not bare:
        node["properties"] = {name: _node(one, narrow=narrow) for name, one in properties.items()}
    if source.get("items") and not bare:
        node["items"] = _node(source["items"], narrow=narrow)
    if isinstance(additional, dict):
        node["additionalProperties"] = _node(additional, narrow=narrow)
    elif additional is not None:
        node["additionalProperties"] = additional
    if source.get(_EMBEDDED) and not (narrow and source.get(_PRESERVE)):
        node["properties"] = {**node.get("properties", {}), **_object()}
        required = node.get("required", [])
        node["required"] = [
            *required,
            *(one for one in ("kind", "apiVersion") if one not in required),
        ]
    return node


def _add_junctors(node: Node, source: Mapping[str, Any]) -> None:
    for word in _JUNCTORS:
        if source.get(word):
            node[word] = [_nested(one) for one in source[word]]
    if source.get("not"):
        node["not"] = _nested(source["not"])
    if not source.get(_INT_OR_STRING) or _says_both(node):
        return
    both = [_INTEGER, _STRING]
    first = node.get("allOf", [{}])[0]
    if "anyOf" not in node:
        if not _says_both(first):
            node["anyOf"] = both
    elif not _says_both(first):
        node["allOf"] = [{"anyOf": both}, *node.get("allOf", [])]


def _says_both(node: Mapping[str, Any]) -> bool:
    """Tell whether a node says in so many words that it is an integer or a string."""
    return bool(node.get("anyOf") == [_INTEGER, _STRING])


def _nested(source: Mapping[str, Any]) -> Node:
    """Return a node within a junctor, which says nothing of structure but that it is there."""
    node = {word: source[word] for word in _WORDS if source.get(word)}
    node |= {word: source[word] for word in _NUMBERS if source.get(word) is not None}
    _add_junctors(node, source)
    if source.get("items"):
        node["items"] = _nested(source["items"])
    if source.get("properties"):
        node["properties"] = {name: _nested(one) for name, one in source["properties"].items()}
    return node


def _narrow(node: Node, properties: Mapping[str, Any], additional: Any) -> None:
    """Take off a node what OpenAPI v2, or kubectl with it, cannot say."""
    untyped = node.pop("nullable", False) or (
        node.get(_PRESERVE) and node.get("type") in ("array", "object")
    )
    if untyped:
        node.pop("type", None)
    nullable_values = isinstance(additional, dict) and additional.get("nullable")
    kept = [
        name
        for name in node.get("required", ())
        if not nullable_values and not (properties.get(name) or {}).get("nullable")
    ]
    node.pop("required", None)
    if kept:
        node["required"] = kept
