"""Rules of the small fields of a Pod: names, gates, DNS, hosts, claims.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidatePodSpec and below).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from arubeki.api import internal, ips, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod.security import MIRROR

Object = Mapping[str, Any]
_NAMESERVERS_MAX, _SEARCHES_MAX, _SEARCHES_MAX_CHARS = 3, 32, 2048
_HOSTNAME_MAX_BYTES = 64
_SEARCH_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH = f"{_SEARCH_LABEL}(\\.{_SEARCH_LABEL})*"
_is_search = re.compile(_SEARCH).fullmatch
_NAMED = {"hostname": names.dns_label, "subdomain": names.dns_label}


def dns(spec: Object, path: str, faults: Faults) -> None:
    """Check where a Pod looks names up."""
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            needed = "must provide `dnsConfig` when `dnsPolicy` is None"
            faults.append(FieldError.required(path, needed))
            return
        if not config.get("nameservers"):
            needed = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            faults.append(FieldError.required(f"{path}.nameservers", needed))
            return
    if config is None:
        return
    servers, searches = config.get("nameservers", []), config.get("searches", [])
    if len(servers) > _NAMESERVERS_MAX:
        fault = f"must not have more than {_NAMESERVERS_MAX} nameservers"
        faults.append(FieldError.invalid(f"{path}.nameservers", servers, fault))
    for index, server in enumerate(servers):
        common.named(server, f"{path}.nameservers[{index}]", faults, ips.old_address)
    if len(searches) > _SEARCHES_MAX:
        fault = f"must not have more than {_SEARCHES_MAX} search paths"
        faults.append(FieldError.invalid(f"{path}.searches", searches, fault))
    if len(" ".join(searches).encode()) > _SEARCHES_MAX_CHARS:
        fault = (
            f"must not have more than {_SEARCHES_MAX_CHARS} characters"
            " (including spaces) in the search list"
        )
        faults.append(FieldError.invalid(f"{path}.searches", searches, fault))
    for index, search in enumerate(searches):
        if search != ".":
            text = search.removesuffix(".")
            common.named(text, f"{path}.searches[{index}]", faults, _search_faults)
    for index, option in enumerate(config.get("options", ())):
        if not option.get("name"):
            faults.append(FieldError.required(f"{path}.options[{index}]", "must not be empty"))


def gates(spec: Object, path: str, faults: Faults) -> None:
    """Check the gates of readiness and of scheduling."""
    for index, gate in enumerate(spec.get("readinessGates", ())):
        at = f"{path}.readinessGates[{index}].conditionType"
        common.named(gate.get("conditionType", ""), at, faults, names.qualified_name)
    seen = set()
    for index, gate in enumerate(spec.get("schedulingGates", ())):
        at, name = f"{path}.schedulingGates[{index}]", gate.get("name", "")
        common.named(name, at, faults, names.qualified_name)
        if name in seen:
            faults.append(FieldError.duplicate(at, name))
        seen.add(name)


def hostname(spec: Object, path: str, faults: Faults) -> None:
    """Check the name that a Pod takes in place of its own."""
    name = spec.get("hostnameOverride")
    if name is None:
        return
    place = f"{path}.hostnameOverride"
    if spec.get("setHostnameAsFQDN"):
        fault = "may not be specified when setHostnameAsFQDN is true"
        faults.append(FieldError.forbidden(place, fault))
    if spec.get("hostNetwork"):
        fault = "may not be specified when hostNetwork is true"
        faults.append(FieldError.forbidden(place, fault))
    if len(name) > _HOSTNAME_MAX_BYTES:
        faults.append(FieldError.too_long(place, _HOSTNAME_MAX_BYTES))
    common.named(name, place, faults, names.dns_subdomain)


def named_fields(spec: Object, path: str, faults: Faults) -> None:
    """Check the account, the node, the deadline and the names of the host."""
    for name in ("serviceAccountName", "nodeName"):
        if value := spec.get(name):
            common.named(value, f"{path}.{name}", faults, names.dns_subdomain)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= common.INT32_MAX:
        fault = f"must be between 1 and {common.INT32_MAX}, inclusive"
        faults.append(FieldError.invalid(f"{path}.activeDeadlineSeconds", deadline, fault))
    for name, rule in _NAMED.items():
        if value := spec.get(name):
            common.named(value, f"{path}.{name}", faults, rule)


def class_names(spec: Object, path: str, faults: Faults) -> None:
    """Check the names of the classes of a Pod."""
    if value := spec.get("priorityClassName"):
        common.named(value, f"{path}.priorityClassName", faults, names.dns_subdomain)
    value = spec.get("runtimeClassName")
    if value is not None:
        common.named(value, f"{path}.runtimeClassName", faults, names.dns_subdomain)


def host_aliases(aliases: Sequence[Object], path: str, faults: Faults) -> None:
    """Check the names that a Pod gives to addresses."""
    for index, alias in enumerate(aliases):
        common.named(alias.get("ip", ""), f"{path}[{index}].ip", faults, ips.old_address)
        for at, name in enumerate(alias.get("hostnames", ())):
            common.named(name, f"{path}[{index}].hostnames[{at}]", faults, names.dns_subdomain)


def resource_claims(
    claims: Sequence[Object], metadata: Object | None, path: str, faults: Faults
) -> set[str]:
    """Check what a Pod claims of devices; return the claims' names."""
    seen: set[str] = set()
    is_static = MIRROR in ((metadata or {}).get("annotations") or {})
    for index, claim in enumerate(claims):
        if is_static:
            fault = "static pods do not support resource claims"
            faults.append(FieldError.forbidden("", fault))
            continue
        place, name = f"{path}.resourceClaims[{index}]", claim.get("name", "")
        if not name:
            faults.append(FieldError.required(f"{place}.name"))
        elif name in seen:
            faults.append(FieldError.duplicate(f"{place}.name", name))
        else:
            common.named(name, f"{place}.name", faults)
            seen.add(name)
        given = [one for one in ("resourceClaimName", "resourceClaimTemplateName") if one in claim]
        if len(given) != 1:
            fault = (
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
                if given
                else "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            )
            shown = internal.of("core.PodResourceClaim", claim)
            faults.append(FieldError.invalid(place, shown, fault))
        for one in given:
            common.named(claim[one], f"{place}.{one}", faults, names.dns_subdomain)
    return {claim["name"] for claim in claims if claim.get("name")}


def _search_faults(text: str) -> list[str]:
    found = []
    if len(text) > names.SUBDOMAIN_MAX_BYTES:
        found.append(f"must be no more than {names.SUBDOMAIN_MAX_BYTES} characters")
    if not _is_search(text):
        found.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters,"
            " '_', '-' or '.', and must start and end with an alphanumeric character"
            f" (e.g. 'example.com', regex used for validation is '{_SEARCH}')"
        )
    return found
