"""Rules of Services.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidateService*).
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_AFFINITIES = ("ClientIP", "None")
_TRAFFIC = ("Cluster", "Local")
_AFFINITY_SECONDS_MAX = 86400
# Go's internal struct, as Kubernetes shows it where two ports are the same.
_PORT_KEY: dict[str, Any] = {
    "Name": "",
    "Protocol": "",
    "AppProtocol": None,
    "Port": 0,
    "TargetPort": 0,
    "NodePort": 0,
}


def service(obj: dict[str, Any], faults: Faults) -> None:
    """Check a Service."""
    spec = obj.get("spec", {})
    kind = spec.get("type", "")
    addresses = spec.get("clusterIPs", [])
    is_headless = addresses == ["None"] or (not addresses and spec.get("clusterIP") == "None")
    if not spec.get("ports") and not is_headless and kind != "ExternalName":
        faults.append(FieldError.required("spec.ports"))
    if is_headless and kind in ("LoadBalancer", "NodePort"):
        fault = f"may not be set to 'None' for {kind} services"
        faults.append(FieldError.invalid("spec.clusterIPs[0]", "None", fault))
    if kind == "ExternalName":
        _external_name(spec, faults)
    _ports(spec, kind, faults)
    common.labels(spec.get("selector"), "spec.selector", faults)
    _affinity(spec, faults)
    if kind != "ExternalName":
        _addresses(spec, addresses, faults)
    for index, address in enumerate(spec.get("externalIPs", ())):
        common.endpoint_ip(address, f"spec.externalIPs[{index}]", faults)
    common.one_of(kind, _TYPES, "spec.type", faults)
    if "allocateLoadBalancerNodePorts" in spec and kind != "LoadBalancer":
        only = "may only be used when `type` is 'LoadBalancer'"
        faults.append(FieldError.forbidden("spec.allocateLoadBalancerNodePorts", only))
    _traffic(spec, kind, faults)


def service_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A Service keeps its cluster addresses, unless it becomes or was an ExternalName."""
    after, before = new.get("spec", {}), old.get("spec", {})
    if "ExternalName" in (after.get("type"), before.get("type")):
        return
    ours, theirs = after.get("clusterIPs", []), before.get("clusterIPs", [])
    if theirs and not ours:
        path = "spec.clusterIPs[0]"
        faults.append(FieldError.invalid(path, None, "primary clusterIP can not be unset"))
    same_number = len(ours) == len(theirs)
    for index, (mine, its) in enumerate(zip(ours, theirs, strict=False)):
        if mine != its and (same_number or index == 0):
            path = f"spec.clusterIPs[{index}]"
            faults.append(FieldError.invalid(path, ours, "may not change once set"))
    if len(theirs) > len(ours) == 1 and after.get("ipFamilyPolicy") != "SingleStack":
        fault = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        policy = after.get("ipFamilyPolicy")
        faults.append(FieldError.invalid("spec.ipFamilyPolicy", policy, fault))


def _external_name(spec: dict[str, Any], faults: Faults) -> None:
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name):
            fault = "may not be set for ExternalName services"
            faults.append(FieldError.forbidden(f"spec.{name}", fault))
    if target := spec.get("externalName", "").removesuffix("."):
        common.named(target, "spec.externalName", faults, names.dns_subdomain)
    else:
        faults.append(FieldError.required("spec.externalName"))


def _ports(spec: dict[str, Any], kind: str, faults: Faults) -> None:
    ports = spec.get("ports", ())
    seen: set[str] = set()
    for index, port in enumerate(ports):
        _port(port, len(ports) > 1, seen, f"spec.ports[{index}]", faults)
    if kind == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                fault = "may not be used when `type` is 'ClusterIP'"
                faults.append(FieldError.forbidden(f"spec.ports[{index}].nodePort", fault))
    on_nodes, on_service = set(), set()
    for index, port in enumerate(ports):
        protocol, number = port.get("protocol"), port.get("nodePort", 0)
        if number:
            if (protocol, number) in on_nodes:
                faults.append(FieldError.duplicate(f"spec.ports[{index}].nodePort", number))
            on_nodes.add((protocol, number))
        if (protocol, port.get("port")) in on_service:
            key = {**_PORT_KEY, "Protocol": protocol, "Port": port.get("port")}
            faults.append(FieldError.duplicate(f"spec.ports[{index}]", key))
        on_service.add((protocol, port.get("port")))


