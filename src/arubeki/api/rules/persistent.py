"""Rules of PersistentVolumes.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidatePersistentVolume*),
pkg/volume/validation/pv_validation.go.
"""

import posixpath
from collections.abc import Mapping
from functools import partial
from typing import Any

from arubeki.api import internal, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import claims, common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import affinity, disks

Object = Mapping[str, Any]
_RECLAIM = ("Delete", "Recycle", "Retain")
# In the order in which Kubernetes looks for them: the first is the source, the others are too many.
_ORDER = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd",
    "quobyte", "cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume",
    "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
_SHOWN = {"cephfs": "cephFS"}
_SECRETS = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
)


def volume(obj: dict[str, Any], faults: Faults) -> None:
    """Check a PersistentVolume."""
    spec = obj.get("spec", {})
    modes = spec.get("accessModes", ())
    if not modes:
        faults.append(FieldError.required("spec.accessModes"))
    claims.access_modes(modes, "spec.accessModes", faults)
    _capacity(spec.get("capacity", {}), faults)
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and policy not in _RECLAIM:
        where = "spec.persistentVolumeReclaimPolicy"
        faults.append(FieldError.not_supported(where, policy, _RECLAIM))
    nodes = spec.get("nodeAffinity")
    if nodes is not None:
        if "required" in nodes:
            affinity.node_selector(nodes["required"], "spec.nodeAffinity.required", faults)
        else:
            needed = "must specify required node constraints"
            faults.append(FieldError.required("spec.nodeAffinity.required", needed))
    _source(obj, faults)
    _classes(spec, faults)


