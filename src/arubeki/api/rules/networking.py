"""Rules of Ingresses and IngressClasses, and the table of their group.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/networking/validation/validation.go.
"""

from typing import Any

from arubeki.api import ips, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import addresses, common, networkpolicy
from arubeki.api.rules.common import Faults

CONTROLLER_MAX_BYTES = 250
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_ENDS = ("/..", "/.")
_SCOPES = ("Cluster", "Namespace")


def ingress(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check an Ingress."""
    spec = new.get("spec", {})
    rules, backend = spec.get("rules") or (), spec.get("defaultBackend")
    if not rules and backend is None:
        needed = "either `defaultBackend` or `rules` must be specified"
        faults.append(FieldError.invalid("spec", spec.get("rules"), needed))
    if backend is not None:
        _backend(backend, "spec.defaultBackend", faults)
    lenient = _had_bad_wildcards(old)
    for index, rule in enumerate(rules):
        _rule(rule, f"spec.rules[{index}]", faults, lenient=lenient)
    secrets = old is None or not any(_secret_faults(one) for one in _tls(old))
    for index, one in enumerate(_tls(new)):
        _certificate(one, f"spec.tls[{index}]", faults, secrets=secrets)
    given = spec.get("ingressClassName")
    if given is not None:
        common.named(given, "spec.ingressClassName", faults, names.dns_subdomain)
    if old is None:
        annotation = (new["metadata"].get("annotations") or {}).get(common.INGRESS_CLASS)
        if annotation is not None and given is not None and annotation != given:
            fault = "must match `ingressClassName` when both are specified"
            path = f"annotations.{common.INGRESS_CLASS}"
            faults.append(FieldError.invalid(path, annotation, fault))
    _status(new, old, faults)


def ingress_class(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check an IngressClass, whose controller is meant for its life."""
    spec = new.get("spec", {})
    controller = spec.get("controller", "")
    if old is not None:
        was = old.get("spec", {}).get("controller", "")
        common.unchanged(controller, was, "spec.controller", faults)
    if len(controller.encode()) > CONTROLLER_MAX_BYTES:
        faults.append(FieldError.too_long("spec.controller", CONTROLLER_MAX_BYTES))
    common.domain_prefixed_path(controller, "spec.controller", faults)
    if (parameters := spec.get("parameters")) is not None:
        _parameters(parameters, "spec.parameters", faults)


def _tls(obj: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = obj.get("spec", {}).get("tls") or []
    return found


def _secret_faults(one: dict[str, Any]) -> list[str]:
    name = one.get("secretName")
    return names.dns_subdomain(name) if name else []


def _certificate(one: dict[str, Any], path: str, faults: Faults, *, secrets: bool) -> None:
    for index, host in enumerate(one.get("hosts") or ()):
        rule = names.dns_wildcard if "*" in host else names.dns_subdomain
        common.named(host, f"{path}.hosts[{index}]", faults, rule)
    if secrets and one.get("secretName"):
        common.named(one["secretName"], f"{path}.secretName", faults, names.dns_subdomain)


def _rule(rule: dict[str, Any], path: str, faults: Faults, *, lenient: bool) -> None:
    host = rule.get("host", "")
    if host:
        if ips.parse(host) is not None:
            fault = "must be a DNS name, not an IP address"
            faults.append(FieldError.invalid(f"{path}.host", host, fault))
        named = names.dns_wildcard if "*" in host else names.dns_subdomain
        common.named(host, f"{path}.host", faults, named)
    if not ("*" in host and lenient):
        _paths(rule, path, faults)


def _had_bad_wildcards(old: dict[str, Any] | None) -> bool:
    found: Faults = []
    for rule in (old or {}).get("spec", {}).get("rules") or ():
        if "*" in rule.get("host", ""):
            _paths(rule, "", found)
    return bool(found)


def _paths(rule: dict[str, Any], path: str, faults: Faults) -> None:
    if (http := rule.get("http")) is None:
        return
    if not http.get("paths"):
        faults.append(FieldError.required(f"{path}.http.paths"))
    for index, one in enumerate(http.get("paths") or ()):
        _path(one, f"{path}.http.paths[{index}]", faults)


def _path(one: dict[str, Any], path: str, faults: Faults) -> None:
    if (kind := one.get("pathType")) is None:
        faults.append(FieldError.required(f"{path}.pathType", "pathType must be specified"))
        return
    given, place = one.get("path", ""), f"{path}.path"
    if kind not in _PATH_TYPES:
        faults.append(FieldError.not_supported(f"{path}.pathType", kind, _PATH_TYPES))
    elif not given.startswith("/") and (given or kind != "ImplementationSpecific"):
        faults.append(FieldError.invalid(place, given, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        for part in _NOT_IN_PATHS:
            if part in given:
                faults.append(FieldError.invalid(place, given, f"must not contain '{part}'"))
        for part in _NOT_AT_ENDS:
            if given.endswith(part):
                faults.append(FieldError.invalid(place, given, f"cannot end with '{part}'"))
    _backend(one.get("backend", {}), f"{path}.backend", faults)


def _backend(backend: dict[str, Any], path: str, faults: Faults) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        both = "cannot set both resource and service backends"
        faults.append(FieldError.invalid(path, "", both))
    elif resource is not None:
        _typed(resource, f"{path}.resource", faults)
    elif service is not None:
        _service(service, path, faults)
    else:
        faults.append(FieldError.invalid(path, "", "resource or service backend is required"))


def _service(service: dict[str, Any], path: str, faults: Faults) -> None:
    if name := service.get("name"):
        common.named(name, f"{path}.service.name", faults)
    else:
        faults.append(FieldError.required(f"{path}.service.name"))
    port = service.get("port", {})
    name, number = port.get("name", ""), port.get("number", 0)
    if name and number:
        faults.append(FieldError.invalid(path, "", "cannot set both port name & port number"))
    elif name:
        common.named(name, f"{path}.service.port.name", faults, names.port_name)
    elif number:
        common.port_number(number, f"{path}.service.port.number", faults)
    else:
        faults.append(FieldError.required(path, "port name or number is required"))


def _typed(reference: dict[str, Any], path: str, faults: Faults) -> None:
    if (group := reference.get("apiGroup")) is not None:
        common.named(group, f"{path}.apiGroup", faults, names.dns_subdomain)
    for name in ("kind", "name"):
        common.segment(reference.get(name, ""), f"{path}.{name}", faults)


def _parameters(found: dict[str, Any], path: str, faults: Faults) -> None:
    if (group := found.get("apiGroup")) is not None:
        common.named(group, f"{path}.apiGroup", faults, names.dns_subdomain)
    for name in ("kind", "name"):
        common.declared_segment(found.get(name, ""), f"{path}.{name}", faults)
    scope, namespace = found.get("scope"), found.get("namespace")
    if scope is None:
        faults.append(FieldError.required(f"{path}.scope"))
    elif scope not in _SCOPES:
        faults.append(FieldError.not_supported(f"{path}.scope", scope, _SCOPES))
    elif scope == "Namespace" and namespace is None:
        needed = "`parameters.scope` is set to 'Namespace'"
        faults.append(FieldError.required(f"{path}.namespace", needed))
    elif scope == "Namespace":
        common.named(str(namespace), f"{path}.namespace", faults)
    elif namespace is not None:
        unwanted = "`parameters.scope` is set to 'Cluster'"
        faults.append(FieldError.forbidden(f"{path}.namespace", unwanted))


def _status(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    known = {one.get("ip") for one in _balancers(old or {})}
    for index, one in enumerate(_balancers(new)):
        path = f"status.loadBalancer.ingress[{index}]"
        if (address := one.get("ip")) and address not in known:
            common.named(address, f"{path}.ip", faults, ips.old_address)
        if host := one.get("hostname"):
            common.named(host, f"{path}.hostname", faults, names.dns_subdomain)
            if ips.parse(host) is not None:
                fault = "must be a DNS name, not an IP address"
                faults.append(FieldError.invalid(f"{path}.hostname", host, fault))


def _balancers(obj: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = obj.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return found


RULES = {
    "IPAddress": addresses.address,
    "Ingress": ingress,
    "IngressClass": ingress_class,
    "NetworkPolicy": networkpolicy.network_policy,
    "ServiceCIDR": addresses.service_network,
}
