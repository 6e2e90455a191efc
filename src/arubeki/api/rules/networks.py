"""Rules of EndpointSlices and Endpoints.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/discovery/validation, pkg/apis/core/validation (endpoints).
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

ENDPOINTS_MAX, ADDRESSES_MAX, PORTS_MAX = 1000, 100, 20000
_FAMILIES = {"IPv4": 4, "IPv6": 6}
_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")


def endpoint_slice(obj: dict[str, Any], faults: Faults) -> None:
    """Check addresses and ports of an EndpointSlice."""
    kind = obj.get("addressType", "")
    common.one_of(kind, _ADDRESS_TYPES, "addressType", faults)
    ports = obj.get("ports", ())
    if len(ports) > PORTS_MAX:
        faults.append(FieldError.too_many("ports", len(ports), PORTS_MAX))
        ports = ()
    seen = set()
    for index, port in enumerate(ports):
        place = f"ports[{index}]"
        name = port.get("name", "")
        if name:
            common.named(name, f"{place}.name", faults)
        if name in seen:
            faults.append(FieldError.duplicate(f"{place}.name", name))
        seen.add(name)
        _protocol(port, place, faults)
    endpoints = obj.get("endpoints", ())
    if len(endpoints) > ENDPOINTS_MAX:
        faults.append(FieldError.too_many("endpoints", len(endpoints), ENDPOINTS_MAX))
        return
    for index, endpoint in enumerate(endpoints):
        _endpoint(endpoint, kind, f"endpoints[{index}]", faults)


def endpoint_slice_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """An EndpointSlice keeps the type of its addresses."""
    common.unchanged(new.get("addressType"), old.get("addressType"), "addressType", faults)


def endpoints(obj: dict[str, Any], faults: Faults) -> None:
    """Check addresses and ports of Endpoints."""
    for index, subset in enumerate(obj.get("subsets", ())):
        place = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            needed = "must specify `addresses` or `notReadyAddresses`"
            faults.append(FieldError.required(place, needed))
        for field in ("addresses", "notReadyAddresses"):
            for at, address in enumerate(subset.get(field, ())):
                _address(address, f"{place}.{field}[{at}]", faults)
        ports = subset.get("ports", ())
        for at, port in enumerate(ports):
            path = f"{place}.ports[{at}]"
            if port.get("name"):
                common.named(port["name"], f"{path}.name", faults)
            elif len(ports) > 1:
                faults.append(FieldError.required(f"{path}.name"))
            common.port_number(port.get("port", 0), f"{path}.port", faults)
            _protocol(port, path, faults)


def _endpoint(endpoint: dict[str, Any], kind: str, place: str, faults: Faults) -> None:
    addresses = endpoint.get("addresses", ())
    if not addresses:
        needed = "must contain at least 1 address"
        faults.append(FieldError.required(f"{place}.addresses", needed))
    elif len(addresses) > ADDRESSES_MAX:
        count = len(addresses)
        faults.append(FieldError.too_many(f"{place}.addresses", count, ADDRESSES_MAX))
    for index, address in enumerate(addresses):
        path = f"{place}.addresses[{index}]"
        if kind in _FAMILIES:
            before = len(faults)
            common.endpoint_ip(address, path, faults)
            if len(faults) == before and (":" in address) != (kind == "IPv6"):
                wrong = f"must be an {kind} address"
                faults.append(FieldError.invalid(f"{place}.addresses", address, wrong))
        elif kind == "FQDN":
            common.named(address, path, faults, names.dns_subdomain)
    if (node := endpoint.get("nodeName")) is not None:
        common.named(node, f"{place}.nodeName", faults, names.dns_subdomain)
    if (host := endpoint.get("hostname")) is not None:
        common.named(host, f"{place}.hostname", faults)


def _address(address: dict[str, Any], place: str, faults: Faults) -> None:
    ip = address.get("ip", "")
    common.endpoint_ip(ip, f"{place}.ip", faults)
    if common.ip_fault(ip):
        # Kubernetes checks twice.
        faults.append(FieldError.invalid(f"{place}.ip", ip, "must be a valid IP address"))
    if address.get("hostname"):
        common.named(address["hostname"], f"{place}.hostname", faults)
    if (node := address.get("nodeName")) is not None:
        common.named(node, f"{place}.nodeName", faults, names.dns_subdomain)


def _protocol(port: dict[str, Any], place: str, faults: Faults) -> None:
    common.one_of(port.get("protocol"), common.PROTOCOLS, f"{place}.protocol", faults)
    if (application := port.get("appProtocol")) is not None:
        common.named(application, f"{place}.appProtocol", faults, names.qualified_name)
