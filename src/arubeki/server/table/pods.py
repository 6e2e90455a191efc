"""The columns of Pods: STATUS is a judgement over many fields.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go
printPod.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from arubeki.server.table.columns import (
    AGE,
    NAME,
    Column,
    Columns,
    Object,
    age,
    condition,
    dig,
    since,
)

COLUMNS = (
    NAME,
    Column("Ready", "Containers that are ready, of all."),
    Column("Status", "What the Pod is doing, or why it does not."),
    Column("Restarts", "How often containers were started again, and when last."),
    AGE,
    Column("IP", "The Pod's address.", priority=1),
    Column("Node", "The node the Pod is bound to.", priority=1),
    Column("Nominated Node", "The node that makes room for the Pod.", priority=1),
    Column("Readiness Gates", "Gates that are true, of all.", priority=1),
)


def row(pod: Object, now: float) -> list[Any]:
    """Return a Pod's cells."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = _sidecars(spec)
    total = len(spec.get("containers") or ()) + len(sidecars)
    judged = _judged(spec, status, sidecars)
    return [
        pod["metadata"].get("name", ""),
        f"{judged.ready}/{total}",
        _going(pod, status) or judged.reason,
        judged.restarts.shown(now),
        age(pod, now),
        dig(status, "podIPs", 0, "ip") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        _gates(spec, status),
    ]


def conditions(pod: Object) -> Sequence[Mapping[str, Any]]:
    """Return what says that a Pod is done, so that a client may leave its row out."""
    return _DONE.get(dig(pod, "status", "phase"), ())


_DONE = {
    phase: ({"type": "Completed", "status": "True", "reason": phase, "message": message},)
    for phase, message in (
        ("Succeeded", "The pod has completed successfully."),
        ("Failed", "The pod failed."),
    )
}


@dataclass(slots=True)
class _Restarts:
    """How often containers were started again, and when last."""

    count: int = 0
    last: str = ""

    def add(self, container: Object) -> None:
        """Count a container's."""
        self.count += container.get("restartCount") or 0
        ended = dig(container, "lastState", "terminated", "finishedAt", default="")
        self.last = max(self.last, ended)

    def shown(self, now: float) -> str:
        """Return them as a cell."""
        if not self.count or not self.last:
            return str(self.count)
        return f"{self.count} ({since(self.last, now)} ago)"


@dataclass(slots=True)
class _Judgement:
    """What is found out about a Pod by going through its containers."""

    reason: str
    restarts: _Restarts = field(default_factory=_Restarts)
    sidecars: _Restarts = field(default_factory=_Restarts)
    """Of `restarts`, those that count also after the Pod is initialized."""
    ready: int = 0


def _sidecars(spec: Object) -> set[str]:
    return {
        one.get("name", "")
        for one in spec.get("initContainers") or ()
        if one.get("restartPolicy") == "Always"
    }


def _judged(spec: Object, status: Object, sidecars: set[str]) -> _Judgement:
    reason = str(status.get("reason") or status.get("phase") or "")
    for one in status.get("conditions") or ():
        if one.get("type") == "PodScheduled" and one.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    judged = _Judgement(reason)
    is_initializing = _initialize(judged, spec, status, sidecars)
    if not is_initializing or _condition(status, "Initialized").get("status") == "True":
        _run(judged, status)
    return judged


def _initialize(judged: _Judgement, spec: Object, status: Object, sidecars: set[str]) -> bool:
    """Go through the init containers up to the first that is not done; tell whether one is not."""
    total = len(spec.get("initContainers") or ())
    for index, one in enumerate(status.get("initContainerStatuses") or ()):
        judged.restarts.add(one)
        if one.get("name") in sidecars:
            judged.sidecars.add(one)
        state = one.get("state") or {}
        ended = state.get("terminated")
        if ended is not None and not ended.get("exitCode"):
            continue
        if one.get("name") in sidecars and one.get("started"):
            judged.ready += bool(one.get("ready"))
            continue
        why = dig(state, "waiting", "reason")
        if ended is not None:
            judged.reason = f"Init:{ended.get('reason') or _exit(ended)}"
        elif why and why != "PodInitializing":
            judged.reason = f"Init:{why}"
        else:
            judged.reason = f"Init:{index}/{total}"
        return True
    return False


def _run(judged: _Judgement, status: Object) -> None:
    """Go through the containers. What init containers did no longer counts, but for sidecars."""
    judged.restarts = judged.sidecars
    is_running, error = False, ""
    for one in reversed(status.get("containerStatuses") or []):
        judged.restarts.add(one)
        state = one.get("state") or {}
        ended, why = state.get("terminated"), dig(state, "waiting", "reason")
        if why:
            judged.reason = why
        elif ended is not None:
            judged.reason = ended.get("reason") or _exit(ended)
            error = judged.reason if ended.get("exitCode") else error
        elif one.get("ready") and state.get("running") is not None:
            is_running = True
            judged.ready += 1
    if judged.reason == "Completed":
        if is_running and _condition(status, "Ready").get("status") == "True":
            judged.reason = "Running"
        else:
            judged.reason = error or ("NotReady" if is_running else "Completed")


def _exit(ended: Object) -> str:
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _going(pod: Object, status: Object) -> str:
    """Return what a Pod that is being deleted shows instead of its own reason."""
    if not pod["metadata"].get("deletionTimestamp"):
        return ""
    if status.get("reason") == "NodeLost":
        return "Unknown"
    return "" if status.get("phase") in ("Succeeded", "Failed") else "Terminating"


def _gates(spec: Object, status: Object) -> str:
    gates = spec.get("readinessGates") or []
    if not gates:
        return "<none>"
    true = sum(
        _condition(status, one.get("conditionType", "")).get("status") == "True" for one in gates
    )
    return f"{true}/{len(gates)}"


def _condition(status: Object, kind: str) -> Object:
    return condition({"status": status}, kind)


PODS = Columns(COLUMNS, row, conditions)
