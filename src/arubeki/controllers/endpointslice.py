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
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from arubeki.clock import SUFFIX_ALPHABET
from arubeki.errors import Forbidden
from arubeki.kinds import core_v1 as core
from arubeki.kinds import discovery_v1 as discovery
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import pods
from arubeki.kinds.base import UNSET
from arubeki.runtime.cache import Key
from arubeki.runtime.change import Change
from arubeki.runtime.controller import Controller, owner_of
from arubeki.runtime.session import Session
from arubeki.runtime.shape import reference_to

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
HEADLESS_LABEL = "service.kubernetes.io/headless"
MANAGER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"
_OURS = {SERVICE_LABEL, MANAGED_LABEL, HEADLESS_LABEL}
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

    def services_on(node: core.Node) -> Iterable[Key]:
        for pod in found.lookup.index(core.Pod, "node", node.name):
            yield from services_of(pod)

    found.watch(core.Pod, services_of, predicates=(_is_another_endpoint,))
    found.watch(core.Node, services_on, predicates=(_is_another_place,))
    found.index(core.Pod, "node", lambda pod: (pod.spec.nodeName or "",))
    return found


def _is_another_endpoint(change: Change[Any]) -> bool:
    """Whether a Pod came, went, or changed in what an endpoint says of it."""
    old, new = change.old, change.new
    if old is None or new is None or old is new:
        return True
    return bool(_said_of(old) != _said_of(new))


def _said_of(pod: core.Pod) -> tuple[object, ...]:
    return (
        pod.labels,
        pod.deleting,
        pods.is_terminal(pod),
        pods.is_ready(pod),
        pod.status.podIP,
        pod.status.podIPs,
        pod.spec.nodeName,
        pod.spec.hostname,
        pod.spec.subdomain,
    )


def _is_another_place(change: Change[Any]) -> bool:
    """Whether a node came, went, or is in another zone now; heartbeats are not that."""
    old, new = change.old, change.new
    return old is None or new is None or bool(old.labels.get(ZONE) != new.labels.get(ZONE))


async def reconcile(key: Key, session: Session) -> None:
    """Bring the slices of a Service to what its Pods are."""
    service = await session.get(core.Service, key.name, key.namespace)
    if service is None:
        session.forget()
        return
    if service.deleting or not _is_ours(service):
        return
    existing = [
        one
        for one in await session.index(discovery.EndpointSlice, "owner", service.uid)
        if one.labels.get(MANAGED_LABEL) == MANAGER and not one.deleting
    ]
    nodes = {node.name: node for node in await session.list(core.Node, "")}
    groups: dict[Ports, list[core.Pod]] = defaultdict(list)
    for pod in await session.list(core.Pod, key.namespace):
        if _selects(service, pod) and _may_be_named(service, pod, nodes):
            groups[ports_of(service, pod)].append(pod)
    if not groups:
        groups[()] = []  # a Service without Pods has one empty slice, which says so
    wanted: dict[str, discovery.EndpointSlice] = {}
    for ports, members in groups.items():
        for name, placed in packed(service, ports, members, existing).items():
            wanted[name] = slice_of(service, name, ports, placed, nodes)
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


def _may_be_named(service: core.Service, pod: core.Pod, nodes: Mapping[str, core.Node]) -> bool:
    """Whether a Pod has an address that may be spread: it runs, or will, on a node that exists."""
    if pods.is_terminal(pod) or not addresses(pod):
        return False
    return bool(pod.spec.nodeName in nodes or service.spec.publishNotReadyAddresses)


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
    sidecars = [one for one in pod.spec.initContainers or () if one.restartPolicy == "Always"]
    for container in (*(pod.spec.containers or ()), *sidecars):
        for one in container.ports or ():
            if one.name == target and (one.protocol or "TCP") == protocol:
                return one.containerPort
    return 0


def packed(
    service: core.Service,
    ports: Ports,
    members: Sequence[core.Pod],
    existing: Sequence[discovery.EndpointSlice],
) -> dict[str, list[core.Pod]]:
    """Return the Pods that listen on `ports`, by the name of the slice that each belongs into."""
    homes: dict[str, str] = {}
    for one in existing:
        for endpoint in one.endpoints or ():
            if endpoint.targetRef and endpoint.targetRef.uid:
                homes[endpoint.targetRef.uid] = one.name
    # As many as could be needed if no Pod stayed where it is.
    count = len(existing) + len(members) // LIMIT + 1
    names = [_slice_name(service, ports, index) for index in range(count)]
    placed: dict[str, list[core.Pod]] = {name: [] for name in names}
    homeless = []
    for pod in sorted(members, key=lambda pod: pod.name):
        home = placed.get(homes.get(pod.uid, ""))
        if home is not None and len(home) < LIMIT:
            home.append(pod)
        else:
            homeless.append(pod)
    room = (home for home in placed.values() for _ in range(LIMIT - len(home)))
    for pod, home in zip(homeless, room, strict=False):
        home.append(pod)
    return {name: found for name, found in placed.items() if found} or {names[0]: []}


def _slice_name(service: core.Service, ports: Ports, index: int) -> str:
    digest = hashlib.sha256(f"{service.uid} {ports} {index}".encode()).digest()
    suffix = "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in digest[:5])
    return f"{service.name[:247]}-{suffix}"


def slice_of(
    service: core.Service,
    name: str,
    ports: Ports,
    members: Sequence[core.Pod],
    nodes: Mapping[str, core.Node],
) -> discovery.EndpointSlice:
    """Return a slice with these Pods. Its labels are the Service's, and what marks it as ours."""
    labels = {key: value for key, value in service.labels.items() if key not in _OURS}
    labels |= {SERVICE_LABEL: service.name, MANAGED_LABEL: MANAGER}
    if service.spec.clusterIP in ("None", "", UNSET):
        labels[HEADLESS_LABEL] = ""
    return discovery.EndpointSlice(
        metadata=meta.ObjectMeta(
            name=name,
            namespace=service.namespace,
            labels=labels,
            ownerReferences=(reference_to(service),),
        ),
        addressType="IPv4",
        endpoints=tuple(
            endpoint_of(service, pod, nodes.get(pod.spec.nodeName or "")) for pod in members
        ),
        ports=tuple(
            discovery.EndpointPort(
                name=port, protocol=protocol, port=number, appProtocol=application or UNSET
            )
            for port, protocol, number, application in ports
        ),
    )


def addresses(pod: core.Pod) -> tuple[str, ...]:
    """Return a Pod's IPv4 addresses: Services here have no others."""
    found = tuple(one.ip for one in pod.status.podIPs or ()) or (pod.status.podIP or "",)
    return tuple(one for one in found if one and ":" not in one)


def endpoint_of(service: core.Service, pod: core.Pod, node: core.Node | None) -> discovery.Endpoint:
    """Return a Pod as an endpoint."""
    serving = pods.is_ready(pod)
    ready = bool(service.spec.publishNotReadyAddresses) or (serving and not pod.deleting)
    named = pod.spec.hostname and pod.spec.subdomain == service.name
    return discovery.Endpoint(
        addresses=addresses(pod),
        conditions=discovery.EndpointConditions(
            ready=ready, serving=serving, terminating=pod.deleting
        ),
        hostname=pod.spec.hostname if named else UNSET,
        nodeName=pod.spec.nodeName or UNSET,
        zone=(node.labels.get(ZONE) if node else None) or UNSET,
        targetRef=core.ObjectReference(
            kind="Pod", name=pod.name, namespace=pod.namespace, uid=pod.uid
        ),
    )
