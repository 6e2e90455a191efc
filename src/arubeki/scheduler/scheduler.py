"""The scheduler: gives every Pod without a node one.

A Pod that waits is a key in the queue. Which nodes can take it (`filters`), which of them should
(`scores`), then a binding. If none can, the Pod's PodScheduled condition and an Event say why, and
the Pod is looked at again when a node or another Pod makes room.

Beside the ring, as a controller: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/scheduler/schedule_one.go.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from arubeki import clock
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import pods
from arubeki.runtime.cache import Key
from arubeki.runtime.change import Change
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session
from arubeki.scheduler import filters, relations, scores
from arubeki.scheduler.nodes import NodeInfo, PodInfo

NAME = "default-scheduler"
BINDINGS = 32
"""How many bindings may be under way."""
PAUSE_SECONDS = 0.1


def controller() -> Controller[Key]:
    """Return the scheduler as a controller; its keys are Pods."""
    return Scheduler().controller


class Scheduler:
    """What is free on each node, and which Pods wait for more.

    The picture is drawn from the caches; what is placed counts at once, before the watch tells.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._where: dict[str, str] = {}
        self._homeless: dict[str, dict[str, PodInfo]] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._waiting: set[Key] = set()
        self._related: set[Key] = set()
        # Decisions do not overlap, since nothing is waited for between looking at the nodes and
        # counting the Pod to one of them; bindings, which are requests, do.
        found = Controller[Key]("default-scheduler", self.reconcile, workers=BINDINGS)
        found.observe(core.Node, self._node_changed)
        found.observe(core.Pod, self._pod_changed)
        found.observe(core.Namespace, self._namespace_changed)
        found.watch(core.Pod, predicates=(_is_pending,))
        found.watch(core.Pod, self._all_waiting, predicates=(_makes_room,))
        found.watch(core.Pod, self._all_related, predicates=(_is_another_neighbour,))
        found.watch(core.Node, self._all_waiting, predicates=(_is_another_node,))
        found.watch(core.Namespace, self._all_related, predicates=(_is_another_namespace,))
        self.controller = found

    async def reconcile(self, key: Key, session: Session) -> Again | None:
        """Bind a Pod to the best node, or say why there is none."""
        pod = await session.get(core.Pod, key.name, key.namespace)
        self._waiting.discard(key)
        self._related.discard(key)
        if pod is None or pod.spec.nodeName or pod.deleting or pods.is_terminal(pod):
            session.forget()
            return None
        if (pod.spec.schedulerName or NAME) != NAME or pod.spec.schedulingGates:
            return None
        info = PodInfo(pod)
        good, reasons = filters.feasible(info, self.nodes.values(), self._namespaces)
        if not good:
            self._waiting.add(key)
            if relations.has_relations(pod):
                self._related.add(key)
            await self._explain(pod, filters.explanation(len(self.nodes), reasons), session)
            return None
        node = scores.best(info, good)
        self._count(info, node.name)
        try:
            await session.post(pod, "binding", _binding(pod, node.name))
        except NotFound:
            self._forget(pod.uid)
            return None
        except Conflict:
            # Bound by another, or another Pod of that name: look again when the watch has told.
            self._forget(pod.uid)
            return Again(PAUSE_SECONDS)
        except BaseException:
            self._forget(pod.uid)
            raise
        session.event_about(
            pod, "Normal", "Scheduled",
            f"Successfully assigned {pod.namespace}/{pod.name} to {node.name}",
        )  # fmt: skip
        return None

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
        try:
            await session.apply(
                core.Pod(
                    metadata=meta.ObjectMeta(name=pod.name, namespace=pod.namespace, uid=pod.uid),
                    status=core.PodStatus(conditions=(condition,)),
                ),
                subresource="status",
            )
        except (NotFound, Conflict):
            return  # gone, or another of the same name
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
        if old is not None and (new is None or new.uid != old.uid):
            self._forget(old.uid)
        if new is None:
            return
        if pods.is_terminal(new):
            self._forget(new.uid)
        elif new.spec.nodeName and (
            self._where.get(new.uid) != new.spec.nodeName or _is_relabelled(old, new)
        ):
            self._count(PodInfo(new), new.spec.nodeName)
        # One without a node may be on its way to one, and counts there already.

    def _namespace_changed(self, change: Change[core.Namespace]) -> None:
        if change.new is None:
            self._namespaces.pop(change.key.name, None)
        else:
            self._namespaces[change.key.name] = change.new.labels

    def _count(self, info: PodInfo, name: str) -> None:
        uid = info.pod.uid
        self._forget(uid)
        self._where[uid] = name
        if name in self.nodes:
            self.nodes[name].add(info)
        else:
            # Caches fill in any order: its node may be told of later.
            self._homeless.setdefault(name, {})[uid] = info

    def _forget(self, uid: str) -> None:
        name = self._where.pop(uid, None)
        if name is None:
            return
        if name in self.nodes:
            self.nodes[name].remove(uid)
            return
        homeless = self._homeless.get(name, {})
        homeless.pop(uid, None)
        if not homeless:
            self._homeless.pop(name, None)

    def _all_waiting(self, _: Any) -> Iterable[Key]:
        return tuple(self._waiting)

    def _all_related(self, _: Any) -> Iterable[Key]:
        return tuple(self._related)


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


def _is_another_neighbour(change: Change[Any]) -> bool:
    """Whether a placed Pod is another to those who want it near or far."""
    old, new = change.old, change.new
    if new is None or not new.spec.nodeName:
        return False
    return old is None or bool(old.spec.nodeName != new.spec.nodeName) or _is_relabelled(old, new)


def _is_relabelled(old: core.Pod | None, new: core.Pod) -> bool:
    """Whether a Pod is to be counted anew: it has other labels, or is leaving."""
    return old is not None and (old.labels != new.labels or old.deleting != new.deleting)


def _is_another_namespace(change: Change[Any]) -> bool:
    """Whether terms may choose other namespaces than before."""
    old, new = change.old, change.new
    return new is not None and (old is None or bool(old.labels != new.labels))


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
