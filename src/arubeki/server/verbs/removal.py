"""How to delete: the options of a deletion, from its body or else its query.

A body, be it `{}`, is all there is: the query is not looked at then, not even for dryRun. So does
Kubernetes.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/handlers/delete.go, apimachinery pkg/apis/meta/v1/conversion.go,
pkg/apis/meta/v1/validation/validation.go ValidateDeleteOptions.
"""

from dataclasses import dataclass
from typing import Any

from arubeki.api import fields
from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.errors import BadRequest
from arubeki.server import decoding, failures
from arubeki.server.core import Call
from arubeki.server.verbs.options import META_GROUP, dry_run_faults, whole_number

_POLICIES = ("Foreground", "Background", "Orphan")
_UNSAFE = "ignoreStoreReadErrorWithClusterBreakingPotential"
_EXCLUDED = ("propagationPolicy", "orphanDependents", "gracePeriodSeconds", "preconditions")
_GO_TYPES = {
    "gracePeriodSeconds": (int, "int64"),
    "propagationPolicy": (str, "v1.DeletionPropagation"),
    "orphanDependents": (bool, "bool"),
    "dryRun": (list, "[]string"),
    "preconditions": (dict, "v1.Preconditions"),
    _UNSAFE: (bool, "bool"),
}


@dataclass(slots=True)
class DeleteOptions:
    """How to delete. `policy` is "" when the client leaves it to the object's finalizers.

    `unsafe` asks to remove an object that cannot be read; those that can are refused.
    """

    grace_seconds: int | None = None
    policy: str = ""
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False
    unsafe: bool = False


def delete_options(call: Call) -> DeleteOptions:
    """Return the options of a deletion. Raises: BadRequest, Invalid, UnsupportedMediaType."""
    return checked_options(_of_body(call) if call.request.body else _of_query(call))


def _of_query(call: Call) -> dict[str, Any]:
    given: dict[str, Any] = {"dryRun": call.parameters.get("dryRun", [])}
    if "gracePeriodSeconds" in call.parameters:
        given["gracePeriodSeconds"] = whole_number(call, "gracePeriodSeconds", empty=True)
    if "propagationPolicy" in call.parameters:
        given["propagationPolicy"] = call.parameter("propagationPolicy")
    for name in ("orphanDependents", _UNSAFE):
        if name in call.parameters:
            given[name] = call.flag(name)
    conditions = {name: call.parameter(name) for name in ("uid", "resourceVersion")}
    conditions = {name: value for name, value in conditions.items() if value}
    if conditions:
        given["preconditions"] = conditions
    return given


def _of_body(call: Call) -> dict[str, Any]:
    media_type = decoding.media_type_of(call)
    body = call.request.body
    decoding.check_size(body)
    accepted = [decoding.JSON, decoding.YAML, decoding.PROTOBUF]
    if media_type not in accepted:
        raise decoding.unsupported(accepted)
    if media_type == decoding.PROTOBUF:
        from arubeki.api import protobuf

        value: Any = protobuf.decode(body, GVK("", "v1", "DeleteOptions"))
    else:
        load = decoding.load_yaml if media_type == decoding.YAML else decoding.load_json
        try:
            value = load(body, "DeleteOptions")
            if value is None:
                value = {}
            if not isinstance(value, dict):
                raise decoding.not_an_object("DeleteOptions", value, body)
        except failures.Undecodable as error:
            raise BadRequest(error.why) from error
    kind = value.get("kind")
    if kind not in (None, "", "DeleteOptions"):
        raise BadRequest(
            f"no kind {fields.shown(kind)} is registered for version "
            f"{fields.shown(value.get('apiVersion') or 'v1')} "
            'in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
    return dict(value)


def checked_options(given: dict[str, Any]) -> DeleteOptions:
    """Return the options that a parsed body gives. Raises: BadRequest, Invalid."""
    found = {name: _typed(given, name, *_GO_TYPES[name]) for name in _GO_TYPES}
    policy, orphan, dry_run = (
        found[name] for name in ("propagationPolicy", "orphanDependents", "dryRun")
    )
    faults = []
    if policy is not None and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        faults.append(FieldError.invalid("propagationPolicy", policy, why))
    if policy is not None and policy not in _POLICIES:
        faults.append(FieldError.not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    faults += dry_run_faults(dry_run or [])
    if found[_UNSAFE]:
        for name in _EXCLUDED:
            if found[name] is not None:
                why = f"cannot be set together with .{name}"
                faults.append(FieldError.invalid(_UNSAFE, True, why))
    if faults:
        raise fields.invalid(META_GROUP, "DeleteOptions", "", faults)
    grace, conditions = found["gracePeriodSeconds"], found["preconditions"] or {}
    if grace is not None and grace < 0:
        grace = 1  # what "negative" meant before it was defined
    where = "Preconditions.preconditions"
    return DeleteOptions(
        grace_seconds=grace,
        policy=policy or "",
        orphan_dependents=orphan,
        uid=_typed(conditions, "uid", str, "types.UID", where),
        resource_version=_typed(conditions, "resourceVersion", str, "string", where),
        dry_run=any(dry_run or ()),
        unsafe=bool(found[_UNSAFE]),
    )


def _typed(
    given: dict[str, Any], name: str, kind: type, go_type: str, where: str = "DeleteOptions"
) -> Any:
    value = given.get(name)
    if value is None:
        return None
    fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if fits and kind is list:
        odd = [one for one in value if not isinstance(one, str)]
        fits, value, go_type = not odd, (odd or [value])[0], "string" if odd else go_type
    if fits and (kind is not int or -(1 << 63) <= value < 1 << 63):
        return value
    found = decoding.json_type(value)
    if found == "number" and kind is int:
        found = f"number {fields.shown(value)}"
    raise BadRequest(
        f"json: cannot unmarshal {found} into Go struct field {where}.{name} of type {go_type}"
    )
