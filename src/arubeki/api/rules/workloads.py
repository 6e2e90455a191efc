"""Rules of Deployments, ReplicaSets and ReplicationControllers, and of the Scale of anything.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/{apps,core,autoscaling}/validation/validation.go.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import internal, selectors
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
_CONTROLLER_COUNTS = (
    "replicas",
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "observedGeneration",
)


def deployment(obj: dict[str, Any], faults: Faults) -> None:
    """Check a Deployment."""
    spec = obj.get("spec", {})
    common.not_negative(spec, ("replicas",), "spec", faults)
    # Kubernetes says "deployment" of ReplicaSets too.
    _selector_and_template(spec, faults)
    _strategy(spec.get("strategy", {}), faults)
    common.not_negative(spec, ("minReadySeconds", "revisionHistoryLimit"), "spec", faults)
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        common.not_negative(spec, ("progressDeadlineSeconds",), "spec", faults)
        if deadline <= spec.get("minReadySeconds", 0):
            path, fault = "spec.progressDeadlineSeconds", "must be greater than minReadySeconds"
            faults.append(FieldError.invalid(path, deadline, fault))


def deployment_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check what is told of a Deployment."""
    status = new.get("status", {})
    common.not_negative(status, _DEPLOYMENT_COUNTS, "status", faults)
    parts_of_replicas(status, ("updatedReplicas", "readyReplicas", "availableReplicas"), faults)
    available_are_ready(status, "readyReplicas", faults)
    not_decremented(status, old.get("status", {}), faults)


def replica_set(obj: dict[str, Any], faults: Faults) -> None:
    """Check a ReplicaSet."""
    spec = obj.get("spec", {})
    common.not_negative(spec, ("replicas", "minReadySeconds"), "spec", faults)
    _selector_and_template(spec, faults)


def replica_set_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check what is told of a ReplicaSet."""
    del old
    status = new.get("status", {})
    common.not_negative(status, _REPLICA_SET_COUNTS, "status", faults)
    _replicas_of_set(status, faults)


def selector_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """The Pods that a Deployment, ReplicaSet or StatefulSet means are meant for its life."""
    after, before = new.get("spec", {}).get("selector"), old.get("spec", {}).get("selector")
    common.unchanged(after, before, "spec.selector", faults)


def replication_controller(obj: dict[str, Any], faults: Faults) -> None:
    """Check a ReplicationController, whose selector is a plain map of labels."""
    spec = obj.get("spec", {})
    selector, template = spec.get("selector", {}), spec.get("template")
    if not selector:
        faults.append(FieldError.required("spec.selector"))
    if template is None:
        faults.append(FieldError.required("spec.template"))
    else:
        labels = template.get("metadata", {}).get("labels", {})
        if any(labels.get(key) != value for key, value in selector.items()):
            _unlike(labels, "spec.template", faults)
        pods.template(template, "spec.template", faults)
        always(template, "spec.template", "ReplicationController", faults)
    # Told last: in Kubernetes these are rules of the schema, and those come behind the others.
    common.not_negative(spec, ("replicas", "minReadySeconds"), "spec", faults)


def replication_controller_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check what is told of a ReplicationController."""
    del old
    status = new.get("status", {})
    common.not_negative(status, _CONTROLLER_COUNTS, "status", faults)
    _replicas_of_set(status, faults)


def scale(obj: dict[str, Any], faults: Faults) -> None:
    """Check the wanted number."""
    common.not_negative(obj.get("spec", {}), ("replicas",), "spec", faults)


def selector_matches(
    given: Mapping[str, Any] | None, template: Mapping[str, Any], path: str, faults: Faults
) -> None:
    """A selector must mean the Pods of its own template; an absent one means none."""
    try:
        selector = selectors.LabelSelector.of(given)
    except ValueError:
        return
    labels = template.get("metadata", {}).get("labels", {})
    if not selector.matches(labels):
        _unlike(labels, path, faults)


