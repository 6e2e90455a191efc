"""Rules of ResourceClaims, their templates, DeviceClasses and DeviceTaintRules.

CEL expressions are not compiled here: an expression that is there is taken as it is.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/resource/validation/validation.go, pkg/apis/resource/v1/
zz_generated.validations.go (declared rules).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, deviceslices
from arubeki.api.rules.common import Faults
from arubeki.api.rules.storage import declared_driver, driver_name

LIST_MAX = 32
ALTERNATIVES_MAX = 8
RESERVED_MAX = 256
EXPRESSION_MAX_BYTES = 10 * 1024
_MODES = ("All", "ExactCount")
_OPERATORS = ("Equal", "Exists")
Requests = Mapping[str, set[str]]
"""The names of a claim's requests, each with those of its alternatives."""


def claim(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a ResourceClaim: a new one's spec, and the status."""
    spec = new.get("spec", {})
    if old is None:
        _claim_spec(spec, "spec", faults)
    else:
        common.kept(spec, old.get("spec", {}), "spec", faults)
    _claim_status(new, old or {}, faults)


def claim_template(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a ResourceClaimTemplate, whose spec never changes."""
    spec = new.get("spec", {})
    if old is not None:
        common.unchanged(spec, old.get("spec", {}), "spec", faults)
        return
    metadata = spec.get("metadata") or {}
    for key in metadata.get("annotations") or {}:
        common.named(key, "spec.metadata.annotations", faults, names.annotation_key)
    common.labels(metadata.get("labels"), "spec.metadata.labels", faults)
    _claim_spec(spec.get("spec", {}), "spec.spec", faults)


def device_class(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a DeviceClass."""
    del old
    spec = new.get("spec", {})
    _selectors(spec.get("selectors") or (), "spec.selectors", faults)
    _each(spec.get("config") or (), LIST_MAX, _configuration, "spec.config", faults)


def taint_rule(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a DeviceTaintRule."""
    del old
    spec = new.get("spec", {})
    selector, path = spec.get("deviceSelector") or {}, "spec.deviceSelector"
    if (driver := selector.get("driver")) is not None:
        driver_name(driver, f"{path}.driver", faults)
    if (pool := selector.get("pool")) is not None:
        deviceslices.pool_name(pool, f"{path}.pool", faults)
    if (device := selector.get("device")) is not None:
        common.named(device, f"{path}.device", faults)
    deviceslices.taint(spec.get("taint") or {}, "spec.taint", faults)


def _claim_spec(spec: dict[str, Any], path: str, faults: Faults) -> None:
    devices, path = spec.get("devices") or {}, f"{path}.devices"
    found: dict[str, set[str]] = {}
    for one in devices.get("requests") or ():
        found[one.get("name", "")] = {
            below.get("name", "") for below in one.get("firstAvailable") or ()
        }
    requests = devices.get("requests") or ()
    _each(requests, LIST_MAX, _request, f"{path}.requests", faults, key="name")

    def constraint(one: dict[str, Any], place: str, faults: Faults) -> None:
        _references(one.get("requests") or (), found, f"{place}.requests", faults)
        for field in ("matchAttribute", "distinctAttribute"):
            if (attribute := one.get(field)) is not None:
                _attribute(attribute, f"{place}.{field}", faults)
                return
        needed = (
            'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple'
            " fields are set"
        )
        faults.append(FieldError.required(place, needed))

    def configuration(one: dict[str, Any], place: str, faults: Faults) -> None:
        _references(one.get("requests") or (), found, f"{place}.requests", faults)
        _configuration(one, place, faults)

    _each(devices.get("constraints") or (), LIST_MAX, constraint, f"{path}.constraints", faults)
    _each(devices.get("config") or (), LIST_MAX, configuration, f"{path}.config", faults)


def _request(one: dict[str, Any], path: str, faults: Faults) -> None:
    common.named(one.get("name", ""), f"{path}.name", faults)
    several, exactly = one.get("firstAvailable") or (), one.get("exactly")
    if several and exactly is not None:
        both = (
            "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
        )
        faults.append(FieldError.invalid(path, None, both))
    elif several:
        place = f"{path}.firstAvailable"
        _each(several, ALTERNATIVES_MAX, _alternative, place, faults, key="name")
    elif exactly is not None:
        place = f"{path}.exactly.deviceClassName"
        if name := exactly.get("deviceClassName", ""):
            common.named(name, place, faults, names.dns_subdomain)
        else:
            faults.append(FieldError.required(place))
        _wanted(exactly, f"{path}.exactly", faults)
    else:
        needed = "exactly one of `exactly` or `firstAvailable` is required"
        faults.append(FieldError.required(path, needed))


def _alternative(one: dict[str, Any], path: str, faults: Faults) -> None:
    common.named(one.get("name", ""), f"{path}.name", faults)
    if name := one.get("deviceClassName", ""):
        for message in names.dns_subdomain(name):
            faults.append(FieldError.invalid(f"{path}.deviceClassName", name, message).declared())
    else:
        faults.append(FieldError.required(f"{path}.deviceClassName").declared())
    _wanted(one, path, faults)


def _wanted(one: dict[str, Any], path: str, faults: Faults) -> None:
    _selectors(one.get("selectors") or (), f"{path}.selectors", faults)
    mode, count = one.get("allocationMode", ""), one.get("count", 0)
    if mode == "All" and count:
        fault = "must not be specified when allocationMode is 'All'"
        faults.append(FieldError.invalid(f"{path}.count", count, fault))
    elif mode == "ExactCount" and count <= 0:
        faults.append(FieldError.invalid(f"{path}.count", count, "must be greater than zero"))
    elif mode not in _MODES:
        place = f"{path}.allocationMode"
        faults.append(FieldError.not_supported(place, mode, _MODES).declared())
    for index, toleration in enumerate(one.get("tolerations") or ()):
        _toleration(toleration, f"{path}.tolerations[{index}]", faults)


def _toleration(one: dict[str, Any], path: str, faults: Faults) -> None:
    key, operator, value = (one.get(name, "") for name in ("key", "operator", "value"))
    if operator == "Exists" and value:
        fault = "must be empty for operator `Exists`"
        faults.append(FieldError.invalid(f"{path}.value", value, fault))
    elif operator == "Equal":
        common.named(value, f"{path}.value", faults, names.label_value)
    effect = one.get("effect", "")
    if effect and effect not in deviceslices.EFFECTS:
        place = f"{path}.effect"
        faults.append(FieldError.not_supported(place, effect, deviceslices.EFFECTS))
    for message in names.label_key(key) if key else ():
        faults.append(FieldError.invalid(f"{path}.key", key, message).declared())
    if not operator:
        faults.append(FieldError.required(f"{path}.operator").declared())
    elif operator not in _OPERATORS:
        place = f"{path}.operator"
        faults.append(FieldError.not_supported(place, operator, _OPERATORS).declared())


def _selectors(found: Sequence[dict[str, Any]], path: str, faults: Faults) -> None:
    _each(found, LIST_MAX, _selector, path, faults)


def _selector(one: dict[str, Any], path: str, faults: Faults) -> None:
    if (cel := one.get("cel")) is None:
        faults.append(FieldError.required(f"{path}.cel"))
    elif len(cel.get("expression", "").encode()) > EXPRESSION_MAX_BYTES:
        faults.append(FieldError.too_long(f"{path}.cel.expression", EXPRESSION_MAX_BYTES))


def _configuration(one: dict[str, Any], path: str, faults: Faults) -> None:
    if (opaque := one.get("opaque")) is None:
        faults.append(FieldError.required(f"{path}.opaque"))
        return
    place, driver = f"{path}.opaque.driver", opaque.get("driver", "")
    declared_driver(driver, place, faults)
    place, parameters = f"{path}.opaque.parameters", opaque.get("parameters")
    if parameters is None:
        faults.append(FieldError.required(place))
    elif not isinstance(parameters, dict):
        faults.append(FieldError.invalid(place, "<value omitted>", "must be a valid JSON object"))


def _references(found: Sequence[str], requests: Requests, path: str, faults: Faults) -> None:
    if len(found) > LIST_MAX:
        faults.append(FieldError.too_many(path, len(found), LIST_MAX).declared())
    for index, name in enumerate(found):
        _reference(name, requests, f"{path}[{index}]", faults)
        if name in found[:index]:
            faults.append(FieldError.duplicate(f"{path}[{index}]", name).declared())


def _reference(name: str, requests: Requests, path: str, faults: Faults) -> None:
    fault = (
        "must be the name of a request in the claim or the name of a request and a subrequest"
        " separated by '/'"
    )
    parts = name.split("/")
    if len(parts) <= 2:
        for part in parts:
            common.named(part, path, faults)
        below = requests.get(parts[0])
        if below is not None and (len(parts) == 1 or parts[1] in below):
            return
    faults.append(FieldError.invalid(path, name, fault))


def _attribute(name: str, path: str, faults: Faults) -> None:
    domain, slash, last = name.rpartition("/")
    if not slash:
        fault = "a fully qualified name must be a domain and a name separated by a slash"
        faults.append(FieldError.invalid(path, name, fault).declared())
        return
    for message in names.dns_subdomain(domain):
        faults.append(FieldError.invalid(path, domain, f"prefix: {message}").declared())
    for message in names.c_identifier(last):
        faults.append(FieldError.invalid(path, last, message).declared())


Check = Callable[[dict[str, Any], str, Faults], None]


def _each(
    found: Sequence[dict[str, Any]],
    most: int,
    check: Check,
    path: str,
    faults: Faults,
    *,
    key: str = "",
) -> None:
    """Check the members of a list that may be so long, and has each `key` once."""
    if len(found) > most:
        faults.append(FieldError.too_many(path, len(found), most).declared())
        return
    seen = set()
    for index, one in enumerate(found):
        if key and one.get(key, "") in seen:
            faults.append(FieldError.duplicate(f"{path}[{index}]", one).declared())
        seen.add(one.get(key, ""))
    for index, one in enumerate(found):
        check(one, f"{path}[{index}]", faults)


def _claim_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    status, before = new.get("status", {}), old.get("status", {})
    reserved, path = status.get("reservedFor") or [], "status.reservedFor"
    allocation, was = status.get("allocation"), before.get("allocation")
    if len(reserved) > RESERVED_MAX:
        faults.append(FieldError.too_many(path, len(reserved), RESERVED_MAX).declared())
    else:
        for index, one in enumerate(reserved):
            for name in ("resource", "name", "uid"):
                if not one.get(name):
                    faults.append(FieldError.required(f"{path}[{index}].{name}"))
    if reserved and allocation is None:
        fault = "may not be specified when `allocated` is not set"
        faults.append(FieldError.forbidden(path, fault))
    elif reserved and "deletionTimestamp" in new["metadata"]:
        known = before.get("reservedFor") or []
        if any(one not in known for one in reserved):
            fault = (
                "new entries may not be added while `deallocationRequested` or `deletionTimestamp`"
                " are set"
            )
            faults.append(FieldError.forbidden(path, fault))
    if was is not None and allocation is not None and was != allocation:
        once = "field cannot be modified once set"
        faults.append(FieldError.invalid("status.allocation", None, once).declared())


RULES = {
    "DeviceClass": device_class,
    "DeviceTaintRule": taint_rule,
    "ResourceClaim": claim,
    "ResourceClaimTemplate": claim_template,
    "ResourceSlice": deviceslices.resource_slice,
}
