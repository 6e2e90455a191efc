"""`pods/eviction`: delete a Pod, if the budget that guards it allows one more disruption.

The controller that keeps budgets counts from what it has seen; so each eviction takes its share from
the budget's status, in the storage, before it deletes, and two at once cannot both have the last
one.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/core/pod/storage/eviction.go.
"""

from dataclasses import replace
from typing import Any

from arubeki import clock
from arubeki.api import fields
from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK, set_condition
from arubeki.api.selectors import LabelSelector
from arubeki.errors import ApiError, BadRequest, Conflict, Forbidden, TooManyRequests
from arubeki.net.message import Response
from arubeki.server import failures, wire
from arubeki.server.core import Call
from arubeki.server.negotiation import answer_json
from arubeki.server.resources import Resource
from arubeki.server.subresources import bodies
from arubeki.server.verbs.deletion import delete_object
from arubeki.server.verbs.options import WriteOptions
from arubeki.server.verbs.removal import DeleteOptions, checked_options
from arubeki.server.verbs.write import current, update_object

EVICTION = GVK("policy", "v1", "Eviction")
CAUSE = "DisruptionBudget"
TRIES = 20
"""How often an eviction is tried anew when its Pod changes in between."""
DISRUPTED_LIMIT = 2000
"""Evictions that a budget's controller has not seen yet. Source: MaxDisruptedPodSize."""
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_MANAGER = "kube-apiserver"

Object = dict[str, Any]


async def create(call: Call) -> Response:
    """Evict a Pod."""
    eviction, options = bodies.read(call, EVICTION, ("policy/v1", "policy/v1beta1"))
    if eviction["metadata"].get("name") != call.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    given = eviction.get("deleteOptions") or {}
    if given.get("ignoreStoreReadErrorWithClusterBreakingPotential"):
        path = "deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential"
        why = "can not be set for pod eviction, try after removing the option"
        fault = FieldError.invalid(path, True, why)
        raise fields.invalid(EVICTION.group, EVICTION.kind, call.name, [fault])
    deletion = checked_options(given)
    deletion.dry_run = deletion.dry_run or options.dry_run
    for attempt in range(TRIES):
        try:
            await _evict(call, deletion)
            break
        except Conflict:
            if deletion.resource_version is not None or attempt == TRIES - 1:
                raise
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return answer_json(wire.encode_json({**success, "code": 201}), 201)


async def _evict(call: Call, deletion: DeleteOptions) -> None:
    """Evict the Pod as it is now. Raises: Conflict when it has changed meanwhile."""
    entry = await call.core.storage.get(call.resource.key(call.namespace, call.name))
    if entry is None:
        raise failures.not_found(call.resource, call.name)
    pod = current(call, entry)
    phase = (pod.get("status") or {}).get("phase")
    ended = phase in ("Succeeded", "Failed") or "deletionTimestamp" in pod["metadata"]
    if ended:
        await _delete(call, deletion)
        return
    seen = replace(deletion, resource_version=deletion.resource_version or str(entry.revision))
    if phase == "Pending":
        await _delete(call, seen)
        return
    budgets = await _budgets(call, pod)
    if len(budgets) > 1:
        raise ApiError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
            "not support."
        )
    if not budgets:
        await _delete(call, deletion)
    elif _may_go_unready(pod, budgets[0]):
        try:
            await _delete(call, seen)
        except Conflict:
            if deletion.resource_version is not None:
                raise
            raise _not_yet(budgets[0]["metadata"]["name"]) from None
    else:
        await _take_share(call, budgets[0], dry_run=deletion.dry_run)
        await _delete(call, deletion)


async def _budgets(call: Call, pod: Object) -> list[Object]:
    """Return the budgets that guard a Pod."""
    resource = _resource(call)
    part = await call.core.storage.range(resource.key_prefix(call.namespace))
    labels = pod["metadata"].get("labels") or {}
    found = []
    for entry in part.entries:
        budget = wire.decode(entry.value)
        selector = budget["spec"].get("selector")
        if selector is not None and LabelSelector.of(selector).matches(labels):
            found.append(budget)
    return found


def _resource(call: Call) -> Resource:
    resource = call.core.registry.find("policy", "v1", "poddisruptionbudgets")
    assert resource is not None
    return resource


