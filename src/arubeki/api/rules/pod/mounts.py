"""Rules of the places where a container sees volumes: as directories, as devices.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidateVolumeMounts,
ValidateVolumeDevices).
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

Volumes = Mapping[str, Mapping[str, Any]]
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def mounts(one: Mapping[str, Any], volumes: Volumes, path: str, faults: Faults) -> None:
    """Check `volumeMounts`. Kubernetes leaves the index out of some of the paths."""
    seen = set()
    devices = {
        device.get("name"): device.get("devicePath") for device in one.get("volumeDevices", ())
    }
    for index, mount in enumerate(one.get("volumeMounts", ())):
        place = f"{path}[{index}]"
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            faults.append(FieldError.required(f"{place}.name"))
        if name not in volumes:
            faults.append(FieldError.not_found(f"{place}.name", name))
        if not where:
            faults.append(FieldError.required(f"{place}.mountPath"))
        if where in seen:
            faults.append(FieldError.invalid(f"{place}.mountPath", where, "must be unique"))
        seen.add(where)
        if name in devices:
            fault = "must not already exist in volumeDevices"
            faults.append(FieldError.invalid(f"{place}.name", name, fault))
        if where in devices.values():
            fault = "must not already exist as a path in volumeDevices"
            faults.append(FieldError.invalid(f"{place}.mountPath", where, fault))
        _inside(mount, place, path, faults)
        _manner(mount, one, path, faults)


def devices(one: Mapping[str, Any], volumes: Volumes, path: str, faults: Faults) -> None:
    """Check `volumeDevices`."""
    names: set[str] = set()
    paths: set[str] = set()
    mounted = {mount.get("name"): mount.get("mountPath") for mount in one.get("volumeMounts", ())}
    for index, device in enumerate(one.get("volumeDevices", ())):
        place, name = f"{path}[{index}]", device.get("name", "")
        if not name:
            faults.append(FieldError.required(f"{place}.name"))
        if name in names:
            faults.append(FieldError.invalid(f"{place}.name", name, "must be unique"))
        source = volumes.get(name)
        if source is None:
            faults.append(FieldError.not_found(f"{place}.name", name))
        elif "persistentVolumeClaim" not in source and "ephemeral" not in source:
            fault = (
                "can only use volume source type of PersistentVolumeClaim or Ephemeral for"
                " block mode"
            )
            faults.append(FieldError.invalid(f"{place}.name", name, fault))
        _device_path(device.get("devicePath", ""), paths, f"{place}.devicePath", faults)
        if name in mounted:
            fault = "must not already exist in volumeMounts"
            faults.append(FieldError.invalid(f"{place}.name", name, fault))
        if device.get("devicePath", "") in mounted.values():
            fault = "must not already exist as a path in volumeMounts"
            where = device.get("devicePath", "")
            faults.append(FieldError.invalid(f"{place}.devicePath", where, fault))
        names.add(name)


def _device_path(where: str, seen: set[str], path: str, faults: Faults) -> None:
    if not where:
        faults.append(FieldError.required(path))
    if where in seen:
        faults.append(FieldError.invalid(path, where, "must be unique"))
    if ".." in where.split("/"):
        faults.append(FieldError.invalid(path, where, "can not contain backsteps ('..')"))
    else:
        seen.add(where)


def _inside(mount: Mapping[str, Any], place: str, path: str, faults: Faults) -> None:
    below, written = mount.get("subPath"), mount.get("subPathExpr")
    if below:
        common.descending_path(below, f"{path}.subPath", faults)
    if written:
        if below:
            fault = "subPathExpr and subPath are mutually exclusive"
            faults.append(FieldError.invalid(f"{place}.subPathExpr", written, fault))
        common.descending_path(written, f"{path}.subPathExpr", faults)


def _manner(mount: Mapping[str, Any], one: Mapping[str, Any], path: str, faults: Faults) -> None:
    spread, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if spread is not None and spread not in _PROPAGATIONS:
        place = f"{path}.mountPropagation"
        faults.append(FieldError.not_supported(place, spread, _PROPAGATIONS))
    if spread == "Bidirectional" and not one.get("securityContext", {}).get("privileged"):
        fault = "Bidirectional mount propagation is available only to privileged containers"
        faults.append(FieldError.forbidden(f"{path}.mountPropagation", fault))
    if recursive is None or recursive == "Disabled":
        return
    place = f"{path}.recursiveReadOnly"
    if recursive not in _RECURSIVE:
        faults.append(FieldError.not_supported(place, recursive, _RECURSIVE))
        return
    if not mount.get("readOnly"):
        faults.append(FieldError.forbidden(place, "may only be specified when readOnly is true"))
    if spread not in (None, "None"):
        fault = "may only be specified when mountPropagation is None or not specified"
        faults.append(FieldError.forbidden(place, fault))
