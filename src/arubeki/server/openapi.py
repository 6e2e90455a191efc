"""The shapes of what is served, as OpenAPI v3: one document per group and version, and their index.

kubectl reads it to validate (that the PATCH operation of a kind takes `fieldValidation` tells it that
the server will), to merge lists by their keys, and to explain. Documents are made when first asked
for and kept until the registry changes; their URL carries a hash, so that clients may keep them too.

On the ring: [HTTP > **server**]. Source: KEP-2896, apiserver pkg/endpoints/installer.go.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from arubeki.api.facts import definition
from arubeki.api.schema import UNSET_DEFAULT, Schema
from arubeki.net.message import Request, Response
from arubeki.server.resources import Registry, Resource, Subresource

_REF = "#/components/schemas/"
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_QUERY = {
    "get": ("pretty",),
    "list": (
        "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "pretty",
        "resourceVersion", "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
    ),
    "create": ("dryRun", "fieldManager", "fieldValidation", "pretty"),
    "update": ("dryRun", "fieldManager", "fieldValidation", "pretty"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force", "pretty"),
    "delete": ("dryRun", "gracePeriodSeconds", "orphanDependents", "pretty", "propagationPolicy"),
    "deletecollection": (
        "continue", "dryRun", "fieldSelector", "gracePeriodSeconds", "labelSelector", "limit",
        "orphanDependents", "pretty", "propagationPolicy", "resourceVersion",
    ),
}  # fmt: skip
_INTEGERS = {"limit", "timeoutSeconds", "gracePeriodSeconds"}
_BOOLEANS = {"allowWatchBookmarks", "force", "orphanDependents", "sendInitialEvents", "watch"}
_STRATEGIC = "application/strategic-merge-patch+json"
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    _STRATEGIC,
    "application/apply-patch+yaml",
)
# (verb, HTTP method, action of x-kubernetes-action), of a collection and of an object.
_COLLECTION = (
    ("list", "get", "list"),
    ("create", "post", "post"),
    ("deletecollection", "delete", "deletecollection"),
)
_OBJECT = (
    ("get", "get", "get"),
    ("update", "put", "put"),
    ("patch", "patch", "patch"),
    ("delete", "delete", "delete"),
)


class OpenApi:
    """Answers about the shapes of what a registry serves."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents: dict[str, bytes] = {}
        self._hashes: dict[str, str] = {}
        self._made_at = -1

    def answer(self, request: Request) -> Response | None:
        """Return the answer to an OpenAPI v3 request; None when the path is none of its."""
        path = request.path.strip("/")
        if path != "openapi/v3" and not path.startswith("openapi/v3/"):
            return None
        if self._made_at != self._registry.changes:
            self._documents.clear()
            self._hashes = {key: self._hash(key) for key in self._keys()}
            self._made_at = self._registry.changes
        if path == "openapi/v3":
            return self._index()
        key = path.removeprefix("openapi/v3/")
        digest = self._hashes.get(key)
        if digest is None:
            return None
        asked = request.parameters().get("hash", [""])[0]
        if asked and asked != digest:
            return Response(301, {"Location": f"/openapi/v3/{key}?hash={digest}"})
        headers = {"Content-Type": "application/json", "ETag": f'"{digest}"', "Vary": "Accept"}
        if asked:
            headers["Cache-Control"] = "public, immutable"
        if f'"{digest}"' in request.headers.get("if-none-match", ""):
            return Response(304, headers)
        body = self._documents.get(key)
        if body is None:
            body = self._documents[key] = msgspec.json.encode(self._document(key))
        return Response(200, headers, body)

    def _index(self) -> Response:
        paths = {
            key: {"serverRelativeURL": f"/openapi/v3/{key}?hash={digest}"}
            for key, digest in self._hashes.items()
        }
        return Response(
            200, {"Content-Type": "application/json"}, msgspec.json.encode({"paths": paths})
        )

    def _keys(self) -> list[str]:
        return [
            f"apis/{group}/{version}" if group else f"api/{version}"
            for group, versions in self._registry.groups().items()
            for version in versions
        ]

    def _resources(self, key: str) -> list[Resource]:
        *_, version = key.split("/")
        group = key.split("/")[1] if key.startswith("apis/") else ""
        return [one for one in self._registry.all() if (one.group, one.version) == (group, version)]

    def _hash(self, key: str) -> str:
        """Return a hash of what the document is made of, without making it."""
        made_of = [
            (
                one.gvk,
                one.plural,
                one.verbs,
                sorted(one.subresources),
                one.custom and one.custom.schema,
            )
            for one in self._resources(key)
        ]
        return hashlib.sha256(msgspec.json.encode(made_of)).hexdigest().upper()

    def _document(self, key: str) -> dict[str, Any]:
        components = _Components()
        paths: dict[str, Any] = {}
        for resource in self._resources(key):
            paths |= _paths(resource, components)
        return {
            "openapi": "3.0.0",
            "info": {"title": "arubeki", "version": "v1.35.0"},
            "paths": paths,
            "components": {"schemas": components.schemas},
        }


