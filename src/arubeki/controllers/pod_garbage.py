"""Pod garbage: Pods on nodes that no longer exist are removed, since nobody else can.

A Pod ends when its node says so. Where the node itself is gone from the cluster nobody will, so
after a while, in which the node may come back, the Pod is deleted outright.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/podgc/gc_controller.go.
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

QUARANTINE_SECONDS = 40.0
"""Source: podgc quarantineTime."""


def controller(quarantine_seconds: float = QUARANTINE_SECONDS) -> Controller[Key]:
    """Return the controller; its keys are nodes, those that are missing among them."""
    return PodGarbage(quarantine_seconds).controller


class PodGarbage:
    """Remembers since when a node is missing; a restart begins to count anew."""

    def __init__(self, quarantine_seconds: float) -> None:
        self._quarantine_seconds = quarantine_seconds
        self._missing_since: dict[str, float] = {}
        found = Controller[Key]("pod-garbage-collector", self.reconcile)
        found.watch(core.Node, predicates=(lambda change: change.type != "MODIFIED",))
        found.watch(core.Pod, _node_of, predicates=(_is_placed,))
        found.index(core.Pod, "node", lambda pod: (pod.spec.nodeName or "",))
        self.controller = found

    async def reconcile(self, key: Key, session: Session) -> Again | None:
        """Delete the Pods of a node that has been missing for long enough."""
        if await session.get(core.Node, key.name, "") is not None:
            self._missing_since.pop(key.name, None)
            return None
        orphans = await session.index(core.Pod, "node", key.name)
        if not orphans:
            self._missing_since.pop(key.name, None)
            return None
        now = clock.monotonic()
        left = self._missing_since.setdefault(key.name, now) + self._quarantine_seconds - now
        if left > 0:
            return Again(left)
        if await session.get(core.Node, key.name, "", live=True) is not None:
            return None
        for pod in orphans:
            await _remove(pod, session)
        return None


async def _remove(pod: core.Pod, session: Session) -> None:
    """Delete a Pod at once; who still sees it sees that it has failed, and why."""
    if not pods.is_terminal(pod):
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": clock.timestamp(),
        }
        status = {"phase": "Failed", "conditions": [condition]}
        try:
            await session.patch(
                core.Pod,
                pod.name,
                pod.namespace,
                patch={"metadata": {"uid": pod.uid}, "status": status},
                type="strategic",
                subresource="status",
            )
        except (NotFound, Conflict):
            return  # gone, or another of the same name
    await session.delete(pod, grace_seconds=0)


def _is_placed(change: Change[Any]) -> bool:
    """Whether a Pod has come to a node."""
    old, new = change.old, change.new
    return new is not None and (old is None or old.spec.nodeName != new.spec.nodeName)


def _node_of(pod: core.Pod) -> Iterable[Key]:
    if pod.spec.nodeName:
        yield Key("", pod.spec.nodeName)
