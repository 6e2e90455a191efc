"""Rules of the sources of volumes that Pods and PersistentVolumes share, or nearly so.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validate*VolumeSource).
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

Source = Mapping[str, Any]
Check = Callable[[Source, str, Faults], None]

_HOST_PATHS = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_MANAGED = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/"
    "{disk-id}"
)
_BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_DRIVER_MAX_BYTES = 63
_PORTAL_MAX_BYTES = 64
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.[A-Za-z0-9.-]+:[^,;*&$|\s]+$", re.ASCII).search,
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}$", re.ASCII).match,
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}$", re.ASCII).match,
}


def required(*fields: str) -> Check:
    """Return the rule that fields must be there."""

    def check(source: Source, path: str, faults: Faults) -> None:
        for name in fields:
            if not source.get(name):
                faults.append(FieldError.required(f"{path}.{name}"))

    return check


def host_path(source: Source, path: str, faults: Faults) -> None:
    """A path of the node must be one, and of a known type."""
    where, kind = source.get("path", ""), source.get("type", "")
    if not where:
        faults.append(FieldError.required(f"{path}.path"))
        return
    common.no_backsteps(where, f"{path}.path", faults)
    if kind not in _HOST_PATHS:
        faults.append(FieldError.not_supported(f"{path}.type", kind, _HOST_PATHS))


def partitioned(field: str, source: Source, path: str, faults: Faults) -> None:
    """A cloud's disk must be named; Kubernetes says 1 to 255 and takes 0 too."""
    required(field)(source, path, faults)
    partition = source.get("partition", 0)
    if not 0 <= partition <= 255:
        fault = "must be between 1 and 255, inclusive"
        faults.append(FieldError.invalid(f"{path}.partition", partition, fault))


def nfs(source: Source, path: str, faults: Faults) -> None:
    """A share must be on a server, by an absolute path."""
    required("server", "path")(source, path, faults)
    where = source.get("path", "")
    if not where.startswith("/"):
        fault = "must be an absolute path"
        faults.append(FieldError.invalid(f"{path}.path", where, fault))


_NO_INITIATOR = "must be valid format starting with iqn, eui, or naa"


def iscsi(source: Source, path: str, faults: Faults, told: str = _NO_INITIATOR) -> None:
    """A target must be named in one of three ways; `told` is said of one that is not."""
    name = source.get("iqn", "")
    if not source.get("targetPortal"):
        faults.append(FieldError.required(f"{path}.targetPortal"))
    if not name:
        faults.append(FieldError.required(f"{path}.iqn"))
    else:
        _initiator(name, told, f"{path}.iqn", faults)
    lun = source.get("lun", 0)
    if not 0 <= lun <= 255:
        fault = "must be between 0 and 255, inclusive"
        faults.append(FieldError.invalid(f"{path}.lun", lun, fault))
    authenticates = source.get("chapAuthDiscovery") or source.get("chapAuthSession")
    if authenticates and "secretRef" not in source:
        faults.append(FieldError.required(f"{path}.secretRef"))
    if (initiator := source.get("initiatorName")) is not None:
        _initiator(initiator, told, f"{path}.initiatorname", faults)


def portal_fault(source: Source, volume: str) -> str:
    """Return what is wrong with the length of an iSCSI volume's name, "" where nothing is."""
    if len(f"{volume}:{source.get('targetPortal', '')}") <= _PORTAL_MAX_BYTES:
        return ""
    return (
        "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if"
        " iscsi.initiatorName is specified."
    )


def _initiator(name: str, told: str, path: str, faults: Faults) -> None:
    is_valid = _INITIATORS.get(name[:3])
    if is_valid is None:
        faults.append(FieldError.invalid(path, name, told))
    elif not is_valid(name):
        faults.append(FieldError.invalid(path, name, "must be valid format"))


def fibre_channel(source: Source, path: str, faults: Faults) -> None:
    """A target must be named by its ports or by its number, not by both."""
    ports, numbers, lun = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    place = f"{path}.targetWWNs"
    if not ports and not numbers:
        needed = "must specify either targetWWNs or wwids, but not both"
        faults.append(FieldError.required(place, needed))
    if ports and numbers:
        fault = "targetWWNs and wwids can not be specified simultaneously"
        faults.append(FieldError.invalid(place, ports, fault))
    if ports and lun is None:
        needed = "lun is required if targetWWNs is specified"
        faults.append(FieldError.required(f"{path}.lun", needed))
    elif ports and lun is not None and not 0 <= lun <= 255:
        fault = "must be between 0 and 255, inclusive"
        faults.append(FieldError.invalid(f"{path}.lun", lun, fault))


