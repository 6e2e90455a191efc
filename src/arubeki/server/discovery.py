"""What clients ask first: which groups, versions, resources and verbs there are.

Two forms of one answer. The aggregated one (two requests, all groups) is what client-go asks since
1.26; the older one walks group by group and is what kopf, kr8s, the Python client and `kubectl auth
can-i` use. Both are made from the registry and kept until it changes, so that a new
CustomResourceDefinition shows at once.

On the ring: [HTTP > **server**]. Source: apiserver pkg/endpoints/discovery, KEP-3352.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from arubeki.net.message import Request, Response
from arubeki.server.resources import Registry, Resource, Subresource

_AGGREGATED = "apidiscovery.k8s.io"
_ROOT_PATHS = (
    "/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version",
)  # fmt: skip


class Discovery:
    """Answers about what a registry serves."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: dict[tuple[str, str], Response] = {}
        self._made_at = -1

    def answer(self, request: Request) -> Response | None:
        """Return the answer to a discovery request; None when the path is none of discovery's."""
        if self._made_at != self._registry.changes:
            self._made.clear()
            self._made_at = self._registry.changes
        path = request.path.rstrip("/") or "/"
        form = _form(request.headers.get("accept", "")) if path in ("/api", "/apis") else ""
        response = self._made.get((path, form))
        if response is None:
            make = self._maker(path, form)
            if make is None:
                return None
            document = make()
            if document is None:
                return None
            response = self._made[path, form] = _response(document, form)
        if _matches(request.headers.get("if-none-match", ""), response.headers["ETag"]):
            return Response(304, {"ETag": response.headers["ETag"], "Vary": "Accept"})
        return response

    def _maker(self, path: str, form: str) -> "Callable[[], dict[str, Any] | None] | None":
        if path == "/":
            return self._root
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) <= 2:
            if len(parts) == 1:
                return (lambda: self._aggregate(form, core=True)) if form else self._core_versions
            return lambda: self._resources("", parts[1])
        if parts[0] == "apis" and len(parts) <= 3:
            if len(parts) == 1:
                return (lambda: self._aggregate(form, core=False)) if form else self._groups
            if len(parts) == 2:
                return lambda: self._group(parts[1])
            return lambda: self._resources(parts[1], parts[2])
        return None

    def _root(self) -> dict[str, Any]:
        paths = set(_ROOT_PATHS)
        for group, versions in self._registry.groups().items():
            if group:
                paths.add(f"/apis/{group}")
                paths.update(f"/apis/{group}/{version}" for version in versions)
        return {"paths": sorted(paths)}

    def _core_versions(self) -> dict[str, Any]:
        return {
            "kind": "APIVersions",
            "versions": self._registry.groups().get("", []),
            # An address of its own for a client's network; one address fits all here.
            "serverAddressByClientCIDRs": [],
        }

    def _groups(self) -> dict[str, Any]:
        groups = [
            _group(group, versions) for group, versions in self._registry.groups().items() if group
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def _group(self, name: str) -> dict[str, Any] | None:
        versions = self._registry.groups().get(name) if name else None
        if not versions:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}

    def _resources(self, group: str, version: str) -> dict[str, Any] | None:
        served = self._of_version(group, version)
        if not served:
            return None
        resources: list[dict[str, Any]] = []
        for resource in served:
            resources.append(_plain_resource(resource))
            resources += [
                _plain_subresource(resource, one) for one in resource.subresources.values()
            ]
        resources.sort(key=lambda one: one["name"])
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": resources,
        }

    def _aggregate(self, form: str, *, core: bool) -> dict[str, Any]:
        items = []
        for group, versions in self._registry.groups().items():
            if bool(group) == core:
                continue
            items.append(
                {
                    "metadata": {"name": group, "creationTimestamp": None}
                    if group
                    else {"creationTimestamp": None},
                    "versions": [self._aggregate_version(group, one) for one in versions],
                }
            )
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"{_AGGREGATED}/{form}",
            "metadata": {},
            "items": items,
        }

    def _aggregate_version(self, group: str, version: str) -> dict[str, Any]:
        resources = [_aggregate_resource(one) for one in self._of_version(group, version)]
        resources.sort(key=lambda one: str(one["resource"]))
        return {"version": version, "resources": resources, "freshness": "Current"}

    def _of_version(self, group: str, version: str) -> list[Resource]:
        return [
            one for one in self._registry.all() if one.group == group and one.version == version
        ]


def _form(accept: str) -> str:
    """Return the version of aggregated discovery that a client prefers; "" for the older form."""
    for entry in accept.split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        said = dict(part.partition("=")[::2] for part in parameters)
        if media not in ("application/json", "*/*", "application/*"):
            continue
        if said.get("as") == "APIGroupDiscoveryList" and said.get("g") == _AGGREGATED:
            if said.get("v") in ("v2", "v2beta1"):
                return said["v"]
        elif "as" not in said:
            return ""
    return ""


def _response(document: dict[str, Any], form: str) -> Response:
    body = msgspec.json.encode(document)
    kind = "application/json"
    if form:
        kind = f"application/json;g={_AGGREGATED};v={form};as=APIGroupDiscoveryList"
    tag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
    return Response(200, {"Content-Type": kind, "ETag": tag, "Vary": "Accept"}, body + b"\n")


def _matches(header: str, tag: str) -> bool:
    return any(one.strip() in (tag, "*") for one in header.split(",")) if header else False


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _plain_resource(resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if resource.prefix:
        found["storageVersionHash"] = _storage_hash(resource)
    return found


def _storage_hash(resource: Resource) -> str:
    """Return a short text that changes when the stored kind does."""
    text = f"{resource.group}/{resource.version}/{resource.kind}".encode()
    return base64.b64encode(hashlib.sha256(text).digest()[:8]).decode()


def _plain_subresource(resource: Resource, one: Subresource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": f"{resource.plural}/{one.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": one.gvk.kind,
        "verbs": list(one.verbs),
    }
    if (one.gvk.group, one.gvk.version) != (resource.group, resource.version):
        found["group"], found["version"] = one.gvk.group, one.gvk.version
    return found


def _aggregate_resource(resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": _kind(resource.gvk),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    subresources = [
        {"subresource": one.name, "responseKind": _kind(one.gvk), "verbs": list(one.verbs)}
        for one in sorted(resource.subresources.values(), key=lambda one: one.name)
    ]
    if subresources:
        found["subresources"] = subresources
    return found


def _kind(gvk: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("group", "version", "kind"), gvk, strict=True))
