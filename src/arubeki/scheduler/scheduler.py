"""The scheduler: gives every Pod without a node one.

A Pod that waits is a key in the queue. Which nodes can take it (`filters`), which of them should
(`scores`), then a binding. If none can, the Pod's PodScheduled condition and an Event say why, and
the Pod is looked at again when a node or another Pod makes room.

Beside the ring, as a controller: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/scheduler/schedule_one.go.
"""

from collections.abc import Iterable
from typing import Any

from arubeki import clock
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import pods
from arubeki.runtime.cache import Key
from arubeki.runtime.change import Change
from arubeki.runtime.controller import Controller
from arubeki.runtime.session import Session
from arubeki.scheduler import filters, scores
from arubeki.scheduler.nodes import NodeInfo, PodInfo

NAME = "default-scheduler"


def controller() -> Controller[Key]:
    """Return the scheduler as a controller; its keys are Pods."""
    return Scheduler().controller


class Scheduler:
    """What is free on each node, and which Pods wait for more.

    The picture is drawn from the caches; what is placed counts at once, before the watch tells.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._homeless: dict[str, dict[str, PodInfo]] = {}
        self._waiting: set[Key] = set()
        # One worker: each decision must see the one before.
        found = Controller[Key]("default-scheduler", self.reconcile)
        found.observe(core.Node, self._node_changed)
        found.observe(core.Pod, self._pod_changed)
        found.watch(core.Pod, predicates=(_is_pending,))
        found.watch(core.Pod, self._all_waiting, predicates=(_makes_room,))
        found.watch(core.Node, self._all_waiting, predicates=(_is_another_node,))
        self.controller = found

    async def reconcile(self, key: Key, session: Session) -> None:
        """Bind a Pod to the best node, or say why there is none."""
        pod = await session.get(core.Pod, key.name, key.namespace)
        self._waiting.discard(key)
        if pod is None or pod.spec.nodeName or pod.deleting or pods.is_terminal(pod):
            return
        if (pod.spec.schedulerName or NAME) != NAME or pod.spec.schedulingGates:
            return
        info = PodInfo(pod)
        good, reasons = filters.feasible(info, self.nodes.values())
        if not good:
            self._waiting.add(key)
            await self._explain(pod, filters.explanation(len(self.nodes), reasons), session)
            return
        node = scores.best(info, good)
        node.add(info)
        try:
            await session.post(pod, "binding", _binding(pod, node.name))
        except (Conflict, NotFound):
            node.remove(pod.uid)  # bound by another, or gone: the watch tells which
            return
        except BaseException:
            node.remove(pod.uid)
            raise
        session.event_about(
            pod, "Normal", "Scheduled",
            f"Successfully assigned {pod.namespace}/{pod.name} to {node.name}",
        )  # fmt: skip

    async def _explain(self, pod: core.Pod, message: str, session: Session) -> None:
        old = pods.condition(pod, "PodScheduled")
        if old is not None and (old.status, old.message) == ("False", message):
            return
        since = old.lastTransitionTime if old and old.status == "False" else clock.timestamp()
        condition = core.PodCondition(
            type="PodScheduled",
            status="False",
            reason="Unschedulable",
            message=message,
            lastTransitionTime=since,
        )
        await session.apply(
            core.Pod(
                metadata=meta.ObjectMeta(name=pod.name, namespace=pod.namespace),
                status=core.PodStatus(conditions=(condition,)),
            ),
            subresource="status",
        )
        session.event_about(pod, "Warning", "FailedScheduling", message)

    # What is free.

    def _node_changed(self, change: Change[core.Node]) -> None:
        name = change.key.name
        if change.new is None:
            gone = self.nodes.pop(name, None)
            if gone is not None and gone.pods:
                self._homeless[name] = gone.pods
            return
        known = self.nodes.get(name)
        if known is not None:
            known.update(change.new)
            return
        self.nodes[name] = NodeInfo(change.new)
        for info in self._homeless.pop(name, {}).values():
            self.nodes[name].add(info)

    def _pod_changed(self, change: Change[core.Pod]) -> None:
        old, new = change.old, change.new
        counts = new is not None and bool(new.spec.nodeName) and not pods.is_terminal(new)
        if old is not None and old.spec.nodeName and not (counts and _same_place(old, new)):
            self._forget(old)
        if new is not None and counts and not self._is_known(new):
            self._count(PodInfo(new))

    def _is_known(self, pod: core.Pod) -> bool:
        node = self.nodes.get(pod.spec.nodeName or "")
        return node is not None and pod.uid in node.pods

    def _count(self, info: PodInfo) -> None:
        name = info.pod.spec.nodeName or ""
        if name in self.nodes:
            self.nodes[name].add(info)
        else:
            # Caches fill in any order: its node may be told of later.
            self._homeless.setdefault(name, {})[info.pod.uid] = info

    def _forget(self, pod: core.Pod) -> None:
        name = pod.spec.nodeName or ""
        if name in self.nodes:
            self.nodes[name].remove(pod.uid)
        self._homeless.get(name, {}).pop(pod.uid, None)

    def _all_waiting(self, _: Any) -> Iterable[Key]:
        return tuple(self._waiting)


def _same_place(old: core.Pod, new: core.Pod | None) -> bool:
    return new is not None and (old.uid, old.spec.nodeName) == (new.uid, new.spec.nodeName)


def _binding(pod: core.Pod, node: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }


def _is_pending(change: Change[Any]) -> bool:
    """Whether a Pod waits for a node, and is new or says something else than before."""
    old, new = change.old, change.new
    if new is None or new.spec.nodeName:
        return False
    return old is None or old is new or bool(old.spec != new.spec)


def _makes_room(change: Change[Any]) -> bool:
    old, new = change.old, change.new
    if old is None or not old.spec.nodeName:
        return False
    return new is None or (pods.is_terminal(new) and not pods.is_terminal(old))


def _is_another_node(change: Change[Any]) -> bool:
    """Whether a node came, or can take other Pods than before; heartbeats are not that."""
    old, new = change.old, change.new
    if new is None:
        return False
    return old is None or bool(
        old.spec != new.spec
        or old.labels != new.labels
        or old.status.allocatable != new.status.allocatable
    )
