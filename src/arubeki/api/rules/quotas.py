"""Rules of LimitRanges and ResourceQuotas.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidateLimitRange,
ValidateResourceQuota), pkg/apis/core/helper/helpers.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arubeki.api import internal, names, quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import resources

Object = Mapping[str, Any]
_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_FIELDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_POD_SCOPES = ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass")
_SCOPES = (
    *_POD_SCOPES,
    "BestEffort",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)
_EXISTING = (
    "BestEffort",
    "NotBestEffort",
    "Terminating",
    "NotTerminating",
    "CrossNamespacePodAffinity",
)
_COMPUTE = frozenset(
    {
        "pods",
        "cpu",
        "memory",
        "requests.cpu",
        "requests.memory",
        "limits.cpu",
        "limits.memory",
    }
)
_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating,"
    " ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort,"
    " ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def limit_range(obj: dict[str, Any], faults: Faults) -> None:
    """Check a LimitRange."""
    seen = set()
    for index, limit in enumerate(obj.get("spec", {}).get("limits", ())):
        path, kind = f"spec.limits[{index}]", limit.get("type", "")
        _limit_type(kind, f"{path}.type", faults)
        if kind in seen:
            faults.append(FieldError.duplicate(f"{path}.type", kind))
        seen.add(kind)
        _limit(limit, kind, path, faults)


def resource_quota(obj: dict[str, Any], faults: Faults) -> None:
    """Check a new ResourceQuota."""
    _quota_spec(obj.get("spec", {}), faults)


def resource_quota_update(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check a changed ResourceQuota: what it is about stays."""
    spec = new.get("spec", {})
    _quota_spec(spec, faults)
    scopes, before = spec.get("scopes", []), old.get("spec", {}).get("scopes", [])
    if set(scopes) != set(before):
        shown = scopes or None
        faults.append(FieldError.invalid("spec.scopes", shown, common.IMMUTABLE))


