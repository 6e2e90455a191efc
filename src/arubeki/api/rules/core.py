"""Rules of ConfigMaps, Secrets, Nodes and Leases.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go, pkg/apis/coordination/validation.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import resources
from arubeki.api.rules.pod.affinity import TAINT_EFFECTS
from arubeki.api.syntax import json_fault

DATA_MAX_BYTES = 1024 * 1024
"""All values of a ConfigMap or Secret together."""
_SEALED = "field is immutable when `immutable` is set"
_ACCOUNT = "kubernetes.io/service-account.name"
# What a Secret of a type must hold.
_NEEDED = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_DOCKER = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")
_BASIC = ("username", "password")


def config_map(obj: dict[str, Any], faults: Faults) -> None:
    """Check keys and size of a ConfigMap."""
    data, binary = obj.get("data", {}), obj.get("binaryData", {})
    for key in data:
        common_key(key, f"data[{key}]", faults)
        if key in binary:
            there = "duplicate of key present in binaryData"
            faults.append(FieldError.invalid(f"data[{key}]", key, there))
    for key in binary:
        common_key(key, f"binaryData[{key}]", faults)
    size = sum(len(value.encode()) for value in data.values()) + _decoded_bytes(binary)
    if size > DATA_MAX_BYTES:
        faults.append(FieldError.too_long("[]", DATA_MAX_BYTES))


def config_map_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A ConfigMap that was declared immutable stays as it is."""
    _sealed(new, old, ("data", "binaryData"), faults)


def secret(obj: dict[str, Any], faults: Faults) -> None:
    """Check keys, size and what a Secret's type needs. Values are never shown."""
    data = obj.get("data", {})
    for key in data:
        common_key(key, f"data[{key}]", faults)
    if _decoded_bytes(data) > DATA_MAX_BYTES:
        faults.append(FieldError.too_long("data", DATA_MAX_BYTES))
    kind = obj.get("type", "")
    for key in _NEEDED.get(kind, ()):
        if key not in data or (key == "ssh-privatekey" and not data[key]):
            faults.append(FieldError.required(f"data[{key}]"))
        elif kind in _DOCKER and (fault := _object_fault(data[key])):
            hidden = "<secret contents redacted>"
            faults.append(FieldError.invalid(f"data[{key}]", hidden, fault))
    if kind == "kubernetes.io/basic-auth" and not any(key in data for key in _BASIC):
        faults.extend(FieldError.required(f"data[{key}]") for key in _BASIC)
    if kind == "kubernetes.io/service-account-token":
        annotations = obj.get("metadata", {}).get("annotations") or {}
        if not annotations.get(_ACCOUNT):
            faults.append(FieldError.required(f"metadata.annotations[{_ACCOUNT}]"))


def secret_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A Secret keeps its type; one that was declared immutable stays as it is."""
    common.unchanged(new.get("type"), old.get("type"), "type", faults)
    _sealed(new, old, ("data",), faults)


def node(obj: dict[str, Any], faults: Faults) -> None:
    """Check taints and amounts of a Node."""
    seen = set()
    for index, taint in enumerate(obj.get("spec", {}).get("taints", ())):
        # Kubernetes gives this path; the field is in spec.
        place = f"metadata.taints[{index}]"
        key, effect = taint.get("key", ""), taint.get("effect", "")
        common.named(key, f"{place}.key", faults, names.label_key)
        value = taint.get("value", "")
        if messages := names.label_value(value):
            faults.append(FieldError.invalid(f"{place}.value", value, ";".join(messages)))
        common.one_of(effect, TAINT_EFFECTS, f"{place}.effect", faults)
        if (key, effect) in seen:
            # Go's internal struct, as Kubernetes shows it.
            added = taint.get("timeAdded")
            internal = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": added}
            repeated = FieldError.duplicate(place, internal)
            unique = "taints must be unique by key and effect pair"
            faults.append(FieldError(place, repeated.reason, f"{repeated.body}: {unique}"))
        seen.add((key, effect))
    for field in ("capacity", "allocatable"):
        for name, amount in obj.get("status", {}).get(field, {}).items():
            resources.amount(name, amount, f"status.{field}.{name}", faults)


def node_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A Node's address range and provider are set once."""
    before, after = old.get("spec", {}), new.get("spec", {})
    ranges = before.get("podCIDRs", [])
    if ranges and ranges != after.get("podCIDRs", []):
        once = 'node updates may not change podCIDR except from "" to valid'
        faults.append(FieldError.forbidden("spec.podCIDRs", once))
    provider = before.get("providerID", "")
    if provider and provider != after.get("providerID", ""):
        what = "modified" if after.get("providerID") else "cleared"
        fault = f"field cannot be {what} once set"
        faults.append(FieldError.invalid("spec.providerID", None, fault))
    seen = set()
    for index, address in enumerate(new.get("status", {}).get("addresses", ())):
        key = (address.get("type"), address.get("address"))
        if key in seen:
            faults.append(FieldError.duplicate(f"status.addresses[{index}]", address))
        seen.add(key)


def lease(obj: dict[str, Any], faults: Faults) -> None:
    """Check a Lease's duration and count."""
    spec = obj.get("spec", {})
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        fault = "must be greater than 0"
        faults.append(FieldError.invalid("spec.leaseDurationSeconds", seconds, fault))
    common.not_negative(spec, ("leaseTransitions",), "spec", faults)
    if spec.get("preferredHolder") and not spec.get("strategy"):
        needs = "may only be specified if `strategy` is defined"
        faults.append(FieldError.forbidden("spec.preferredHolder", needs))


def common_key(key: str, path: str, faults: Faults) -> None:
    """A key of a ConfigMap or Secret becomes a file name."""
    common.named(key, path, faults, names.config_key)


def _sealed(
    new: dict[str, Any], old: dict[str, Any], fields: tuple[str, ...], faults: Faults
) -> None:
    if old.get("immutable"):
        if not new.get("immutable"):
            faults.append(FieldError.forbidden("immutable", _SEALED))
        for field in fields:
            if new.get(field, {}) != old.get(field, {}):
                faults.append(FieldError.forbidden(field, _SEALED))


def _decoded_bytes(values: Mapping[str, str]) -> int:
    """Return the size of base64 values without decoding them."""
    return sum(len(value) * 3 // 4 - value[-2:].count("=") for value in values.values())


def _object_fault(value: str) -> str:
    import base64

    text = base64.b64decode(value)
    try:
        msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        return json_fault(text) or str(error)
    return ""
