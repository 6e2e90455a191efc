"""Which operations there are, as data that both versions of OpenAPI are written from.

A built-in resource's operations follow from its verbs as Kubernetes' installer has it, those of a
custom resource as the builder of its extension server has it: other parameters, media types and
answers. The old `/watch/` paths are served by nobody here and so not told of.

On the ring: [HTTP > **server**].
Source: apiserver pkg/endpoints/installer.go, pkg/endpoints/openapi/openapi.go;
apiextensions-apiserver pkg/controller/openapi/builder/builder.go.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from arubeki.api import facts
from arubeki.api.objects import GVK
from arubeki.server.openapi import parameters
from arubeki.server.openapi.builtins import META, Node, gvk_node
from arubeki.server.resources import Resource, Subresource

MEDIA = ("application/json", "application/yaml")
"""What is answered; Kubernetes has its protobuf as well."""
STREAMS = ("application/json;stream=watch",)
PHRASES = {200: "OK", 201: "Created", 202: "Accepted", 401: "Unauthorized"}
"""What the codes of answers mean. Source: RFC 9110 15."""
TEXT = ""
"""An answer that is text, in place of a definition's name."""
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_CUSTOM_PATCHES = tuple(one for one in _PATCHES if "strategic" not in one)
_ANY = ("*/*",)
# verb: (HTTP method, x-kubernetes-action, first word of the operation's id)
_COLLECTION = {
    "list": ("get", "list", "list"),
    "create": ("post", "post", "create"),
    "deletecollection": ("delete", "deletecollection", "delete"),
}
_OBJECT = {
    "get": ("get", "get", "read"),
    "update": ("put", "put", "replace"),
    "patch": ("patch", "patch", "patch"),
    "delete": ("delete", "delete", "delete"),
    "create": ("post", "post", "create"),
}
_CODES: Mapping[str, tuple[int, ...]] = {
    "post": (200, 201, 202), "put": (200, 201), "patch": (200, 201), "delete": (200, 202),
}  # fmt: skip
_METHODS = {"create": "post", "delete": "delete", "get": "get", "patch": "patch", "update": "put"}
_DOINGS: Mapping[str, str] = {
    "create": "Create", "delete": "Delete", "deletecollection": "Delete many of", "get": "Read",
    "list": "List or watch", "patch": "Change a part of", "update": "Replace",
}  # fmt: skip
# Whose deletion answers with what was deleted, not with a Status.
_RETURNED = {
    "persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "resourcequotas",
    "serviceaccounts", "services",
    "deviceclasses.resource.k8s.io", "resourceclaims.resource.k8s.io",
    "resourceclaimtemplates.resource.k8s.io", "resourceslices.resource.k8s.io",
    "csidrivers.storage.k8s.io", "csinodes.storage.k8s.io", "storageclasses.storage.k8s.io",
    "volumeattachments.storage.k8s.io", "volumeattributesclasses.storage.k8s.io",
}  # fmt: skip

_OTHERS: Mapping[str, tuple[str, str, tuple[str, ...], str]] = {
    ".well-known/openid-configuration": (
        "ServiceAccountIssuerOpenIDConfiguration", "WellKnown", ("application/json",), TEXT,
    ),
    "openid/v1/jwks": (
        "ServiceAccountIssuerOpenIDKeyset", "openid", ("application/jwk-set+json",), TEXT,
    ),
    "version": (
        "CodeVersion", "version", ("application/json",), "io.k8s.apimachinery.pkg.version.Info",
    ),
}  # fmt: skip
OTHERS = tuple(_OTHERS)
"""Documents of what is neither a resource nor discovery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation: a method of a path.

    `body` and the values of `answers` (by code) are definitions' full names, `query` names of
    parameters. `action` and `gvk` are "" and None for what is no resource.
    """

    path: str
    method: str
    operation: str
    tag: str
    description: str
    action: str = ""
    gvk: GVK | None = None
    query: tuple[str, ...] = ()
    body: str = ""
    body_required: bool = False
    consumes: tuple[str, ...] = MEDIA
    produces: tuple[str, ...] = MEDIA
    answers: Mapping[int, str]


