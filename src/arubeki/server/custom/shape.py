"""A CustomResourceDefinition's OpenAPI v3 schema as `api.schema` nodes.

Pure. On the ring: [HTTP > **server** > storage].
Source: apiextensions-apiserver pkg/apiserver/schema/convert.go.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api.schema import UNSET_DEFAULT, Schema


def schema_of(source: Mapping[str, Any]) -> Schema:
    """Return the node of an OpenAPI v3 schema, with those below it."""
    embedded = bool(source.get("x-kubernetes-embedded-resource"))
    int_or_string = bool(source.get("x-kubernetes-int-or-string"))
    additional = source.get("additionalProperties")
    items = source.get("items")
    kind = str(source.get("type") or "")
    return Schema(
        kind,
        raw=dict(source),
        properties={name: schema_of(one) for name, one in (source.get("properties") or {}).items()},
        additional=_additional(additional),
        items=schema_of(items) if isinstance(items, Mapping) else None,
        default=source.get("default", UNSET_DEFAULT),
        embedded=embedded,
        enum=tuple(source.get("enum") or ()),
        format=str(source.get("format") or ""),
        int_or_string=int_or_string,
        list_keys=tuple(source.get("x-kubernetes-list-map-keys") or ()),
        list_type=str(source.get("x-kubernetes-list-type") or "atomic"),
        map_type=str(source.get("x-kubernetes-map-type") or "granular"),
        maximum=source.get("maximum"),
        minimum=source.get("minimum"),
        nullable=bool(source.get("nullable")),
        preserve_unknown=bool(source.get("x-kubernetes-preserve-unknown-fields")),
        required=tuple(source.get("required") or ()),
    )


def _additional(source: Any) -> Schema | None:
    if isinstance(source, Mapping):
        return schema_of(source)
    # `additionalProperties: true`: values of any shape.
    return Schema("", preserve_unknown=True) if source is True else None
