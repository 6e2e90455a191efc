"""Rules of EndpointSlices.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/discovery/validation/validation.go.
"""

from typing import Any

from arubeki.api import ips, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, networks
from arubeki.api.rules.common import Faults

ENDPOINTS_MAX, ADDRESSES_MAX, PORTS_MAX, HINTS_MAX, TOPOLOGY_MAX = 1000, 100, 20000, 8, 16
_FAMILIES = {"IPv4": 4, "IPv6": 6}
_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")


def endpoint_slice(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check an EndpointSlice, which keeps the type of its addresses."""
    kind = new.get("addressType", "")
    _ports(new.get("ports") or (), faults)
    was = (old or {}).get("endpoints") or []
    endpoints = new.get("endpoints") or []
    if len(endpoints) > ENDPOINTS_MAX:
        faults.append(FieldError.too_many("endpoints", len(endpoints), ENDPOINTS_MAX))
    elif old is None or endpoints != was:
        for index, endpoint in enumerate(endpoints):
            _endpoint(endpoint, kind, f"endpoints[{index}]", faults)
    path = "addressType"
    if not kind:
        faults.append(FieldError.required(path).declared())
    if old is not None:
        common.kept(kind, old.get("addressType", ""), path, faults)
    elif kind and kind not in _ADDRESS_TYPES:
        faults.append(FieldError.not_supported(path, kind, _ADDRESS_TYPES).declared())


def _ports(ports: Any, faults: Faults) -> None:
    if len(ports) > PORTS_MAX:
        faults.append(FieldError.too_many("ports", len(ports), PORTS_MAX))
        return
    seen = set()
    for index, port in enumerate(ports):
        place, name = f"ports[{index}]", port.get("name", "")
        if name:
            common.named(name, f"{place}.name", faults)
        if name in seen:
            faults.append(FieldError.duplicate(f"{place}.name", name))
        seen.add(name)
        networks.protocol(port, place, faults)


def _endpoint(endpoint: dict[str, Any], kind: str, place: str, faults: Faults) -> None:
    addresses, path = endpoint.get("addresses") or (), f"{place}.addresses"
    if not addresses:
        faults.append(FieldError.required(path).declared())
    elif len(addresses) > ADDRESSES_MAX:
        faults.append(FieldError.too_many(path, len(addresses), ADDRESSES_MAX).declared())
    for index, address in enumerate(addresses):
        if kind in _FAMILIES:
            _address(address, kind, path, index, faults)
        elif kind == "FQDN":
            _domain(address, f"{path}[{index}]", faults)
    if (node := endpoint.get("nodeName")) is not None:
        common.named(node, f"{place}.nodeName", faults, names.dns_subdomain)
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > TOPOLOGY_MAX:
        path = f"{place}.deprecatedTopology"
        faults.append(FieldError.too_many(path, len(topology), TOPOLOGY_MAX))
    if (host := endpoint.get("hostname")) is not None:
        common.named(host, f"{place}.hostname", faults)
    if (hints := endpoint.get("hints")) is not None:
        _hints(hints, f"{place}.hints", faults)


def _address(address: str, kind: str, path: str, index: int, faults: Faults) -> None:
    rule = ips.old_address if kind == "IPv4" else ips.address
    if messages := rule(address):
        faults += [FieldError.invalid(f"{path}[{index}]", address, one) for one in messages]
        return
    if (":" in address) != (kind == "IPv6"):
        faults.append(FieldError.invalid(path, address, f"must be an {kind} address"))
    common.endpoint_ip(address, f"{path}[{index}]", faults)


def _domain(text: str, path: str, faults: Faults) -> None:
    if not text:
        faults.append(FieldError.required(path))
        return
    name = text.removesuffix(".")
    if messages := names.dns_subdomain(name):
        faults.append(FieldError.invalid(path, name, ",".join(messages)))
    elif "." not in name:
        fault = "should be a domain with at least two segments separated by dots"
        faults.append(FieldError.invalid(path, name, fault))
    else:
        for label in name.split("."):
            if messages := names.dns_label(label):
                faults.append(FieldError.invalid(path, label, ",".join(messages)))
                return


def _hints(hints: dict[str, Any], path: str, faults: Faults) -> None:
    for field, rule in (("forZones", names.label_value), ("forNodes", names.dns_subdomain)):
        found = hints.get(field) or ()
        if len(found) > HINTS_MAX:
            faults.append(FieldError.too_many(f"{path}.{field}", len(found), HINTS_MAX))
            return
        seen = set()
        for index, one in enumerate(found):
            place, name = f"{path}.{field}[{index}].name", one.get("name", "")
            if name in seen:
                faults.append(FieldError.duplicate(place, name))
            seen.add(name)
            common.named(name, place, faults, rule)


RULES = {"EndpointSlice": endpoint_slice}