def definition_name(resource: Resource) -> str:
    """Return the full name of a resource's definition: `io.k8s.api.core.v1.Pod`."""
    if resource.custom is None and (known := facts.definition_name(resource.gvk)):
        return known
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def list_name(resource: Resource) -> str:
    """Return the full name of a resource's list."""
    prefix = definition_name(resource).rpartition(".")[0]
    return f"{prefix}.{resource.list_kind}"


def of_document(path: str) -> Route:
    """Return the operation of a path that is no resource, such as `apis/apps/v1` or `version`."""
    operation, tag, media, answer = _OTHERS.get(path) or _discovery(path)
    return Route(
        path=f"/{path}/",
        method="get",
        operation=f"get{operation}",
        tag=tag,
        description="Tell what is served.",
        consumes=() if answer == TEXT else media,
        produces=media,
        answers={200: answer},
    )


def _discovery(path: str) -> tuple[str, str, tuple[str, ...], str]:
    """Return (operation, tag, media types, definition of the answer) of a path of discovery."""
    root, *below = path.split("/")
    if root == "api":
        below.insert(0, "core")
    operation, answer = "APIVersions", "APIGroupList"
    if len(below) == 2:
        operation, answer = f"{_joined(*below)}APIResources", "APIResourceList"
    elif root == "api":
        operation, answer = "CoreAPIVersions", "APIVersions"
    elif below:
        operation, answer = f"{_joined(below[0])}APIGroup", "APIGroup"
    return operation, _tag(path), MEDIA, META + answer


def of_resource(resource: Resource) -> Iterator[Route]:
    """Yield the operations of a resource and what is below it."""
    make = _Maker(resource)
    gv = resource.api_version
    base = f"/apis/{gv}" if resource.group else f"/api/{gv}"
    scope = f"{base}/namespaces/{{namespace}}" if resource.namespaced else base
    collection = f"{scope}/{resource.plural}"
    for verb in resource.verbs:
        if verb in _COLLECTION:
            yield make.route(collection, verb, *_COLLECTION[verb])
        elif verb in _OBJECT:
            yield make.route(f"{collection}/{{name}}", verb, *_OBJECT[verb])
    if resource.namespaced and "list" in resource.verbs:
        yield make.route(f"{base}/{resource.plural}", "list", *_COLLECTION["list"], everywhere=True)
    for one in resource.subresources.values():
        path = f"{collection}/{{name}}/{one.name}"
        for verb in one.verbs:
            if one.gvk.kind.endswith("Options"):
                yield from make.connects(path, verb, one)
            else:
                yield make.route(path, verb, *_OBJECT[verb], below=one)


def extensions(route: Route) -> Node:
    """Return what an operation says in Kubernetes' own words."""
    if route.gvk is None:
        return {}
    return {
        "x-kubernetes-action": route.action,
        "x-kubernetes-group-version-kind": gvk_node(route.gvk),
    }


