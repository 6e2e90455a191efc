"""Services: their addresses and ports are taken before they are stored, and given back after.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/core/service/storage/{alloc,storage}.go, .../service/strategy.go.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from arubeki.api import fields, names
from arubeki.api.fields import FieldError
from arubeki.errors import InternalError, Invalid
from arubeki.server.admission.allocation import Addresses, Pool
from arubeki.server.admission.strategy import Object, Strategy, Undo
from arubeki.server.resources import Resource

NONE = "None"
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_WITH_PORTS = ("LoadBalancer", "NodePort")
_WITH_ADDRESS = ("ClusterIP", "LoadBalancer", "NodePort")
_NEEDED_BY = {
    "allocateLoadBalancerNodePorts": ("LoadBalancer",),
    "clusterIP": _WITH_ADDRESS,
    "clusterIPs": _WITH_ADDRESS,
    "externalTrafficPolicy": _WITH_PORTS,
    "healthCheckNodePort": ("LoadBalancer",),
    "internalTrafficPolicy": _WITH_ADDRESS,
    "ipFamilies": _WITH_ADDRESS,
    "ipFamilyPolicy": _WITH_ADDRESS,
    "loadBalancerClass": ("LoadBalancer",),
}
"""Fields that only some types of Service have."""


class ServiceStrategy(Strategy):
    """The hooks of Services."""

    create_on_update = True
    returns_deleted = True

    def __init__(self, addresses: Addresses, ports: Pool) -> None:
        self._addresses = addresses
        self._ports = ports

    def name_faults(self, name: str) -> list[str]:
        """A Service's name begins with a letter: it may become the name of a variable."""
        return names.dns1035_label(name)

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """A PUT that leaves out what was given to the Service keeps it."""
        super().reset(resource, new, old, subresource)
        spec = new.get("spec")
        if isinstance(spec, dict) and old is not None and isinstance(old.get("spec"), dict):
            _keep_given(spec, old["spec"])
            _drop_unneeded(spec, old["spec"])

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Say the families, and the one address in both of its spellings."""
        del resource, subresource
        if old is None:
            new["status"] = {"loadBalancer": {}}
        spec = new.get("spec")
        if not isinstance(spec, dict):
            return
        if _type(spec) == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(name, None)
            return
        _normalize_addresses(spec, (old or {}).get("spec") or {})
        # Headless without selector: whoever writes the endpoints may write both families'.
        both = spec.get("clusterIP") == NONE and not spec.get("selector")
        if not spec.get("ipFamilies"):
            spec["ipFamilies"] = ["IPv4", "IPv6"] if both else ["IPv4"]
        if not spec.get("ipFamilyPolicy"):
            spec["ipFamilyPolicy"] = "RequireDualStack" if both else "SingleStack"

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> list[FieldError]:
        """There is one family of addresses; what belongs to load balancers is theirs alone."""
        del resource, subresource
        spec = new.get("spec")
        if not isinstance(spec, dict):
            return []
        faults = []
        if _type(spec) != "LoadBalancer":
            if spec.get("loadBalancerClass"):
                why = "may only be used when `type` is 'LoadBalancer'"
                faults.append(FieldError.forbidden("spec.loadBalancerClass", why))
            status = (new.get("status") or {}).get("loadBalancer") or {}
            before = ((old or {}).get("status") or {}).get("loadBalancer") or {}
            if status.get("ingress") and status != before:
                path = "status.loadBalancer.ingress"
                why = "may only be used when `spec.type` is 'LoadBalancer'"
                faults.append(FieldError.forbidden(path, why))
        distribution = spec.get("trafficDistribution")
        if distribution is not None and distribution not in _DISTRIBUTIONS:
            path = "spec.trafficDistribution"
            faults.append(FieldError.not_supported(path, distribution, _DISTRIBUTIONS))
        return faults + _family_faults(spec)

    async def reserve(self, new: Object, old: Object | None, *, dry_run: bool) -> Undo:
        """Take the address and the ports that the Service did not have; all or none."""
        taking = _Taking(self._addresses, self._ports, new, dry_run=dry_run)
        try:
            await taking.address(old)
            await taking.node_ports(old)
        except BaseException:
            await taking.undo()
            raise
        return taking.undo

    async def committed(self, new: Object, old: Object | None) -> None:
        """Give back what the Service no longer has."""
        if old is None:
            return
        owner = owner_of(new)
        kept_ports = set(ports_of(new))
        if holds_address(old) and address_of(old) != address_of(new):
            await self._release_address(address_of(old), owner)
        for port in set(ports_of(old)) - kept_ports:
            await self._ports.release(port, owner)

    async def released(self, obj: Object) -> None:
        """Give back everything."""
        owner = owner_of(obj)
        if holds_address(obj):
            await self._release_address(address_of(obj), owner)
        for port in set(ports_of(obj)):
            await self._ports.release(port, owner)

    async def _release_address(self, ip: str, owner: str) -> None:
        number = self._addresses.number(ip)
        if number is not None:
            await self._addresses.pool.release(number, owner)

    async def repair(self, services: list[Object], suspects: set[tuple[str, int]]) -> None:
        """Take what stored Services have and give back what nobody has.

        A leak is given back when it was a leak the last time too (it is in `suspects`, which is
        changed in place): another server may be about to store the Service that it is for.
        """
        addresses: dict[int, str] = {}
        ports: dict[int, str] = {}
        for service in services:
            owner = owner_of(service)
            number = self._addresses.number(address_of(service))
            if holds_address(service) and number is not None:
                addresses[number] = owner
            ports |= dict.fromkeys(ports_of(service), owner)
        seen: set[tuple[str, int]] = set()
        for name, pool, wanted in (
            ("address", self._addresses.pool, addresses),
            ("port", self._ports, ports),
        ):
            taken = await pool.taken()
            for number, owner in wanted.items():
                if number not in taken and pool.has(number):
                    await pool.take(number, owner)
            for number, owner in taken.items():
                if wanted.get(number) == owner:
                    continue
                seen.add((name, number))
                if (name, number) in suspects:
                    await pool.release(number, owner)
                await asyncio.sleep(0)
        suspects.clear()
        suspects |= seen


class _Taking:
    """What one write takes, so that it can be given back together."""

    def __init__(self, addresses: Addresses, ports: Pool, new: Object, *, dry_run: bool) -> None:
        self._addresses = addresses
        self._ports = ports
        self._new = new
        self._dry_run = dry_run
        self._owner = owner_of(new)
        self._spec: Object = new["spec"]
        self._given_back: list[Callable[[], Awaitable[None]]] = []

    async def undo(self) -> None:
        """Give everything back."""
        while self._given_back:
            await self._given_back.pop()()

    async def address(self, old: Object | None) -> None:
        spec = self._spec
        if _type(spec) == "ExternalName":
            return
        ip = _address(spec)
        if ip == NONE or (ip and old is not None and address_of(old) == ip):
            return
        pool = self._addresses.pool
        if ip:
            number = self._addresses.number(ip)
            if number is None:
                raise self._refused(
                    "spec.clusterIPs",
                    [ip],
                    f"failed to allocate IP {ip}: the provided IP ({ip}) is not in the valid "
                    f"range. The range of valid IPs is {self._addresses.network}",
                )
            if not await self._take(pool, number):
                why = f"failed to allocate IP {ip}: provided IP is already allocated"
                raise self._refused("spec.clusterIPs", [ip], why)
            return
        drawn = await self._any(pool)
        if drawn is None:
            raise InternalError("failed to allocate a serviceIP: range is full")
        spec["clusterIP"] = self._addresses.text(drawn)
        spec["clusterIPs"] = [spec["clusterIP"]]

    async def node_ports(self, old: Object | None) -> None:
        spec = self._spec
        if _type(spec) not in _WITH_PORTS:
            return
        had = set(ports_of(old)) if old is not None else set()
        by_number: dict[int, set[str]] = {}
        wants = _type(spec) == "NodePort" or spec.get("allocateLoadBalancerNodePorts", True)
        for index, port in enumerate(spec.get("ports") or ()):
            number, protocol = port.get("nodePort") or 0, port.get("protocol", "TCP")
            path = f"spec.ports[{index}].nodePort"
            if number:
                sharing = by_number.setdefault(number, set())
                if number not in had and not sharing:
                    await self._named_port(path, number)
                sharing.add(protocol)
            elif wants:
                port["nodePort"] = await self._drawn_port(path)
                by_number[port["nodePort"]] = {protocol}
        if spec.get("externalTrafficPolicy") == "Local" and _type(spec) == "LoadBalancer":
            number = spec.get("healthCheckNodePort") or 0
            if not number:
                spec["healthCheckNodePort"] = await self._drawn_port("spec.healthCheckNodePort")
            elif number not in had:
                await self._named_port("spec.healthCheckNodePort", number)

    async def _named_port(self, path: str, number: int) -> None:
        if not self._ports.has(number):
            why = (
                "provided port is not in the valid range. "
                f"The range of valid ports is {self._ports.shown}"
            )
            raise self._refused(path, number, why)
        if not await self._take(self._ports, number):
            raise self._refused(path, number, "provided port is already allocated")

    async def _drawn_port(self, path: str) -> int:
        drawn = await self._any(self._ports)
        if drawn is None:
            raise self._refused(path, 0, "range is full")
        return drawn

    async def _take(self, pool: Pool, number: int) -> bool:
        if self._dry_run:
            return await pool.owner(number) in ("", self._owner)
        mine = await pool.owner(number) == self._owner
        if not await pool.take(number, self._owner):
            return False
        if not mine:
            self._given_back.append(lambda: pool.release(number, self._owner))
        return True

    async def _any(self, pool: Pool) -> int | None:
        if self._dry_run:
            return await pool.free_one()
        number = await pool.take_any(self._owner)
        if number is not None:
            taken = number
            self._given_back.append(lambda: pool.release(taken, self._owner))
        return number

    def _refused(self, path: str, value: Any, why: str) -> Invalid:
        fault = FieldError.invalid(path, value, why)
        return fields.invalid("", "Service", self._new["metadata"]["name"], [fault])


def owner_of(service: Object) -> str:
    """Return who a Service is, as allocations name it: another of the same name is another."""
    metadata = service["metadata"]
    return f"{metadata['namespace']}/{metadata['uid']}"


def address_of(service: Object) -> str:
    """Return a Service's ClusterIP: an address, "None" or ""."""
    return _address(service.get("spec") or {})


