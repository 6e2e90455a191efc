"""What the scheduler knows of each node: what it has, and what its Pods have taken.

Kept up to date Pod by Pod, so that placing the thousandth Pod costs what the first did.

Beside the ring: what `filters` and `scores` look at.
"""

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping

from arubeki.api import quantity
from arubeki.kinds import core_v1 as core
from arubeki.scheduler.terms import anti_affinity_terms

CPU = "cpu"
PODS = "pods"
# What a container that asks for nothing counts as when nodes are compared, so that such Pods spread
# too. Source: kubernetes pkg/scheduler/util/pod_resources.go.
DEFAULT_REQUESTS = {CPU: 100, "memory": 200 * 1024 * 1024}


class Amounts(dict[str, int]):
    """Amounts by resource name: `cpu` in thousandths of a core, `memory` in bytes, others counted."""

    def add(self, other: Mapping[str, int], sign: int = 1) -> None:
        """Add (or, with `sign=-1`, take away) other amounts in place."""
        for name, amount in other.items():
            self[name] = self.get(name, 0) + sign * amount


class PodInfo:
    """A Pod and what is asked of it again and again, worked out once."""

    __slots__ = ("anti_affinity", "owner_uid", "pod", "ports", "requests", "scored")

    def __init__(self, pod: core.Pod) -> None:
        owner = pod.controller
        self.pod = pod
        self.owner_uid = owner.uid if owner else ""
        self.ports = tuple(host_ports(pod))
        self.anti_affinity = anti_affinity_terms(pod)
        self.requests = requests(pod)
        self.scored = requests(pod, DEFAULT_REQUESTS)


class NodeInfo:
    """A node and the Pods on it."""

    __slots__ = (
        "allocatable", "guarded", "node", "owners", "pods", "ports", "requested", "scored",
    )  # fmt: skip

    def __init__(self, node: core.Node) -> None:
        self.pods: dict[str, PodInfo] = {}
        self.guarded: dict[str, PodInfo] = {}
        """Those of the Pods that do not want certain others near."""
        self.requested = Amounts()
        self.scored = Amounts()
        self.ports = Counter[tuple[str, int, str]]()
        self.owners = Counter[str]()
        self.update(node)

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    def update(self, node: core.Node) -> None:
        """Take a newer state of the node."""
        self.node = node
        self.allocatable = amounts(node.status.allocatable or node.status.capacity or {})

    def add(self, info: PodInfo) -> None:
        """Count a Pod that is, or will be, on this node; once, whatever number of times it is told."""
        self.remove(info.pod.uid)
        self.pods[info.pod.uid] = info
        if info.anti_affinity:
            self.guarded[info.pod.uid] = info
        self._count(info, 1)

    def remove(self, uid: str) -> None:
        """Count a Pod no more."""
        info = self.pods.pop(uid, None)
        self.guarded.pop(uid, None)
        if info is not None:
            self._count(info, -1)

    def _count(self, info: PodInfo, sign: int) -> None:
        self.requested.add(info.requests, sign)
        self.scored.add(info.scored, sign)
        for port in info.ports:
            self.ports[port] += sign
            if not self.ports[port]:
                del self.ports[port]
        self.owners[info.owner_uid] += sign
        if not self.owners[info.owner_uid]:
            del self.owners[info.owner_uid]


def amounts(found: Mapping[str, object]) -> Amounts:
    """Return a resource list of the wire as amounts; fractions count as a whole."""
    return Amounts({name: _amount(name, str(text)) for name, text in found.items()})


@functools.lru_cache(maxsize=4096)
def _amount(name: str, text: str) -> int:
    value = quantity.parse(text)
    return math.ceil(value * 1000 if name == CPU else value)


def requests(pod: core.Pod, defaults: Mapping[str, int] | None = None) -> Amounts:
    """Return what a Pod asks for: the larger of its containers' sum and its largest init container.

    Sidecars (init containers that restart always) count to the sum. `defaults` stand in for what a
    container does not ask for. Source: component-helpers resource/helpers.go PodRequests.
    """
    total = Amounts({PODS: 1})
    for container in pod.spec.containers or ():
        total.add(_of_container(container, defaults))
    largest, sidecars = Amounts(), Amounts()
    for container in pod.spec.initContainers or ():
        own = _of_container(container, defaults)
        if container.restartPolicy == "Always":
            sidecars.add(own)
            own = Amounts()
        own.add(sidecars)
        for name, amount in own.items():
            largest[name] = max(largest.get(name, 0), amount)
    total.add(sidecars)
    for name, amount in largest.items():
        total[name] = max(total.get(name, 0), amount)
    total.add(amounts(pod.spec.overhead or {}))
    return total


def _of_container(container: core.Container, defaults: Mapping[str, int] | None) -> Amounts:
    resources = container.resources
    asked = amounts((resources and resources.requests) or {})
    for name, amount in (defaults or {}).items():
        asked.setdefault(name, amount)
    return asked


def host_ports(pod: core.Pod) -> Iterable[tuple[str, int, str]]:
    """Return the ports of the node that a Pod takes: (address, port, protocol)."""
    for container in (*(pod.spec.initContainers or ()), *(pod.spec.containers or ())):
        for port in container.ports or ():
            if port.hostPort:
                yield port.hostIP or "0.0.0.0", port.hostPort, port.protocol or "TCP"
