"""The columns of volumes, their claims, and what provides them.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from arubeki.server.table.columns import (
    AGE,
    NAME,
    Cell,
    Column,
    Columns,
    Object,
    Row,
    amount,
    at,
    dig,
    filling,
    joined,
    name,
    plain,
    size,
)

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_CLASSES = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def _modes(found: Sequence[str] | None) -> str:
    return joined((short for mode, short in _MODES.items() if mode in (found or ())), "")


def _phase(obj: Object) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(dig(obj, "status", "phase", default=""))


def _claim(obj: Object) -> str:
    found = dig(obj, "spec", "claimRef")
    return "" if found is None else f"{found.get('namespace', '')}/{found.get('name', '')}"


def _class(obj: Object) -> str:
    beta = dig(obj, "metadata", "annotations", _BETA_CLASS)
    return str(dig(obj, "spec", "storageClassName", default="") if beta is None else beta)


def _bound(path: tuple[str, ...], show: Any) -> Cell:
    """Return what shows something of a claim's volume, once it has one."""

    def compute(obj: Object) -> str:
        return str(show(dig(obj, *path))) if dig(obj, "spec", "volumeName") else ""

    return plain(compute)


def _audiences(obj: Object) -> str:
    found = dig(obj, "spec", "tokenRequests")
    if found is None:
        return "<unset>"
    return ",".join(str(one.get("audience", "")) for one in found)


def _storage_classes(objects: Sequence[Object]) -> tuple[Sequence[Object], Row]:
    """Mark the class that claims without one get: the newest that says so."""
    default = ""
    latest = ""
    for one in sorted(objects, key=name):
        annotations = dig(one, "metadata", "annotations", default={})
        created = one["metadata"].get("creationTimestamp", "")
        is_default = any(annotations.get(key) == "true" for key in _DEFAULT_CLASSES)
        if is_default and (not default or created > latest):
            default, latest = name(one), created

    def shown(obj: Object) -> str:
        return f"{default} (default)" if name(obj) == default else name(obj)

    return objects, filling([replace(NAME, cell=plain(shown)), *_STORAGE_CLASS[1:]])


_STORAGE_CLASS = (
    NAME,
    Column("Provisioner", "Who makes its volumes.", at("provisioner")),
    Column("ReclaimPolicy", "What becomes of released volumes.",
           at("reclaimPolicy", default="Delete")),
    Column("VolumeBindingMode", "When volumes are made and bound.",
           at("volumeBindingMode", default="Immediate")),
    Column("AllowVolumeExpansion", "Whether volumes may grow.",
           at("allowVolumeExpansion", default=False)),
    AGE,
)  # fmt: skip
_STORAGE_CLASS_NAME = Column("StorageClass", "Its StorageClass.", plain(_class))
_ATTRIBUTES = Column(
    "VolumeAttributesClass",
    "Its VolumeAttributesClass.",
    at("spec", "volumeAttributesClassName", default="<unset>"),
)
_VOLUME_MODE = Column(
    "VolumeMode",
    "Filesystem or Block.",
    at("spec", "volumeMode", default="<unset>"),
    priority=1,
)

VOLUMES: dict[tuple[str, str], Columns] = {
    ("", "PersistentVolume"): Columns.of(
        NAME,
        Column("Capacity", "How much it holds.",
               plain(lambda obj: amount(dig(obj, "spec", "capacity", "storage")))),
        Column("Access Modes", "How it can be mounted.",
               plain(lambda obj: _modes(dig(obj, "spec", "accessModes")))),
        Column("Reclaim Policy", "What becomes of it when released.",
               at("spec", "persistentVolumeReclaimPolicy")),
        Column("Status", "Whether it is free, bound or released.", plain(_phase)),
        Column("Claim", "Whose it is.", plain(_claim)),
        _STORAGE_CLASS_NAME,
        _ATTRIBUTES,
        Column("Reason", "Why it is in that state.", at("status", "reason")),
        AGE,
        _VOLUME_MODE,
    ),
    ("", "PersistentVolumeClaim"): Columns.of(
        NAME,
        Column("Status", "Whether it is bound.", plain(_phase)),
        Column("Volume", "The volume it is bound to.", at("spec", "volumeName")),
        Column("Capacity", "How much that holds.",
               _bound(("status", "capacity", "storage"), amount)),
        Column("Access Modes", "How that is mounted.", _bound(("status", "accessModes"), _modes)),
        _STORAGE_CLASS_NAME,
        _ATTRIBUTES,
        AGE,
        _VOLUME_MODE,
    ),
    ("storage.k8s.io", "StorageClass"): Columns.of(*_STORAGE_CLASS, listed=_storage_classes),
    ("storage.k8s.io", "VolumeAttributesClass"): Columns.of(
        NAME, Column("DriverName", "The CSI driver meant.", at("driverName")), AGE
    ),
    ("storage.k8s.io", "VolumeAttachment"): Columns.of(
        NAME,
        Column("Attacher", "The CSI driver that attaches it.", at("spec", "attacher"),
               format="name"),
        Column("PV", "The volume.", at("spec", "source", "persistentVolumeName")),
        Column("Node", "The node it is attached to.", at("spec", "nodeName")),
        Column("Attached", "Whether it is.", at("status", "attached", default=False), "boolean"),
        AGE,
    ),
    ("storage.k8s.io", "CSINode"): Columns.of(
        NAME,
        Column("Drivers", "CSI drivers of the node.", size("spec", "drivers"), "integer"),
        AGE,
    ),
    ("storage.k8s.io", "CSIDriver"): Columns.of(
        NAME,
        Column("AttachRequired", "Whether volumes are attached first.",
               at("spec", "attachRequired", default=True), "boolean"),
        Column("PodInfoOnMount", "Whether it is told of the Pod.",
               at("spec", "podInfoOnMount", default=False), "boolean"),
        Column("StorageCapacity", "Whether it tells what room is left.",
               at("spec", "storageCapacity", default=False), "boolean"),
        Column("TokenRequests", "Audiences of the tokens it gets.", plain(_audiences)),
        Column("RequiresRepublish", "Whether volumes are published again and again.",
               at("spec", "requiresRepublish", default=False), "boolean"),
        Column("Modes", "Lives of volumes that it serves.",
               plain(lambda obj: joined(dig(obj, "spec", "volumeLifecycleModes", default=())))),
        AGE,
    ),
}  # fmt: skip