def always(template: Mapping[str, Any], path: str, kind: str, faults: Faults) -> None:
    """A Pod that is to be there always is restarted always, and has no end."""
    spec = template.get("spec", {})
    if spec.get("restartPolicy") != "Always":
        policy = spec.get("restartPolicy", "")
        where = f"{path}.spec.restartPolicy"
        faults.append(FieldError.not_supported(where, policy, ("Always",)))
    if "activeDeadlineSeconds" in spec:
        fault = f"activeDeadlineSeconds in {kind} is not Supported"
        faults.append(FieldError.forbidden(f"{path}.spec.activeDeadlineSeconds", fault))


def required_selector(given: Mapping[str, Any] | None, kind: str, faults: Faults) -> None:
    """A selector must be there, be well-formed, and not mean everything."""
    if given is None:
        faults.append(FieldError.required("spec.selector"))
        return
    common.selector(given, "spec.selector", faults)
    if not given.get("matchLabels") and not given.get("matchExpressions"):
        fault = f"empty selector is invalid for {kind}"
        faults.append(FieldError.invalid("spec.selector", given, fault))


def parts_of_replicas(status: Mapping[str, Any], parts: tuple[str, ...], faults: Faults) -> None:
    """No part of the replicas is more than all of them."""
    total = status.get("replicas", 0)
    for name in parts:
        if (value := status.get(name, 0)) > total:
            fault = "cannot be greater than status.replicas"
            faults.append(FieldError.invalid(f"status.{name}", value, fault))


def available_are_ready(status: Mapping[str, Any], shown: str, faults: Faults) -> None:
    """No more replicas are available than are ready."""
    available = status.get("availableReplicas", 0)
    if available > status.get("readyReplicas", 0):
        fault = f"cannot be greater than {shown}"
        faults.append(FieldError.invalid("status.availableReplicas", available, fault))


def not_decremented(new: Mapping[str, Any], old: Mapping[str, Any], faults: Faults) -> None:
    """Collisions of names are counted upward."""
    before, after = old.get("collisionCount"), new.get("collisionCount", 0)
    if before is not None and after < before:
        faults.append(FieldError.invalid("status.collisionCount", after, "cannot be decremented"))


def _unlike(labels: Mapping[str, str], path: str, faults: Faults) -> None:
    fault = "`selector` does not match template `labels`"
    faults.append(FieldError.invalid(f"{path}.metadata.labels", labels or None, fault))


def _selector_and_template(spec: dict[str, Any], faults: Faults) -> None:
    given, template = spec.get("selector"), spec.get("template", {})
    required_selector(given, "deployment", faults)
    try:
        selectors.LabelSelector.of(given)
    except ValueError:
        faults.append(FieldError.invalid("spec.selector", given, "invalid label selector"))
        return
    selector_matches(given, template, "spec.template", faults)
    pods.template(template, "spec.template", faults)
    always(template, "spec.template", "ReplicaSet", faults)


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
        faults.append(
            FieldError.not_supported(
                path, internal.of("apps.DeploymentStrategy", strategy), _STRATEGIES
            )
        )


def _rolling_update(rolling: dict[str, Any], path: str, faults: Faults) -> None:
    gone, more = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    common.int_or_percent(gone, f"{path}.maxUnavailable", faults)
    common.int_or_percent(more, f"{path}.maxSurge", faults)
    if common.number_of(gone) == 0 and common.number_of(more) == 0:
        fault = "may not be 0 when `maxSurge` is 0"
        faults.append(FieldError.invalid(f"{path}.maxUnavailable", gone, fault))
    common.at_most_all(gone, f"{path}.maxUnavailable", faults)


def _replicas_of_set(status: Mapping[str, Any], faults: Faults) -> None:
    parts = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    parts_of_replicas(status, parts, faults)
    available_are_ready(status, "readyReplicas", faults)
