"""Rules of limits and requests, of containers and of whole Pods.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validateResourceRequirements),
pkg/apis/core/helper/helpers.go.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from arubeki.api import names, quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

HUGE = "hugepages-"
_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    }
)
QUOTA = _COUNTED | {
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
}
"""Names that a ResourceQuota may limit."""
_STANDARD = QUOTA | {"storage"}
_POD = ("cpu", "hugepages-", "memory")
NameRule = Callable[[str, str, Faults], None]


def requirements(found: Mapping[str, Any], claims: Set[str], path: str, faults: Faults) -> None:
    """Check what a container asks for and may have."""
    if found:
        _requirements(found, claims, path, faults, container_name)


def pod_requirements(found: Mapping[str, Any], claims: Set[str], path: str, faults: Faults) -> None:
    """Check what a whole Pod asks for and may have."""
    _requirements(found, claims, path, faults, _pod_name)


def amount(name: str, value: str, path: str, faults: Faults) -> None:
    """An amount of a resource must not be negative, and whole unless it can be shared."""
    if quantity.compare(value, "0") < 0:
        shown = quantity.canonical(value)
        faults.append(FieldError.invalid(path, shown, common.NOT_NEGATIVE))
    if (name in _COUNTED or is_extended(name)) and quantity.milli(value) % 1000:
        faults.append(FieldError.invalid(path, value, "must be an integer"))


def resource_name(name: str, path: str, faults: Faults) -> bool:
    """A resource must be known or fully qualified; tell whether its name is well-formed."""
    messages = names.qualified_name(name)
    for message in messages:
        faults.append(FieldError.invalid(path, name, message))
    if not messages and "/" not in name and name not in _STANDARD and not _is_huge(name):
        fault = "must be a standard resource type or fully qualified"
        faults.append(FieldError.invalid(path, name, fault))
        return False
    return not messages


def container_name(name: str, path: str, faults: Faults) -> None:
    """A resource must be one that a container can have."""
    if name in _CONTAINER:
        return
    resource_name(name, path, faults)
    if "/" not in name:
        if not name.startswith(HUGE):
            fault = "must be a standard resource for containers"
            faults.append(FieldError.invalid(path, name, fault))
    elif not is_native(name) and not is_extended(name):
        fault = "doesn't follow extended resource name standard"
        faults.append(FieldError.invalid(path, name, fault))


def is_native(name: str) -> bool:
    """Tell whether a resource is Kubernetes' own."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Tell whether a resource is one that a cluster's administrator has added."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.qualified_name(f"requests.{name}")


def _is_huge(name: str) -> bool:
    return name.startswith((HUGE, f"requests.{HUGE}"))


def _requirements(
    found: Mapping[str, Any], claims: Set[str], path: str, faults: Faults, rule: NameRule
) -> None:
    limits, requests = found.get("limits", {}), found.get("requests", {})
    for name, value in limits.items():
        place = f"{path}.limits[{name}]"
        rule(name, place, faults)
        amount(name, value, place, faults)
        _huge(name, value, place, faults)
    for name, value in requests.items():
        place = f"{path}.requests[{name}]"
        rule(name, place, faults)
        amount(name, value, place, faults)
        _within_limit(name, value, limits, path, faults)
        _huge(name, value, place, faults)
    asked = {*limits, *requests}
    if any(name.startswith(HUGE) for name in asked) and not asked & {"cpu", "memory"}:
        faults.append(FieldError.forbidden(path, "HugePages require cpu or memory"))
    if "claims" in found:
        _claims(found["claims"], claims, f"{path}.claims", faults)


def _within_limit(
    name: str, value: str, limits: Mapping[str, str], path: str, faults: Faults
) -> None:
    shared = is_native(name) and not name.startswith(HUGE)
    limit = limits.get(name)
    if limit is None:
        if not shared:
            needed = "Limit must be set for non overcommitable resources"
            faults.append(FieldError.required(f"{path}.limits", needed))
        return
    if limit == value:
        return
    order = quantity.compare(value, limit)
    if (order and not shared) or order > 0:
        what = "less than or equal to" if shared else "equal to"
        fault = f"must be {what} {name} limit of {quantity.canonical(limit)}"
        shown = quantity.canonical(value)
        faults.append(FieldError.invalid(f"{path}.requests", shown, fault))


def _huge(name: str, value: str, path: str, faults: Faults) -> None:
    if not name.startswith(HUGE):
        return
    try:
        size = name.removeprefix(HUGE)
        divides = quantity.compare(size, "0") > 0 and quantity.milli(size) % 1000 == 0
        divides = divides and quantity.whole(value) % quantity.whole(size) == 0
    except ValueError:
        divides = False
    if not divides:
        shown = quantity.canonical(value)
        fault = f"{shown} is not positive integer multiple of {name}"
        faults.append(FieldError.invalid(path, shown, fault))


def _claims(given: Sequence[Mapping[str, Any]], known: Set[str], path: str, faults: Faults) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(given):
        place, name, request = f"{path}[{index}]", claim.get("name", ""), claim.get("request", "")
        if not name:
            faults.append(FieldError.required(place))
            continue
        key = f"{name}/{request}" if request else name
        if request and name not in seen:
            common.named(request, f"{place}.request", faults)
        if name in seen or key in seen:
            faults.append(FieldError.duplicate(place, name if name in seen else key))
        elif not request:
            faults.extend(
                FieldError.duplicate(place, name) for one in seen if one.startswith(f"{name}/")
            )
        seen.add(key)
        if name not in known:
            fault = FieldError.not_found(place, name)
            listed = f": {', '.join(sorted(known))}" if known else " which is empty"
            body = f"{fault.body}: must be one of the names in pod.spec.resourceClaims{listed}"
            faults.append(FieldError(place, fault.reason, body))


def _pod_name(name: str, path: str, faults: Faults) -> None:
    known = name in ("cpu", "memory") or name.startswith(HUGE)
    if resource_name(name, path, faults) and not known:
        faults.append(FieldError.not_supported(path, name, _POD))
