"""Taint eviction: Pods leave a node that they do not tolerate.

A taint with the effect NoExecute drives out every Pod that does not tolerate it, at once, or after
the shortest time for which it says it would. Pods made without saying tolerate an unreachable node
for five minutes; the server puts that into them.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/tainteviction/taint_eviction.go.
"""

from collections.abc import Iterable
from typing import Any

from arubeki import clock
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import pods
from arubeki.runtime.cache import Key
from arubeki.runtime.change import Change
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session


def controller() -> Controller[Key]:
    """Return the controller; its keys are Pods."""
    found = Controller[Key]("taint-eviction-controller", reconcile, workers=4)
    found.watch(core.Pod, predicates=(_is_placed,))

    def on_node(node: core.Node) -> Iterable[Key]:
        for pod in found.lookup.index(core.Pod, "node", node.name):
            yield Key(pod.namespace, pod.name)

    found.watch(core.Node, on_node, predicates=(_is_tainted_otherwise,))
    found.index(core.Pod, "node", lambda pod: (pod.spec.nodeName or "",))
    return found


async def reconcile(key: Key, session: Session) -> Again | None:
    """Delete a Pod when it may no longer be where it is."""
    pod = await session.get(core.Pod, key.name, key.namespace)
    if pod is None or pod.deleting or not pod.spec.nodeName:
        return None
    node = await session.get(core.Node, pod.spec.nodeName, "")
    if node is None:
        return None
    left = seconds_left(pod, node, clock.now())
    if left is None:
        return None
    if left > 0:
        return Again(left)
    await _evict(pod, session)
    return None


def seconds_left(pod: core.Pod, node: core.Node, now: float) -> float | None:
    """Return how long a Pod may stay on a node: 0 not at all, None for ever.

    Of several tolerations of one taint the first counts.
    """
    shortest: float | None = None
    for taint in node.spec.taints or ():
        if taint.effect != "NoExecute":
            continue
        found = next((one for one in pod.spec.tolerations or () if _tolerates(one, taint)), None)
        if found is None:
            return 0
        if not isinstance(found.tolerationSeconds, int):
            continue
        since = clock.parse_timestamp(taint.timeAdded) if taint.timeAdded else now
        left = max(0.0, since + max(0, found.tolerationSeconds) - now)
        shortest = left if shortest is None else min(shortest, left)
    return shortest


def _tolerates(toleration: core.Toleration, taint: core.Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if (toleration.operator or "Equal") == "Exists":
        return True
    return bool(toleration.key) and (toleration.value or "") == (taint.value or "")


async def _evict(pod: core.Pod, session: Session) -> None:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": clock.timestamp(),
    }
    told = pods.condition(pod, "DisruptionTarget")
    try:
        if told is None or (told.status, told.reason) != ("True", condition["reason"]):
            await session.patch(
                core.Pod,
                pod.name,
                pod.namespace,
                patch={"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}},
                type="strategic",
                subresource="status",
            )
        await session.delete(pod)
    except (NotFound, Conflict):
        return  # gone, or another of the same name: the watch tells
    session.event_about(
        pod,
        "Normal",
        "TaintManagerEviction",
        f"Marking for deletion Pod {pod.namespace}/{pod.name}",
    )


def _is_placed(change: Change[Any]) -> bool:
    """Whether a Pod has come to a node, or tolerates something else now."""
    old, new = change.old, change.new
    if new is None or not new.spec.nodeName:
        return False
    return old is None or bool(
        old.spec.nodeName != new.spec.nodeName or old.spec.tolerations != new.spec.tolerations
    )


def _is_tainted_otherwise(change: Change[Any]) -> bool:
    old, new = change.old, change.new
    if new is None:
        return False
    return bool(new.spec.taints) if old is None else bool(old.spec.taints != new.spec.taints)
