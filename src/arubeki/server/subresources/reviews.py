"""Questions about access, asked as objects: who am I, whose token is this, may I.

None is stored: the answer is the question with its `status`. All go through the one hook that every
request passes.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/{authentication,authorization}/*/{rest,storage}.go,
pkg/apis/authorization/validation/validation.go.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arubeki import clock
from arubeki.api import fields, names
from arubeki.api.fields import FieldError
from arubeki.errors import BadRequest
from arubeki.net.message import Response, User
from arubeki.server.access.authentication import Refused
from arubeki.server.access.authorization import Attributes, Rule
from arubeki.server.core import Call
from arubeki.server.subresources import bodies

Object = dict[str, Any]
Fault = list[FieldError]


async def self_subject(call: Call) -> Response:
    """Answer who asks: `kubectl auth whoami`."""
    review, _ = bodies.read(call, call.resource.gvk)
    review["metadata"] = {"creationTimestamp": clock.timestamp()}
    review["status"] = {"userInfo": _shown(call.user)}
    return bodies.respond(call, review)


async def token(call: Call) -> Response:
    """Answer whose token it is, and what it is good for."""
    review, options = bodies.read(call, call.resource.gvk)
    bodies.track(call, review, options)
    spec = review["spec"]
    if not spec.get("token"):
        raise BadRequest("token is required for TokenReview in authentication")
    wanted = spec.get("audiences") or list(call.core.accounts.audiences)
    status: Object = {"user": {}}
    try:
        found = await call.core.access.authenticator.bearer(spec["token"], wanted)
    except Refused as error:
        status["error"] = f"[invalid bearer token, {error}]"
    else:
        if found is None:
            status["error"] = "invalid bearer token"
        else:
            user, audiences = found
            status = {"authenticated": True, "user": _shown(user), "audiences": list(audiences)}
    review["status"] = status
    return bodies.respond(call, review)


def _shown(user: User) -> Object:
    found = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {name: list(values) for name, values in user.extra.items()},
    }
    return {name: value for name, value in found.items() if value}


async def self_access(call: Call) -> Response:
    """Answer whether who asks may: `kubectl auth can-i`."""
    return _access(call, lambda review: (call.user, _exactly_one(review)))


async def access(call: Call) -> Response:
    """Answer whether somebody may."""

    def read(review: Object) -> tuple[User, Fault]:
        return _subject(review), [*_exactly_one(review), *_somebody(review)]

    return _access(call, read)


async def local_access(call: Call) -> Response:
    """Answer whether somebody may, within a namespace."""

    def read(review: Object) -> tuple[User, Fault]:
        return _subject(review), [*_exactly_one(review), *_somebody(review)]

    return _access(call, read)


def _access(call: Call, read: Callable[[Object], tuple[User, Fault]]) -> Response:
    review, options = bodies.read(call, call.resource.gvk)
    given = dict(review["metadata"])
    bodies.track(call, review, options)
    spec = review["spec"]
    user, faults = read(review)
    path = "spec.resourceAttributes"
    resource = spec.get("resourceAttributes")
    if resource is not None:
        for name in ("fieldSelector", "labelSelector"):
            faults += _selector_faults(resource.get(name), f"{path}.{name}")
    local = call.resource.namespaced
    if any(name != "namespace" or not local for name in given):
        why = "must be empty except for namespace" if local else "must be empty"
        faults.append(FieldError.invalid("metadata", review["metadata"], why))
    if local:
        faults += _local_faults(call, spec)
    if faults:
        # Kubernetes names no kind here: decoding has taken it away.
        raise fields.invalid(call.resource.group, "", "", faults)
    if resource is not None:
        names = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
        asked = Attributes(**{name: resource.get(name, "") for name in names})
    else:
        other = spec["nonResourceAttributes"]
        asked = Attributes(verb=other.get("verb", ""), path=other.get("path", ""))
    review["status"] = {"allowed": call.core.access.allows(user, asked)}
    return bodies.respond(call, review)


def _exactly_one(review: Object) -> Fault:
    spec = review["spec"]
    other = spec.get("nonResourceAttributes")
    if (spec.get("resourceAttributes") is None) is (other is None):
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [FieldError.invalid("spec", _as_go(other), why)]
    return []


def _as_go(attributes: Mapping[str, str] | None) -> Object | None:
    """Return non-resource attributes as Go's type without field names of its own shows them."""
    if attributes is None:
        return None
    return {"Path": attributes.get("path", ""), "Verb": attributes.get("verb", "")}