def holds_address(service: Object) -> bool:
    """Tell whether a Service has an address that nobody else may have."""
    return _type(service.get("spec") or {}) != "ExternalName" and address_of(service) not in (
        "",
        NONE,
    )


def ports_of(service: Object) -> list[int]:
    """Return the nodePorts of a Service."""
    spec = service.get("spec") or {}
    if _type(spec) not in _WITH_PORTS:
        return []
    found = [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]
    if spec.get("healthCheckNodePort"):
        found.append(spec["healthCheckNodePort"])
    return found


def _family_faults(spec: Object) -> list[FieldError]:
    if _type(spec) == "ExternalName" or (
        spec.get("clusterIP") == NONE and not spec.get("selector")
    ):
        return []
    faults = []
    policy = spec.get("ipFamilyPolicy")
    if policy == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        faults.append(FieldError.invalid("spec.ipFamilyPolicy", policy, why))
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family == "IPv6":
            path = f"spec.ipFamilies[{index}]"
            faults.append(FieldError.invalid(path, family, "not configured on this cluster"))
    return faults


def _normalize_addresses(spec: Object, before: Object) -> None:
    """Bring the two spellings of the address together where only one was written.

    Source: kubernetes pkg/registry/core/service/storage/storage.go normalizeClusterIPs.
    """
    ip, several = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    was, had = before.get("clusterIP") or "", before.get("clusterIPs") or []
    if ip and not several:
        spec["clusterIPs"] = [ip]
    elif was and ip != was and several == had:
        # Who changes the one means the other.
        if ip:
            spec["clusterIPs"] = [ip, *several[1:]]
        else:
            spec.pop("clusterIPs", None)