def _may_go_unready(pod: Object, budget: Object) -> bool:
    """Tell whether a Pod goes without taking a share, since it counts for nothing anyway."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    return bool(0 < desired <= healthy)


async def _take_share(call: Call, budget: Object, *, dry_run: bool) -> None:
    """Note in a budget that one more Pod goes. Raises: TooManyRequests, Forbidden."""
    name = budget["metadata"]["name"]
    on_budget = replace(
        call, resource=_resource(call), name=name, verb="patch", subresource="status", warnings=[]
    )

    def change(obj: Object) -> Object:
        _check(obj)
        status = obj["status"]
        status["disruptionsAllowed"] -= 1
        if not status["disruptionsAllowed"]:
            _set_condition(obj)
        disrupted = status.get("disruptedPods") or {}
        status["disruptedPods"] = {**disrupted, call.name: clock.timestamp()}
        return obj

    await update_object(on_budget, change, WriteOptions(dry_run=dry_run, manager=_MANAGER))


def _set_condition(budget: Object) -> None:
    condition = {
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "InsufficientPods",
        "message": "",
        "observedGeneration": budget["status"].get("observedGeneration", 0),
    }
    found = budget["status"].get("conditions") or []
    budget["status"]["conditions"] = set_condition(found, condition, clock.timestamp())


def _check(budget: Object) -> None:
    """Return if a budget allows one more disruption. Raises: TooManyRequests, Forbidden."""
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _not_yet(name)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        why = "pdb disruptions allowed is negative"
        raise _forbidden(name, why, why)
    if len(status.get("disruptedPods") or ()) > DISRUPTED_LIMIT:
        raise _forbidden(
            name,
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
            "too many pending evictions not confirmed by PDB controller",
        )
    if allowed == 0:
        error = TooManyRequests(_REFUSED)
        error.details["causes"] = [{"reason": CAUSE, "message": _why(name, status)}]
        raise error


def _why(name: str, status: Object) -> str:
    """Return why a budget allows no disruption."""
    conditions = status.get("conditions") or ()
    found: Object = next((one for one in conditions if one["type"] == "DisruptionAllowed"), {})
    reason, message = found.get("reason", ""), found.get("message", "")
    says = found.get("status") == "False" and message
    desired, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    what = f"The disruption budget {name} does not allow evicting pods currently"
    if says and reason == "SyncFailed":
        return f"{what} because it failed sync: {message}"
    if healthy <= desired:
        return (
            f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
        )
    return f"{what} ({reason}): {message}" if says else what


def _not_yet(name: str) -> TooManyRequests:
    message = f"The disruption budget {name} is still being processed by the server."
    causes = [{"reason": CAUSE, "message": message}]
    return TooManyRequests(_REFUSED, details={"causes": causes, "retryAfterSeconds": 10})


def _forbidden(name: str, why: str, more: str) -> Forbidden:
    what = f"The disruption budget {name} does not allow evicting pods currently: {more}"
    return Forbidden(
        f'poddisruptionbudget.policy "{name}" is forbidden: {why}',
        details={
            "name": name,
            "group": "policy",
            "kind": "poddisruptionbudget",
            "causes": [{"reason": CAUSE, "message": what}],
        },
    )


async def _delete(call: Call, options: DeleteOptions) -> None:
    """Say on the Pod why it goes, then delete it. Raises: Conflict for a precondition."""
    if not options.dry_run:
        on_status = replace(call, verb="patch", subresource="status", warnings=[])
        value = await update_object(
            on_status, lambda pod: _marked(call, pod, options), WriteOptions(manager=_MANAGER)
        )
        if options.resource_version is not None:
            revision = wire.decode(value)["metadata"]["resourceVersion"]
            options = replace(options, resource_version=revision)
    await delete_object(replace(call, subresource="", verb="delete"), options)


def _marked(call: Call, pod: Object, options: DeleteOptions) -> Object:
    """Return a Pod (changed in place) that says that it is evicted. Raises: Conflict."""
    metadata = pod["metadata"]
    for what, asked, actual in (
        ("UID", options.uid, metadata["uid"]),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
    ):
        if asked and asked != actual:
            more = "deleted and then recreated" if what == "UID" else "modified"
            raise Conflict(
                f'Operation cannot be fulfilled on Pod "{call.name}": the {what} in the '
                f"precondition ({asked}) does not match the {what} in record ({actual}). The object "
                f"might have been {more}",
                details={"name": call.name, "kind": "Pod"},
            )
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    status = pod.setdefault("status", {})
    status["conditions"] = set_condition(
        status.get("conditions") or [], condition, clock.timestamp()
    )
    return pod
