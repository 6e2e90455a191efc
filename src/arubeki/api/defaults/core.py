"""Defaults of core/v1, Pods apart.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/v1/{defaults,zz_generated.defaults}.go.
"""

from typing import Any

from arubeki.api.defaults import pods
from arubeki.api.defaults.fill import empty, struct, unset

_AFFINITY_SECONDS = 10800
_IN_CLUSTER = ("ClusterIP", "NodePort", "LoadBalancer")


def service(obj: dict[str, Any]) -> None:
    """Fill in a Service; addresses, families and node ports are allocated by the server."""
    spec = struct(obj, "spec")
    empty(spec, "sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec.get("sessionAffinityConfig", {})
        if "timeoutSeconds" not in config.get("clientIP", {}):
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_SECONDS}}
    empty(spec, "type", "ClusterIP")
    for port in spec.get("ports", ()):
        empty(port, "protocol", "TCP")
        empty(port, "targetPort", port.get("port", 0))
    kind = spec["type"]
    status = struct(struct(obj, "status"), "loadBalancer")
    is_external = kind in ("NodePort", "LoadBalancer")
    if is_external or (kind == "ClusterIP" and spec.get("externalIPs")):
        empty(spec, "externalTrafficPolicy", "Cluster")
    if kind in _IN_CLUSTER:
        unset(spec, "internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        unset(spec, "allocateLoadBalancerNodePorts", True)
        for ingress in status.get("ingress", ()):
            if ingress.get("ip"):
                unset(ingress, "ipMode", "VIP")


def secret(obj: dict[str, Any]) -> None:
    """Fill in a Secret's type."""
    empty(obj, "type", "Opaque")


def namespace(obj: dict[str, Any]) -> None:
    """Fill in a Namespace: its name is also a label, for selectors."""
    metadata = struct(obj, "metadata")
    struct(obj, "spec")
    if name := metadata.get("name"):
        metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    empty(struct(obj, "status"), "phase", "Active")


def node(obj: dict[str, Any]) -> None:
    """Fill in a Node: what it has, it can give away."""
    struct(obj, "spec")
    status = struct(obj, "status")
    if "capacity" in status and "allocatable" not in status:
        status["allocatable"] = dict(status["capacity"])


def endpoints(obj: dict[str, Any]) -> None:
    """Fill in the protocols of Endpoints."""
    for subset in obj.get("subsets", ()):
        for port in subset.get("ports", ()):
            empty(port, "protocol", "TCP")


def persistent_volume(obj: dict[str, Any]) -> None:
    """Fill in a PersistentVolume."""
    spec = struct(obj, "spec")
    empty(spec, "persistentVolumeReclaimPolicy", "Retain")
    unset(spec, "volumeMode", "Filesystem")
    pods.volume_source(spec)
    empty(struct(obj, "status"), "phase", "Pending")


def persistent_volume_claim(obj: dict[str, Any]) -> None:
    """Fill in a PersistentVolumeClaim."""
    pods.claim_spec(struct(obj, "spec"))
    empty(struct(obj, "status"), "phase", "Pending")


def limit_range(obj: dict[str, Any]) -> None:
    """Fill in what containers get: the maximum limits, the limit is requested, or the minimum."""
    for item in struct(obj, "spec").get("limits", ()):
        if item.get("type") != "Container":
            continue
        limits = {**item.get("max", {}), **item.get("default", {})}
        requests = {**item.get("min", {}), **limits, **item.get("defaultRequest", {})}
        if limits:
            item["default"] = limits
        if requests:
            item["defaultRequest"] = requests
