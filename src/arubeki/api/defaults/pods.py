"""Defaults of Pods and of the templates that make them.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/v1/{defaults,zz_generated.defaults}.go.
"""

import re
from typing import Any

from arubeki.api.defaults.fill import empty, struct, unset

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)(?::\d+)?/)?{_PART}(?:/{_PART})*"
    r"(?::([\w][\w.-]{0,127}))?(@[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
_VOLUME_MODES = ("secret", "configMap", "downwardAPI", "projected")
_VOLUME_FIELDS: dict[str, dict[str, Any]] = {
    "azureDisk": {
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "kind": "Shared",
        "readOnly": False,
    },
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "scaleIO": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
}
_DEFAULT_MODE = 0o644


def pod(obj: dict[str, Any]) -> None:
    """Fill in a Pod. Some defaults are for Pods alone, not for templates."""
    spec = struct(obj, "spec")
    pod_spec(spec)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        _request_what_is_limited(container)
        if spec.get("hostNetwork"):
            for port in container.get("ports", ()):
                if port.get("containerPort"):
                    empty(port, "hostPort", port["containerPort"])
    unset(spec, "enableServiceLinks", True)
    _status(struct(obj, "status"))


def pod_template(template: dict[str, Any]) -> None:
    """Fill in a Pod template, which Go never leaves out."""
    struct(template, "metadata")
    pod_spec(struct(template, "spec"))


def pod_spec(spec: dict[str, Any]) -> None:
    """Fill in what Pods and templates share."""
    empty(spec, "serviceAccountName", spec.get("serviceAccount", ""))
    if spec["serviceAccountName"]:
        spec["serviceAccount"] = spec["serviceAccountName"]
    else:
        del spec["serviceAccountName"]
        spec.pop("serviceAccount", None)
    empty(spec, "dnsPolicy", "ClusterFirst")
    empty(spec, "restartPolicy", "Always")
    unset(spec, "securityContext", {})
    unset(spec, "terminationGracePeriodSeconds", 30)
    empty(spec, "schedulerName", "default-scheduler")
    for container in (
        *spec.get("containers", ()),
        *spec.get("initContainers", ()),
        *spec.get("ephemeralContainers", ()),
    ):
        _container(container)
    for volume in spec.get("volumes", ()):
        _volume(volume)


def pull_policy(image: str) -> str:
    """Return when an image is pulled if nobody says: always where its tag is `latest`."""
    found = _IMAGE.fullmatch(image)
    if found is None:
        return "IfNotPresent"
    tag = found[1] or ("" if found[2] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def claim_spec(spec: dict[str, Any]) -> None:
    """Fill in the spec of a PersistentVolumeClaim."""
    struct(spec, "resources")
    unset(spec, "volumeMode", "Filesystem")


def _container(container: dict[str, Any]) -> None:
    empty(container, "imagePullPolicy", pull_policy(container.get("image", "")))
    empty(container, "terminationMessagePath", "/dev/termination-log")
    empty(container, "terminationMessagePolicy", "File")
    struct(container, "resources")
    for port in container.get("ports", ()):
        empty(port, "protocol", "TCP")
    for variable in container.get("env", ()):
        source = variable.get("valueFrom")
        if source:
            _field_reference(source)
            if "fileKeyRef" in source:
                unset(source["fileKeyRef"], "optional", False)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    for hook in container.get("lifecycle", {}).values():
        if isinstance(hook, dict) and "httpGet" in hook:
            _http_get(hook["httpGet"])


def _request_what_is_limited(container: dict[str, Any]) -> None:
    resources = container["resources"]
    if resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, amount in resources["limits"].items():
            unset(requests, name, amount)


def _probe(probe: dict[str, Any]) -> None:
    empty(probe, "timeoutSeconds", 1)
    empty(probe, "periodSeconds", 10)
    empty(probe, "successThreshold", 1)
    empty(probe, "failureThreshold", 3)
    if "httpGet" in probe:
        _http_get(probe["httpGet"])
    if "grpc" in probe:
        unset(probe["grpc"], "service", "")


def _http_get(action: dict[str, Any]) -> None:
    empty(action, "path", "/")
    empty(action, "scheme", "HTTP")


def _field_reference(source: dict[str, Any]) -> None:
    if "fieldRef" in source:
        empty(source["fieldRef"], "apiVersion", "v1")


def _volume(volume: dict[str, Any]) -> None:
    if not any(isinstance(source, dict) for source in volume.values()):
        volume["emptyDir"] = {}
    for name in _VOLUME_MODES:
        if name in volume:
            unset(volume[name], "defaultMode", _DEFAULT_MODE)
    volume_source(volume)
    if "image" in volume:
        image = volume["image"]
        empty(image, "pullPolicy", pull_policy(image.get("reference", "")))
    for item in volume.get("downwardAPI", {}).get("items", ()):
        _field_reference(item)
    for source in volume.get("projected", {}).get("sources", ()):
        for item in source.get("downwardAPI", {}).get("items", ()):
            _field_reference(item)
        if "serviceAccountToken" in source:
            unset(source["serviceAccountToken"], "expirationSeconds", 3600)
    template = volume.get("ephemeral", {}).get("volumeClaimTemplate")
    if template is not None:
        struct(template, "metadata")
        claim_spec(struct(template, "spec"))


def volume_source(volume: dict[str, Any]) -> None:
    """Fill in the source of a volume, of a Pod or of a PersistentVolume."""
    for name, fields in _VOLUME_FIELDS.items():
        if name in volume:
            for field, value in fields.items():
                unset(volume[name], field, value)


def _status(status: dict[str, Any]) -> None:
    """Keep the one address and the list of addresses in step; the one address is right."""
    address, addresses = status.get("podIP", ""), status.get("podIPs", [])
    if address and (not addresses or addresses[0].get("ip") != address):
        status["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        status["podIP"] = addresses[0].get("ip", "")
