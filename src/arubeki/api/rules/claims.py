"""Rules of PersistentVolumeClaims, wherever their specs stand.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidatePersistentVolumeClaim*).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arubeki.api import internal, names, quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_CLASS = "volume.beta.kubernetes.io/storage-class"
_RESIZE_STATUSES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)


def claim(obj: dict[str, Any], faults: Faults) -> None:
    """Check a PersistentVolumeClaim."""
    claim_spec(obj.get("spec", {}), "spec", faults)


def claim_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A claim stays, but for its size and class once it is bound."""
    after, before = new.get("spec", {}), old.get("spec", {})
    wanted, was = {**after}, {**before}
    if not before.get("volumeName"):
        _take(was, after, "volumeName")
    _class_change(new, old, wanted, faults)
    if new.get("status", {}).get("phase") == "Bound":
        wanted["resources"] = _with_size_of(after.get("resources", {}), before)
        _take(wanted, before, "volumeAttributesClassName")
    if wanted != was:
        fault = (
            "spec is immutable after creation except resources.requests and"
            " volumeAttributesClassName for bound claims\n"
        )
        shown = internal.difference("core.PersistentVolumeClaimSpec", was, wanted)
        faults.append(FieldError.forbidden("spec", fault + shown))
    _size_change(new, old, faults)
    common.unchanged(after.get("volumeMode"), before.get("volumeMode"), "volumeMode", faults)
    current = old.get("status", {}).get("currentVolumeAttributesClassName")
    chosen = after.get("volumeAttributesClassName")
    if chosen != before.get("volumeAttributesClassName") and current is not None and not chosen:
        what = "nil" if chosen is None else "empty string"
        fault = (
            f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        )
        faults.append(FieldError.forbidden("spec.volumeAttributesClassName", fault))


def claim_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check what is told of a claim."""
    del old
    status = new.get("status", {})
    for name, amount in status.get("capacity", {}).items():
        common.not_negative_amount(amount, f"status.capacity[{name}]", faults)
    path = "status.allocatedResourceStatuses"
    for name, state in status.get("allocatedResourceStatuses", {}).items():
        _resource_key(name, path, faults)
        if state not in _RESIZE_STATUSES:
            faults.append(FieldError.not_supported(path, name, _RESIZE_STATUSES))
    path = "status.allocatedResources"
    for name, amount in status.get("allocatedResources", {}).items():
        if _resource_key(name, path, faults):
            common.not_negative_amount(amount, f"{path}[{name}]", faults)


def claim_spec(spec: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check the spec of a claim, or of a template that claims are made from."""
    modes = spec.get("accessModes", ())
    if not modes:
        needed = "at least 1 access mode is required"
        faults.append(FieldError.required(f"{path}.accessModes", needed))
    if (selector := spec.get("selector")) is not None:
        common.selector(selector, f"{path}.selector", faults)
    access_modes(modes, f"{path}.accessModes", faults)
    size = spec.get("resources", {}).get("requests", {}).get("storage")
    place = f"{path}.resources[storage]"
    if size is None:
        faults.append(FieldError.required(place))
    else:
        common.positive_amount(size, place, faults)
    if storage_class := spec.get("storageClassName"):
        common.named(storage_class, f"{path}.storageClassName", faults, names.dns_subdomain)
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        faults.append(FieldError.not_supported(f"{path}.volumeMode", mode, VOLUME_MODES))
    _sources(spec, path, faults)
    if attributes := spec.get("volumeAttributesClassName"):
        place = f"{path}.volumeAttributesClassName"
        common.named(attributes, place, faults, names.dns_subdomain)


