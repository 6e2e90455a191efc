"""Mirroring: Endpoints that somebody writes by hand, as EndpointSlices.

A Service without a selector has the Endpoints that its author gives it. Proxies follow slices only,
so each group of ports in such Endpoints becomes one slice for each family of addresses.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/endpointslicemirroring.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from arubeki.clock import SUFFIX_ALPHABET
from arubeki.errors import Forbidden
from arubeki.kinds import core_v1 as core
from arubeki.kinds import discovery_v1 as discovery
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.session import Session
from arubeki.runtime.shape import reference_to

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIPPED_LABEL = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = {
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
}
LIMIT = 1000
"""Addresses that are mirrored of one subset. Source: --mirroring-max-endpoints-per-subset."""

Ports = tuple[core.EndpointPort, ...]


def controller() -> Controller[Key]:
    """Return the controller; its keys are Endpoints, and the Services named like them."""
    found = Controller[Key]("endpoint-slice-mirroring-controller", reconcile, workers=5)
    found.watch(core.Endpoints)
    found.watch(core.Service)
    found.watch(discovery.EndpointSlice, _mirrored)
    return found


def _mirrored(one: discovery.EndpointSlice) -> Iterable[Key]:
    if one.labels.get(MANAGED_LABEL) == MANAGER:
        yield Key(one.namespace, one.labels.get(SERVICE_LABEL, ""))


async def reconcile(key: Key, session: Session) -> None:
    """Bring the mirrored slices to what the Endpoints say, or away with them."""
    existing = [
        one
        for one in await session.list(discovery.EndpointSlice, key.namespace)
        if key in _mirrored(one) and not one.deleting
    ]
    endpoints = await session.get(core.Endpoints, key.name, key.namespace)
    service = await session.get(core.Service, key.name, key.namespace)
    wanted: dict[str, discovery.EndpointSlice] = {}
    if endpoints is not None and service is not None and _is_by_hand(endpoints, service):
        wanted = {one.name: one for one in slices_of(endpoints)}
    try:
        for slice_ in wanted.values():
            await session.apply(slice_)
    except Forbidden as error:
        if not error.has_cause("NamespaceTerminating"):
            raise
        return
    for one in existing:
        if one.name not in wanted:
            await session.delete(one)
    if endpoints is None:
        session.forget()


def _is_by_hand(endpoints: core.Endpoints, service: core.Service) -> bool:
    if endpoints.deleting or service.deleting or service.spec.selector:
        return False
    is_lock = _LEADER in endpoints.annotations
    return not is_lock and endpoints.labels.get(SKIPPED_LABEL) != "true"


def slices_of(endpoints: core.Endpoints) -> Iterator[discovery.EndpointSlice]:
    """Yield Endpoints as slices."""
    groups: dict[tuple[str, Ports], list[discovery.Endpoint]] = defaultdict(list)
    for subset in endpoints.subsets or ():
        ports = subset.ports or ()
        ready = [(one, True) for one in subset.addresses or ()]
        waiting = [(one, False) for one in subset.notReadyAddresses or ()]
        for address, is_ready in (ready + waiting)[:LIMIT]:
            family = "IPv6" if ":" in address.ip else "IPv4"
            groups[family, ports].append(_endpoint(address, is_ready))
    labels = {**endpoints.labels, SERVICE_LABEL: endpoints.name, MANAGED_LABEL: MANAGER}
    notes = {name: text for name, text in endpoints.annotations.items() if name not in _NOT_COPIED}
    for (family, ports), members in groups.items():
        yield discovery.EndpointSlice(
            metadata=meta.ObjectMeta(
                name=_name(endpoints, family, ports),
                namespace=endpoints.namespace,
                labels=labels,
                annotations=notes,
                ownerReferences=(reference_to(endpoints),),
            ),
            addressType=family,
            endpoints=tuple(members),
            ports=tuple(
                discovery.EndpointPort(
                    name=port.name or "",
                    port=port.port,
                    protocol=port.protocol or "TCP",
                    appProtocol=port.appProtocol,
                )
                for port in ports
            ),
        )


def _endpoint(address: core.EndpointAddress, is_ready: bool) -> discovery.Endpoint:
    return discovery.Endpoint(
        addresses=(address.ip,),
        conditions=discovery.EndpointConditions(ready=is_ready),
        hostname=address.hostname,
        nodeName=address.nodeName,
        targetRef=address.targetRef,
    )


def _name(endpoints: core.Endpoints, family: str, ports: Ports) -> str:
    """Return a name that follows from what a slice is for, so that making it twice is once."""
    digest = hashlib.sha256(f"{endpoints.uid} {family} {ports}".encode()).digest()
    suffix = "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in digest[:5])
    return f"{endpoints.name[:247]}-{suffix}"
