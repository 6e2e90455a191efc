"""Rules of StatefulSets, DaemonSets and the ControllerRevisions that they keep.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/apps/validation/validation.go.
"""

from typing import Any

from arubeki.api import internal, selectors
from arubeki.api.fields import FieldError
from arubeki.api.rules import claims, common, pods, workloads
from arubeki.api.rules.common import Faults

_MANAGEMENT = ("OrderedReady", "Parallel")
_RETENTION = ("Retain", "Delete")
_STATEFUL_COUNTS = (
    "replicas",
    "readyReplicas",
    "currentReplicas",
    "updatedReplicas",
    "availableReplicas",
    "observedGeneration",
    "collisionCount",
)
_STATEFUL_PARTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_FIXED = ("selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy")
_DAEMON_COUNTS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def stateful_set(obj: dict[str, Any], faults: Faults) -> None:
    """Check a new StatefulSet."""
    _stateful_spec(obj.get("spec", {}), faults, is_new=True)


def stateful_set_update(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check a changed StatefulSet: its Pods, their claims and their order stay."""
    after, before = new.get("spec", {}), old.get("spec", {})
    _stateful_spec(after, faults, is_new=False)
    for name in _FIXED:
        if after.get(name) != before.get(name):
            shown = after.get(name)
            if name == "volumeClaimTemplates" and shown is not None:
                shown = [internal.of("core.PersistentVolumeClaim", one) for one in shown]
            faults.append(FieldError.invalid(f"spec.{name}", shown, common.IMMUTABLE))


def stateful_set_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check what is told of a StatefulSet."""
    status = new.get("status", {})
    common.not_negative(status, _STATEFUL_COUNTS, "status", faults)
    workloads.parts_of_replicas(status, _STATEFUL_PARTS, faults)
    workloads.available_are_ready(status, "status.readyReplicas", faults)
    workloads.not_decremented(status, old.get("status", {}), faults)


def daemon_set(obj: dict[str, Any], faults: Faults) -> None:
    """Check a new DaemonSet."""
    _daemon_spec(obj.get("spec", {}), faults)


def daemon_set_update(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check a changed DaemonSet: the Pods that it means stay."""
    workloads.selector_change(new, old, faults)
    _daemon_spec(new.get("spec", {}), faults)


def daemon_set_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check what is told of a DaemonSet."""
    status = new.get("status", {})
    common.not_negative(status, _DAEMON_COUNTS, "status", faults)
    workloads.not_decremented(status, old.get("status", {}), faults)


def controller_revision(obj: dict[str, Any], faults: Faults) -> None:
    """Check a new ControllerRevision, whose data are an object."""
    common.not_negative(obj, ("revision",), "", faults)
    data = obj.get("data")
    if data is None:
        faults.append(FieldError.required("data", "data is mandatory"))
    elif not isinstance(data, dict):
        faults.append(FieldError.required("data", "data must be a valid JSON object"))


def controller_revision_update(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A ControllerRevision is history: its data stay."""
    common.not_negative(new, ("revision",), "", faults)
    common.unchanged(new.get("data"), old.get("data"), "data", faults)


def _stateful_spec(spec: dict[str, Any], faults: Faults, *, is_new: bool) -> None:
    management = spec.get("podManagementPolicy", "")
    if management not in _MANAGEMENT:
        fault = "must be 'OrderedReady' or 'Parallel'"
        faults.append(FieldError.invalid("spec.podManagementPolicy", management, fault))
    _stateful_strategy(spec.get("updateStrategy", {}), faults)
    retention = spec.get("persistentVolumeClaimRetentionPolicy", {})
    for name in ("whenDeleted", "whenScaled"):
        if (policy := retention.get(name)) not in _RETENTION:
            path = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
            faults.append(FieldError.not_supported(path, policy, _RETENTION))
    templates = spec.get("volumeClaimTemplates", ())
    if is_new:
        for index, template in enumerate(templates):
            path = f"spec.volumeClaimTemplates[{index}].spec"
            claims.claim_spec(template.get("spec", {}), path, faults)
    common.not_negative(spec, ("replicas", "minReadySeconds"), "spec", faults)
    common.not_negative(spec.get("ordinals", {}), ("start",), "spec.ordinals", faults)
    if is_new and (service := spec.get("serviceName")):
        common.named(service, "spec.serviceName", faults)
    given, template = spec.get("selector"), spec.get("template", {})
    workloads.required_selector(given, "statefulset", faults)
    try:
        selectors.LabelSelector.of(given)
    except ValueError:
        faults.append(FieldError.invalid("spec.selector", given, ""))
    else:
        workloads.selector_matches(given, template, "spec.template", faults)
        pods.template(_as_controlled(template, templates), "spec.template", faults)
        # Kubernetes checks these twice.
        pods.template_metadata(template, "spec.template", faults)
    workloads.always(template, "spec.template", "StatefulSet", faults)


def _as_controlled(template: dict[str, Any], claim_templates: Any) -> dict[str, Any]:
    """Return a Pod template as the controller uses it: with the claims' volumes, its own names."""
    spec = template.get("spec", {})
    if not claim_templates and "subdomain" not in spec and "hostname" not in spec:
        return template
    spec = {**spec, "subdomain": "", "hostname": ""}
    if claim_templates:
        names = [one.get("metadata", {}).get("name", "") for one in claim_templates]
        own = [volume for volume in spec.get("volumes", ()) if volume.get("name") not in names]
        made = [
            {"name": name, "persistentVolumeClaim": {"claimName": name}}
            for name in dict.fromkeys(names)
        ]
        spec["volumes"] = [*made, *own]
    return {**template, "spec": spec}


def _stateful_strategy(strategy: dict[str, Any], faults: Faults) -> None:
    path, kind, rolling = "spec.updateStrategy", strategy.get("type", ""), None
    rolling = strategy.get("rollingUpdate")
    if not kind:
        faults.append(FieldError.required(path))
    elif kind == "OnDelete":
        if rolling is not None:
            fault = "only allowed for updateStrategy 'RollingUpdate'"
            shown = internal.of("apps.RollingUpdateStatefulSetStrategy", rolling)
            faults.append(FieldError.invalid(f"{path}.rollingUpdate", shown, fault))
    elif kind != "RollingUpdate":
        fault = "must be 'RollingUpdate' or 'OnDelete'"
        shown = internal.of("apps.StatefulSetUpdateStrategy", strategy)
        faults.append(FieldError.invalid(path, shown, fault))
    elif rolling is not None:
        path = f"{path}.rollingUpdate"
        common.not_negative(rolling, ("partition",), path, faults)
        if (gone := rolling.get("maxUnavailable")) is not None:
            common.int_or_percent(gone, f"{path}.maxUnavailable", faults)
            if common.number_of(gone) == 0:
                faults.append(FieldError.invalid(f"{path}.maxUnavailable", gone, "cannot be 0"))
            common.at_most_all(gone, f"{path}.maxUnavailable", faults)


def _daemon_spec(spec: dict[str, Any], faults: Faults) -> None:
    given, template = spec.get("selector"), spec.get("template", {})
    if given is not None:
        common.selector(given, "spec.selector", faults)
    workloads.selector_matches(given, template, "spec.template", faults)
    if given is not None and not given.get("matchLabels") and not given.get("matchExpressions"):
        fault = "empty selector is invalid for daemonset"
        faults.append(FieldError.invalid("spec.selector", given, fault))
    pods.template(template, "spec.template", faults)
    workloads.always(template, "spec.template", "DaemonSet", faults)
    common.not_negative(spec, ("minReadySeconds",), "spec", faults)
    _daemon_strategy(spec.get("updateStrategy", {}), faults)
    common.not_negative(spec, ("revisionHistoryLimit",), "spec", faults)


def _daemon_strategy(strategy: dict[str, Any], faults: Faults) -> None:
    path, kind = "spec.updateStrategy", strategy.get("type")
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        shown = internal.of("apps.DaemonSetUpdateStrategy", strategy)
        faults.append(FieldError.not_supported(path, shown, ("RollingUpdate", "OnDelete")))
        return
    path, rolling = f"{path}.rollingUpdate", strategy.get("rollingUpdate", {})
    gone, more = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    for rule in (common.int_or_percent, common.at_most_all):
        rule(gone, f"{path}.maxUnavailable", faults)
        rule(more, f"{path}.maxSurge", faults)
    if common.number_of(gone) and common.number_of(more):
        fault = "may not be set when maxUnavailable is non-zero"
        faults.append(FieldError.invalid(f"{path}.maxSurge", more, fault))
    elif not common.number_of(gone) and not common.number_of(more):
        needed = "cannot be 0 when maxSurge is 0"
        faults.append(FieldError.required(f"{path}.maxUnavailable", needed))
