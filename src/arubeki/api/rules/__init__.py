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
from typing import Any

from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.api.rules import core, networks, pods, services, workloads

Rule = Callable[[dict[str, Any], list[FieldError]], None]
Change = Callable[[dict[str, Any], dict[str, Any], list[FieldError]], None]
Both = Callable[[dict[str, Any], dict[str, Any] | None, list[FieldError]], None]
"""A rule that sees an object as it becomes and as it was; None when it is new."""

_RULES: dict[tuple[str, str], Rule] = {
    ("", "ConfigMap"): core.config_map,
    ("", "Endpoints"): networks.endpoints,
    ("", "Node"): core.node,
    ("", "Pod"): pods.pod,
    ("", "Secret"): core.secret,
    ("", "Service"): services.service,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("autoscaling", "Scale"): workloads.scale,
    ("coordination.k8s.io", "Lease"): core.lease,
    ("discovery.k8s.io", "EndpointSlice"): networks.endpoint_slice,
}
_CHANGES: dict[tuple[str, str], Change] = {
    ("", "ConfigMap"): core.config_map_change,
    ("", "Node"): core.node_change,
    ("", "Pod"): pods.pod_change,
    ("", "Secret"): core.secret_change,
    ("", "Service"): services.service_change,
    ("apps", "Deployment"): workloads.selector_change,
    ("apps", "ReplicaSet"): workloads.selector_change,
    ("discovery.k8s.io", "EndpointSlice"): networks.endpoint_slice_change,
}
_GROUPS = {
    "autoscaling": "autoscaling",
    "networking.k8s.io": "networking",
    "node.k8s.io": "scheduling",
    "policy": "policy",
    "rbac.authorization.k8s.io": "rbac",
    "scheduling.k8s.io": "scheduling",
    "storage.k8s.io": "storage",
}


def validate(gvk: GVK, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
    """Return everything that is wrong with an object, [] where nothing is.

    `old` is the object before, None when it is new.
    """
    faults: list[FieldError] = []
    if (rule := _RULES.get((gvk.group, gvk.kind))) is not None:
        rule(obj, faults)
    if (module := _GROUPS.get(gvk.group)) and (both := _rules_of(module).get(gvk.kind)):
        both(obj, old, faults)
    return faults


def validate_update(gvk: GVK, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    """Return the changes from `old` to `new` that may not be made, [] where all may."""
    faults: list[FieldError] = []
    if (change := _CHANGES.get((gvk.group, gvk.kind))) is not None:
        change(new, old, faults)
    return faults


@cache
def _rules_of(module: str) -> Mapping[str, Both]:
    found: Mapping[str, Both] = importlib.import_module(f"{__name__}.{module}").RULES
    return found