def _type(spec: Object) -> str:
    return spec.get("type") or "ClusterIP"


def _address(spec: Object) -> str:
    several = spec.get("clusterIPs") or ()
    return spec.get("clusterIP") or (several[0] if several else "") or ""


def _keep_given(spec: Object, before: Object) -> None:
    """Take over, into a new spec, the address and ports that it leaves out (patchAllocatedValues)."""
    if "ExternalName" not in (_type(spec), _type(before)) and not _address(spec):
        for name in ("clusterIP", "clusterIPs"):
            if before.get(name):
                spec[name] = before[name]
    old_ports = {_port_key(port): port.get("nodePort") for port in before.get("ports") or ()}
    for port in spec.get("ports") or ():
        if not isinstance(port, dict):
            continue
        had = old_ports.get(_port_key(port))
        if _type(spec) in _WITH_PORTS:
            if had and not port.get("nodePort") and _type(before) in _WITH_PORTS:
                port["nodePort"] = had
        elif had and port.get("nodePort") == had:
            # The type has changed to one without: who did not touch the port does not want it.
            del port["nodePort"]


def _drop_unneeded(spec: Object, before: Object) -> None:
    """Take out, of a new spec, what belonged to the old type and nobody has touched.

    Who only changes the type means so. Source: strategy.go dropTypeDependentFields.
    """
    old_type, new_type = _type(before), _type(spec)
    for name, types in _NEEDED_BY.items():
        if old_type in types and new_type not in types and spec.get(name) == before.get(name):
            spec.pop(name, None)


def _port_key(port: Object) -> tuple[Any, Any]:
    return port.get("protocol", "TCP"), port.get("port")