def flocker(source: Source, path: str, faults: Faults) -> None:
    """A dataset must be named by its name or its uuid, not by both."""
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uuid:
        faults.append(FieldError.required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        fault = "datasetName and datasetUUID can not be specified simultaneously"
        faults.append(FieldError.invalid(path, "resource", fault))
    if "/" in name:
        fault = "must not contain '/'"
        faults.append(FieldError.invalid(f"{path}.datasetName", name, fault))


def quobyte(source: Source, path: str, faults: Faults) -> None:
    """A volume must be on servers that are named with their ports."""
    registry = source.get("registry", "")
    pairs = "must be a host:port pair or multiple pairs separated by commas"
    if not registry:
        faults.append(FieldError.required(f"{path}.registry", pairs))
    elif len(source.get("tenant", "")) >= 65:
        needed = "must be a UUID and may not exceed a length of 64 characters"
        faults.append(FieldError.required(f"{path}.tenant", needed))
    else:
        for pair in registry.split(","):
            if pair.rpartition("]")[2].count(":") != 1:
                faults.append(FieldError.invalid(f"{path}.registry", registry, pairs))
    if not source.get("volume"):
        faults.append(FieldError.required(f"{path}.volume"))


def flexible(source: Source, path: str, faults: Faults) -> None:
    """A driver's options must not be in Kubernetes' name."""
    required("driver")(source, path, faults)
    for key in source.get("options", {}):
        namespace = f".{key.partition('/')[0].lower()}"
        if namespace.endswith((".kubernetes.io", ".k8s.io")):
            fault = "kubernetes.io and k8s.io namespaces are reserved"
            faults.append(FieldError.invalid(f"{path}.options[{key}]", key, fault))


def azure_disk(source: Source, path: str, faults: Faults) -> None:
    """A disk must be named by what its kind is named by."""
    required("diskName", "diskURI")(source, path, faults)
    caching, kind, uri = source.get("cachingMode"), source.get("kind"), source.get("diskURI", "")
    if caching is not None and caching not in _CACHING:
        faults.append(FieldError.not_supported(f"{path}.cachingMode", caching, _CACHING))
    if kind is not None and kind not in _DISK_KINDS:
        faults.append(FieldError.not_supported(f"{path}.kind", kind, _DISK_KINDS))
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        faults.append(FieldError.not_supported(f"{path}.diskURI", uri, (_MANAGED,)))
    if kind not in (None, "Managed") and not uri.startswith("https://"):
        faults.append(FieldError.not_supported(f"{path}.diskURI", uri, (_BLOB,)))


def storage_os(source: Source, path: str, faults: Faults) -> None:
    """A volume must be named by labels."""
    if name := source.get("volumeName"):
        common.named(name, f"{path}.volumeName", faults)
    else:
        faults.append(FieldError.required(f"{path}.volumeName"))
    if namespace := source.get("volumeNamespace"):
        common.named(namespace, f"{path}.volumeNamespace", faults)


def with_secret(check: Check, *fields: str) -> Check:
    """Return a rule that also holds the fields of a `secretRef` to be there, if it is."""

    def whole(source: Source, path: str, faults: Faults) -> None:
        check(source, path, faults)
        if (secret := source.get("secretRef")) is not None:
            required(*fields)(secret, f"{path}.secretRef", faults)

    return whole


def csi_driver(name: str, path: str, faults: Faults) -> None:
    """A CSI driver must be named, like a subdomain whatever the case."""
    if not name:
        faults.append(FieldError.required(path))
        return
    if len(name) > _DRIVER_MAX_BYTES:
        faults.append(FieldError.too_long(path, _DRIVER_MAX_BYTES))
    for message in names.dns_subdomain(name.lower()):
        faults.append(FieldError.invalid(path, name, message))


SHARED: dict[str, Check] = {
    "awsElasticBlockStore": partial(partitioned, "volumeID"),
    "azureDisk": azure_disk,
    "azureFile": required("secretName", "shareName"),
    "cephfs": required("monitors"),
    "fc": fibre_channel,
    "flexVolume": flexible,
    "flocker": flocker,
    "gcePersistentDisk": partial(partitioned, "pdName"),
    "glusterfs": required("endpoints", "path"),
    "hostPath": host_path,
    "iscsi": iscsi,
    "nfs": nfs,
    "photonPersistentDisk": required("pdID"),
    "portworxVolume": required("volumeID"),
    "quobyte": quobyte,
    "rbd": required("monitors", "image"),
    "scaleIO": required("gateway", "system", "volumeName"),
    "vsphereVolume": required("volumePath"),
}
"""The rules of sources by field; some paths in messages are not the fields' (`PLACES`)."""
PLACES = {"gcePersistentDisk": "persistentDisk"}
