"""`serviceaccounts/token`: a new token for a service account, on request.

Nothing is stored: the answer is the request with the token in it.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/core/serviceaccount/storage/token.go,
pkg/apis/authentication/validation/validation.go.
"""

from collections.abc import Mapping
from typing import Any

from arubeki import clock
from arubeki.api import fields
from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.errors import BadRequest, Conflict
from arubeki.net.message import Response
from arubeki.server import failures
from arubeki.server.access.accounts import EXTENDED_SECONDS, WARN_ONLY_SECONDS
from arubeki.server.core import Call
from arubeki.server.subresources import bodies

REQUEST = GVK("authentication.k8s.io", "v1", "TokenRequest")
LEAST_SECONDS = 600
MOST_SECONDS = 1 << 32
_BOUND = {"Pod": "pods", "Node": "nodes", "Secret": "secrets"}

Object = dict[str, Any]
Bound = dict[str, dict[str, str]]


async def create(call: Call) -> Response:
    """Answer a TokenRequest."""
    request, options = bodies.read(call, REQUEST)
    metadata, spec = request["metadata"], request.setdefault("spec", {})
    bodies.track(call, request, options)
    _check_name(call, metadata)
    accounts = call.core.accounts
    account = await accounts.look_up("serviceaccounts", call.namespace, call.name)
    if account is None:
        raise failures.not_found(call.resource, call.name)
    _check_uid(call, metadata, account)
    spec["audiences"] = list(spec.get("audiences") or accounts.audiences)
    metadata["creationTimestamp"] = clock.timestamp()
    faults = _faults(spec)
    if faults:
        raise fields.invalid(REQUEST.group, REQUEST.kind, "", faults)
    bound: Bound = {}
    if spec.get("boundObjectRef") is not None:
        bound = await _bound(call, spec["boundObjectRef"])
    seconds, warn_after = spec["expirationSeconds"], 0
    own = all(one in accounts.audiences for one in spec["audiences"])
    if "pod" in bound and own and seconds == WARN_ONLY_SECONDS:
        seconds, warn_after = EXTENDED_SECONDS, seconds
    now = clock.now()
    token = await accounts.issue(
        account, spec["audiences"], seconds, bound=bound, warn_after_seconds=warn_after
    )
    expires = clock.timestamp(now + spec["expirationSeconds"])
    request["status"] = {"token": token, "expirationTimestamp": expires}
    spec.setdefault("boundObjectRef", None)  # Go writes it, be it null
    return bodies.respond(call, request)


def _check_name(call: Call, metadata: Object) -> None:
    for name, url in (("name", call.name), ("namespace", call.namespace)):
        given = metadata.get(name)
        if given and given != url:
            what = "name" if name == "name" else "namespace"
            why = f"must match the service account {what} if specified"
            fault = FieldError.invalid(f"metadata.{name}", given, why)
            raise fields.invalid(REQUEST.group, REQUEST.kind, call.name, [fault])
        metadata[name] = url


def _check_uid(call: Call, metadata: Object, account: Mapping[str, Any]) -> None:
    uid = account["metadata"]["uid"]
    given = metadata.get("uid")
    if given and given != uid:
        raise _conflict(
            REQUEST,
            call.name,
            f"the UID in the token request ({given}) does not match the UID of the service account "
            f"({uid})",
        )
    metadata["uid"] = uid


def _faults(spec: Object) -> list[FieldError]:
    path, seconds = "spec.expirationSeconds", spec["expirationSeconds"]
    found = []
    if seconds < LEAST_SECONDS:
        why = "may not specify a duration less than 10 minutes"
        found.append(FieldError.invalid(path, seconds, why))
    if seconds > MOST_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
        found.append(FieldError.invalid(path, seconds, why))
    if spec.get("attestations"):
        why = "attestations may only be specified with a webhook bound object reference"
        found = [FieldError.invalid("spec.attestations", spec["attestations"], why)]
    return found


async def _bound(call: Call, reference: Object) -> Bound:
    """Return what the token is to be bound to. Raises: BadRequest, NotFound, Conflict."""
    kind, api_version = reference.get("kind", ""), reference.get("apiVersion", "")
    group, _, version = api_version.rpartition("/")
    plural = _BOUND.get(kind)
    if group or plural is None:
        shown = f"{group}/{version}, Kind={kind}"
        raise BadRequest(f"cannot bind token to object of type {shown}")
    name = reference.get("name", "")
    found = await _needed(call, plural, name)
    bound: Bound = {}
    if kind == "Pod":
        if found["spec"].get("serviceAccountName") != call.name:
            raise BadRequest(
                f'cannot bind token for serviceaccount "{call.name}" to pod running with different '
                "serviceaccount name."
            )
        node = found["spec"].get("nodeName")
        if node:
            there = await call.core.accounts.look_up("nodes", "", node)
            bound["node"] = {"name": node} if there is None else _reference(there)
    bound[kind.lower()] = _reference(found)
    uid, given = found["metadata"]["uid"], reference.get("uid")
    if given and given != uid:
        raise _conflict(
            GVK("", version, kind),
            name,
            f"the UID in the bound object reference ({given}) does not match the UID in record. "
            "The object might have been deleted and then recreated",
        )
    return bound


async def _needed(call: Call, plural: str, name: str) -> Mapping[str, Any]:
    namespace = "" if plural == "nodes" else call.namespace
    found = await call.core.accounts.look_up(plural, namespace, name)
    if found is None:
        resource = call.core.registry.find("", "v1", plural)
        assert resource is not None
        raise failures.not_found(resource, name)
    return found


def _reference(obj: Mapping[str, Any]) -> dict[str, str]:
    return {name: obj["metadata"][name] for name in ("name", "uid")}


def _conflict(gvk: GVK, name: str, why: str) -> Conflict:
    """Return a conflict that names a kind where others name a resource."""
    qualified = f"{gvk.kind}.{gvk.group}" if gvk.group else gvk.kind
    details = {"name": name, "group": gvk.group, "kind": gvk.kind}
    return Conflict(
        f'Operation cannot be fulfilled on {qualified} "{name}": {why}',
        details={key: value for key, value in details.items() if value},
    )
