"""One APIService for each group and version that this server serves itself.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/controlplane/apiserver/aggregator.go, kube-aggregator pkg/controllers/
autoregister, apiextensions' crdregistration_controller.go.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.server.admission.local import local_condition
from arubeki.server.resources import Registry

AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"
# What comes first where two groups have a kind of the same name: group, then version.
_PRIORITIES: Mapping[str, tuple[int, int]] = {
    "/v1": (18000, 1),
    "admissionregistration.k8s.io/v1": (16700, 15),
    "apiextensions.k8s.io/v1": (16700, 15),
    "apiregistration.k8s.io/v1": (18000, 15),
    "apps/v1": (17800, 15),
    "authentication.k8s.io/v1": (17700, 15),
    "authorization.k8s.io/v1": (17600, 15),
    "autoscaling/v1": (17500, 15),
    "autoscaling/v2": (17500, 30),
    "batch/v1": (17400, 15),
    "certificates.k8s.io/v1": (17300, 15),
    "coordination.k8s.io/v1": (16500, 15),
    "discovery.k8s.io/v1": (16200, 15),
    "events.k8s.io/v1": (17750, 15),
    "flowcontrol.apiserver.k8s.io/v1": (16100, 21),
    "networking.k8s.io/v1": (17200, 15),
    "node.k8s.io/v1": (16300, 15),
    "policy/v1": (17100, 15),
    "rbac.authorization.k8s.io/v1": (17000, 15),
    "resource.k8s.io/v1": (16200, 21),
    "scheduling.k8s.io/v1": (16600, 15),
    "storage.k8s.io/v1": (16800, 15),
    "storagemigration.k8s.io/v1": (15800, 15),
}
# The aggregator's own group is not aggregated.
_OWN = "apiregistration.k8s.io"


def api_services(registry: Registry) -> list[dict[str, Any]]:
    """Return the APIServices of all built-in groups, complete but for what dates them."""
    return [
        _api_service(group, version, *_PRIORITIES[f"{group}/{version}"])
        for group, versions in registry.groups().items()
        for version in versions
        if group != _OWN and f"{group}/{version}" in _PRIORITIES
    ]


def _api_service(group: str, version: str, group_first: int, first: int) -> dict[str, Any]:
    spec = {"group": group, "version": version} if group else {"version": version}
    return {
        "apiVersion": f"{_OWN}/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{group}", "labels": {AUTOMANAGED: "onstart"}},
        "spec": {**spec, "groupPriorityMinimum": group_first, "versionPriority": first},
        "status": {"conditions": [local_condition()]},
    }
