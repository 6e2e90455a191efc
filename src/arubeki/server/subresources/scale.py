"""`scale`: one face for everything that has replicas.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/apps/deployment/storage/storage.go,
apiextensions-apiserver pkg/registry/customresource/etcd.go.
"""

from typing import Any

from arubeki import clock
from arubeki.api import apply, facts, fields
from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.api.selectors import LabelSelector
from arubeki.errors import BadRequest, Conflict
from arubeki.net.message import Response
from arubeki.server import conform, decoding, failures, wire
from arubeki.server.addressing import address
from arubeki.server.core import Call
from arubeki.server.negotiation import negotiate
from arubeki.server.resources import ScalePaths
from arubeki.server.subresources import bodies
from arubeki.server.verbs.options import write_options
from arubeki.server.verbs.respond import respond_kind
from arubeki.server.verbs.write import current, update_object
from arubeki.server.verbs.writing import APPLY_PATCH, patcher, read_intent, telling_patch

Object = dict[str, Any]

SCALE = GVK("autoscaling", "v1", "Scale")
_BUILT_IN = ScalePaths(".spec.replicas", ".status.replicas")
_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


async def get(call: Call) -> Response:
    """Answer the Scale of an object."""
    entry = await call.core.storage.get(call.resource.key(call.namespace, call.name))
    if entry is None:
        raise failures.not_found(call.resource, call.name)
    return _respond(call, current(call, entry))


async def update(call: Call) -> Response:
    """Set the replicas to those of the body."""
    negotiate(call.header("accept"))
    options = write_options(call, "UpdateOptions")
    scale, repeated = decoding.decode_body(call)
    address(call, scale, expect_name=True)
    kind = bodies.as_resource(SCALE, namespaced=call.resource.namespaced)
    conform.conform(kind, scale, options.validation, call.warnings, repeated)
    _check(scale)

    def change(obj: Object) -> Object:
        return _with_replicas(call, obj, scale)

    return _respond(call, wire.decode(await update_object(call, change, options)))


async def patch(call: Call) -> Response:
    """Set the replicas to what the patch makes of them."""
    negotiate(call.header("accept"))
    media_type = decoding.media_type_of(call)
    if media_type == APPLY_PATCH:
        return await _apply(call)
    options = write_options(call, "PatchOptions")
    language, repeated = patcher(call, media_type, facts.schema_of(SCALE))
    kind = bodies.as_resource(SCALE, namespaced=call.resource.namespaced)

    def change(obj: Object) -> Object:
        scale = language(_scale_of(call, obj))
        if not isinstance(scale, dict):
            raise BadRequest("the patch leaves no object")
        call.warnings.clear()
        with telling_patch(call, media_type, lambda: language(_scale_of(call, obj))):
            address(call, scale, expect_name=True)
            conform.conform(kind, scale, options.validation, call.warnings, repeated)
        _check(scale)
        return _with_replicas(call, obj, scale)

    return _respond(call, wire.decode(await update_object(call, change, options)))


async def _apply(call: Call) -> Response:
    """Server-side apply: own the replicas, of which a Scale is but another view."""
    options = write_options(call, "PatchOptions", applying=True)
    decoding.check_size(call.request.body)
    scale = read_intent(call, SCALE)
    address(call, scale, expect_name=True)
    _check(scale)
    intent: Object = {
        "apiVersion": call.resource.api_version,
        "kind": call.resource.kind,
        "metadata": {"name": call.name},
    }
    if "replicas" in (scale.get("spec") or {}):
        _put(intent, _paths(call).replicas, scale["spec"]["replicas"])

    def change(live: Object) -> Object:
        try:
            wanted = apply.apply_object(
                live,
                intent,
                schema=call.resource.schema,
                manager=options.manager,
                force=options.force,
                now=clock.timestamp(),
                subresource=call.subresource,
            )
        except Conflict as error:
            raise _as_of_scale(call, error) from None
        for name in ("resourceVersion", "uid"):
            if scale["metadata"].get(name):
                wanted["metadata"][name] = scale["metadata"][name]
        return wanted

    return _respond(call, wire.decode(await update_object(call, change, options, applied=True)))


def _as_of_scale(call: Call, error: Conflict) -> Conflict:
    """Return a conflict in the words of the Scale: its version, its path."""
    own, paths = call.resource.api_version, _paths(call)

    def said(text: str) -> str:
        text = text.replace(f"using {own}", f"using {SCALE.api_version}")
        return text.replace(paths.replicas, _BUILT_IN.replicas)

    causes = [
        {**cause, "message": said(cause["message"]), "field": said(cause["field"])}
        for cause in error.causes
    ]
    return Conflict(said(error.message), details={**error.details, "causes": causes})


def _check(scale: Object) -> None:
    conform.drop_nulls(scale)
    spec = scale.get("spec") or {}
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else spec
    if type(replicas) is not int or not -(1 << 31) <= replicas < 1 << 31:
        raise BadRequest(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal '
            f"{decoding.json_type(replicas)} into Go struct field ScaleSpec.spec.replicas of type "
            "int32"
        )
    if replicas < 0:
        why = "must be greater than or equal to 0"
        fault = FieldError.invalid("spec.replicas", replicas, why)
        name = str(scale["metadata"].get("name", ""))
        raise fields.invalid(SCALE.group, SCALE.kind, name, [fault])


def _with_replicas(call: Call, obj: Object, scale: Object) -> Object:
    """Return `obj` (changed in place) with the replicas, and the preconditions, of a Scale."""
    paths = _paths(call)
    _put(obj, paths.replicas, (scale.get("spec") or {}).get("replicas", 0))
    given = scale["metadata"]
    for name in ("resourceVersion", "uid"):
        if given.get(name):
            obj["metadata"][name] = given[name]
        elif name == "resourceVersion":
            obj["metadata"].pop(name, None)
    return obj


def _respond(call: Call, obj: Object) -> Response:
    return respond_kind(call, wire.encode_json(_scale_of(call, obj)), SCALE)


def _scale_of(call: Call, obj: Object) -> Object:
    paths = _paths(call)
    metadata = obj["metadata"]
    status: Object = {"replicas": _find(obj, paths.status_replicas) or 0}
    selector = _selector(call, obj, paths)
    if selector:
        status["selector"] = selector
    replicas = _find(obj, paths.replicas)
    return {
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": {name: metadata[name] for name in _KEPT if name in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _selector(call: Call, obj: Object, paths: ScalePaths) -> str:
    if call.resource.custom is not None:
        found = _find(obj, paths.selector) if paths.selector else ""
        return found if isinstance(found, str) else ""
    selector = (obj.get("spec") or {}).get("selector")
    if not isinstance(selector, dict):
        return ""
    if call.resource.kind == "ReplicationController":  # its selector is labels alone
        selector = {"matchLabels": selector}
    return str(LabelSelector.of(selector))


def _paths(call: Call) -> ScalePaths:
    custom = call.resource.custom
    return custom.scale if custom is not None and custom.scale is not None else _BUILT_IN


def _find(obj: Any, path: str) -> Any:
    for name in path.strip(".").split("."):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(name)
    return obj


def _put(obj: Object, path: str, value: Any) -> None:
    *above, last = path.strip(".").split(".")
    for name in above:
        below = obj.get(name)
        if not isinstance(below, dict):
            below = obj[name] = {}
        obj = below
    obj[last] = value
