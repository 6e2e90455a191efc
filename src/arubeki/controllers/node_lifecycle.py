"""Node lifecycle: a node that is no longer heard of is marked, so that nothing is placed on it.

Nodes say that they live by renewing a Lease. What counts is when this controller *saw* the last
change, by its own clock: a node whose clock is wrong is not dead. After the grace the node's Ready
condition becomes Unknown, its taints say so (`taint_eviction` acts on them), and its Pods count as
not ready, so that Services leave them out. When it is heard of again, all of that is undone.

Where no node at all is ready, it is rather we who cannot hear: then nothing is driven out.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from arubeki import clock
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import coordination_v1 as coordination
from arubeki.kinds import core_v1 as core
from arubeki.kinds import pods
from arubeki.kinds.base import to_dict
from arubeki.runtime.cache import Key
from arubeki.runtime.change import Change
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

LEASES = "kube-node-lease"
GRACE_SECONDS = 50.0
"""Source: kube-controller-manager --node-monitor-grace-period."""
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
"""What is not known any more of a lost node; whether its network works, its agent does not say."""
_TAINTS = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
"""The taint with the effect NoSchedule of each bad condition."""
_OURS = {(key, "NoSchedule") for key in (*_TAINTS.values(), UNSCHEDULABLE)} | {
    (NOT_READY, "NoExecute"),
    (UNREACHABLE, "NoExecute"),
}


class _Sign(NamedTuple):
    """What a node said last: each part is another text when it speaks again."""

    lease: str = ""
    status: str = ""


def controller(grace_seconds: float = GRACE_SECONDS) -> Controller[Key]:
    """Return the controller; its keys are nodes."""
    return Lifecycle(grace_seconds).controller


class Lifecycle:
    """Remembers when each node's last sign of life was seen; a restart gives all a new grace."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._seen: dict[str, tuple[_Sign, float]] = {}
        found = Controller[Key]("node-controller", self.reconcile, workers=4)
        found.watch(core.Node)
        found.watch(core.Node, self._all_nodes, predicates=(_flips,))
        found.watch(coordination.Lease, lambda one: (Key("", one.name),), namespace=LEASES)
        found.watch(core.Pod, _node_of, predicates=(_is_placed,))
        found.index(core.Pod, "node", lambda pod: (pod.spec.nodeName or "",))
        self.controller = found

    async def reconcile(self, key: Key, session: Session) -> Again | None:
        """Bring a node's Ready condition and taints to what is known of it."""
        node = await session.get(core.Node, key.name, "")
        if node is None:
            self._seen.pop(key.name, None)
            return None
        left = self._grace_left(node, await session.get(coordination.Lease, key.name, LEASES))
        if left <= 0:
            # Before a node is given up the server is asked: perhaps only our watch hangs.
            live = await session.get(coordination.Lease, key.name, LEASES, live=True)
            left = self._grace_left(node, live)
        try:
            if left <= 0:
                node = await self._mark_unknown(node, session)
            nodes = await session.list(core.Node, "")
            await _taint(node, session, is_driving_out=any(_ready(one) == "True" for one in nodes))
            if _ready(node) not in ("True", ""):
                await _mark_pods(node, session)
        except (Conflict, NotFound):
            return Again(0.1)  # the node has just written, or gone: look at it as it is now
        return Again(left) if left > 0 else None

    def _all_nodes(self, _: core.Node) -> Iterable[Key]:
        for one in self.controller.lookup.list(core.Node):
            yield Key("", one.name)

    def _grace_left(self, node: core.Node, lease: coordination.Lease | None) -> float:
        """Return for how many seconds a node may stay silent; take note if it has spoken."""
        renewed = (lease.spec.renewTime if lease is not None and lease.spec else "") or ""
        ready = _condition(node, "Ready")
        # What is Unknown was written by us and is no sign.
        status = ready.lastHeartbeatTime if ready and ready.status != "Unknown" else ""
        now = clock.monotonic()
        known, at = self._seen.get(node.name, (_Sign(), -1.0))
        sign = _Sign(renewed or known.lease, status or known.status)
        if sign != known or at < 0:
            at = now
        self._seen[node.name] = (sign, at)
        return at + self._grace_seconds - now

    async def _mark_unknown(self, node: core.Node, session: Session) -> core.Node:
        changed = [_unknown(node, kind) for kind in _CONDITIONS if not _is_unknown(node, kind)]
        if not changed:
            return node
        was_ready = _ready(node) == "True"
        marked = await session.patch(
            core.Node,
            node.name,
            patch={
                "metadata": {"uid": node.uid, "resourceVersion": node.resource_version},
                "status": {"conditions": changed},
            },
            type="strategic",
            subresource="status",
        )
        if was_ready:
            session.event_about(
                node, "Normal", "NodeNotReady", f"Node {node.name} status is now: NodeNotReady"
            )
        return marked


