"""Pods: what the cluster fills in, and how long a deletion waits for the node.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/core/pod/strategy.go, plugin/pkg/admission/{defaulttolerationseconds,
priority,serviceaccount}, pkg/apis/core/v1/helper/qos.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias

from arubeki import clock
from arubeki.api import quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules import podparts as rules
from arubeki.api.rules import podstatus, podwarnings
from arubeki.api.rules.pod import levels, security
from arubeki.server import failures
from arubeki.server.admission import podparts, runtimes
from arubeki.server.admission.classes import PRIORITY, RUNTIME, Classes
from arubeki.server.admission.strategy import Object, Strategy, Undo, keep
from arubeki.server.resources import Resource

TOLERATED_SECONDS = 300
_UNHEALTHY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_PROFILES: Mapping[str, Object] = {
    "runtime/default": {"type": "RuntimeDefault"},
    "unconfined": {"type": "Unconfined"},
}
_COMPUTE = ("cpu", "memory")

FindNode: TypeAlias = Callable[[str], Awaitable[Mapping[str, Any] | None]]


class PodStrategy(Strategy):
    """The hooks of Pods."""

    has_generation = True
    is_graceful = True
    returns_deleted = True

    def __init__(
        self,
        classes: Classes,
        tolerated_seconds: int = TOLERATED_SECONDS,
        find_node: FindNode | None = None,
    ) -> None:
        self._classes = classes
        self._tolerated_seconds = tolerated_seconds
        self._find_node = find_node

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """A binding writes the node and the condition that tells of it; others a part each."""
        if subresource == podparts.EPHEMERAL and old is not None:
            podparts.reset_to_ephemeral(new, old)
        elif subresource == podparts.RESIZE and old is not None:
            podparts.reset_to_resize(new, old)
        elif subresource != "binding":
            super().reset(resource, new, old, subresource)

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> list[FieldError]:
        """Return what is wrong with the change of a part."""
        if subresource == podparts.EPHEMERAL and old is not None:
            return rules.ephemeral_change(new, old)
        if subresource == podparts.RESIZE and old is not None:
            before = (old.get("status") or {}).get("qosClass") or qos_class(old["spec"])
            return rules.resize_change(new, old, before, qos_class(new["spec"]))
        if subresource == "status" and old is not None:
            return podstatus.status_change(new, old)
        found = super().validate(resource, new, old, subresource)
        if old is None and new["spec"].get("ephemeralContainers"):
            why = "cannot be set on create"
            found.append(FieldError.forbidden("spec.ephemeralContainers", why))
        return found

    async def reserve(self, new: Object, old: Object | None, *, dry_run: bool) -> Undo:
        """See that the node can hold what a Pod on it asks for from now on."""
        moved = old is None or new["spec"].get("nodeName") != old["spec"].get("nodeName")
        if old is None or moved or self._find_node is None or not new["spec"].get("nodeName"):
            return await super().reserve(new, old, dry_run=dry_run)
        if podparts.is_resized(new, old):
            podparts.check_room(new, await self._find_node(new["spec"]["nodeName"]))
        return await super().reserve(new, old, dry_run=dry_run)

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Fill in a new Pod's account, priority, tolerations and first status."""
        spec = new.get("spec")
        if not isinstance(spec, dict):
            return  # validation will say so
        if old is not None:
            if not subresource:
                _keep_given(spec, old["spec"])
                _tolerate_unhealthy_nodes(spec, self._tolerated_seconds)
            return
        account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = account
        await self._prioritize(resource, new, spec)
        _tolerate_unhealthy_nodes(spec, self._tolerated_seconds)
        await self._run_by_class(resource, new, spec)
        merge_label_keys(spec, new["metadata"].get("labels") or {})
        _confine_by_annotation(new, spec)
        if "resources" in spec:
            _fill_whole(spec)
        status: Object = {"phase": "Pending", "qosClass": qos_class(spec)}
        if spec.get("schedulingGates"):
            status["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                    "lastProbeTime": None,
                    "lastTransitionTime": clock.timestamp(),
                }
            ]
        new["status"] = status

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Warn of what is in a new Pod."""
        return podwarnings.of_pod(new) if old is None and not subresource else []

    def reset_to_status(self, new: Object, old: Object) -> None:
        """Give back the owners too: old node agents lost them; and the class, if it is missing."""
        super().reset_to_status(new, old)
        status = new.setdefault("status", {})
        if not status.get("qosClass"):
            keep(status, old.get("status") or {}, "qosClass")
        podstatus.with_addresses(status)
        keep(new["metadata"], old["metadata"], "ownerReferences")

    async def _prioritize(self, resource: Resource, new: Object, spec: Object) -> None:
        """Work out the priority of a new Pod, which may be told but not chosen."""
        name, named = new["metadata"].get("name", ""), spec.get("priorityClassName")
        if named:
            found = await self._classes.find(PRIORITY, named)
            if found is None:
                why = f"no PriorityClass with name {named} was found"
                raise failures.forbidden(resource, name, why)
        elif (found := await self._classes.global_priority()) is not None:
            spec["priorityClassName"] = found["metadata"]["name"]
        given = found or {"preemptionPolicy": "PreemptLowerPriority"}
        for field, words, value in (
            ("priority", "integer value of priority", given.get("value", 0)),
            ("preemptionPolicy", "string value of PreemptionPolicy", given["preemptionPolicy"]),
        ):
            if spec.get(field, value) != value:
                why = (
                    f"the {words} ({spec[field]}) must not be provided in pod spec; priority"
                    f" admission controller computed {value} from the given PriorityClass name"
                )
                raise failures.forbidden(resource, name, why)
            spec[field] = value

    async def _run_by_class(self, resource: Resource, new: Object, spec: Object) -> None:
        """Take over, into a new Pod, what its RuntimeClass says of overhead and scheduling."""
        name, named = new["metadata"].get("name", ""), spec.get("runtimeClassName")
        found: Object | None = None
        if named is not None:
            found = await self._classes.find(RUNTIME, named)
            if found is None:
                why = f'pod rejected: RuntimeClass "{named}" not found'
                raise failures.forbidden(resource, name, why)
        try:
            runtimes.apply_class(found, spec)
        except ValueError as error:
            raise failures.forbidden(resource, name, str(error)) from None

    def grace_seconds(self, obj: Object, asked: int | None) -> int:
        """Return what was asked for or the Pod's own grace; nothing where no node runs it."""
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
            return 0
        period = asked if asked is not None else spec.get("terminationGracePeriodSeconds", 0)
        return period if period >= 0 else 1


