"""Node lifecycle: a node that is no longer heard of is marked, so that nothing is placed on it.

Nodes say that they live by renewing a Lease. What counts is when this controller *saw* the last
change, by its own clock: a node whose clock is wrong is not dead. After the grace the node's Ready
condition becomes Unknown, its taints say so (`taint_eviction` acts on them), and its Pods count as
not ready, so that Services leave them out. When it is heard of again, all of that is undone.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go.
"""

from collections.abc import Iterable

from arubeki import clock
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import coordination_v1 as coordination
from arubeki.kinds import core_v1 as core
from arubeki.kinds import pods
from arubeki.kinds.base import to_dict
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

LEASES = "kube-node-lease"
GRACE_SECONDS = 50.0
"""Source: kube-controller-manager --node-monitor-grace-period."""
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_OURS = {NOT_READY, UNREACHABLE, UNSCHEDULABLE}
_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def controller(grace_seconds: float = GRACE_SECONDS) -> Controller[Key]:
    """Return the controller; its keys are nodes."""
    return Lifecycle(grace_seconds).controller


class Lifecycle:
    """Remembers when each node's last sign of life was seen; a restart gives all a new grace."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._seen: dict[str, tuple[str, float]] = {}
        found = Controller[Key]("node-controller", self.reconcile, workers=4)
        found.watch(core.Node)
        found.watch(coordination.Lease, lambda one: (Key("", one.name),), namespace=LEASES)
        found.watch(core.Pod, _node_of, predicates=(lambda change: change.old is None,))
        found.index(core.Pod, "node", lambda pod: (pod.spec.nodeName or "",))
        self.controller = found

    async def reconcile(self, key: Key, session: Session) -> Again | None:
        """Bring a node's Ready condition and taints to what is known of it."""
        node = await session.get(core.Node, key.name, "")
        if node is None:
            self._seen.pop(key.name, None)
            return None
        lease = await session.get(coordination.Lease, key.name, LEASES)
        left = self._grace_left(node, lease)
        try:
            if left <= 0:
                node = await self._mark_unknown(node, session)
            await _taint(node, session)
            if _ready(node) != "True":
                await _mark_pods(node, session)
        except (Conflict, NotFound):
            return Again(0.1)  # the node has just written, or gone: look at it as it is now
        return Again(left) if left > 0 else None

    def _grace_left(self, node: core.Node, lease: coordination.Lease | None) -> float:
        sign = (lease.spec.renewTime if lease is not None and lease.spec else "") or ""
        for one in node.status.conditions or ():
            if one.type == "Ready" and one.status != "Unknown":
                sign = f"{sign} {one.lastHeartbeatTime or ''}"
        now = clock.monotonic()
        known, at = self._seen.get(node.name, ("", now))
        if known != sign:
            at = now
        self._seen[node.name] = (sign, at)
        return at + self._grace_seconds - now

    async def _mark_unknown(self, node: core.Node, session: Session) -> core.Node:
        known = {one.type: one for one in node.status.conditions or ()}
        changed = []
        for kind in _CONDITIONS:
            old = known.get(kind)
            if old is None or old.status == "Unknown":
                continue
            changed.append(
                {
                    "type": kind,
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastTransitionTime": clock.timestamp(),
                }
            )
        if not changed:
            return node
        session.event_about(
            node, "Normal", "NodeNotReady", f"Node {node.name} status is now: NodeNotReady"
        )
        return await session.patch(
            core.Node,
            node.name,
            patch={"metadata": {"uid": node.uid}, "status": {"conditions": changed}},
            type="strategic",
            subresource="status",
        )


def _node_of(pod: core.Pod) -> Iterable[Key]:
    if pod.spec.nodeName:
        yield Key("", pod.spec.nodeName)


def _ready(node: core.Node) -> str:
    for one in node.status.conditions or ():
        if one.type == "Ready":
            return one.status
    return "False"  # a node that has not said that it is ready is not


async def _taint(node: core.Node, session: Session) -> None:
    """Give the node the taints of its condition, and leave all others as they are."""
    wanted = [taint for taint in node.spec.taints or () if taint.key not in _OURS]
    known = {(one.key, one.effect): one for one in node.spec.taints or ()}
    ready = _ready(node)
    keys = [UNREACHABLE] if ready == "Unknown" else [NOT_READY] if ready != "True" else []
    marks = [(key, effect) for key in keys for effect in ("NoSchedule", "NoExecute")]
    if node.spec.unschedulable:
        marks.append((UNSCHEDULABLE, "NoSchedule"))
    for key, effect in marks:
        # The time is when the taint came: those who tolerate it for a while count from then.
        fresh = core.Taint(key=key, effect=effect, timeAdded=clock.timestamp())
        wanted.append(known.get((key, effect), fresh))
    if [_sign(one) for one in wanted] == [_sign(one) for one in node.spec.taints or ()]:
        return
    await session.patch(
        core.Node,
        node.name,
        patch={
            "metadata": {"uid": node.uid, "resourceVersion": node.resource_version},
            "spec": {"taints": [to_dict(one) for one in wanted] or None},
        },
    )


def _sign(taint: core.Taint) -> tuple[str, str, str]:
    return taint.key, taint.value or "", taint.effect


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
        session.event_about(pod, "Warning", "NodeNotReady", "Node is not ready")
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