def _port(
    port: dict[str, Any], needs_name: bool, seen: set[str], place: str, faults: Faults
) -> None:
    name = port.get("name", "")
    if name:
        common.named(name, f"{place}.name", faults)
        if name in seen:
            faults.append(FieldError.duplicate(f"{place}.name", name))
        seen.add(name)
    elif needs_name:
        faults.append(FieldError.required(f"{place}.name"))
    common.port_number(port.get("port", 0), f"{place}.port", faults)
    common.one_of(port.get("protocol"), common.PROTOCOLS, f"{place}.protocol", faults)
    common.port_or_name(port.get("targetPort", 0), f"{place}.targetPort", faults)
    if (application := port.get("appProtocol")) is not None:
        common.named(application, f"{place}.appProtocol", faults, names.qualified_name)


def _affinity(spec: dict[str, Any], faults: Faults) -> None:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    common.one_of(affinity, _AFFINITIES, "spec.sessionAffinity", faults)
    if affinity == "ClientIP":
        seconds = (config or {}).get("clientIP", {}).get("timeoutSeconds")
        path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        if seconds is None:
            needed = "when session affinity type is ClientIP"
            faults.append(FieldError.required("spec.sessionAffinityConfig", needed))
        elif not 0 < seconds <= _AFFINITY_SECONDS_MAX:
            fault = f"must be greater than 0 and less than {_AFFINITY_SECONDS_MAX}"
            faults.append(FieldError.invalid(path, seconds, fault))
    elif affinity == "None" and config is not None:
        fault = "must not be set when session affinity is None"
        faults.append(FieldError.forbidden("spec.sessionAffinityConfig", fault))


def _addresses(spec: dict[str, Any], addresses: list[str], faults: Faults) -> None:
    path, first = "spec.clusterIPs", spec.get("clusterIP", "")
    # Where only clusterIP is given the server makes the list of it.
    if first and addresses and addresses[0] != first:
        fault = "first value must match `clusterIP`"
        faults.append(FieldError.invalid(path, addresses, fault))
    elif addresses and not first:
        fault = "must be empty when `clusterIP` is not specified"
        faults.append(FieldError.invalid(path, addresses, fault))
    seen = set()
    for index, family in enumerate(spec.get("ipFamilies", ())):
        common.one_of(family, _FAMILIES, f"spec.ipFamilies[{index}]", faults)
        if family in seen:
            faults.append(FieldError.duplicate(f"spec.ipFamilies[{index}]", family))
        seen.add(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _FAMILY_POLICIES:
        faults.append(FieldError.not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES))
    for index, address in enumerate(addresses or ([first] if first else [])):
        if index == 0 and address == "None":
            if len(addresses) > 1:
                fault = "'None' must be the first and only value"
                faults.append(FieldError.invalid(path, addresses, fault))
        elif fault := common.ip_fault(address):
            faults.append(FieldError.invalid(f"{path}[{index}]", address, fault))
    if len(addresses) > 2:
        fault = "may only hold up to 2 values"
        faults.append(FieldError.invalid(path, addresses, fault))
    elif (
        len(addresses) == 2
        and "None" not in addresses
        and (":" in addresses[0]) == (":" in addresses[1])
    ):
        fault = "may specify no more than one IP for each IP family"
        faults.append(FieldError.invalid(path, addresses, fault))


def _traffic(spec: dict[str, Any], kind: str, faults: Faults) -> None:
    outer = spec.get("externalTrafficPolicy", "")
    path = "spec.externalTrafficPolicy"
    is_external = kind in ("LoadBalancer", "NodePort")
    if is_external or (kind == "ClusterIP" and spec.get("externalIPs")):
        common.one_of(outer, _TRAFFIC, path, faults)
    elif outer:
        fault = "may only be set for externally-accessible services"
        faults.append(FieldError.invalid(path, outer, fault))
    if spec.get("healthCheckNodePort") and (kind, outer) != ("LoadBalancer", "Local"):
        fault = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        port = spec["healthCheckNodePort"]
        faults.append(FieldError.invalid("spec.healthCheckNodePort", port, fault))
    inner = spec.get("internalTrafficPolicy")
    if inner is not None and inner not in _TRAFFIC:
        path = "spec.internalTrafficPolicy"
        faults.append(FieldError.not_supported(path, inner, _TRAFFIC))