def volume_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A PersistentVolume keeps what it stands for, and where that is."""
    after, before = new.get("spec", {}), old.get("spec", {})
    ours = {name: after[name] for name in _ORDER if name in after}
    theirs = {name: before[name] for name in _ORDER if name in before}
    secret = "controllerExpandSecretRef"
    if "csi" in ours and "csi" in theirs and secret not in theirs["csi"]:
        kept = {name: one for name, one in ours["csi"].items() if name != secret}
        ours = {**ours, "csi": kept}
    if ours != theirs:
        shown = internal.difference("core.PersistentVolumeSource", theirs, ours)
        fault = f"spec.persistentvolumesource is immutable after creation\n{shown}"
        faults.append(FieldError.forbidden("spec.persistentvolumesource", fault))
    common.unchanged(after.get("volumeMode"), before.get("volumeMode"), "volumeMode", faults)
    nodes, were = after.get("nodeAffinity"), before.get("nodeAffinity")
    if were is not None and _renamed(were, nodes) != nodes:
        fault = f"{common.IMMUTABLE}, except for updating from beta label to GA"
        shown = internal.of("core.VolumeNodeAffinity", nodes)
        faults.append(FieldError.invalid("nodeAffinity", shown, fault))
    name = "volumeAttributesClassName"
    if name in before and name not in after:
        fault = "update from non-nil value to nil is forbidden"
        faults.append(FieldError.forbidden(f"spec.{name}", fault))


def _capacity(capacity: Mapping[str, str], faults: Faults) -> None:
    path = "spec.capacity"
    if not capacity:
        faults.append(FieldError.required(path))
    shown = dict(sorted(capacity.items())) or None
    if "storage" not in capacity or len(capacity) > 1:
        faults.append(FieldError.not_supported(path, shown, ("storage",)))
    for name, amount in capacity.items():
        common.not_negative_amount(amount, f"{path}[{name}]", faults)
        common.positive_amount(amount, f"{path}[{name}]", faults)


def _source(obj: Object, faults: Faults) -> None:
    spec, name = obj.get("spec", {}), obj.get("metadata", {}).get("name", "")
    found = [kind for kind in _ORDER if kind in spec]
    if not found:
        faults.append(FieldError.required("spec", "must specify a volume type"))
    for index, kind in enumerate(found):
        source, path = spec[kind], f"spec.{disks.PLACES.get(kind, kind)}"
        if index and kind != "flexVolume":
            fault = "may not specify more than 1 volume type"
            faults.append(FieldError.forbidden(f"spec.{_SHOWN.get(kind, kind)}", fault))
            continue
        why = disks.portal_fault(source, name) if kind == "iscsi" else ""
        if why and "initiatorName" in source:
            portal = source.get("targetPortal", "")
            faults.append(FieldError.invalid(f"{path}.targetportal", portal, why))
        _CHECKS[kind](source, path, faults)
        if kind == "local" and "required" not in spec.get("nodeAffinity", {}):
            needed = "Local volume requires node affinity"
            faults.append(FieldError.required("spec.nodeAffinity", needed))
    where = spec.get("hostPath", {}).get("path", "")
    is_root = bool(where) and posixpath.normpath(where) in ("/", "//")
    if is_root and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        fault = "may not be 'recycle' for a hostPath mount of '/'"
        faults.append(FieldError.forbidden("spec.persistentVolumeReclaimPolicy", fault))


def _classes(spec: Object, faults: Faults) -> None:
    if storage_class := spec.get("storageClassName"):
        common.named(storage_class, "spec.storageClassName", faults, names.dns_subdomain)
    mode = spec.get("volumeMode")
    if mode is not None and mode not in claims.VOLUME_MODES:
        faults.append(FieldError.not_supported("spec.volumeMode", mode, claims.VOLUME_MODES))
    attributes, path = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if attributes is None:
        return
    if attributes:
        common.named(attributes, path, faults, names.dns_subdomain)
    else:
        faults.append(FieldError.required(path, "an empty string is disallowed"))
    if "csi" not in spec:
        needed = "has to be specified when using volumeAttributesClassName"
        faults.append(FieldError.required("spec.csi", needed))


def _csi(source: Object, path: str, faults: Faults) -> None:
    disks.csi_driver(source.get("driver", ""), f"{path}.driver", faults)
    if not source.get("volumeHandle"):
        faults.append(FieldError.required(f"{path}.volumeHandle"))
    for field in _SECRETS:
        if (secret := source.get(field)) is None:
            continue
        for name, rule in (("name", names.dns_subdomain), ("namespace", names.dns_label)):
            if value := secret.get(name):
                common.named(value, f"{path}.{field}.{name}", faults, rule)
            else:
                faults.append(FieldError.required(f"{path}.{field}.{name}"))


def _local(source: Object, path: str, faults: Faults) -> None:
    if where := source.get("path"):
        common.no_backsteps(where, f"{path}.path", faults)
    else:
        faults.append(FieldError.required(f"{path}.path"))


def _glusterfs(source: Object, path: str, faults: Faults) -> None:
    disks.required("endpoints", "path")(source, path, faults)
    namespace, place = source.get("endpointsNamespace"), f"{path}.endpointsNamespace"
    if namespace == "":
        fault = "if the endpointnamespace is set, it must be a valid namespace name"
        faults.append(FieldError.invalid(place, namespace, fault))
    elif namespace is not None:
        common.named(namespace, place, faults)


def _azure_file(source: Object, path: str, faults: Faults) -> None:
    disks.required("secretName", "shareName")(source, path, faults)
    if source.get("secretNamespace") == "":
        faults.append(FieldError.required(f"{path}.secretNamespace"))


def _renamed(were: Object, nodes: Object | None) -> Any:
    """Return an old node affinity with the beta labels that the new one gives by their names."""
    from arubeki.api.rules.warnings import NODE_LABELS

    def pair(old: Any, new: Any) -> Any:
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            return [pair(one, other) for one, other in zip(old, new, strict=True)]
        if not isinstance(old, dict) or not isinstance(new, dict):
            return old
        paired = {name: pair(one, new.get(name)) for name, one in old.items()}
        key, wanted = old.get("key"), new.get("key")
        if key in NODE_LABELS and wanted and f'"{wanted}"' in NODE_LABELS[key]:
            paired["key"] = wanted
        return paired

    return pair(were, nodes)


_CHECKS: dict[str, disks.Check] = {
    **disks.SHARED,
    "azureFile": _azure_file,
    "cinder": disks.with_secret(disks.required("volumeID"), "name", "namespace"),
    "csi": _csi,
    "glusterfs": _glusterfs,
    "iscsi": partial(disks.iscsi, told="must be valid format"),
    "local": _local,
    "storageos": disks.with_secret(disks.storage_os, "name", "namespace"),
}