class _Maker:
    """Makes the routes of one resource."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._custom = resource.custom is not None
        self._name = definition_name(resource)
        self._joined = _joined(resource.group or "core", resource.version)
        path = f"apis/{resource.group}/{resource.version}" if resource.group else "api/v1"
        self._tag = _tag(path)

    def route(
        self,
        path: str,
        verb: str,
        method: str,
        action: str,
        word: str,
        *,
        below: Subresource | None = None,
        everywhere: bool = False,
    ) -> Route:
        """Return the operation of a verb."""
        table = parameters.OF_CUSTOM_ACTION if self._custom else parameters.OF_ACTION
        is_log = below is not None and below.name == "log"
        body, required = self._body(action, below)
        return Route(
            path=path,
            method=method,
            operation=self._operation(word, verb, below, everywhere=everywhere),
            tag=self._tag,
            description=self._description(_DOINGS[verb], below),
            action=action,
            # Kubernetes' builder of custom resources calls their scale by its owner's kind.
            gvk=below.gvk if below and not self._custom else self._resource.gvk,
            query=parameters.OF_SUBRESOURCE["log"] if is_log else table[action],
            body=body,
            body_required=required,
            consumes=self._consumes(action),
            produces=("text/plain", *MEDIA) if is_log else self._produces(action),
            answers=dict.fromkeys(self._codes(action), self._answer(action, below)),
        )

    def connects(self, path: str, verb: str, below: Subresource) -> Iterator[Route]:
        """Yield the operations of what is passed through: exec, attach, portforward, proxy."""
        is_proxy = below.name == "proxy"
        methods = ("get", "head", "options") if is_proxy and verb == "get" else (_METHODS[verb],)
        places = ((path, ""), (f"{path}/{{path}}", "WithPath")) if is_proxy else ((path, ""),)
        for place, last in places:
            for method in methods:
                operation = self._operation("connect", verb, below, method=method.title())
                yield Route(
                    path=place,
                    method=method,
                    operation=operation + last,
                    tag=self._tag,
                    description=self._description("Connect to", below),
                    action="connect",
                    gvk=below.gvk,
                    query=parameters.OF_SUBRESOURCE.get(below.name, ()),
                    consumes=_ANY,
                    produces=_ANY,
                    answers={200: TEXT},
                )

    def _operation(
        self,
        word: str,
        verb: str,
        below: Subresource | None,
        *,
        everywhere: bool = False,
        method: str = "",
    ) -> str:
        scope = "Namespaced" if self._resource.namespaced and not everywhere else ""
        collection = "Collection" if verb == "deletecollection" else ""
        kind = self._resource.kind + (below.name.title() if below else "")
        last = "ForAllNamespaces" if everywhere else ""
        return f"{word}{self._joined}{method}{collection}{scope}{kind}{last}"

    def _description(self, doing: str, below: Subresource | None) -> str:
        of = f"{below.name} of " if below else ""
        return f"{doing} {of}{self._resource.plural}."

    def _body(self, action: str, below: Subresource | None) -> tuple[str, bool]:
        if action in ("post", "put"):
            return self._definition(below), True
        if action == "patch":
            return f"{META}Patch", True
        if action == "delete" or (action == "deletecollection" and not self._custom):
            return f"{META}DeleteOptions", False
        return "", False

    def _answer(self, action: str, below: Subresource | None) -> str:
        if action == "list":
            return list_name(self._resource)
        is_returned = self._resource.qualified in _RETURNED
        if action == "deletecollection" or (action == "delete" and not is_returned):
            return f"{META}Status"
        return TEXT if below is not None and below.name == "log" else self._definition(below)

    def _definition(self, below: Subresource | None) -> str:
        if below is None or below.gvk == self._resource.gvk:
            return self._name
        return facts.definition_name(below.gvk) or f"{META}Status"

    def _codes(self, action: str) -> tuple[int, ...]:
        return (200,) if self._custom and action == "patch" else _CODES.get(action, (200,))

    def _consumes(self, action: str) -> tuple[str, ...]:
        if action == "patch":
            return _CUSTOM_PATCHES if self._custom else _PATCHES
        return MEDIA if self._custom else _ANY

    def _produces(self, action: str) -> tuple[str, ...]:
        return (*MEDIA, *STREAMS) if action == "list" and not self._custom else MEDIA


def _joined(group: str, version: str = "") -> str:
    """Return the middle of an operation's id: `AppsV1`, `RbacAuthorizationV1`."""
    return _camel(group.removesuffix(".k8s.io"), first=True) + _camel(version, first=True)


def _tag(path: str) -> str:
    root, *below = path.split("/")
    if root == "api":
        below = ["core", *below]
    if not below:
        return root
    return "_".join([_camel(below[0].removesuffix(".k8s.io")), *below[1:]])


def _camel(text: str, *, first: bool = False) -> str:
    """Return a text as part of an operation's id: `example.com` is `exampleCom`."""
    found, upper = "", first
    for index, one in enumerate(text):
        if one.isalpha() or one == "_" or (index and one.isdigit()):
            found += one.upper() if upper else one
            upper = False
        else:
            upper = True
    return found
