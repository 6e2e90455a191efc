"""The Node object and its Lease: what the node is, and that it lives.

Beside the ring, as a user of it. Source: kubernetes pkg/kubelet/kubelet_node_status.go,
component-helpers apimachinery/lease/controller.go.
"""

import os
import platform
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from arubeki import clock
from arubeki.kinds import coordination_v1 as coordination
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session
from arubeki.runtime.shape import reference_to

LEASES = "kube-node-lease"
PERIOD_SECONDS = 10.0
LEASE_SECONDS = 40
RETRY_LIMIT_SECONDS = 7.0
"""Source: lease/controller.go, maxBackoff."""
STATUS_SECONDS = 300
"""An unchanged status is written this often; the Lease is what says that the node lives."""
PODS = 110
VERSION = "v1.35.0"
ADDRESSES = "arubeki.dev/pod-addresses"
"""The annotation that tells where the node's Pods have their addresses."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a node has: cores, bytes of memory, number of Pods."""

    cores: int
    memory_bytes: int
    pods: int = PODS

    def allocatable(self) -> dict[str, str]:
        """Return it as a resource list."""
        return {
            "cpu": str(self.cores),
            "memory": f"{self.memory_bytes // 1024}Ki",
            "ephemeral-storage": "100Gi",
            "pods": str(self.pods),
        }

    @staticmethod
    def of_machine() -> "Capacity":
        """Return what this machine has."""
        memory = 4 * 1024**3
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Capacity(os.cpu_count() or 1, memory)


@dataclass(frozen=True, slots=True)
class Description:
    """What the Node object says."""

    address: str
    pod_addresses: str
    runtime: str
    capacity: Capacity


def controller(
    name: str, describe: Callable[[], Description], period_seconds: float = PERIOD_SECONDS
) -> Controller[Key]:
    """Return the controller of one node's heartbeat."""
    key = Key("", name)

    async def beat(_: Key, session: Session) -> Again:
        node = await _write_node(name, describe(), session)
        await session.apply(
            coordination.Lease(
                metadata=meta.ObjectMeta(
                    name=name, namespace=LEASES, ownerReferences=(_owner(node),)
                ),
                spec=coordination.LeaseSpec(
                    holderIdentity=name,
                    leaseDurationSeconds=LEASE_SECONDS,
                    renewTime=clock.timestamp_micro(),
                ),
            )
        )
        return Again(period_seconds)

    async def start() -> AsyncIterator[Key]:
        yield key

    found = Controller[Key](
        f"heartbeat-{name}",
        beat,
        manager="kubelet",
        retry_limit_seconds=min(RETRY_LIMIT_SECONDS, period_seconds),
    )
    found.watch(core.Node, fields=f"metadata.name={name}")
    found.source(start)
    return found


def _owner(node: core.Node) -> meta.OwnerReference:
    return reference_to(node).evolve(controller=False, blockOwnerDeletion=False)


async def _write_node(name: str, says: Description, session: Session) -> core.Node:
    """Bring the Node object to what it should be, and return it."""
    # The machine's own words for what it is, in the spelling of Go's runtime.GOOS and GOARCH.
    system = platform.system().lower()
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": system,
        "kubernetes.io/arch": architecture,
    }
    # Not as podCIDR, which may never change: after a restart another range may be free.
    annotations = {ADDRESSES: says.pod_addresses}
    node = await session.apply(
        core.Node(
            metadata=meta.ObjectMeta(name=name, labels=labels, annotations=annotations),
        )
    )
    resources = says.capacity.allocatable()
    return await session.apply(
        core.Node(
            metadata=meta.ObjectMeta(name=name),
            status=core.NodeStatus(
                capacity=resources,
                allocatable=resources,
                conditions=_conditions(node),
                addresses=(
                    core.NodeAddress(type="InternalIP", address=says.address),
                    core.NodeAddress(type="Hostname", address=name),
                ),
                nodeInfo=core.NodeSystemInfo(
                    machineID="",
                    systemUUID="",
                    bootID="",
                    kernelVersion=platform.release(),
                    osImage=f"{platform.system()} {platform.release()}",
                    containerRuntimeVersion=f"arubeki://{says.runtime}",
                    kubeletVersion=VERSION,
                    kubeProxyVersion="",
                    operatingSystem=system,
                    architecture=architecture,
                ),
            ),
        ),
        subresource="status",
    )


_GOOD = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)  # fmt: skip


def _conditions(node: core.Node) -> tuple[core.NodeCondition, ...]:
    """Return the conditions; the heartbeat's time moves in steps, so that a beat costs no write."""
    now = clock.now()
    step = clock.timestamp(now - now % STATUS_SECONDS)
    known = {one.type: one for one in node.status.conditions or ()}
    found = []
    for kind, status, reason, message in _GOOD:
        old = known.get(kind)
        same = old is not None and old.status == status
        since = old.lastTransitionTime if old is not None and same else clock.timestamp(now)
        found.append(
            core.NodeCondition(
                type=kind,
                status=status,
                reason=reason,
                message=message,
                lastHeartbeatTime=step,
                lastTransitionTime=since,
            )
        )
    return tuple(found)
