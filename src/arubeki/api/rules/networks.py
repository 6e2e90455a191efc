"""Rules of Endpoints.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (endpoints).
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults


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
            protocol(port, path, faults)


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


def protocol(port: dict[str, Any], place: str, faults: Faults) -> None:
    """Check the protocols of a port, that of the network and that above it."""
    common.one_of(port.get("protocol"), common.PROTOCOLS, f"{place}.protocol", faults)
    if (application := port.get("appProtocol")) is not None:
        common.named(application, f"{place}.appProtocol", faults, names.qualified_name)
