"""Rules of NetworkPolicies.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/networking/validation/validation.go.
"""

from collections.abc import Collection, Iterator
from typing import Any

from arubeki.api import ips, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_TYPES = ("Ingress", "Egress")
_DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def network_policy(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a NetworkPolicy. Networks that were there before may be as they were."""
    spec = new.get("spec", {})
    before: Faults = []
    known: set[str] = set()
    if old is not None:
        common.selector(old.get("spec", {}).get("podSelector", {}), "", before)
        known = {text for text, _ in blocks(old)}
    values = not before
    common.selector(spec.get("podSelector", {}), "spec.podSelector", faults, values=values)
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{index}]"
            for at, port in enumerate(rule.get("ports") or ()):
                _port(port, f"{path}.ports[{at}]", faults)
            for at, peer in enumerate(rule.get(peers) or ()):
                _peer(peer, f"{path}.{peers}[{at}]", faults, known, values=values)
    kinds = spec.get("policyTypes") or ()
    if len(kinds) > len(_TYPES):
        fault = "may not specify more than two policyTypes"
        faults.append(FieldError.invalid("spec.policyTypes", kinds, fault))
        return
    for index, kind in enumerate(kinds):
        if kind not in _TYPES:
            faults.append(FieldError.not_supported(f"spec.policyTypes[{index}]", kind, _TYPES))


def blocks(obj: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each network that a policy names, with its path."""
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(obj.get("spec", {}).get(direction) or ()):
            for at, peer in enumerate(rule.get(peers) or ()):
                if (block := peer.get("ipBlock")) is None:
                    continue
                path = f"spec.{direction}[{index}].{peers}[{at}].ipBlock"
                yield block.get("cidr", ""), f"{path}.cidr"
                for place, one in enumerate(block.get("except") or ()):
                    yield one, f"{path}.except[{place}]"


def _port(port: dict[str, Any], path: str, faults: Faults) -> None:
    protocol = port.get("protocol")
    if protocol is not None and protocol not in _PROTOCOLS:
        faults.append(FieldError.not_supported(f"{path}.protocol", protocol, _PROTOCOLS))
    first, last = port.get("port"), port.get("endPort")
    place = f"{path}.endPort"
    if isinstance(first, int):
        common.port_number(first, f"{path}.port", faults)
        if last is not None:
            if last < first:
                fault = "must be greater than or equal to `port`"
                faults.append(FieldError.invalid(place, last, fault))
            common.port_number(last, place, faults)
        return
    if last is not None:
        missing = "not specified" if first is None else "non-numeric"
        fault = f"may not be specified when `port` is {missing}"
        faults.append(FieldError.invalid(place, last, fault))
    if first is not None:
        common.named(first, f"{path}.port", faults, names.port_name)


def _peer(
    peer: dict[str, Any], path: str, faults: Faults, known: Collection[str], *, values: bool
) -> None:
    selected = [name for name in ("podSelector", "namespaceSelector") if name in peer]
    for name in selected:
        common.selector(peer[name], f"{path}.{name}", faults, values=values)
    block = peer.get("ipBlock")
    if block is not None:
        _block(block, f"{path}.ipBlock", faults, known)
    if block is None and not selected:
        faults.append(FieldError.required(path, "must specify a peer"))
    elif block is not None and selected:
        fault = "may not specify both ipBlock and another peer"
        faults.append(FieldError.forbidden(path, fault))


def _block(block: dict[str, Any], path: str, faults: Faults, known: Collection[str]) -> None:
    whole = block.get("cidr", "")
    if not whole:
        faults.append(FieldError.required(f"{path}.cidr").declared())
        return
    if whole not in known:
        common.named(whole, f"{path}.cidr", faults, ips.old_network)
    if (outer := ips.parse_network(whole)) is None:
        return
    for index, text in enumerate(block.get("except") or ()):
        place = f"{path}.except[{index}]"
        if text not in known:
            common.named(text, place, faults, ips.old_network)
        if (inner := ips.parse_network(text)) is None:
            continue
        address, network = inner[1].network_address, outer[1]
        is_inside = address.version == network.version and address in network
        if not is_inside or network.prefixlen >= inner[1].prefixlen:
            fault = "must be a strict subset of `cidr`"
            faults.append(FieldError.invalid(place, text, fault))
