"""What an object of a built-in kind must fulfil beyond having the right shape.

Ranges, names, words, what goes with what, and what may never change: in Kubernetes validation is
code, here it is functions that append `FieldError`s, a file per family of kinds. Names and metadata
are the server's, because they depend on the resource. The object must have been decoded and
defaulted (`api.structure.types`, `api.defaults`); all faults are returned, in Kubernetes' words.

The small groups have a module each, named in `_GROUPS` and imported when first needed; its `RULES`
are told the object as it was as well, since some rules bear with what was wrong before. The kinds
that are missing have no rules here; CustomResourceDefinitions have theirs beside the code that
serves them.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/*/validation/validation.go.
"""

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.api.rules import (
    claims,
    core,
    cronjobs,
    jobs,
    jobstatus,
    networks,
    persistent,
    pods,
    quotas,
    services,
    sets,
    workloads,
)

Rule = Callable[[dict[str, Any], list[FieldError]], None]
Change = Callable[[dict[str, Any], dict[str, Any], list[FieldError]], None]
Both = Callable[[dict[str, Any], dict[str, Any] | None, list[FieldError]], None]
"""A rule that sees an object as it becomes and as it was; None when it is new."""


class Rules(NamedTuple):
    """The rules of a kind. A changed object must pass `check` and `change`, or `update` alone."""

    check: Rule | None = None
    """What holds of a new object."""
    change: Change | None = None
    """What may not become of an object; the new one comes first."""
    update: Change | None = None
    """What holds of a changed object, where that is not what holds of a new one."""
    part: Rule | None = None
    """What holds of an object that was changed through a path of its own."""
    status: Change | None = None
    """What holds of an object whose status was written."""


_NONE = Rules()
_RULES: dict[tuple[str, str], Rules] = {
    ("", "ConfigMap"): Rules(core.config_map, core.config_map_change),
    ("", "Endpoints"): Rules(networks.endpoints),
    ("", "LimitRange"): Rules(quotas.limit_range),
    ("", "Node"): Rules(core.node, core.node_change),
    ("", "PersistentVolume"): Rules(persistent.volume, persistent.volume_change),
    ("", "PersistentVolumeClaim"): Rules(
        claims.claim, claims.claim_change, status=claims.claim_status
    ),
    ("", "Pod"): Rules(pods.pod, update=pods.pod_update, part=pods.whole),
    ("", "PodTemplate"): Rules(pods.pod_template),
    ("", "ReplicationController"): Rules(
        workloads.replication_controller, status=workloads.replication_controller_status
    ),
    ("", "ResourceQuota"): Rules(
        quotas.resource_quota,
        update=quotas.resource_quota_update,
        status=quotas.resource_quota_status,
    ),
    ("", "Secret"): Rules(core.secret, core.secret_change),
    ("", "Service"): Rules(services.service, services.service_change),
    ("apps", "ControllerRevision"): Rules(
        sets.controller_revision, update=sets.controller_revision_update
    ),
    ("apps", "DaemonSet"): Rules(
        sets.daemon_set, update=sets.daemon_set_update, status=sets.daemon_set_status
    ),
    ("apps", "Deployment"): Rules(
        workloads.deployment, workloads.selector_change, status=workloads.deployment_status
    ),
    ("apps", "ReplicaSet"): Rules(
        workloads.replica_set, workloads.selector_change, status=workloads.replica_set_status
    ),
    ("apps", "StatefulSet"): Rules(
        sets.stateful_set, update=sets.stateful_set_update, status=sets.stateful_set_status
    ),
    ("autoscaling", "Scale"): Rules(workloads.scale),
    ("batch", "CronJob"): Rules(cronjobs.cron_job, update=cronjobs.cron_job_update),
    ("batch", "Job"): Rules(jobs.job, update=jobs.job_update, status=jobstatus.job_status),
    ("coordination.k8s.io", "Lease"): Rules(core.lease),
}
_GROUPS = {
    "": "events",
    "admissionregistration.k8s.io": "policies",
    "apiregistration.k8s.io": "apiregistration",
    "autoscaling": "autoscaling",
    "certificates.k8s.io": "certificates",
    "discovery.k8s.io": "discovery",
    "events.k8s.io": "events",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "networking.k8s.io": "networking",
    "node.k8s.io": "scheduling",
    "policy": "policy",
    "rbac.authorization.k8s.io": "rbac",
    "resource.k8s.io": "devices",
    "scheduling.k8s.io": "scheduling",
    "storage.k8s.io": "storage",
    "storagemigration.k8s.io": "storagemigration",
}


def validate(gvk: GVK, obj: dict[str, Any]) -> list[FieldError]:
    """Return everything that is wrong with a new object, [] where nothing is."""
    faults: list[FieldError] = []
    if (check := _rules(gvk).check) is not None:
        check(obj, faults)
    if (group_rule := _group_rule(gvk)) is not None:
        group_rule(obj, None, faults)
    return faults


def validate_update(gvk: GVK, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    """Return everything that is wrong with an object that was `old`, [] where nothing is."""
    faults: list[FieldError] = []
    rules = _rules(gvk)
    if rules.update is not None:
        rules.update(new, old, faults)
        return faults
    if rules.check is not None:
        rules.check(new, faults)
    if rules.change is not None:
        rules.change(new, old, faults)
    if (group_rule := _group_rule(gvk)) is not None:
        group_rule(new, old, faults)
    return faults


def validate_part(gvk: GVK, obj: dict[str, Any]) -> list[FieldError]:
    """Return everything that is wrong with an object of which only a part was written."""
    faults: list[FieldError] = []
    if (part := _rules(gvk).part) is not None:
        part(obj, faults)
    return faults


def validate_status(gvk: GVK, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    """Return everything that is wrong with a written status, [] where nothing is."""
    faults: list[FieldError] = []
    if (status := _rules(gvk).status) is not None:
        status(new, old, faults)
    if (group_rule := _group_rule(gvk)) is not None:
        group_rule(new, old, faults)
    return faults


def _rules(gvk: GVK) -> Rules:
    return _RULES.get((gvk.group, gvk.kind), _NONE)


def _group_rule(gvk: GVK) -> Both | None:
    module = _GROUPS.get(gvk.group)
    return _rules_of(module).get(gvk.kind) if module else None


@cache
def _rules_of(module: str) -> Mapping[str, Both]:
    found: Mapping[str, Both] = importlib.import_module(f"{__name__}.{module}").RULES
    return found
