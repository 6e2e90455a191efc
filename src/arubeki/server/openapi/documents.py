"""Documents, piece by piece: a path at a time, a definition at a time.

A document is a head and sections of named pieces, so that whoever writes one out can do so in
slices, in whatever form, and never holds it as a whole. What belongs to a document is decided when
it is begun; the registry may change meanwhile.

On the ring: [HTTP > **server**]. Source: kube-openapi pkg/builder3/openapi.go, pkg/spec3.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from arubeki.server.openapi import builtins, custom, parameters, routes, version2
from arubeki.server.openapi.builtins import META, Node, reference
from arubeki.server.openapi.routes import PHRASES, TEXT, Route, extensions
from arubeki.server.probes import version
from arubeki.server.resources import Resource

_LOGIN: Node = {
    "BearerToken": {
        "type": "apiKey",
        "description": "A bearer token.",
        "name": "authorization",
        "in": "header",
    }
}


class Piece(NamedTuple):
    """A part of a document: what stands at `section` under `name` ("" for the section itself)."""

    section: tuple[str, ...]
    name: str
    node: object


def version3_pieces(key: str, resources: Sequence[Resource]) -> Iterator[Piece]:
    """Yield the v3 document of a group and version (`apis/apps/v1`) or of a path of discovery.

    Pieces of one section come one after the other.
    """
    yield Piece((), "openapi", "3.0.0")
    yield Piece((), "info", _info())
    by_path = _by_path(key, resources)
    for path, group in by_path.items():
        yield Piece(("paths",), path, _path_item(group))
    # Custom kinds are described by another builder, which speaks of all groups, not of logging in.
    only_custom = bool(resources) and all(one.custom for one in resources)
    place = None if only_custom else _place(key)
    roots = _roots(route for group in by_path.values() for route in group)
    for name, own in _definitions(roots, resources):
        node = _custom_schema(name, own) if own else builtins.schema(name, place)
        yield Piece(("components", "schemas"), name, node)
    if not only_custom:
        yield Piece(("components",), "securitySchemes", _LOGIN)


def version2_pieces(groups: Mapping[str, Sequence[Resource]]) -> Iterator[Piece]:
    """Yield the v2 document of all that is in the v3 documents: their resources by their keys."""
    yield Piece((), "swagger", "2.0")
    yield Piece((), "info", _info())
    shared, roots = version2.Parameters(), set[str]()
    for key, resources in sorted(groups.items()):
        for path, group in _by_path(key, resources).items():
            yield Piece(("paths",), path, version2.path_item(group, shared))
            roots |= _roots(group)
    everything = [one for resources in groups.values() for one in resources]
    for name, own in _definitions(roots, everything):
        node = _custom_schema(name, own, narrow=True) if own else builtins.schema(name)
        yield Piece(("definitions",), name, version2.schema(node))
    yield Piece((), "parameters", shared.told)
    yield Piece((), "securityDefinitions", _LOGIN)
    yield Piece((), "security", [{"BearerToken": []}])


def key_of(resource: Resource) -> str:
    """Return the name of the v3 document that a resource is in."""
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _place(key: str) -> tuple[str, str]:
    root, *below = key.split("/")
    return (
        ("", below[-1]) if root == "api" and below else (below[0], below[-1]) if below else ("", "")
    )


def _info() -> Node:
    return {"title": "arubeki", "version": version()["gitVersion"]}


def _by_path(key: str, resources: Sequence[Resource]) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    if not resources or any(one.custom is None for one in resources):
        discovered = routes.of_document(key)
        found[discovered.path] = [discovered]
    for resource in resources:
        for route in routes.of_resource(resource):
            found.setdefault(route.path, []).append(route)
    return dict(sorted(found.items()))


def _roots(group: Iterable[Route]) -> set[str]:
    """Return the full names of the definitions that routes name."""
    return {name for route in group for name in (route.body, *route.answers.values())}


def _definitions(
    roots: set[str], resources: Sequence[Resource]
) -> Iterator[tuple[str, Resource | None]]:
    """Yield the full names that roots lead to, a custom kind or its list with its resource."""
    customs: dict[str, Resource] = {}
    for one in resources:
        if one.custom is not None:
            customs[routes.definition_name(one)] = customs[routes.list_name(one)] = one
    if customs:
        roots = roots | {f"{META}ObjectMeta", f"{META}ListMeta"}
    if any("watch" in one.verbs and one.custom is None for one in resources):
        roots = roots | {f"{META}WatchEvent"}
    names = builtins.closure(roots - customs.keys() - {TEXT, ""})
    for name in sorted({*names, *customs}):
        yield name, customs.get(name)


def _custom_schema(name: str, resource: Resource, *, narrow: bool = False) -> Node:
    if name == routes.list_name(resource):
        return custom.list_schema(resource)
    return custom.schema(resource, narrow=narrow)


def _path_item(group: Sequence[Route]) -> Node:
    common = parameters.common([route.query for route in group])
    found: Node = {route.method: _operation(route, common) for route in group}
    own = [(name, "path") for name in parameters.path_parameters(group[0].path)]
    own += [(name, "query") for name in common]
    if own:
        found["parameters"] = [parameters.version3(name, place) for name, place in sorted(own)]
    return found


def _operation(route: Route, common: set[str]) -> Node:
    node: Node = {
        "tags": [route.tag],
        "description": route.description,
        "operationId": route.operation,
    }
    if query := [name for name in sorted(route.query) if name not in common]:
        node["parameters"] = [parameters.version3(name) for name in query]
    if route.body:
        node["requestBody"] = {"content": _content(route.consumes, route.body)}
        if route.body_required:
            node["requestBody"]["required"] = True
    node["responses"] = {
        str(code): {"description": PHRASES[code], "content": _content(route.produces, name)}
        for code, name in route.answers.items()
    } | {"401": {"description": PHRASES[401]}}
    return node | extensions(route)


def _content(media: Iterable[str], name: str) -> Node:
    described = {"schema": {"type": "string"} if name == TEXT else reference(name)}
    return dict.fromkeys(media, described)
