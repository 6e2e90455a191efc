"""Rules of IPAddresses and ServiceCIDRs.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/networking/validation/validation.go.
"""

from typing import Any

from arubeki.api import ips, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults


def address(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check what an IPAddress belongs to, which never changes."""
    parent = new.get("spec", {}).get("parentRef")
    path = "spec.parentRef"
    if parent is None:
        faults.append(FieldError.required(path).declared())
        if old is not None:
            common.kept(None, old.get("spec", {}).get("parentRef"), path, faults)
    else:
        if group := parent.get("group"):
            common.named(group, f"{path}.group", faults, names.dns_subdomain)
        for name in ("resource", "name"):
            common.declared_segment(parent.get(name, ""), f"{path}.{name}", faults)
        if namespace := parent.get("namespace"):
            common.named(namespace, f"{path}.namespace", faults, names.path_segment)
    if old is not None and parent is not None:
        common.kept(parent, old.get("spec", {}).get("parentRef"), path, faults)


def service_network(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check the networks of a ServiceCIDR: a second one may come, nothing else may change."""
    found = new.get("spec", {}).get("cidrs") or []
    path = "spec.cidrs"
    if old is None:
        _networks(found, new.get("spec", {}), path, faults)
        return
    was = old.get("spec", {}).get("cidrs") or []
    if len(found) == len(was) or (len(was), len(found)) == (1, 2):
        for index, (now, before) in enumerate(zip(found, was, strict=False)):
            common.unchanged(now, before, f"{path}[{index}]", faults)
        if len(found) != len(was):
            _networks(found, new.get("spec", {}), path, faults)
    else:
        faults.append(FieldError.invalid(path, found or None, common.IMMUTABLE))


def _networks(found: list[str], spec: dict[str, Any], path: str, faults: Faults) -> None:
    if not found:
        faults.append(FieldError.required(path, "at least one CIDR required"))
        return
    if len(found) > 2:
        internal = {"CIDRs": spec.get("cidrs")}
        faults.append(FieldError.invalid(path, internal, "may only hold up to 2 values"))
        return
    for index, one in enumerate(found):
        common.named(one, f"{path}[{index}]", faults, ips.network)
    families = [ips.family(one) for one in found]
    if len(families) == 2 and families[0] == families[1] != 0:
        same = (
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and"
            " 2001:db8::/64"
        )
        faults.append(FieldError.invalid(path, found, same))
