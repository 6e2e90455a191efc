"""Rules of ResourceSlices: the devices that a driver offers.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/resource/validation/validation.go.
"""

import re
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.storage import driver_name

POOL_MAX_BYTES = 253
DEVICES_MAX, DEVICES_MAX_ADVANCED, COUNTER_SETS_MAX = 128, 64, 8
ENTRIES_MAX = 32
VALUE_MAX = 64
EFFECTS = ("NoExecute", "NoSchedule", "None")
_VALUES = ("int", "bool", "string", "version", "ints", "bools", "strings", "versions")
_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_IDENTIFIER = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_is_version = re.compile(
    rf"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-{_IDENTIFIER}(\.{_IDENTIFIER})*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
).fullmatch


def resource_slice(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a ResourceSlice: its driver, pool and node are meant for its life."""
    spec = new.get("spec", {})
    driver_name(spec.get("driver", ""), "spec.driver", faults)
    pool = spec.get("pool") or {}
    pool_name(pool.get("name", ""), "spec.pool.name", faults)
    if (count := pool.get("resourceSliceCount", 0)) <= 0:
        fault = "must be greater than zero"
        faults.append(FieldError.invalid("spec.pool.resourceSliceCount", count, fault))
    if (generation := pool.get("generation", 0)) < 0:
        fault = "must be greater than or equal to zero"
        faults.append(FieldError.invalid("spec.pool.generation", generation, fault))
    if old is not None:
        was = old.get("spec", {})
        before = (was.get("pool") or {}).get("name", "")
        common.unchanged(pool.get("name", ""), before, "spec.pool.name", faults)
        common.unchanged(spec.get("driver", ""), was.get("driver", ""), "spec.driver", faults)
        common.unchanged(spec.get("nodeName"), was.get("nodeName"), "spec.nodeName", faults)
    _place(spec, faults)
    if "sharedCounters" in spec and "devices" in spec:
        fault = "only one of `sharedCounters` or `devices` is allowed"
        faults.append(FieldError.invalid("spec", "", fault))
    _devices(spec, faults)


def pool_name(name: str, path: str, faults: Faults) -> None:
    """The name of a pool is made of DNS subdomains, with slashes between."""
    if not name:
        faults.append(FieldError.required(path))
        return
    if len(name.encode()) > POOL_MAX_BYTES:
        faults.append(FieldError.too_long(path, POOL_MAX_BYTES))
    for part in name.split("/"):
        common.named(part, path, faults, names.dns_subdomain)


def taint(one: dict[str, Any], path: str, faults: Faults) -> None:
    """Check a taint of a device."""
    key, effect = one.get("key", ""), one.get("effect", "")
    common.named(key, f"{path}.key", faults, names.label_key)
    if value := one.get("value"):
        common.named(value, f"{path}.value", faults, names.label_value)
    if not effect:
        faults.append(FieldError.required(f"{path}.effect").declared())
    elif effect not in EFFECTS:
        fault = FieldError.not_supported(f"{path}.effect", effect, EFFECTS)
        faults.append(fault.declared())


def _place(spec: dict[str, Any], faults: Faults) -> None:
    given = []
    for name in _PLACES:
        value, path = spec.get(name), f"spec.{name}"
        if value is None:
            continue
        if name == "nodeName" and not value:
            fault = "must be either unset or set to a non-empty string"
            faults.append(FieldError.invalid(path, value, fault))
        elif value is False:
            fault = "must be either unset or set to true"
            faults.append(FieldError.invalid(path, value, fault))
        else:
            given.append(f"`{name}`")
            if name == "nodeName":
                common.named(value, path, faults, names.dns_subdomain)
            if name == "nodeSelector" and len(value.get("nodeSelectorTerms") or ()) != 1:
                fault = "must have exactly one node selector term"
                terms = value.get("nodeSelectorTerms")
                if not terms:
                    needed = "must have at least one node selector term"
                    faults.append(FieldError.required(f"{path}.nodeSelectorTerms", needed))
                faults.append(FieldError.invalid(f"{path}.nodeSelectorTerms", terms, fault))
    one = (
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is"
        " required"
    )
    if not given:
        faults.append(FieldError.required("spec", one))
    elif len(given) > 1:
        fault = f"{one}, but multiple fields are set"
        faults.append(FieldError.invalid("spec", f"{{{', '.join(given)}}}", fault))


def _devices(spec: dict[str, Any], faults: Faults) -> None:
    devices, path = spec.get("devices") or [], "spec.devices"
    advanced = any(one.get("taints") or one.get("consumesCounters") for one in devices)
    most = DEVICES_MAX_ADVANCED if advanced else DEVICES_MAX
    if len(devices) > most:
        faults.append(FieldError.too_many(path, len(devices), most))
        devices = []
    seen = set()
    for index, one in enumerate(devices):
        place, name = f"{path}[{index}]", one.get("name", "")
        _device(one, place, faults)
        if name in seen:
            faults.append(FieldError.duplicate(place, name))
        seen.add(name)
    counters = spec.get("sharedCounters") or []
    if len(counters) > COUNTER_SETS_MAX:
        fault = FieldError.too_many("spec.sharedCounters", len(counters), COUNTER_SETS_MAX)
        faults.append(fault.declared())
        return
    for index, one in enumerate(counters):
        place = f"spec.sharedCounters[{index}]"
        if name := one.get("name"):
            common.declared_label(name, f"{place}.name", faults)
        else:
            faults.append(FieldError.required(f"{place}.name").declared())
        if not one.get("counters"):
            faults.append(FieldError.required(f"{place}.counters").declared())


def _device(one: dict[str, Any], path: str, faults: Faults) -> None:
    common.named(one.get("name", ""), f"{path}.name", faults)
    attributes, capacity = one.get("attributes") or {}, one.get("capacity") or {}
    if (count := len(attributes) + len(capacity)) > ENTRIES_MAX:
        fault = f"the total number of attributes and capacities must not exceed {ENTRIES_MAX}"
        faults.append(FieldError.invalid(path, count, fault))
    for name, value in attributes.items():
        _qualified(name, f"{path}.attributes", faults)
        _attribute(value, f"{path}.attributes[{name}]", faults)
    for name in capacity:
        _qualified(name, f"{path}.capacity", faults)
    for index, found in enumerate(one.get("taints") or ()):
        taint(found, f"{path}.taints[{index}]", faults)


def _qualified(name: str, path: str, faults: Faults) -> None:
    domain, slash, last = name.rpartition("/")
    if slash and not domain:
        faults.append(FieldError.invalid(path, "", "the domain must not be empty"))
    elif slash:
        common.named(domain, path, faults, names.dns_subdomain)
    if slash and not last:
        faults.append(FieldError.invalid(path, "", "the name must not be empty"))
    else:
        common.named(last, path, faults, names.c_identifier)


def _attribute(value: dict[str, Any], path: str, faults: Faults) -> None:
    given = [name for name in _VALUES if name in value]
    known = ", ".join(f"`{name}`" for name in _VALUES)
    if not given:
        fault = f"must specify one of: {known}"
        faults.append(FieldError.invalid(path, "", fault).declared())
    elif len(given) > 1:
        fault = f"must specify exactly one of: {known}"
        shown = f"{{{', '.join(given)}}}"
        faults.append(FieldError.invalid(path, shown, fault).declared())
    text, version = value.get("string"), value.get("version")
    if text is not None and len(text.encode()) > VALUE_MAX:
        faults.append(FieldError.too_long(f"{path}.string", VALUE_MAX))
    if version is not None:
        place = f"{path}.version"
        if not _is_version(version):
            fault = "must be a string compatible with semver.org spec 2.0.0"
            faults.append(FieldError.invalid(place, version, fault))
        if len(version.encode()) > VALUE_MAX:
            faults.append(FieldError.too_long(place, VALUE_MAX))
