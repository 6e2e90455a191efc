"""Services on this machine: what kube-proxy does, by a proxy in this process.

One key for all: whatever changed, the table of listeners is drawn anew from Services and their
slices and handed to the proxy, which opens and closes what differs. What cannot be as a Service says
it (a port that may not be bound, UDP) is told by an Event, once.

Beside the ring, as a user of it: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/proxy.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from arubeki.kinds import core_v1 as core
from arubeki.kinds import discovery_v1 as discovery
from arubeki.node.network.proxy import Backends, Listening, Place, ServiceProxy
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

SERVICE_LABEL = "kubernetes.io/service-name"
ALL = "services"
RETRY_SECONDS = 10.0
"""How soon a port that was taken is tried again."""

_Told: TypeAlias = tuple[str, str, str]
"""What was said: the uid of a Service, a reason, a message."""


class Services:
    """Follows Services and slices, and keeps the proxy's table."""

    def __init__(self, node_address: str = "127.0.0.1") -> None:
        self.proxy = ServiceProxy()
        self.listening: dict[Place, Listening] = {}
        self._node_address = node_address
        self._told: set[_Told] = set()
        found = Controller[str]("kube-proxy", self._reconcile)
        found.watch(core.Service, _all)
        found.watch(discovery.EndpointSlice, _all)
        self.controller = found

    async def close(self) -> None:
        """Stop listening."""
        await self.proxy.close()

    async def _reconcile(self, _: str, session: Session) -> Again | None:
        """Bring the listeners to what Services and their slices say."""
        slices: dict[tuple[str, str], list[discovery.EndpointSlice]] = defaultdict(list)
        for one in await session.list(discovery.EndpointSlice, ""):
            slices[one.namespace, one.labels.get(SERVICE_LABEL, "")].append(one)
        table: dict[Place, Backends] = {}
        owners: dict[Place, core.Service] = {}
        told: set[_Told] = set()
        for service in await session.list(core.Service, ""):
            own = slices.get((service.namespace, service.name), [])
            for place, backends in listeners(service, own, self._node_address).items():
                table.setdefault(place, backends)
                owners.setdefault(place, service)
            for reason in not_carried(service):
                told.add(self._tell(service, "PortNotCarried", reason, session))
        self.listening = await self.proxy.update(table)
        for place, found in self.listening.items():
            if found.reason:
                why = "PortMoved" if found.actual else "PortUnavailable"
                told.add(self._tell(owners[place], why, found.reason, session))
        self._told = told
        if any(one.actual is None for one in self.listening.values()):
            return Again(RETRY_SECONDS)
        return None

    def _tell(self, service: core.Service, why: str, reason: str, session: Session) -> _Told:
        """Say once what is not as the Service says it."""
        told = (service.uid, why, reason)
        if told not in self._told:
            kind = "Normal" if why == "PortMoved" else "Warning"
            session.event_about(service, kind, why, reason)
        return told


def _all(_: object) -> Iterable[str]:
    yield ALL


def listeners(
    service: core.Service, slices: Sequence[discovery.EndpointSlice], node_address: str
) -> dict[Place, Backends]:
    """Return where a Service listens, and where each connection there may go."""
    address = service.spec.clusterIP
    if not address or address == "None" or service.spec.type == "ExternalName":
        return {}
    seconds = 0
    if service.spec.sessionAffinity == "ClientIP":
        config = service.spec.sessionAffinityConfig and service.spec.sessionAffinityConfig.clientIP
        seconds = (config and config.timeoutSeconds) or 10800
    found: dict[Place, Backends] = {}
    for port in service.spec.ports or ():
        if (port.protocol or "TCP") != "TCP":
            continue  # this proxy knows TCP alone
        backends = Backends(_endpoints(slices, port.name or ""), seconds)
        found[address, port.port] = backends
        if port.nodePort:
            found[node_address, port.nodePort] = backends
    return found


def not_carried(service: core.Service) -> list[str]:
    """Return what of a Service this proxy does not do, in words."""
    if not service.spec.clusterIP or service.spec.clusterIP == "None":
        return []
    return [
        f"port {port.port}/{port.protocol} is not carried: the proxy of this node knows TCP alone"
        for port in service.spec.ports or ()
        if (port.protocol or "TCP") != "TCP"
    ]


def _endpoints(slices: Sequence[discovery.EndpointSlice], port: str) -> tuple[Place, ...]:
    """Return the addresses behind a port: those that are ready, else those that still serve."""
    ready: list[Place] = []
    serving: list[Place] = []
    for one in slices:
        numbers = [p.port for p in one.ports or () if (p.name or "") == port and p.port]
        for endpoint in one.endpoints or ():
            conditions = endpoint.conditions
            is_ready = not conditions or conditions.ready is not False
            still = bool(conditions and conditions.serving and conditions.terminating)
            places = [(ip, number) for ip in endpoint.addresses for number in numbers]
            if is_ready:
                ready += places
            elif still:
                serving += places
    return tuple(dict.fromkeys(ready or serving))