def _confine_by_annotation(new: Object, spec: Object) -> None:
    """Write, into the containers of a new Pod, the AppArmor profiles that annotations give.

    Source: kubernetes pkg/registry/core/pod/strategy.go applyAppArmorVersionSkew.
    """
    annotations = new["metadata"].get("annotations") or {}
    if not annotations or (spec.get("os") or {}).get("name") == "windows":
        return
    whole = (spec.get("securityContext") or {}).get("appArmorProfile")
    for container in _containers(spec):
        text = annotations.get(f"{security.APPARMOR}{container.get('name', '')}")
        context = container.get("securityContext") or {}
        if text is None or "appArmorProfile" in context:
            continue
        profile = _PROFILES.get(text)
        if text.startswith("localhost/") and text != "localhost/":
            profile = {"type": "Localhost", "localhostProfile": text.removeprefix("localhost/")}
        if profile is not None and profile != whole:
            container["securityContext"] = {**context, "appArmorProfile": profile}


def _fill_whole(spec: Object) -> None:
    """Fill in what a Pod as a whole asks for: what its containers do, else what it may have.

    Source: kubernetes pkg/api/pod/util.go DefaultPodLevelResources (but for the limits that
    containers have and their Pod does not).
    """
    whole = spec["resources"]
    limits, requests = whole.get("limits") or {}, dict(whole.get("requests") or {})
    if not limits and not requests:
        return
    for name, total in levels.aggregate(spec, "requests").items():
        if name in _COMPUTE:
            requests.setdefault(name, total)
    for name, limit in limits.items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            requests.setdefault(name, limit)
    if requests:
        whole["requests"] = dict(sorted(requests.items()))


def merge_label_keys(spec: Object, labels: Mapping[str, str]) -> None:
    """Write, into the selectors of a new Pod, the values of its own that they are to match.

    Source: kubernetes pkg/registry/core/pod/strategy.go mutatePodAffinity,
    mutateTopologySpreadConstraints.
    """
    terms = list(spec.get("topologySpreadConstraints") or ())
    for kind in ("podAffinity", "podAntiAffinity"):
        found = (spec.get("affinity") or {}).get(kind) or {}
        weighted = found.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [one.get("podAffinityTerm") or {} for one in weighted]
        terms += found.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    for term in terms:
        selector = term.get("labelSelector")
        for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            for key in term.get(name) or () if selector is not None else ():
                if key in labels:
                    wanted = {"key": key, "operator": operator, "values": [labels[key]]}
                    selector.setdefault("matchExpressions", []).append(wanted)


def _keep_given(spec: Object, before: Object) -> None:
    """Take over, into a new spec, what the cluster filled in and a manifest leaves out."""
    for name in ("preemptionPolicy", "priority", "serviceAccount", "serviceAccountName"):
        if name in before:
            spec.setdefault(name, before[name])


def _tolerate_unhealthy_nodes(spec: Object, seconds: int) -> None:
    """Let a Pod stay for a while on a node that is gone, unless it says how long itself."""
    tolerations = list(spec.get("tolerations") or ())
    for taint in _UNHEALTHY:
        if not any(_tolerates(one, taint) for one in tolerations):
            tolerations.append(
                {
                    "key": taint,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": seconds,
                }
            )
    spec["tolerations"] = tolerations


def _tolerates(toleration: Mapping[str, Any], taint: str) -> bool:
    return toleration.get("key", "") in (taint, "") and toleration.get("effect", "") in (
        "NoExecute",
        "",
    )


def qos_class(spec: Mapping[str, Any]) -> str:
    """Return Guaranteed, Burstable or BestEffort, from what the containers ask for."""
    asked = False
    guaranteed = True
    whole = spec.get("resources") or {}
    is_whole = bool(whole.get("requests") or whole.get("limits"))
    for container in ({"resources": whole},) if is_whole else _containers(spec):
        resources = container.get("resources") or {}
        requests, limits = _amounts(resources, "requests"), _amounts(resources, "limits")
        if requests or limits:
            asked = True
        for name in _COMPUTE:
            limit = limits.get(name)
            if not limit or requests.get(name, limit) != limit:
                guaranteed = False
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _containers(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            if isinstance(container, dict):
                yield container


def _amounts(resources: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the compute amounts that are not zero; what is no quantity is left to validation."""
    found = {}
    for key, text in (resources.get(name) or {}).items():
        if key not in _COMPUTE:
            continue
        try:
            amount = quantity.parse(str(text))
        except ValueError:
            continue
        if amount:
            found[key] = amount
    return found
