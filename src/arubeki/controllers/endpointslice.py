"""EndpointSlice: which Pods are behind a Service, and which of them may be talked to.

A Service selects Pods by labels; its slices list their addresses, up to a hundred each, with three
answers per Pod: serving (its readiness), terminating (it is being deleted), ready (serving and not
terminating). Proxies follow the slices. A Pod whose named port has another number than its
siblings' goes into a slice of its own port.

Slices have names that follow from the Service, the ports and a number, so that making one twice is
making it once; a Pod stays in the slice it is in, so that one change touches one slice.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes staging/src/k8s.io/endpointslice, pkg/controller/endpointslice.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from arubeki.clock import SUFFIX_ALPHABET
from arubeki.kinds import core_v1 as core
from arubeki.kinds import discovery_v1 as discovery
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import pods
from arubeki.kinds.base import UNSET
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller, owner_of
from arubeki.runtime.session import Session
from arubeki.runtime.shape import reference_to

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
HEADLESS_LABEL = "service.kubernetes.io/headless"
MANAGER = "endpointslice-controller.k8s.io"
LIMIT = 100
"""Endpoints in a slice. Source: kube-controller-manager --max-endpoints-per-slice."""

Ports = tuple[tuple[str, str, int, str], ...]
"""What a slice's Pods listen on: (name, protocol, number, appProtocol) of each port."""


def controller() -> Controller[Key]:
    """Return the controller."""
    found = Controller[Key]("endpointslice-controller", reconcile, workers=5)
    found.watch(core.Service)
    found.watch(discovery.EndpointSlice, owner_of(core.Service))

    def services_of(pod: core.Pod) -> Iterable[Key]:
        for service in found.lookup.list(core.Service, pod.namespace):
            if _selects(service, pod):
                yield Key(service.namespace, service.name)

    found.watch(core.Pod, services_of)
    return found


async def reconcile(key: Key, session: Session) -> None:
    """Bring the slices of a Service to what its Pods are."""
    service = await session.get(core.Service, key.name, key.namespace)
    if service is None or service.deleting or not _is_ours(service):
        return
    existing = [
        one
        for one in await session.index(discovery.EndpointSlice, "owner", service.uid)
        if one.labels.get(MANAGED_LABEL) == MANAGER
    ]
    groups: dict[Ports, list[core.Pod]] = defaultdict(list)
    for pod in await session.list(core.Pod, key.namespace):
        if _selects(service, pod) and pod.status.podIP and not pods.is_terminal(pod):
            groups[ports_of(service, pod)].append(pod)
    if not groups:
        groups[()] = []  # a Service without Pods has one empty slice, which says so
    wanted: dict[str, discovery.EndpointSlice] = {}
    for ports, members in groups.items():
        wanted.update(packed(service, ports, members, existing))
    for slice_ in wanted.values():
        await session.apply(slice_)
    for one in existing:
        if one.name not in wanted:
            await session.delete(one)


def _is_ours(service: core.Service) -> bool:
    """Without a selector the endpoints are somebody else's to write."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def _selects(service: core.Service, pod: core.Pod) -> bool:
    selector = service.spec.selector
    return bool(selector) and all(pod.labels.get(k) == v for k, v in (selector or {}).items())


def ports_of(service: core.Service, pod: core.Pod) -> Ports:
    """Return the Service's ports as this Pod has them; a named one it lacks is left out."""
    found = []
    for port in service.spec.ports or ():
        protocol = port.protocol or "TCP"
        number = _number(port, pod, protocol)
        if number:
            found.append((port.name or "", protocol, number, port.appProtocol or ""))
    return tuple(found)


def _number(port: core.ServicePort, pod: core.Pod, protocol: str) -> int:
    target = port.targetPort or port.port
    if isinstance(target, int):
        return target
    if target.isdecimal():
        return int(target)
    for container in pod.spec.containers or ():
        for one in container.ports or ():
            if one.name == target and (one.protocol or "TCP") == protocol:
                return one.containerPort
    return 0


def packed(
    service: core.Service,
    ports: Ports,
    members: Sequence[core.Pod],
    existing: Sequence[discovery.EndpointSlice],
) -> dict[str, discovery.EndpointSlice]:
    """Return the slices, by name, of the Pods that listen on `ports`."""
    homes: dict[str, str] = {}
    for one in existing:
        for endpoint in one.endpoints or ():
            if endpoint.targetRef and endpoint.targetRef.uid:
                homes[endpoint.targetRef.uid] = one.name
    names = [_slice_name(service, ports, index) for index in range(len(members) + 1)]
    placed: dict[str, list[core.Pod]] = defaultdict(list)
    homeless = []
    for pod in sorted(members, key=lambda pod: pod.name):
        home = homes.get(pod.uid)
        if home in names and len(placed[home]) < LIMIT:
            placed[home].append(pod)
        else:
            homeless.append(pod)
    room = (name for name in names for _ in range(LIMIT - len(placed[name])))
    for pod, name in zip(homeless, room, strict=False):
        placed[name].append(pod)
    filled = {name: found for name, found in placed.items() if found} or {names[0]: []}
    return {name: slice_of(service, name, ports, found) for name, found in filled.items()}


def _slice_name(service: core.Service, ports: Ports, index: int) -> str:
    digest = hashlib.sha256(f"{service.uid} {ports} {index}".encode()).digest()
    suffix = "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in digest[:5])
    return f"{service.name[:247]}-{suffix}"


def slice_of(
    service: core.Service, name: str, ports: Ports, members: Sequence[core.Pod]
) -> discovery.EndpointSlice:
    """Return a slice with these Pods."""
    labels = {**service.labels, SERVICE_LABEL: service.name, MANAGED_LABEL: MANAGER}
    if service.spec.clusterIP == "None":
        labels[HEADLESS_LABEL] = ""
    return discovery.EndpointSlice(
        metadata=meta.ObjectMeta(
            name=name,
            namespace=service.namespace,
            labels=labels,
            ownerReferences=(reference_to(service),),
        ),
        addressType="IPv4",
        endpoints=tuple(endpoint_of(service, pod) for pod in members),
        ports=tuple(
            discovery.EndpointPort(
                name=port, protocol=protocol, port=number, appProtocol=application or UNSET
            )
            for port, protocol, number, application in ports
        ),
    )


def endpoint_of(service: core.Service, pod: core.Pod) -> discovery.Endpoint:
    """Return a Pod as an endpoint."""
    serving = pods.is_ready(pod)
    ready = bool(service.spec.publishNotReadyAddresses) or (serving and not pod.deleting)
    named = pod.spec.hostname and pod.spec.subdomain == service.name
    return discovery.Endpoint(
        addresses=(pod.status.podIP or "",),
        conditions=discovery.EndpointConditions(
            ready=ready, serving=serving, terminating=pod.deleting
        ),
        hostname=pod.spec.hostname if named else UNSET,
        nodeName=pod.spec.nodeName or UNSET,
        targetRef=core.ObjectReference(
            kind="Pod", name=pod.name, namespace=pod.namespace, uid=pod.uid
        ),
    )