def _somebody(review: Object) -> Fault:
    spec = review["spec"]
    if spec.get("user") or spec.get("groups"):
        return []
    why = "at least one of user or group must be specified"
    return [FieldError.invalid("spec.user", "", why)]


def _local_faults(call: Call, spec: Object) -> Fault:
    found = []
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and resource.get("namespace", "") != call.namespace:
        given = resource.get("namespace", "")
        where = "spec.resourceAttributes.namespace"
        found.append(FieldError.invalid(where, given, "must match metadata.namespace"))
    if other is not None:
        why = "disallowed on this kind of request"
        found.append(FieldError.invalid("spec.nonResourceAttributes", _as_go(other), why))
    return found


def _subject(review: Object) -> User:
    spec = review["spec"]
    return User(
        spec.get("user", ""),
        tuple(spec.get("groups") or ()),
        spec.get("uid", ""),
        spec.get("extra") or {},
    )


def _selector_faults(selector: Object | None, path: str) -> Fault:
    if selector is None:
        return []
    raw, requirements = selector.get("rawSelector"), selector.get("requirements") or ()
    found: Fault = []
    if raw and requirements:
        why = "may not specified at the same time as requirements"
        found.append(FieldError.invalid(f"{path}.rawSelector", raw, why))
    if not raw and not requirements:
        why = f"when {path} is specified, requirements or rawSelector is required"
        found.append(FieldError.required(f"{path}.requirements", why))
    for index, one in enumerate(requirements):
        where = f"{path}.requirements[{index}]"
        if path.endswith("fieldSelector"):
            if not one.get("key"):
                found.append(FieldError.required(f"{where}.key", "must be specified"))
            found += _values_faults(one, where)
        else:
            found += _values_faults(one, where)
            found += _label_faults(one, where)
    return found


def _label_faults(one: Object, path: str) -> Fault:
    key = one.get("key", "")
    found = [FieldError.invalid(f"{path}.key", key, why) for why in names.qualified_name(key)]
    for index, value in enumerate(one.get("values") or ()):
        found += [
            FieldError.invalid(f"{path}.values[{index}]", value, why)
            for why in names.label_value(value)
        ]
    return found


def _values_faults(one: Object, path: str) -> Fault:
    found: Fault = []
    operator, values = one.get("operator"), one.get("values")
    if operator in ("In", "NotIn") and not values:
        why = "must be specified when `operator` is 'In' or 'NotIn'"
        found.append(FieldError.required(f"{path}.values", why))
    if operator in ("Exists", "DoesNotExist") and values:
        why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        found.append(FieldError.forbidden(f"{path}.values", why))
    return found


async def self_rules(call: Call) -> Response:
    """Answer all that who asks may: `kubectl auth can-i --list`."""
    review, _ = bodies.read(call, call.resource.gvk)
    if not review["spec"].get("namespace"):
        raise BadRequest("no namespace on request")
    rules = call.core.access.rules(call.user)
    review["metadata"] = {}
    review["spec"] = {}
    review["status"] = {
        "resourceRules": [_resource_rule(one) for one in rules if not one.paths],
        "nonResourceRules": [
            {"verbs": list(one.verbs), "nonResourceURLs": list(one.paths)}
            for one in rules
            if one.paths
        ],
        "incomplete": False,
    }
    return bodies.respond(call, review)


def _resource_rule(rule: Rule) -> Mapping[str, Sequence[str]]:
    return {
        "verbs": list(rule.verbs),
        "apiGroups": list(rule.groups),
        "resources": list(rule.resources),
    }