def resource_quota_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check what is told of a ResourceQuota."""
    del old
    for field in ("hard", "used"):
        _amounts(new.get("status", {}).get(field, {}), f"status.{field}", faults)


def _limit_type(kind: str, path: str, faults: Faults) -> None:
    before = len(faults)
    common.named(kind, path, faults, names.qualified_name)
    if len(faults) == before and "/" not in kind and kind not in _TYPES:
        fault = "must be a standard limit type or fully qualified"
        faults.append(FieldError.invalid(path, kind, fault))


def _limit(limit: Object, kind: str, path: str, faults: Faults) -> None:
    given: dict[str, Mapping[str, str]] = {}
    for field in _FIELDS:
        amounts = limit.get(field, {})
        if kind == "Pod" and field.startswith("default"):
            if amounts:
                fault = "may not be specified when `type` is 'Pod'"
                faults.append(FieldError.forbidden(f"{path}.{field}", fault))
            continue
        if field == "maxLimitRequestRatio" and kind == "PersistentVolumeClaim":
            _has_storage(limit, path, faults)
        given[field] = amounts
        rule = resources.container_name if kind in ("Pod", "Container") else resources.resource_name
        for name in amounts:
            rule(name, f"{path}.{field}[{name}]", faults)
    for name in dict.fromkeys(name for amounts in given.values() for name in amounts):
        found = {field: amounts[name] for field, amounts in given.items() if name in amounts}
        _one_limit(name, found, path, faults)


def _has_storage(limit: Object, path: str, faults: Faults) -> None:
    if "storage" not in limit.get("min", {}) and "storage" not in limit.get("max", {}):
        needed = "either minimum or maximum storage value is required, but neither was provided"
        faults.append(FieldError.required(f"{path}.limits", needed))


# What must not be above what: (lower, higher, the field at fault, the value shown, the words).
_ORDER = (
    ("min", "max", "min", "min", "min value", "max value"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value",
     "default request value"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value",
     "max value"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default request value",
     "default limit value"),
    ("min", "default", "default", "min", "min value", "default value"),
    ("default", "max", "default", "max", "default value", "max value"),
)  # fmt: skip


def _one_limit(name: str, found: Mapping[str, str], path: str, faults: Faults) -> None:
    for low, high, at, shown, mine, its in _ORDER:
        if low in found and high in found and quantity.compare(found[low], found[high]) > 0:
            small, large = (quantity.canonical(found[field]) for field in (low, high))
            fault = f"{mine} {small} is greater than {its} {large}"
            place = f"{path}.{at}[{name}]"
            faults.append(FieldError.invalid(place, quantity.canonical(found[shown]), fault))
    if (ratio := found.get("maxLimitRequestRatio")) is not None:
        _ratio(ratio, found, f"{path}.maxLimitRequestRatio[{name}]", faults)
    shared = resources.is_native(name) and not name.startswith(resources.HUGE)
    asked, given = found.get("defaultRequest"), found.get("default")
    if not shared and asked is not None and given is not None and quantity.compare(asked, given):
        shown, other = quantity.canonical(asked), quantity.canonical(given)
        fault = f"default value {other} must equal to defaultRequest value {shown} in {name}"
        faults.append(FieldError.invalid(f"{path}.defaultRequest[{name}]", shown, fault))


def _ratio(ratio: str, found: Mapping[str, str], path: str, faults: Faults) -> None:
    shown = quantity.canonical(ratio)
    if quantity.compare(ratio, "1") < 0:
        faults.append(FieldError.invalid(path, shown, f"ratio {shown} is less than 1"))
    low, high = found.get("min"), found.get("max")
    if low is None or high is None or not quantity.milli(low):
        return
    limit = quantity.milli(high) / quantity.milli(low)
    if quantity.milli(ratio) / 1000 > limit:
        fault = f"ratio {shown} is greater than max/min = {limit:f}"
        faults.append(FieldError.invalid(path, shown, fault))


def _quota_spec(spec: Object, faults: Faults) -> None:
    hard = spec.get("hard", {})
    _amounts(hard, "spec.hard", faults)
    scopes = spec.get("scopes", [])
    for scope in scopes:
        if scope not in _SCOPES:
            faults.append(FieldError.invalid("spec.scopes", scopes, "unsupported scope"))
        for _ in _misfits(scope, hard):
            fault = "unsupported scope applied to resource"
            faults.append(FieldError.invalid("spec.scopes", scopes, fault))
    _contradictions(scopes, scopes, faults)
    if (selector := spec.get("scopeSelector")) is not None:
        _selector(selector, hard, scopes, faults)


def _selector(selector: Object, hard: Object, scopes: Sequence[str], faults: Faults) -> None:
    path = "spec.scopeSelector.matchExpressions"
    named = []
    for one in selector.get("matchExpressions", ()):
        scope, operator = one.get("scopeName", ""), one.get("operator", "")
        values = one.get("values", [])
        named.append(scope)
        if scope not in _SCOPES:
            faults.append(FieldError.invalid(f"{path}.scopeName", scope, "unsupported scope"))
        for _ in _misfits(scope, hard):
            shown = internal.of("core.ScopeSelector", selector)
            fault = "unsupported scope applied to resource"
            faults.append(FieldError.invalid(path, shown, fault))
        if scope in _EXISTING and operator != "Exists":
            faults.append(FieldError.invalid(f"{path}.operator", operator, _EXISTS))
        if operator in ("In", "NotIn"):
            if not values:
                needed = (
                    "must be at least one value when `operator` is 'In' or 'NotIn' for scope"
                    " selector"
                )
                faults.append(FieldError.required(f"{path}.values", needed))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                fault = (
                    "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope"
                    " selector"
                )
                faults.append(FieldError.invalid(f"{path}.values", values, fault))
        else:
            fault = "not a valid selector operator"
            faults.append(FieldError.invalid(f"{path}.operator", operator, fault))
    _contradictions(named, scopes, faults, path)


def _contradictions(
    scopes: Sequence[str], shown: Sequence[str], faults: Faults, path: str = "spec.scopes"
) -> None:
    for pair in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
        if set(pair) <= set(scopes):
            faults.append(FieldError.invalid(path, list(shown) or None, "conflicting scopes"))


def _misfits(scope: str, hard: Object) -> list[str]:
    """Return the resources in a quota that a scope is not for."""
    return [name for name in sorted(hard) if _is_quota(name) and not _fits(scope, name)]


def _is_quota(name: str) -> bool:
    return name in resources.QUOTA or name.startswith(
        (resources.HUGE, f"requests.{resources.HUGE}")
    )


def _fits(scope: str, name: str) -> bool:
    if scope in (*_POD_SCOPES, "CrossNamespacePodAffinity"):
        return name in _COMPUTE
    if scope == "BestEffort":
        return name == "pods"
    if scope == "VolumeAttributesClass":
        return name in ("persistentvolumeclaims", "requests.storage")
    return True


def _amounts(hard: Mapping[str, str], path: str, faults: Faults) -> None:
    for name, value in hard.items():
        place = f"{path}[{name}]"
        resources.resource_name(name, place, faults)
        if "/" not in name and not _is_quota(name):
            fault = "must be a standard resource for quota"
            faults.append(FieldError.invalid(place, name, fault))
        resources.amount(name, value, place, faults)
