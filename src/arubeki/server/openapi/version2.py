"""Writes schemas and operations as OpenAPI v2 has them.

Kubernetes' v2 document differs from v3 in more than spelling: it has no defaults, types that look
different in JSON by value are strings, and parameters that many operations have stand in one place.

On the ring: [HTTP > **server**].
Source: kube-openapi pkg/builder/{openapi,parameters}.go, pkg/handler/default_pruning.go.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence, Set

import msgspec

from arubeki.server.openapi import parameters
from arubeki.server.openapi.builtins import META, REFERENCE, Node
from arubeki.server.openapi.routes import PHRASES, TEXT, Route, extensions

DEFINITION = "#/definitions/"
# kubectl looks for these two in the operation itself; the last one differs by kind.
_OWN = ("dryRun", "fieldValidation", "name")


def schema(node: Node) -> Node:
    """Return a v3 schema as v2 has it."""
    found: Node = {}
    for key, value in node.items():
        if key == "$ref":
            found[key] = reference(value.removeprefix(REFERENCE))["$ref"]
        elif key == "allOf":
            found |= schema(value[0])
        elif key == "oneOf":
            found["type"] = "string"
        elif key == "properties":
            found[key] = {name: schema(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            found[key] = schema(value)
        elif key != "default":
            found[key] = value
    return found


def reference(name: str) -> Node:
    """Return a reference to a definition."""
    return {"$ref": DEFINITION + name}


class Parameters:
    """The parameters of a document: told once, and referred to by the operations."""

    def __init__(self) -> None:
        self.told: dict[str, Node] = {}
        self._references: dict[tuple[str, str], Node] = {}

    def refer(self, name: str, place: str = "query") -> Node:
        """Return what an operation says of a parameter."""
        if name in _OWN:
            return parameters.version2(name, place)
        return self._shared(place, name, lambda: parameters.version2(name, place))

    def refer_to_body(self, definition: str, *, required: bool) -> Node:
        """Return what an operation says of its body."""
        if not definition.startswith(META):
            return _body(definition, required=required)
        return self._shared("body", definition, lambda: _body(definition, required=required))

    def _shared(self, place: str, name: str, make: Callable[[], Node]) -> Node:
        found = self._references.get((place, name))
        if found is None:
            node = make()
            digest = hashlib.sha256(msgspec.json.encode(node)).digest()
            key = f"{node['name']}-{base64.urlsafe_b64encode(digest[:6]).decode()}"
            self.told[key] = node
            found = self._references[place, name] = {"$ref": f"#/parameters/{key}"}
        return found


def path_item(routes: Sequence[Route], shared: Parameters) -> Node:
    """Return the operations of a path."""
    common = parameters.common([route.query for route in routes])
    found: Node = {route.method: _operation(route, common, shared) for route in routes}
    own = [(name, "path") for name in parameters.path_parameters(routes[0].path)]
    own += [(name, "query") for name in common]
    if own:
        found["parameters"] = [shared.refer(name, place) for name, place in sorted(own)]
    return found


def _operation(route: Route, common: Set[str], shared: Parameters) -> Node:
    told = [shared.refer(name) for name in sorted(route.query) if name not in common]
    if route.body:
        told.insert(0, shared.refer_to_body(route.body, required=route.body_required))
    node: Node = {"description": route.description}
    if route.consumes:
        node["consumes"] = list(route.consumes)
    node |= {
        "produces": list(route.produces),
        "schemes": ["https"],
        "tags": [route.tag],
        "operationId": route.operation,
    }
    if told:
        node["parameters"] = told
    node["responses"] = {
        str(code): {"description": PHRASES[code], "schema": _answer(name)}
        for code, name in route.answers.items()
    } | {"401": {"description": PHRASES[401]}}
    return node | extensions(route)


def _answer(name: str) -> Node:
    return {"type": "string"} if name == TEXT else reference(name)


def _body(definition: str, *, required: bool) -> Node:
    node: Node = {"name": "body", "in": "body"}
    if required:
        node["required"] = True
    return node | {"schema": reference(definition)}
