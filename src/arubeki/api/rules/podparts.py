"""Rules of the parts of a Pod that are written through a path of their own.

Ephemeral containers are only ever added; a resize changes how much cpu and memory containers ask
for, and nothing else.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validateEphemeralContainers,
ValidatePodEphemeralContainersUpdate, ValidatePodResize).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from arubeki.api import quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules.common import Faults

MIRROR = "kubernetes.io/config.mirror"
RESIZABLE = ("cpu", "memory")
_NOT_FOR_A_WHILE = (
    "ports", "resources", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle",
)  # fmt: skip
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"

Object = Mapping[str, Any]


def ephemeral(one: Object, others: set[str], path: str, faults: Faults) -> None:
    """Check what is particular about an ephemeral container; `others` are the lasting ones."""
    target = one.get("targetContainerName")
    if target and target not in others:
        faults.append(FieldError.not_found(f"{path}.targetContainerName", target))
    for name in _NOT_FOR_A_WHILE:
        if one.get(name):
            faults.append(FieldError.forbidden(f"{path}.{name}", _NOT_EPHEMERAL))
    for index, mount in enumerate(one.get("volumeMounts", ())):
        for name in ("subPath", "subPathExpr"):
            if mount.get(name):
                place = f"{path}.volumeMounts[{index}].{name}"
                faults.append(FieldError.forbidden(place, _NOT_EPHEMERAL))


def ephemeral_change(new: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a change of the ephemeral containers: each stays as it came."""
    if MIRROR in (old["metadata"].get("annotations") or {}):
        return [FieldError.forbidden("[]", "static pods do not support ephemeral containers")]
    path = "spec.ephemeralContainers"
    after = {one.get("name"): one for one in new["spec"].get("ephemeralContainers") or ()}
    found = []
    for one in old["spec"].get("ephemeralContainers") or ():
        name = msgspec.json.encode(one["name"]).decode()
        now = after.get(one["name"])
        if now is None:
            why = f"existing ephemeral containers {name} may not be removed\n"
            found.append(FieldError.forbidden(path, why))
        elif now != one:
            why = f"existing ephemeral containers {name} may not be changed\n"
            found.append(FieldError.forbidden(path, f"{why}{difference(one, now)}"))
    return found


def difference(before: Object, after: Object) -> str:
    """Return the fields that differ, a line each; Kubernetes prints a diff of Go values."""
    lines = []
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            for sign, spec in (("-", before), ("+", after)):
                if name in spec:
                    lines.append(f"{sign} {name}: {msgspec.json.encode(spec[name]).decode()}")
    return "\n".join(lines)


def resize_change(new: Object, old: Object, qos_before: str, qos_after: str) -> list[FieldError]:
    """Return what is wrong with a resize."""
    if MIRROR in (old["metadata"].get("annotations") or {}):
        return [FieldError.forbidden("[]", "static pods cannot be resized")]
    found = []
    if qos_before != qos_after:
        why = "Pod QOS Class may not change as a result of resizing"
        found.append(FieldError.invalid("spec", qos_before, why))
    if not _node_resizes(old):
        why = "Pod running on node without support for resize"
        found.append(FieldError.forbidden("spec", why))
    found += _of_the_pod(new["spec"].get("resources"), old["spec"].get("resources"))
    order = [*_order(new, old, "containers"), *_order(new, old, "initContainers")]
    found += order
    if order:
        return found
    for place, now, was in _pairs(new, old):
        found += _removed(now.get("resources"), was.get("resources"), f"{place}.resources", "")
    for place, now, was in _pairs(new, old):
        if _fixed(now) == _fixed(was):
            continue
        if place.startswith("spec.init"):
            why = "only cpu and memory resources for init or sidecar containers are mutable"
            found.append(FieldError.forbidden(place, why))
        else:
            why = "only cpu and memory resources are mutable"
            found.append(FieldError.forbidden("spec", why))
    return found


def _node_resizes(pod: Object) -> bool:
    """Tell whether the node tells what containers have, as those do that can change it."""
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if "running" in (one.get("state") or {}):
            return "resources" in one
    return True


def _of_the_pod(new: Object | None, old: Object | None) -> list[FieldError]:
    """Return what is wrong with a change of the resources of the Pod as a whole."""
    if old and not new:
        why = "pod-level resources cannot be removed"
        return [FieldError.forbidden("spec.resources", why)]
    if not new:
        return []
    found = _removed(new, old, "spec.resources", "pod-level ")
    if _fixed({"resources": new}) != _fixed({"resources": old or {}}):
        why = "only cpu and memory resources are mutable at pod-level"
        found.append(FieldError.forbidden("spec", why))
    return found


def _removed(new: Object | None, old: Object | None, path: str, whose: str) -> list[FieldError]:
    found = []
    for name in ("requests", "limits"):
        before, after = (old or {}).get(name) or {}, (new or {}).get(name) or {}
        if any(one not in after for one in before):
            why = f"{whose}resource {name} cannot be removed"
            found.append(FieldError.forbidden(f"{path}.{name}", why))
    return found


def _order(new: Object, old: Object, field: str) -> list[FieldError]:
    after, before = new["spec"].get(field) or (), old["spec"].get(field) or ()
    path = f"spec.{field}"
    if len(after) != len(before):
        why = f"{field} may not be added or removed on resize"
        return [FieldError.forbidden(path, why)]
    why = f"{field} may not be renamed or reordered on resize"
    return [
        FieldError.forbidden(f"{path}[{index}].name", why)
        for index, (now, was) in enumerate(zip(after, before, strict=True))
        if now.get("name") != was.get("name")
    ]


def _pairs(new: Object, old: Object) -> Iterator[tuple[str, Object, Object]]:
    for field in ("initContainers", "containers"):
        after, before = new["spec"].get(field) or (), old["spec"].get(field) or ()
        for index, (now, was) in enumerate(zip(after, before, strict=True)):
            yield f"spec.{field}[{index}]", now, was


def _fixed(container: Object) -> dict[str, Any]:
    """Return what a resize may not change of a container: the amounts are taken out of it."""
    resources = dict(container.get("resources") or {})
    for name in ("requests", "limits"):
        amounts = {
            key: quantity.parse(str(value))
            for key, value in (resources.pop(name, None) or {}).items()
            if key not in RESIZABLE
        }
        if amounts:
            resources[name] = amounts
    return {**container, "resources": resources}