def claim_template(template: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check a template of an ephemeral volume: labels and annotations are all it may name."""
    metadata = template.get("metadata", {})
    common.annotations(metadata.get("annotations"), f"{path}.metadata.annotations", faults)
    common.labels(metadata.get("labels"), f"{path}.metadata.labels", faults)
    for name in sorted(metadata):
        if name not in ("annotations", "labels"):
            shown = {"uid": "uID"}.get(name, name)
            faults.append(FieldError.forbidden(f"{path}.metadata.{shown}", "cannot be set"))
    claim_spec(template.get("spec", {}), f"{path}.spec", faults)


def access_modes(modes: Sequence[str], path: str, faults: Faults) -> None:
    """The ways of access must be known, and the one for a single Pod stand alone."""
    for mode in modes:
        if mode not in ACCESS_MODES:
            faults.append(FieldError.not_supported(path, mode, ACCESS_MODES))
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        fault = "may not use ReadWriteOncePod with other access modes"
        faults.append(FieldError.forbidden(path, fault))


def _sources(spec: Mapping[str, Any], path: str, faults: Faults) -> None:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for name, one in (("dataSource", source), ("dataSourceRef", reference)):
        if one is not None:
            _source(one, f"{path}.{name}", faults)
    if source is None or reference is None:
        return
    if reference.get("namespace"):
        fault = "may not be specified when dataSourceRef.namespace is specified"
        faults.append(FieldError.invalid(path, {}, fault))
    elif any(source.get(name) != reference.get(name) for name in ("apiGroup", "kind", "name")):
        # Kubernetes hands over the path where the value belongs, and a path has nothing to show.
        faults.append(FieldError.invalid(path, {}, "must match dataSourceRef"))


def _source(one: Mapping[str, Any], path: str, faults: Faults) -> None:
    for name in ("name", "kind"):
        if not one.get(name):
            faults.append(FieldError.required(f"{path}.{name}"))
    group, kind = one.get("apiGroup") or "", one.get("kind", "")
    if not group and kind != "PersistentVolumeClaim":
        fault = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        faults.append(FieldError.invalid(path, kind, fault))
    if group:
        common.named(group, f"{path}.apiGroup", faults, names.dns_subdomain)
    if namespace := one.get("namespace"):
        common.named(namespace, f"{path}.namespace", faults)


def _class_change(
    new: Mapping[str, Any], old: Mapping[str, Any], wanted: dict[str, Any], faults: Faults
) -> None:
    """A class that stood in an annotation may move into the spec; one that was absent may come."""
    after, before = new.get("spec", {}), old.get("spec", {})
    noted = (new["metadata"].get("annotations") or {}).get(_CLASS)
    was_noted = (old["metadata"].get("annotations") or {}).get(_CLASS)
    chosen, was = after.get("storageClassName"), before.get("storageClassName")
    if was_noted is not None and was is None and chosen == was_noted and noted in (None, was_noted):
        wanted.pop("storageClassName", None)
        return
    if (noted or "") != (was_noted or ""):
        place = f"metadata.annotations[{_CLASS}]"
        faults.append(FieldError.invalid(place, noted or "", common.IMMUTABLE))
    if chosen is not None and was is None and was_noted in (None, chosen):
        wanted.pop("storageClassName", None)


def _size_change(new: Mapping[str, Any], old: Mapping[str, Any], faults: Faults) -> None:
    size, was = _size(new.get("spec", {})), _size(old.get("spec", {}))
    held = old.get("status", {}).get("capacity", {}).get("storage", "0")
    if quantity.compare(size, was) < 0 and quantity.compare(size, held) <= 0:
        fault = "field can not be less than status.capacity"
        faults.append(FieldError.forbidden("spec.resources.requests.storage", fault))


def _size(spec: Mapping[str, Any]) -> str:
    size: str = spec.get("resources", {}).get("requests", {}).get("storage", "0")
    return size


def _with_size_of(resources: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    if "requests" not in resources:
        return {**resources}
    return {**resources, "requests": {**resources["requests"], "storage": _size(before)}}


def _take(target: dict[str, Any], source: Mapping[str, Any], name: str) -> None:
    target.pop(name, None)
    if name in source:
        target[name] = source[name]


def _resource_key(name: str, path: str, faults: Faults) -> bool:
    """Tell whether a name is that of a resource that a claim may have."""
    before = len(faults)
    common.named(name, path, faults, names.qualified_name)
    native = "/" not in name or name.startswith("kubernetes.io/")
    if len(faults) == before and native and name != "storage":
        faults.append(FieldError.not_supported(path, name, ("storage",)))
    return len(faults) == before
