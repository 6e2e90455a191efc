"""What is done to a Pod beside writing it: bind it to a node, read its logs.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/core/pod/storage/storage.go, pkg/registry/core/pod/rest.
"""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from arubeki import clock
from arubeki.api import fields
from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK, set_condition
from arubeki.errors import ApiError, BadRequest, Conflict, InternalError
from arubeki.net.message import Answer, Request, Response
from arubeki.server import failures, wire
from arubeki.server.core import Call
from arubeki.server.negotiation import answer_json
from arubeki.server.subresources import bodies
from arubeki.server.verbs.options import whole_number
from arubeki.server.verbs.write import current, ensure_namespace, update_object

Object = dict[str, Any]

BINDING = GVK("", "v1", "Binding")

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def bind(call: Call) -> Response:
    """Assign a Pod to a node. The call may be `pods/x/binding` or a create of `bindings`."""
    binding, options = bodies.read(call, BINDING)
    metadata = binding["metadata"]
    _check_name(call, metadata, "Binding")
    name = metadata.get("name")
    if not name:
        raise BadRequest("Name parameter required.")
    node = _target(binding["target"])
    pods = call.core.registry.find("", "v1", "pods")
    assert pods is not None
    on_pod = replace(call, resource=pods, name=name, verb="update", subresource="binding")
    await ensure_namespace(on_pod, name)

    def change(pod: Object) -> Object:
        return _bound(on_pod, pod, node, metadata)

    await update_object(on_pod, change, options)
    return answer_json(wire.encode_json(_SUCCESS), 201)


def _check_name(call: Call, metadata: Object, kind: str) -> None:
    if call.name and metadata.get("name") != call.name:
        raise BadRequest(f"name in URL does not match name in {kind} object")


def _target(target: Object) -> str:
    """Return the node that a binding names. Raises: ApiError."""
    faults = []
    if target.get("kind") not in (None, "Node"):
        kinds = ("Node", "<empty>")
        faults.append(FieldError.not_supported("target.kind", target["kind"], kinds))
    node: str = target.get("name", "")
    if not node:
        faults.append(FieldError.required("target.name"))
    if faults:
        # No reason and 500, as in Kubernetes, which returns these faults as they are.
        listed = ", ".join(fault.message for fault in faults)
        raise ApiError(f"[{listed}]" if len(faults) > 1 else listed)
    return node


def _bound(call: Call, pod: Object, node: str, binding: Object) -> Object:
    """Return `pod` (changed in place) on its node. Raises: Conflict."""
    metadata, spec = pod["metadata"], pod["spec"]
    for field in ("uid", "resourceVersion"):
        if binding.get(field):
            metadata[field] = binding[field]
    if "deletionTimestamp" in metadata:
        why = f"pod {call.name} is being deleted, cannot be assigned to a host"
        raise _cannot_bind(call, why)
    if spec.get("nodeName"):
        why = f'pod {call.name} is already assigned to node "{spec["nodeName"]}"'
        raise _cannot_bind(call, why)
    if spec.get("schedulingGates"):
        why = f"pod {call.name} has non-empty .spec.schedulingGates"
        raise _cannot_bind(call, why)
    spec["nodeName"] = node
    for name in ("annotations", "labels"):
        given = binding.get(name)
        if given:
            metadata[name] = {**(metadata.get(name) or {}), **given}
    status = pod.setdefault("status", {})
    # Why it could not be placed before is no longer true, so nothing of that stays.
    condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    conditions = [
        {"type": "PodScheduled"} if one.get("type") == "PodScheduled" else one
        for one in status.get("conditions") or ()
    ]
    status["conditions"] = set_condition(conditions, condition, clock.timestamp())
    return pod


def _cannot_bind(call: Call, why: str) -> Conflict:
    """Return a conflict that names the subresource where others name the resource."""
    return Conflict(
        f'Operation cannot be fulfilled on pods/binding "{call.name}": {why}',
        details={"name": call.name, "kind": "pods/binding"},
    )


_LOG_FLAGS = ("follow", "previous", "timestamps")
_LOG_NUMBERS = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}


async def log(call: Call) -> Answer:
    """Answer what a container has written, from the node that runs it."""
    entry = await call.core.storage.get(call.resource.key(call.namespace, call.name))
    if entry is None:
        raise failures.not_found(call.resource, call.name)
    pod = current(call, entry)
    query = _log_query(call)
    container = _container(call, pod)
    node_name = pod["spec"].get("nodeName")
    if not node_name:
        # Source: pkg/registry/core/pod/strategy.go LogLocation: no host yet is no content.
        return Response(204)
    node = call.core.nodes(node_name)
    if node is None:
        raise InternalError(f'the node "{node_name}" cannot be reached')
    path = f"/containerLogs/{call.namespace}/{call.name}/{container}"
    return await node(Request("GET", path, urlencode(query), user=call.user))


def _log_query(call: Call) -> dict[str, str]:
    """Return the options for the node. Raises: Invalid."""
    query = {name: "true" for name in _LOG_FLAGS if call.flag(name)}
    faults = []
    for name, least in _LOG_NUMBERS.items():
        number = whole_number(call, name)
        if number is None:
            continue
        if number < least:
            why = (
                f"must be greater than or equal to {least}"
                if not least
                else "must be greater than 0"
            )
            faults.append(FieldError.invalid(name, number, why))
        query[name] = str(number)
    since = call.parameter("sinceTime")
    if since:
        try:
            clock.parse_timestamp(since)
        except ValueError as error:
            raise BadRequest(f"sinceTime: {error}") from error
        query["sinceTime"] = since
        if "sinceSeconds" in query:
            why = "at most one of `sinceTime` or `sinceSeconds` may be specified"
            faults.append(FieldError.forbidden("[]", why))
    stream = call.parameter("stream")
    if stream:
        supported = ("All", "Stderr", "Stdout")
        if stream not in supported:
            faults.append(FieldError.not_supported("stream", stream, supported))
        query["stream"] = stream
    if faults:
        raise fields.invalid("", "PodLogOptions", call.name, faults)
    return query


def _container(call: Call, pod: Object) -> str:
    """Return the container asked for, or the only one. Raises: BadRequest."""
    spec = pod["spec"]
    main = [one["name"] for one in spec.get("containers") or ()]
    init = [one["name"] for one in spec.get("initContainers") or ()]
    ephemeral = [one["name"] for one in spec.get("ephemeralContainers") or ()]
    asked = call.parameter("container")
    if asked:
        if asked not in (*main, *init, *ephemeral):
            raise BadRequest(f"container {asked} is not valid for pod {call.name}")
        return asked
    annotations = pod["metadata"].get("annotations") or {}
    preferred = annotations.get("kubectl.kubernetes.io/default-container")
    if len(main) == 1 and not init and not ephemeral:
        return str(main[0])
    if preferred in main:
        return str(preferred)
    listed = f"a container name must be specified for pod {call.name}, choose one of: "
    listed += f"[{' '.join(main)}]"
    if init:
        listed += f" or one of the init containers: [{' '.join(init)}]"
    raise BadRequest(listed)
