"""Rules of StorageClasses, VolumeAttributesClasses, VolumeAttachments and what CSI drivers tell.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/storage/validation/validation.go.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

PARAMETERS_MAX = 512
PARAMETERS_MAX_BYTES = 256 * 1024
NODE_ID_MAX_BYTES = 256
DRIVER_MAX = 63
ERROR_MAX_BYTES = 1024
_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Persistent", "Ephemeral")
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 1 << 32
_SHORTEST_PERIOD = 10
_OF_CLASS = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")


def storage_class(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a StorageClass, of which only the topologies and allowVolumeExpansion may change."""
    provisioner = new.get("provisioner", "")
    is_changed = old is None or provisioner != old.get("provisioner", "")
    _provisioner(provisioner, "provisioner", faults, is_changed=is_changed)
    _parameters(new.get("parameters") or {}, "parameters", faults)
    if (policy := new.get("reclaimPolicy")) and policy not in _RECLAIM:
        faults.append(FieldError.not_supported("reclaimPolicy", policy, _RECLAIM))
    mode = new.get("volumeBindingMode")
    if mode is None:
        faults.append(FieldError.required("volumeBindingMode"))
    elif mode not in _BINDING:
        faults.append(FieldError.not_supported("volumeBindingMode", mode, _BINDING))
    _topologies(new.get("allowedTopologies") or (), faults)
    if old is not None:
        for name in _OF_CLASS:
            common.kept(new.get(name) or None, old.get(name) or None, name, faults)


