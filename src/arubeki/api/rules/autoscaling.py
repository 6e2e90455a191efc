"""Rules of HorizontalPodAutoscalers, of both versions: they are judged as v2.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/autoscaling/validation/validation.go,
pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go.
"""

from typing import Any

from arubeki.api import quantity
from arubeki.api.autoscalers import to_v2
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import resources

PERIOD_MAX_SECONDS = 1800
WINDOW_MAX_SECONDS = 3600
_SELECTIONS = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")
# What Go's sets list, and the fields in the order in which they are looked at.
_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_SOURCES = ("object", "external", "pods", "resource", "containerResource")
_TARGETS = ("Utilization", "Value", "AverageValue")


def autoscaler(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a HorizontalPodAutoscaler."""
    spec = to_v2(new).get("spec", {})
    before = to_v2(old).get("spec", {}) if old is not None else None
    _replicas(spec, before, faults)
    reference = spec.get("scaleTargetRef", {})
    was = (before or {}).get("scaleTargetRef", {})
    if before is not None and all(
        reference.get(name) == was.get(name) for name in ("apiVersion", "kind")
    ):
        groups = "any"
    else:
        groups = "core" if reference.get("kind") == "ReplicationController" else "named"
    _reference(reference, "spec.scaleTargetRef", groups, faults)
    _metrics(spec, before, faults)
    for name in ("scaleUp", "scaleDown"):
        if (rules := spec.get("behavior", {}).get(name)) is not None:
            _scaling(rules, f"spec.behavior.{name}", faults)
    _status(to_v2(new).get("status", {}), faults)


def _replicas(spec: dict[str, Any], before: dict[str, Any] | None, faults: Faults) -> None:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    was = before or {}
    if least is not None and least < 0 and least != was.get("minReplicas"):
        fault = FieldError.invalid("spec.minReplicas", least, common.NOT_NEGATIVE)
        faults.append(fault.declared())
    path = "spec.maxReplicas"
    if most == 0:
        faults.append(FieldError.required(path).declared())
    elif most < 0:
        fault = FieldError.invalid(path, most, "must be greater than or equal to 1")
        faults.append(fault.declared())
    if least is not None and most < least:
        beyond = "must be greater than or equal to `minReplicas`"
        faults.append(FieldError.invalid(path, most, beyond))


def _reference(reference: dict[str, Any], path: str, groups: str, faults: Faults) -> None:
    """Check what is scaled or measured. `groups` says which it may be of: any, core, named."""
    for name in ("kind", "name"):
        common.segment(reference.get(name, ""), f"{path}.{name}", faults)
    version = reference.get("apiVersion", "")
    if fault := "" if groups == "any" else _version_fault(version, groups):
        faults.append(FieldError.invalid(f"{path}.apiVersion", version, fault))


def _version_fault(version: str, groups: str) -> str:
    if version.count("/") > 1:
        return f"unexpected GroupVersion string: {version}"
    if groups == "named" and not version.rpartition("/")[0]:
        return "apiVersion must specify API group"
    return ""


def _metrics(spec: dict[str, Any], before: dict[str, Any] | None, faults: Faults) -> None:
    metrics = spec.get("metrics") or ()
    groups = "core"
    for one in (before or {}).get("metrics") or ():
        described = one.get("object", {}).get("describedObject", {})
        if _version_fault(described.get("apiVersion", ""), "core"):
            groups = "any"
    for index, metric in enumerate(metrics):
        _metric(metric, f"spec.metrics[{index}]", groups, faults)
    outside = any(one.get("type") in ("Object", "External") for one in metrics)
    if spec.get("minReplicas") == 0 and not outside:
        needed = "must specify at least one Object or External metric to support scaling to zero"
        faults.append(FieldError.forbidden("spec.metrics", f"{needed} replicas"))


def _metric(metric: dict[str, Any], path: str, groups: str, faults: Faults) -> None:
    kind = metric.get("type", "")
    if not kind:
        faults.append(FieldError.required(f"{path}.type", "must specify a metric source type"))
    if kind not in _TYPES:
        faults.append(FieldError.not_supported(f"{path}.type", kind, _TYPES))
    found = [name for name in _SOURCES if name in metric]
    if found:
        _source(found[0], metric[found[0]], f"{path}.{found[0]}", groups, faults)
    expected = kind[:1].lower() + kind[1:]
    if kind not in _TYPES:
        faults.append(FieldError.not_supported(f"{path}.type", kind, _TYPES))
    elif expected not in metric:
        needed = "must populate information for the given metric source"
        faults.append(FieldError.required(f"{path}.{expected}", needed))
    if len(found) != 1:
        for name in found:
            if name != expected:
                only = "must populate the given metric source only"
                faults.append(FieldError.forbidden(f"{path}.{name}", only))


def _source(name: str, source: dict[str, Any], path: str, groups: str, faults: Faults) -> None:
    target = source.get("target", {})
    if name == "object":
        _reference(source.get("describedObject", {}), f"{path}.describedObject", groups, faults)
    if name in ("resource", "containerResource"):
        _resource_name(name, source, path, faults)
    else:
        needed = "must specify a metric name"
        common.segment(
            source.get("metric", {}).get("name", ""), f"{path}.metric.name", faults, needed
        )
    place = f"{path}.target"
    _target(target, place, faults)
    has_value, has_average = "value" in target, "averageValue" in target
    if name == "object" and not has_value and not has_average:
        needed = "must set either a target value or averageValue"
        faults.append(FieldError.required(f"{place}.averageValue", needed))
    elif name == "external":
        if not has_value and not has_average:
            needed = "must set either a target value for metric or a per-pod target"
            faults.append(FieldError.required(f"{place}.averageValue", needed))
        if has_value and has_average:
            both = "may not set both a target value for metric and a per-pod target"
            faults.append(FieldError.forbidden(f"{place}.value", both))
    elif name == "pods" and not has_average:
        needed = "must specify a positive target averageValue"
        faults.append(FieldError.required(f"{place}.averageValue", needed))
    elif name in ("resource", "containerResource"):
        has_percent = "averageUtilization" in target
        if not has_percent and not has_average:
            needed = "must set either a target raw value or a target utilization"
            faults.append(FieldError.required(f"{place}.averageUtilization", needed))
        if has_percent and has_average:
            both = "may not set both a target raw value and a target utilization"
            faults.append(FieldError.forbidden(f"{place}.averageValue", both))


def _resource_name(name: str, source: dict[str, Any], path: str, faults: Faults) -> None:
    resource = source.get("name", "")
    if not resource:
        faults.append(FieldError.required(f"{path}.name", "must specify a resource name"))
    if name == "resource":
        return
    if resource:
        resources.container_name(resource, f"{path}.name", faults)
    if container := source.get("container", ""):
        common.named(container, f"{path}.container", faults)
    else:
        faults.append(FieldError.required(f"{path}.container", "must specify a container"))


def _target(target: dict[str, Any], path: str, faults: Faults) -> None:
    kind = target.get("type", "")
    if not kind:
        faults.append(FieldError.required(f"{path}.type", "must specify a metric target type"))
    if kind not in _TARGETS:
        wrong = "must be either Utilization, Value, or AverageValue"
        faults.append(FieldError.invalid(f"{path}.type", kind, wrong))
    for name in ("value", "averageValue"):
        if name in target and quantity.compare(target[name], "0") <= 0:
            faults.append(FieldError.invalid(f"{path}.{name}", target[name], "must be positive"))
    percent = target.get("averageUtilization")
    if percent is not None and percent < 1:
        fault = "must be greater than 0"
        faults.append(FieldError.invalid(f"{path}.averageUtilization", percent, fault))


def _scaling(rules: dict[str, Any], path: str, faults: Faults) -> None:
    seconds, place = rules.get("stabilizationWindowSeconds"), f"{path}.stabilizationWindowSeconds"
    if seconds is not None and seconds < 0:
        faults.append(FieldError.invalid(place, seconds, "must be greater than or equal to zero"))
    if seconds is not None and seconds > WINDOW_MAX_SECONDS:
        beyond = f"must be less than or equal to {WINDOW_MAX_SECONDS}"
        faults.append(FieldError.invalid(place, seconds, beyond))
    selection = rules.get("selectPolicy")
    if selection is not None and selection not in _SELECTIONS:
        fault = FieldError.not_supported(f"{path}.selectPolicy", selection, _SELECTIONS)
        faults.append(fault)
    if not rules.get("policies"):
        needed = "must specify at least one Policy"
        faults.append(FieldError.required(f"{path}.policies", needed))
    for index, policy in enumerate(rules.get("policies") or ()):
        _policy(policy, f"{path}.policies[{index}]", faults)
    if "tolerance" in rules:
        common.amount_not_negative(rules["tolerance"], f"{path}.tolerance", faults)


def _policy(policy: dict[str, Any], path: str, faults: Faults) -> None:
    if policy.get("type", "") not in _POLICIES:
        fault = FieldError.not_supported(f"{path}.type", policy.get("type", ""), _POLICIES)
        faults.append(fault)
    for name in ("value", "periodSeconds"):
        if (number := policy.get(name, 0)) <= 0:
            faults.append(FieldError.invalid(f"{path}.{name}", number, "must be greater than zero"))
    period = policy.get("periodSeconds", 0)
    if period > PERIOD_MAX_SECONDS:
        beyond = f"must be less than or equal to {PERIOD_MAX_SECONDS}"
        faults.append(FieldError.invalid(f"{path}.periodSeconds", period, beyond))


def _status(status: dict[str, Any], faults: Faults) -> None:
    for index, condition in enumerate(status.get("conditions") or ()):
        place = f"status.conditions[{index}]"
        common.not_negative(condition, ("observedGeneration",), place, faults)
    common.not_negative(status, ("currentReplicas", "desiredReplicas"), "status", faults)


RULES = {"HorizontalPodAutoscaler": autoscaler}
