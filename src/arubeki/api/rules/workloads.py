"""Rules of Deployments and ReplicaSets, and of the Scale of anything.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/apps/validation/validation.go, pkg/apis/autoscaling/validation.
"""

from typing import Any

from arubeki.api import names, selectors
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, pods
from arubeki.api.rules.common import Faults

_STRATEGIES = ("Recreate", "RollingUpdate")
_DEPLOYMENT_COUNTS = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "terminatingReplicas",
    "collisionCount",
)
_REPLICA_SET_COUNTS = (
    "replicas",
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "observedGeneration",
    "terminatingReplicas",
)


def deployment(obj: dict[str, Any], faults: Faults) -> None:
    """Check a Deployment."""
    spec = obj.get("spec", {})
    common.not_negative(spec, ("replicas",), "spec", faults)
    _selector_and_template(spec, faults)
    _strategy(spec.get("strategy", {}), faults)
    common.not_negative(spec, ("minReadySeconds", "revisionHistoryLimit"), "spec", faults)
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        common.not_negative(spec, ("progressDeadlineSeconds",), "spec", faults)
        if deadline <= spec.get("minReadySeconds", 0):
            path, fault = "spec.progressDeadlineSeconds", "must be greater than minReadySeconds"
            faults.append(FieldError.invalid(path, deadline, fault))
    _status(obj, _DEPLOYMENT_COUNTS, ("updatedReplicas",), faults)


def replica_set(obj: dict[str, Any], faults: Faults) -> None:
    """Check a ReplicaSet."""
    spec = obj.get("spec", {})
    common.not_negative(spec, ("replicas", "minReadySeconds"), "spec", faults)
    _selector_and_template(spec, faults)
    _status(obj, _REPLICA_SET_COUNTS, ("fullyLabeledReplicas",), faults)


def selector_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """The Pods that a Deployment or ReplicaSet means are meant for its life."""
    after, before = new.get("spec", {}).get("selector"), old.get("spec", {}).get("selector")
    common.unchanged(after, before, "spec.selector", faults)


def scale(obj: dict[str, Any], faults: Faults) -> None:
    """Check the wanted number."""
    common.not_negative(obj.get("spec", {}), ("replicas",), "spec", faults)


def _selector_and_template(spec: dict[str, Any], faults: Faults) -> None:
    given = spec.get("selector")
    path = "spec.selector"
    if given is None:
        faults.append(FieldError.required(path))
    else:
        common.selector(given, path, faults)
        if not given.get("matchLabels") and not given.get("matchExpressions"):
            # Kubernetes says so for ReplicaSets too.
            fault = "empty selector is invalid for deployment"
            faults.append(FieldError.invalid(path, given, fault))
    try:
        selector = selectors.LabelSelector.of(given)
    except ValueError:
        faults.append(FieldError.invalid(path, given, "invalid label selector"))
        return
    template = spec.get("template", {})
    labels = template.get("metadata", {}).get("labels", {})
    if not selector.empty and not selector.matches(labels):
        fault = "`selector` does not match template `labels`"
        shown = labels or None
        faults.append(FieldError.invalid("spec.template.metadata.labels", shown, fault))
    pods.template(template, "spec.template", faults)
    inner = template.get("spec", {})
    if inner.get("restartPolicy") != "Always":
        place, policy = "spec.template.spec.restartPolicy", inner.get("restartPolicy", "")
        faults.append(FieldError.not_supported(place, policy, ("Always",)))
    if "activeDeadlineSeconds" in inner:
        fault = "activeDeadlineSeconds in ReplicaSet is not Supported"
        faults.append(FieldError.forbidden("spec.template.spec.activeDeadlineSeconds", fault))


def _strategy(strategy: dict[str, Any], faults: Faults) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    path = "spec.strategy"
    if kind == "Recreate":
        if rolling is not None:
            fault = "may not be specified when strategy `type` is 'Recreate'"
            faults.append(FieldError.forbidden(f"{path}.rollingUpdate", fault))
    elif kind == "RollingUpdate":
        _rolling_update(rolling or {}, f"{path}.rollingUpdate", faults)
    else:
        faults.append(FieldError.not_supported(path, strategy, _STRATEGIES))


def _rolling_update(rolling: dict[str, Any], path: str, faults: Faults) -> None:
    for name in ("maxUnavailable", "maxSurge"):
        value = rolling.get(name, 0)
        if isinstance(value, str):
            common.named(value, f"{path}.{name}", faults, names.percent)
        elif value < 0:
            faults.append(FieldError.invalid(f"{path}.{name}", value, common.NOT_NEGATIVE))
    gone, more = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    if _percent(gone) == 0 and _percent(more) == 0:
        fault = "may not be 0 when `maxSurge` is 0"
        faults.append(FieldError.invalid(f"{path}.maxUnavailable", gone, fault))
    if isinstance(gone, str) and _percent(gone) > 100:
        fault = "must not be greater than 100%"
        faults.append(FieldError.invalid(f"{path}.maxUnavailable", gone, fault))


def _percent(value: int | str) -> int:
    """Return the number, or that before the percent sign, 0 where it is none."""
    if isinstance(value, int):
        return value
    digits = value.removesuffix("%")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def _status(
    obj: dict[str, Any], counts: tuple[str, ...], parts: tuple[str, ...], faults: Faults
) -> None:
    status = obj.get("status", {})
    common.not_negative(status, counts, "status", faults)
    total = status.get("replicas", 0)
    for name in (*parts, "readyReplicas", "availableReplicas"):
        value = status.get(name, 0)
        if value > total:
            fault = "cannot be greater than status.replicas"
            faults.append(FieldError.invalid(f"status.{name}", value, fault))
    available = status.get("availableReplicas", 0)
    if available > status.get("readyReplicas", 0):
        fault = "cannot be greater than readyReplicas"
        faults.append(FieldError.invalid("status.availableReplicas", available, fault))