def attributes_class(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a VolumeAttributesClass, which never changes."""
    driver, parameters = new.get("driverName", ""), new.get("parameters") or {}
    if old is not None:
        if driver != old.get("driverName", ""):
            faults.append(
                FieldError.forbidden("driverName", "updates to driverName are forbidden.")
            )
        if parameters != (old.get("parameters") or {}):
            fault = "updates to parameters are forbidden."
            faults.append(FieldError.forbidden("parameters", fault))
    if driver:
        common.named(driver.lower(), "driverName", faults, names.qualified_name)
    else:
        faults.append(FieldError.required("driverName"))
    _parameters(parameters, "parameters", faults)
    if not parameters:
        needed = "must contain at least one key/value pair"
        faults.append(FieldError.required("parameters", needed))


def volume_attachment(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a VolumeAttachment: a new one's spec, and the status."""
    spec = new.get("spec", {})
    if old is None:
        declared_driver(spec.get("attacher", ""), "spec.attacher", faults)
    else:
        # What declared rules say of the parts is not heard where the whole may not change.
        driver_name(spec.get("attacher", ""), "spec.attacher", faults)
        common.kept(spec, old.get("spec", {}), "spec", faults)
    source, path = spec.get("source", {}), "spec.source"
    volume, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if volume is None and inline is None:
        faults.append(FieldError.required(path, one))
    elif volume is not None and inline is not None:
        faults.append(FieldError.forbidden(path, one))
    elif volume == "":
        needed = "must specify non empty persistentVolumeName"
        faults.append(FieldError.required(f"{path}.persistentVolumeName", needed))
    common.named(spec.get("nodeName", ""), "spec.nodeName", faults, names.dns_subdomain)
    status = new.get("status", {})
    if _size(status.get("attachmentMetadata") or {}) > PARAMETERS_MAX_BYTES:
        faults.append(FieldError.too_long("status.attachmentMetadata", PARAMETERS_MAX_BYTES))
    for name in ("attachError", "detachError"):
        _volume_error(status.get(name) or {}, f"status.{name}", faults)
    if volume is not None:
        common.named(volume, f"{path}.persistentVolumeName", faults, names.dns_subdomain)


def csi_driver(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a CSIDriver."""
    spec = new.get("spec", {})
    policy = spec.get("fsGroupPolicy")
    if policy is not None and policy not in _GROUP_POLICIES:
        path = "spec.fsGroupPolicy"
        faults.append(FieldError.not_supported(path, policy, _GROUP_POLICIES))
    _tokens(spec.get("tokenRequests") or (), faults)
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _LIFECYCLES:
            path = "spec.volumeLifecycleModes"
            faults.append(FieldError.not_supported(path, mode, _LIFECYCLES))
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < _SHORTEST_PERIOD:
        fault = "must be greater than or equal to 10 seconds"
        path = "spec.nodeAllocatableUpdatePeriodSeconds"
        faults.append(FieldError.invalid(path, period, fault))
    in_secrets = spec.get("serviceAccountTokenInSecrets")
    if in_secrets is not None and not spec.get("tokenRequests"):
        fault = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        faults.append(FieldError.invalid("spec.serviceAccountTokenInSecrets", in_secrets, fault))
    if old is not None:
        was = old.get("spec", {})
        # Kubernetes has a name of its own for the first.
        for name, shown in (
            ("attachRequired", "attachedRequired"),
            ("volumeLifecycleModes", "volumeLifecycleModes"),
        ):
            common.unchanged(spec.get(name), was.get(name), f"spec.{shown}", faults)


def csi_node(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a CSINode: a driver that is there stays as it is, but for how many volumes it takes."""
    drivers = new.get("spec", {}).get("drivers") or []
    seen: set[str] = set()
    for index, driver in enumerate(drivers):
        _node_driver(driver, seen, f"spec.drivers[{index}]", faults)
    for before in (old or {}).get("spec", {}).get("drivers") or ():
        for after in drivers:
            if after.get("name") == before.get("name"):
                now, was = (_without_count(one) for one in (after, before))
                common.unchanged(now, was, "spec.drivers", faults)


def storage_capacity(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a CSIStorageCapacity, of which only the amounts may change."""
    topology = new.get("nodeTopology")
    if topology is not None:
        was = (old.get("nodeTopology") or {}) if old is not None else None
        common.lenient_selector(topology, was, "nodeTopology", faults)
    named = new.get("storageClassName", "")
    common.named(named, "storageClassName", faults, names.dns_subdomain)
    if "capacity" in new:
        common.amount_not_negative(new["capacity"], "capacity", faults)
    if old is not None:
        for name in ("nodeTopology", "storageClassName"):
            common.unchanged(new.get(name), old.get(name), name, faults)


def driver_name(name: str, path: str, faults: Faults) -> None:
    """The name of a CSI driver."""
    if not name:
        faults.append(FieldError.required(path))
        return
    if len(name.encode()) > DRIVER_MAX:
        faults.append(FieldError.too_long(path, DRIVER_MAX))
    faults += [FieldError.invalid(path, name, why) for why in names.dns_subdomain(name.lower())]


def declared_driver(name: str, path: str, faults: Faults) -> None:
    """As `driver_name`, where declared rules demand it."""
    if not name:
        faults.append(FieldError.required(path).declared())
        return
    for why in names.dns_subdomain_caseless(name):
        faults.append(FieldError.invalid(path, name, why).declared())
    if len(name) > DRIVER_MAX:
        faults.append(FieldError.too_long_text(path, DRIVER_MAX).declared())


def _provisioner(name: str, path: str, faults: Faults, *, is_changed: bool) -> None:
    if name:
        common.named(name.lower(), path, faults, names.qualified_name)
    elif is_changed:
        faults.append(FieldError.required(path).declared())


def _parameters(found: Mapping[str, str], path: str, faults: Faults) -> None:
    if len(found) > PARAMETERS_MAX:
        faults.append(FieldError.too_long(path, PARAMETERS_MAX))
        return
    if "" in found:
        faults.append(FieldError.invalid(path, "", "field can not be empty."))
    if _size(found) > PARAMETERS_MAX_BYTES:
        faults.append(FieldError.too_long(path, PARAMETERS_MAX_BYTES))


def _size(found: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in found.items())


def _topologies(terms: Any, faults: Faults) -> None:
    # Kubernetes begins with as many empty terms, to which an empty one is equal.
    known: list[dict[str, set[str]]] = [{} for _ in terms]
    for index, term in enumerate(terms):
        path = f"allowedTopologies[{index}].matchLabelExpressions"
        values: dict[str, set[str]] = {}
        for at, one in enumerate(term.get("matchLabelExpressions") or ()):
            place, key = f"{path}[{at}]", one.get("key", "")
            found = _requirement(one, place, faults)
            if key in values:
                faults.append(FieldError.duplicate(f"{place}.key", key))
            values[key] = found
        faults += [FieldError.duplicate(path, "") for one in known if one == values]
        known.append(values)


def _requirement(one: dict[str, Any], path: str, faults: Faults) -> set[str]:
    found: set[str] = set()
    if not one.get("values"):
        faults.append(FieldError.required(f"{path}.values"))
    for index, value in enumerate(one.get("values") or ()):
        if value in found:
            faults.append(FieldError.duplicate(f"{path}.values[{index}]", value))
        found.add(value)
    common.named(one.get("key", ""), f"{path}.key", faults, names.qualified_name)
    return found


def _volume_error(error: dict[str, Any], path: str, faults: Faults) -> None:
    if len(error.get("message", "").encode()) > ERROR_MAX_BYTES:
        faults.append(FieldError.too_long(f"{path}.message", ERROR_MAX_BYTES))
    code = error.get("errorCode")
    if code is not None and code < 0:
        fault = f"must be between 0 and {common.INT32_MAX}, inclusive"
        faults.append(FieldError.invalid(f"{path}.errorCode", code, fault))


def _tokens(requests: Any, faults: Faults) -> None:
    seen = set()
    for index, one in enumerate(requests):
        path, audience = f"spec.tokenRequests[{index}]", one.get("audience", "")
        if audience in seen:
            faults.append(FieldError.duplicate(f"{path}.audience", audience))
            continue
        seen.add(audience)
        if (seconds := one.get("expirationSeconds")) is None:
            continue
        place = f"{path}.expirationSeconds"
        if seconds < _SHORTEST_TOKEN:
            fault = "may not specify a duration less than 10 minutes"
            faults.append(FieldError.invalid(place, seconds, fault))
        if seconds > _LONGEST_TOKEN:
            fault = "may not specify a duration larger than 2^32 seconds"
            faults.append(FieldError.invalid(place, seconds, fault))


def _node_driver(driver: dict[str, Any], seen: set[str], path: str, faults: Faults) -> None:
    name, node = driver.get("name", ""), driver.get("nodeID", "")
    driver_name(name, f"{path}.name", faults)
    if not node:
        faults.append(FieldError.required(f"{path}.nodeID"))
    if len(node.encode()) > NODE_ID_MAX_BYTES:
        fault = f"must be {NODE_ID_MAX_BYTES} characters or less"
        faults.append(FieldError.invalid(f"{path}.nodeID", node, fault))
    count = driver.get("allocatable") or {}
    common.not_negative(count, ("count",), f"{path}.allocatable", faults)
    if name in seen:
        faults.append(FieldError.duplicate(f"{path}.name", name))
    seen.add(name)
    keys = set()
    for key in driver.get("topologyKeys") or ():
        if not key:
            faults.append(FieldError.required(path))
        if key in keys:
            faults.append(FieldError.duplicate(path, key))
        keys.add(key)
        common.named(key, path, faults, names.qualified_name)


def _without_count(driver: dict[str, Any]) -> dict[str, Any]:
    """Return a driver of a CSINode as Go shows its internal struct, without its allocatable."""
    return {
        "Name": driver.get("name", ""),
        "NodeID": driver.get("nodeID", ""),
        "TopologyKeys": driver.get("topologyKeys"),
        "Allocatable": None,
    }


RULES = {
    "CSIDriver": csi_driver,
    "CSINode": csi_node,
    "CSIStorageCapacity": storage_capacity,
    "StorageClass": storage_class,
    "VolumeAttachment": volume_attachment,
    "VolumeAttributesClass": attributes_class,
}
