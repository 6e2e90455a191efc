"""Endpoints: the slices of a Service in the older form, for those who still read it.

One object per Service, named like it. It is drawn from the slices that `endpointslice` keeps, so
there is one place that knows which Pods are behind a Service.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/endpoint/endpoints_controller.go.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from arubeki.kinds import core_v1 as core
from arubeki.kinds import discovery_v1 as discovery
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import UNSET, UnsetType
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller, owner_of
from arubeki.runtime.session import Session

MANAGED_LABEL = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
HEADLESS_LABEL = "service.kubernetes.io/headless"
LIMIT = 1000
"""The most addresses an Endpoints object holds; more are cut off, and an annotation says so."""
OVER = "endpoints.kubernetes.io/over-capacity"

Ports = tuple[core.EndpointPort, ...]


def controller() -> Controller[Key]:
    """Return the controller; its keys are Services."""
    found = Controller[Key]("endpoint-controller", reconcile, workers=5)
    found.watch(core.Service)
    found.watch(discovery.EndpointSlice, owner_of(core.Service))
    found.watch(core.Endpoints, _managed)
    return found


def _managed(one: core.Endpoints) -> Iterable[Key]:
    if one.labels.get(MANAGED_LABEL) == MANAGER:
        yield Key(one.namespace, one.name)


async def reconcile(key: Key, session: Session) -> None:
    """Bring the Endpoints of a Service to what its slices say, or away with the Service."""
    service = await session.get(core.Service, key.name, key.namespace)
    if service is None or service.deleting:
        await _remove(key, session)
        return
    if not service.spec.selector or service.spec.type == "ExternalName":
        return  # somebody else's to write
    slices = await session.index(discovery.EndpointSlice, "owner", service.uid)
    if not slices:
        return  # they come first
    labels = {**service.labels, MANAGED_LABEL: MANAGER}
    if service.spec.clusterIP == "None":
        labels[HEADLESS_LABEL] = ""
    count = sum(len(one.endpoints or ()) for one in slices)
    await session.apply(
        core.Endpoints(
            metadata=meta.ObjectMeta(
                name=key.name,
                namespace=key.namespace,
                labels=labels,
                annotations={OVER: "truncated"} if count > LIMIT else UNSET,
            ),
            subsets=subsets_of(slices) or UNSET,
        )
    )


async def _remove(key: Key, session: Session) -> None:
    endpoints = await session.get(core.Endpoints, key.name, key.namespace)
    if endpoints is not None and endpoints.labels.get(MANAGED_LABEL) == MANAGER:
        await session.delete(endpoints)


def subsets_of(slices: Sequence[discovery.EndpointSlice]) -> tuple[core.EndpointSubset, ...]:
    """Return addresses grouped by their ports, ready ones apart; what ends is in neither."""
    ready: dict[Ports, list[core.EndpointAddress]] = defaultdict(list)
    waiting: dict[Ports, list[core.EndpointAddress]] = defaultdict(list)
    left = LIMIT
    for one in sorted(slices, key=lambda one: one.name):
        ports = tuple(
            core.EndpointPort(
                name=port.name or UNSET,
                port=port.port or 0,
                protocol=port.protocol,
                appProtocol=port.appProtocol,
            )
            for port in one.ports or ()
        )
        for endpoint in one.endpoints or ():
            conditions = endpoint.conditions
            is_ready = not conditions or conditions.ready is not False
            if conditions and conditions.terminating and not is_ready:
                continue
            if not left or not endpoint.addresses:
                continue
            left -= 1
            (ready if is_ready else waiting)[ports].append(_address(endpoint))
    return tuple(
        core.EndpointSubset(
            addresses=_ordered(ready.get(ports)),
            notReadyAddresses=_ordered(waiting.get(ports)),
            ports=ports or UNSET,
        )
        for ports in sorted({*ready, *waiting}, key=str)
    )


def _address(endpoint: discovery.Endpoint) -> core.EndpointAddress:
    return core.EndpointAddress(
        ip=endpoint.addresses[0],
        hostname=endpoint.hostname,
        nodeName=endpoint.nodeName,
        targetRef=endpoint.targetRef,
    )


def _ordered(
    addresses: list[core.EndpointAddress] | None,
) -> tuple[core.EndpointAddress, ...] | UnsetType:
    return tuple(sorted(addresses or (), key=lambda one: one.ip)) or UNSET
