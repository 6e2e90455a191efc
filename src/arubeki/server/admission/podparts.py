"""The parts of a Pod that are written through a path of their own, and what is left as it was.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/core/pod/strategy.go (dropNonEphemeralContainerUpdates,
dropNonResizeUpdates), plugin/pkg/admission/podresize.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import quantity
from arubeki.errors import Forbidden
from arubeki.server.admission.metadata import reset_for_status
from arubeki.server.admission.strategy import Object, keep

EPHEMERAL, RESIZE = "ephemeralcontainers", "resize"
_RESIZED = ("resources", "resizePolicy")


def reset_to_ephemeral(new: Object, old: Object) -> None:
    """Give back, in `new`, all but the ephemeral containers."""
    given = (new.get("spec") or {}).get("ephemeralContainers")
    new["spec"] = {**old["spec"]}
    new["spec"].pop("ephemeralContainers", None)
    if given:
        new["spec"]["ephemeralContainers"] = given
    keep(new, old, "status")
    reset_for_status(new, old)


def reset_to_resize(new: Object, old: Object) -> None:
    """Give back, in `new`, all but the resources of containers and of the Pod.

    Containers that are not those of before are left for validation to refuse.
    """
    given, before = new.get("spec") or {}, old["spec"]
    lists = ("containers", "initContainers")
    if all(len(given.get(name) or ()) == len(before.get(name) or ()) for name in lists):
        spec = {**before}
        keep(spec, given, "resources")
        if not spec.get("resources"):
            keep(spec, before, "resources")
        for name in lists:
            if before.get(name):
                spec[name] = _resized(given[name], before[name])
        new["spec"] = spec
        keep(new, old, "status")
        reset_for_status(new, old)


def _resized(given: list[Object], before: list[Object]) -> list[Object]:
    if any(now.get("name") != was["name"] for now, was in zip(given, before, strict=True)):
        return given
    found = []
    for now, was in zip(given, before, strict=True):
        one = {**was}
        for name in _RESIZED:
            keep(one, now, name)
        found.append(one)
    return found


def is_resized(new: Object, old: Object) -> bool:
    """Tell whether a write changes what a Pod asks for."""
    fields = ("containers", "initContainers", "resources")
    return new["spec"] is not old["spec"] and any(
        _amounts(new["spec"], name) != _amounts(old["spec"], name) for name in fields
    )


def _amounts(spec: Object, name: str) -> Any:
    found = spec.get(name)
    return [one.get("resources") for one in found] if isinstance(found, list) else found


def check_room(pod: Object, node: Mapping[str, Any] | None) -> None:
    """Refuse a resize that the Pod's node could never hold. Raises: Forbidden."""
    name, where = pod["metadata"]["name"], pod["spec"]["nodeName"]
    if node is None:
        raise _forbidden(name, f'node "{where}" not found')
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    for kind, scale in (("cpu", 1), ("memory", 1000)):
        asked = _requested(pod["spec"], kind) // scale
        there = quantity.milli(str(allocatable.get(kind, "0"))) // scale
        if asked > there:
            why = "node didn't have enough allocatable resources: "
            why += f"{kind}, requested: {asked}, allocatable: {there}"
            error = _forbidden(name, why)
            error.details["causes"] = [{"reason": "NodeCapacity"}]
            raise error


def _forbidden(name: str, why: str) -> Forbidden:
    return Forbidden(f'pods "{name}" is forbidden: {why}', details={"name": name, "kind": "pods"})


def _requested(spec: Mapping[str, Any], kind: str) -> int:
    """Return the thousandths of a resource that a Pod asks for while it runs, or before."""
    whole = ((spec.get("resources") or {}).get("requests") or {}).get(kind)
    if whole is not None:
        return quantity.milli(str(whole))

    def of(container: Mapping[str, Any]) -> int:
        requests = (container.get("resources") or {}).get("requests") or {}
        return quantity.milli(str(requests.get(kind, "0")))

    running, most = 0, 0
    for one in spec.get("initContainers") or ():
        if one.get("restartPolicy") == "Always":
            running += of(one)
            most = max(most, running)
        else:
            most = max(most, running + of(one))
    running += sum(of(one) for one in spec.get("containers") or ())
    overhead = (spec.get("overhead") or {}).get(kind, "0")
    return max(running, most) + quantity.milli(str(overhead))