def _node_of(pod: core.Pod) -> Iterable[Key]:
    if pod.spec.nodeName:
        yield Key("", pod.spec.nodeName)


def _is_placed(change: Change[Any]) -> bool:
    """Whether a Pod has come to a node."""
    old, new = change.old, change.new
    return new is not None and (old is None or old.spec.nodeName != new.spec.nodeName)


def _flips(change: Change[Any]) -> bool:
    """Whether there is another number of ready nodes now."""
    old, new = change.old, change.new
    before = old is not None and _ready(old) == "True"
    return before is not (new is not None and _ready(new) == "True")


def _condition(node: core.Node, kind: str) -> core.NodeCondition | None:
    for one in node.status.conditions or ():
        if one.type == kind:
            return one
    return None


def _ready(node: core.Node) -> str:
    """Return the status of the Ready condition, "" while the node has not said anything."""
    found = _condition(node, "Ready")
    return found.status if found is not None else ""


def _is_unknown(node: core.Node, kind: str) -> bool:
    found = _condition(node, kind)
    return found is not None and found.status == "Unknown"


def _unknown(node: core.Node, kind: str) -> dict[str, Any]:
    """Return the condition that says that a node has fallen silent, or never spoke."""
    found = {"type": kind, "status": "Unknown", "lastTransitionTime": clock.timestamp()}
    if _condition(node, kind) is None:
        return found | {
            "reason": "NodeStatusNeverUpdated",
            "message": "Kubelet never posted node status.",
            "lastHeartbeatTime": node.metadata.creationTimestamp or None,
        }
    return found | {
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
    }


async def _taint(node: core.Node, session: Session, *, is_driving_out: bool) -> None:
    """Give the node the taints of its conditions, and leave all others as they are."""
    wanted = [one for one in node.spec.taints or () if (one.key, one.effect) not in _OURS]
    known = {(one.key, one.effect): one for one in node.spec.taints or ()}
    for key, effect in _marks(node, is_driving_out=is_driving_out):
        # The time is when the taint came: those who tolerate it for a while count from then.
        fresh = core.Taint(key=key, effect=effect, timeAdded=clock.timestamp())
        wanted.append(known.get((key, effect), fresh))
    if {(one.key, one.effect) for one in wanted} == known.keys():
        return
    await session.patch(
        core.Node,
        node.name,
        patch={
            "metadata": {"uid": node.uid, "resourceVersion": node.resource_version},
            "spec": {"taints": [to_dict(one) for one in wanted] or None},
        },
    )


def _marks(node: core.Node, *, is_driving_out: bool) -> Iterable[tuple[str, str]]:
    """Give the taints that this controller is to see to, as (key, effect)."""
    for one in node.status.conditions or ():
        key = _TAINTS.get((one.type, one.status))
        if key is not None:
            yield key, "NoSchedule"
        if key in (NOT_READY, UNREACHABLE) and is_driving_out:
            yield key, "NoExecute"
    if node.spec.unschedulable:
        yield UNSCHEDULABLE, "NoSchedule"


async def _mark_pods(node: core.Node, session: Session) -> None:
    """Let the Pods of a lost node count as not ready."""
    for pod in await session.index(core.Pod, "node", node.name):
        if not pods.is_ready(pod):
            continue
        condition = {
            "type": "Ready",
            "status": "False",
            "lastTransitionTime": clock.timestamp(),
        }
        try:
            await session.patch(
                core.Pod,
                pod.name,
                pod.namespace,
                patch={"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}},
                type="strategic",
                subresource="status",
            )
        except NotFound:
            continue
        session.event_about(pod, "Warning", "NodeNotReady", "Node is not ready")
