"""Rules that look across the containers of a Pod: its own resources, its users, shared files.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validatePodResources, validateHostUsers,
validateFileKeyRefVolumes), component-helpers resource/helpers.go.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from arubeki.api import quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import resources

Object = Mapping[str, Any]
Placed = Sequence[tuple[Object, str]]


def pod_level(spec: Object, claims: Set[str], path: str, faults: Faults) -> None:
    """Check what the Pod as a whole asks for and may have, against what its containers do."""
    found = spec["resources"]
    if spec.get("os", {}).get("name") == "windows":
        faults.append(FieldError.forbidden(path, "may not be set for a windows pod"))
        return
    if "claims" in found:
        fault = "claims may not be set for Resources at pod-level"
        faults.append(FieldError.forbidden(f"{path}.claims", fault))
    resources.pod_requirements(found, claims, path, faults)
    requests, limits = found.get("requests", {}), found.get("limits", {})
    for name, total in aggregate(spec, "requests").items():
        _at_least(requests, name, total, f"{path}.requests", faults)
    for name, total in aggregate(spec, "limits").items():
        if name.startswith(resources.HUGE):
            _at_least(limits, name, total, f"{path}.limits", faults)
    for index, one in enumerate(spec.get("containers", ())):
        for name, own in one.get("resources", {}).get("limits", {}).items():
            limit = limits.get(name)
            if limit is not None and quantity.compare(own, limit) > 0:
                fault = f"must be less than or equal to pod limits of {quantity.canonical(limit)}"
                place = f"{path}.containers[{index}][{name}].limits"
                faults.append(FieldError.invalid(place, quantity.canonical(own), fault))


def aggregate(spec: Object, field: str) -> dict[str, str]:
    """Return what all containers of a Pod need together: those that last, or one that prepares."""
    lasting: dict[str, list[str]] = {}
    for one in spec.get("containers", ()):
        _add(lasting, one, field)
    sidecars: dict[str, list[str]] = {}
    most: dict[str, str] = {}
    for one in spec.get("initContainers", ()):
        now: dict[str, list[str]] = {name: [*amounts] for name, amounts in sidecars.items()}
        _add(now, one, field)
        if one.get("restartPolicy") == "Always":
            _add(lasting, one, field)
            _add(sidecars, one, field)
        _raise(most, now)
    _raise(most, lasting)
    return most


def own_users(spec: Object, every: Placed, path: str, faults: Faults) -> None:
    """A Pod with users of its own shares nothing else with the host."""
    fault = "when `hostUsers` is false"
    if spec.get("hostNetwork"):
        faults.append(FieldError.forbidden(f"{path}.hostNetwork", fault))
    for name in ("hostPID", "hostIPC"):
        if spec.get(name):
            shown = name[0].upper() + name[1:]
            faults.append(FieldError.forbidden(f"{path}.{shown}", fault))
    for one, where in every:
        if one.get("volumeDevices"):
            faults.append(FieldError.forbidden(f"{where}.volumeDevices", fault))


def files(spec: Object, every: Placed, faults: Faults) -> None:
    """A variable that comes from a file comes from one in an emptyDir."""
    for one, where in every:
        for index, variable in enumerate(one.get("env", ())):
            source = variable.get("valueFrom")
            if source is None or "fileKeyRef" not in source:
                continue
            name = source["fileKeyRef"].get("volumeName", "")
            found = [volume for volume in spec.get("volumes", ()) if volume.get("name") == name]
            path = f"{where}.env[{index}].valueFrom.fileKeyRef.volumeName"
            if not found:
                faults.append(FieldError.not_found(path, name))
            elif "emptyDir" not in found[-1]:
                fault = "referenced volume must be of type emptyDir"
                faults.append(FieldError.invalid(path, name, fault))


def _add(into: dict[str, list[str]], one: Object, field: str) -> None:
    for name, amount in one.get("resources", {}).get(field, {}).items():
        into.setdefault(name, []).append(amount)


def _raise(most: dict[str, str], amounts: Mapping[str, list[str]]) -> None:
    for name, found in amounts.items():
        total = quantity.total(found)
        if name not in most or quantity.compare(total, most[name]) > 0:
            most[name] = total


def _at_least(given: Mapping[str, str], name: str, total: str, path: str, faults: Faults) -> None:
    amount = given.get(name)
    if amount is not None and quantity.compare(total, amount) > 0:
        what = path.rpartition(".")[2]
        fault = f"must be greater than or equal to aggregate container {what} of {total}"
        faults.append(FieldError.invalid(f"{path}[{name}]", quantity.canonical(amount), fault))
