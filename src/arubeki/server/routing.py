"""From a path to a `Call`: which resource, which object, which verb.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/request/requestinfo.go.
"""

from arubeki.api import fields
from arubeki.errors import BadRequest, NotServed
from arubeki.net.message import Request, User
from arubeki.server import failures
from arubeki.server.access import Attributes
from arubeki.server.core import Call, Core, parse_query
from arubeki.server.resources import Resource

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SUBRESOURCE_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "POST": "create"}


def resolve(core: Core, request: Request, user: User) -> Call | None:
    """Return the call that a request to a served group is; None for any other path.

    Raises: NotFound, MethodNotAllowed, NotServed.
    """
    parts = request.path.split("/")
    if parts[-1] == "":
        parts.pop()  # some clients end every path with a slash
    if len(parts) >= 4 and parts[1] == "api":
        group, version, rest = "", parts[2], parts[3:]
    elif len(parts) >= 5 and parts[1] == "apis":
        group, version, rest = parts[2], parts[3], parts[4:]
    else:
        return None
    if "" in rest:
        raise failures.no_such_path()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and not _is_namespaces_own(group, rest):
        namespace, rest = rest[1], rest[2:]
    resource = core.registry.find(group, version, rest[0])
    if resource is None:
        if group and group not in core.registry.groups():
            return None
        raise failures.no_such_path()
    return _call(core, request, user, resource=resource, namespace=namespace, rest=rest[1:])


def _is_namespaces_own(group: str, rest: list[str]) -> bool:
    """Tell whether `/namespaces/x/status` is meant, and not a resource within x."""
    return not group and len(rest) == 3 and rest[2] in ("status", "finalize")


def _call(
    core: Core, request: Request, user: User, *, resource: Resource, namespace: str, rest: list[str]
) -> Call:
    name = rest[0] if rest else ""
    subresource = rest[1] if len(rest) > 1 else ""
    if bool(namespace) and not resource.namespaced:
        raise failures.no_such_path()
    if name and resource.namespaced and not namespace:
        raise failures.no_such_path()
    if not resource.prefix and (name or bool(namespace) is not resource.namespaced):
        raise failures.no_such_path()  # there is nothing but the one path to ask at
    parameters = parse_query(request.query)
    call = Call(core, request, user, resource, "", namespace, name, subresource, parameters)
    call.verb = _verb(call, request.method, rest)
    if name in (".", "..") or "%" in name:
        why = "may not contain '%'" if "%" in name else f"may not be '{name}'"
        raise BadRequest(f"Name parameter invalid: {fields.shown(name)}: {why}")
    return call


def _verb(call: Call, method: str, rest: list[str]) -> str:
    resource = call.resource
    if call.subresource:
        return _subresource_verb(call, method, rest)
    table = _OBJECT_VERBS if call.name else _COLLECTION_VERBS
    verb = table.get(method, "")
    if verb == "list" and "watch" in call.parameters and call.flag("watch"):
        verb = "watch"
    if not verb:
        raise failures.method_not_allowed()
    across = resource.namespaced and not call.namespace
    if verb not in resource.verbs or (across and verb in ("create", "deletecollection")):
        raise failures.method_not_allowed()
    return verb


def _subresource_verb(call: Call, method: str, rest: list[str]) -> str:
    resource, name = call.resource, call.subresource
    if name in resource.not_served:
        raise NotServed(
            f"{resource.qualified}/{name} is not served by this server",
            details=failures.details_of(resource, call.name),
        )
    subresource = resource.subresources.get(name)
    if subresource is None or len(rest) > 2:
        raise failures.no_such_path()
    verb = _SUBRESOURCE_VERBS.get(method, "")
    if verb not in subresource.verbs:
        raise failures.method_not_allowed()
    return verb


def attributes_of(call: Call) -> Attributes:
    """Return what authorization judges."""
    resource = call.resource
    return Attributes(
        verb=call.verb,
        group=resource.group,
        version=resource.version,
        resource=resource.plural,
        subresource=call.subresource,
        namespace=call.namespace,
        name=call.name,
    )
