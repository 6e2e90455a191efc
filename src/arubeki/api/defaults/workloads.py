"""Defaults of the kinds that make Pods: apps, batch, and the old ones in core.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/{apps,batch,core}/v1/{defaults,zz_generated.defaults}.go.
"""

from typing import Any

from arubeki.api.defaults import pods
from arubeki.api.defaults.fill import empty, struct, unset

_INT32_MAX = 2147483647


def deployment(obj: dict[str, Any]) -> None:
    """Fill in a Deployment."""
    spec = struct(obj, "spec")
    unset(spec, "replicas", 1)
    strategy = struct(spec, "strategy")
    empty(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        unset(rolling, "maxUnavailable", "25%")
        unset(rolling, "maxSurge", "25%")
    unset(spec, "revisionHistoryLimit", 10)
    unset(spec, "progressDeadlineSeconds", 600)
    pods.pod_template(struct(spec, "template"))


def replica_set(obj: dict[str, Any]) -> None:
    """Fill in a ReplicaSet."""
    spec = struct(obj, "spec")
    unset(spec, "replicas", 1)
    pods.pod_template(struct(spec, "template"))


def daemon_set(obj: dict[str, Any]) -> None:
    """Fill in a DaemonSet."""
    spec = struct(obj, "spec")
    strategy = struct(spec, "updateStrategy")
    empty(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        unset(rolling, "maxUnavailable", 1)
        unset(rolling, "maxSurge", 0)
    unset(spec, "revisionHistoryLimit", 10)
    pods.pod_template(struct(spec, "template"))


def stateful_set(obj: dict[str, Any]) -> None:
    """Fill in a StatefulSet."""
    spec = struct(obj, "spec")
    empty(spec, "podManagementPolicy", "OrderedReady")
    strategy = struct(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        unset(strategy["rollingUpdate"], "partition", 0)
        unset(strategy["rollingUpdate"], "maxUnavailable", 1)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    empty(retention, "whenDeleted", "Retain")
    empty(retention, "whenScaled", "Retain")
    unset(spec, "replicas", 1)
    unset(spec, "revisionHistoryLimit", 10)
    pods.pod_template(struct(spec, "template"))
    for claim in spec.get("volumeClaimTemplates", ()):
        pods.claim_spec(struct(claim, "spec"))
        empty(struct(claim, "status"), "phase", "Pending")


def job(obj: dict[str, Any]) -> None:
    """Fill in a Job."""
    spec = struct(obj, "spec")
    _job_spec(spec, obj)


def cron_job(obj: dict[str, Any]) -> None:
    """Fill in a CronJob. The Jobs it makes are defaulted when they are made."""
    spec = struct(obj, "spec")
    empty(spec, "concurrencyPolicy", "Allow")
    unset(spec, "suspend", False)
    unset(spec, "successfulJobsHistoryLimit", 3)
    unset(spec, "failedJobsHistoryLimit", 1)
    template = struct(spec, "jobTemplate")
    struct(template, "metadata")
    inner = struct(template, "spec")
    _failure_policy(inner)
    pods.pod_template(struct(inner, "template"))


def replication_controller(obj: dict[str, Any]) -> None:
    """Fill in a ReplicationController, which takes selector and labels from its template."""
    spec = struct(obj, "spec")
    template = spec.get("template")
    labels = (template or {}).get("metadata", {}).get("labels")
    if labels:
        empty(spec, "selector", dict(labels))
        empty(struct(obj, "metadata"), "labels", dict(labels))
    unset(spec, "replicas", 1)
    if template is not None:
        pods.pod_template(template)


def pod_template(obj: dict[str, Any]) -> None:
    """Fill in a PodTemplate."""
    pods.pod_template(struct(obj, "template"))


def _job_spec(spec: dict[str, Any], obj: dict[str, Any]) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    unset(spec, "parallelism", 1)
    unset(spec, "backoffLimit", _INT32_MAX if "backoffLimitPerIndex" in spec else 6)
    unset(spec, "completionMode", "NonIndexed")
    unset(spec, "suspend", False)
    replaced = "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    unset(spec, "podReplacementPolicy", replaced)
    unset(spec, "manualSelector", False)
    _failure_policy(spec)
    template = struct(spec, "template")
    pods.pod_template(template)
    if labels := template["metadata"].get("labels"):
        # One object, not two equal ones: what is added to the one is, as in Go, added to the other.
        empty(struct(obj, "metadata"), "labels", labels)


def _failure_policy(spec: dict[str, Any]) -> None:
    for rule in spec.get("podFailurePolicy", {}).get("rules", ()):
        for pattern in rule.get("onPodConditions", ()):
            empty(pattern, "status", "True")