class _Components:
    """The named schemas of one document, each added when first referred to."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def of_resource(self, resource: Resource) -> str:
        """Add a resource's kind and its list; return the kind's name."""
        schema = resource.schema
        if resource.custom is not None or schema is None or not schema.name:
            name = ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])
            self.schemas[name] = self._custom(resource)
        else:
            name = schema.name
            self.add(schema)
        # The node is shared with nobody: `add` made it for this document.
        self.schemas[name]["x-kubernetes-group-version-kind"] = [_gvk(resource.gvk)]
        self.schemas[f"{name}List"] = {
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "items": {"type": "array", "items": {"$ref": _REF + name}},
            },
            "x-kubernetes-group-version-kind": [
                _gvk((resource.group, resource.version, resource.list_kind))
            ],
        }
        return name

    def add(self, schema: Schema) -> str:
        """Add a named schema and all it refers to; return its name."""
        if schema.name not in self.schemas:
            self.schemas[schema.name] = {}  # taken, so that a recursive kind ends here
            self.schemas[schema.name] = self._node(schema)
        return schema.name

    def _custom(self, resource: Resource) -> dict[str, Any]:
        source = resource.custom.schema if resource.custom else None
        if not source:
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        metadata = self._reference(definition(_OBJECT_META))
        text = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
        properties = {**text, **(source.get("properties") or {}), "metadata": metadata}
        return {**source, "properties": properties}

    def _reference(self, schema: Schema) -> dict[str, Any]:
        if not schema.name:
            return self._node(schema)
        return {"allOf": [{"$ref": _REF + self.add(schema)}], "default": {}}

    def _node(self, schema: Schema) -> dict[str, Any]:
        node: dict[str, Any] = {}
        if schema.int_or_string:
            node["oneOf"] = [{"type": "integer"}, {"type": "string"}]
            node["format"] = "int-or-string"
            return node
        if schema.type:
            node["type"] = schema.type
        if schema.format:
            node["format"] = schema.format
        if schema.default is not UNSET_DEFAULT:
            node["default"] = schema.default
        if schema.enum:
            node["enum"] = list(schema.enum)
        if schema.required:
            node["required"] = list(schema.required)
        if schema.properties:
            node["properties"] = {name: self._field(one) for name, one in schema.properties.items()}
        if schema.additional is not None:
            node["additionalProperties"] = self._reference(schema.additional)
        if schema.items is not None:
            node["items"] = self._reference(schema.items)
        if schema.preserve_unknown:
            node["x-kubernetes-preserve-unknown-fields"] = True
        return node | _extensions(schema)

    def _field(self, schema: Schema) -> dict[str, Any]:
        """Return a field: what belongs to the field stands beside the reference, not behind it."""
        if not schema.name:
            return self._node(schema)
        return self._reference(schema) | _extensions(schema)


def _extensions(schema: Schema) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if schema.type == "array":
        found["x-kubernetes-list-type"] = schema.list_type
        if schema.list_keys:
            found["x-kubernetes-list-map-keys"] = list(schema.list_keys)
        if schema.merge_key:
            found["x-kubernetes-patch-merge-key"] = schema.merge_key
    if schema.map_type == "atomic":
        found["x-kubernetes-map-type"] = "atomic"
    if schema.merge_strategy:
        found["x-kubernetes-patch-strategy"] = ",".join(schema.merge_strategy)
    return found


def _paths(resource: Resource, components: _Components) -> dict[str, Any]:
    name = components.of_resource(resource)
    base = (
        f"/apis/{resource.group}/{resource.version}"
        if resource.group
        else f"/api/{resource.version}"
    )
    path_parameters = []
    scoped = base
    if resource.namespaced:
        scoped += "/namespaces/{namespace}"
        path_parameters.append(_path_parameter("namespace"))
    collection = f"{scoped}/{resource.plural}"
    paths: dict[str, Any] = {}
    paths[collection] = _operations(resource, _COLLECTION, resource.verbs, name, path_parameters)
    if resource.namespaced and "list" in resource.verbs:
        everywhere = _operations(resource, _COLLECTION[:1], resource.verbs, name, [])
        paths[f"{base}/{resource.plural}"] = everywhere
    named = [*path_parameters, _path_parameter("name")]
    operations = _operations(resource, _OBJECT, resource.verbs, name, named)
    if len(operations) > 1:
        paths[f"{collection}/{{name}}"] = operations
    for one in resource.subresources.values():
        paths[f"{collection}/{{name}}/{one.name}"] = _subresource(resource, one, name, named)
    return paths


def _operations(
    resource: Resource,
    table: Iterable[tuple[str, str, str]],
    verbs: Iterable[str],
    name: str,
    parameters: list[dict[str, Any]],
) -> dict[str, Any]:
    found: dict[str, Any] = {"parameters": parameters}
    for verb, method, action in table:
        if verb in verbs:
            answer = f"{name}List" if verb == "list" else name
            found[method] = _operation(resource.gvk, verb, action, name, answer)
    return _without_strategic(resource, found)


def _subresource(
    resource: Resource, one: Subresource, name: str, parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    found: dict[str, Any] = {"parameters": parameters}
    own = one.gvk == resource.gvk
    methods = {"get": "get", "update": "put", "patch": "patch", "create": "post"}
    for verb in one.verbs:
        schema = name if own else ""
        found[methods[verb]] = _operation(one.gvk, verb, methods[verb], schema, schema)
    return _without_strategic(resource, found)


def _without_strategic(resource: Resource, operations: dict[str, Any]) -> dict[str, Any]:
    """Take the strategic patch off a custom kind: kubectl apply sends what it finds here."""
    if resource.custom is not None and "patch" in operations:
        operations["patch"]["requestBody"]["content"].pop(_STRATEGIC)
    return operations


def _operation(
    gvk: tuple[str, str, str], verb: str, action: str, body: str, answer: str
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "parameters": [_query_parameter(one) for one in _QUERY[verb]],
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": _body(answer)}},
            }
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(gvk),
    }
    if verb in ("create", "update"):
        content = {"*/*": {"schema": _body(body)}}
        operation["requestBody"] = {"required": True, "content": content}
    elif verb == "patch":
        content = {kind: {"schema": {"type": "object"}} for kind in _PATCHES}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _body(name: str) -> dict[str, Any]:
    return {"$ref": _REF + name} if name else {"type": "object"}


def _gvk(gvk: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("group", "version", "kind"), gvk, strict=True))


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(name: str) -> dict[str, Any]:
    kind = "integer" if name in _INTEGERS else "boolean" if name in _BOOLEANS else "string"
    return {"name": name, "in": "query", "schema": {"type": kind}}
