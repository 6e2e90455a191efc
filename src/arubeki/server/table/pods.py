"""The columns of Pods: STATUS is a judgement over many fields.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go
printPod.
"""

from typing import Any

from arubeki import clock
from arubeki.server.table.columns import AGE, NAME, Column, Columns, age, dig, duration

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


def row(pod: dict[str, Any], now: float) -> list[Any]:
    """Return a Pod's cells."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    main = status.get("containerStatuses") or []
    sidecars = _sidecars(spec)
    ready = sum(bool(one.get("ready")) for one in main)
    total = len(spec.get("containers") or ()) + len(sidecars)
    for one in status.get("initContainerStatuses") or ():
        if one.get("name") in sidecars and one.get("started") and one.get("ready"):
            ready += 1
    addresses = status.get("podIPs") or []
    return [
        pod["metadata"]["name"],
        f"{ready}/{total}",
        _status(pod, spec, status),
        _restarts(status, sidecars, now),
        age(pod, now),
        dig(addresses, 0, "ip") or status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        _gates(spec, status),
    ]


def _sidecars(spec: dict[str, Any]) -> set[str]:
    return {
        one.get("name", "")
        for one in spec.get("initContainers") or ()
        if one.get("restartPolicy") == "Always"
    }


def _status(pod: dict[str, Any], spec: dict[str, Any], status: dict[str, Any]) -> str:
    reason = status.get("reason") or status.get("phase") or "Unknown"
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    initializing = _initializing(spec, status)
    if initializing:
        reason = initializing
    else:
        reason = _running(status, reason)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(reason)


def _initializing(spec: dict[str, Any], status: dict[str, Any]) -> str:
    """Return what the first unfinished init container does; "" when all are done."""
    sidecars = _sidecars(spec)
    total = len(spec.get("initContainers") or ())
    if _condition(status, "Initialized").get("status") == "True":
        return ""
    for index, one in enumerate(status.get("initContainerStatuses") or ()):
        state = one.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended is not None and not ended.get("exitCode"):
            continue
        if one.get("name") in sidecars and one.get("started"):
            continue
        if ended is not None:
            return f"Init:{ended.get('reason') or _exit(ended)}"
        why = (waiting or {}).get("reason")
        if why and why != "PodInitializing":
            return f"Init:{why}"
        return f"Init:{index}/{total}"
    return ""


def _running(status: dict[str, Any], reason: str) -> str:
    running = False
    for one in reversed(status.get("containerStatuses") or []):
        state = one.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = ended.get("reason") or _exit(ended)
        elif one.get("ready") and state.get("running") is not None:
            running = True
    if reason == "Completed" and running:
        ready = _condition(status, "Ready").get("status") == "True"
        return "Running" if ready else "NotReady"
    return reason


def _exit(ended: dict[str, Any]) -> str:
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _restarts(status: dict[str, Any], sidecars: set[str], now: float) -> str:
    counted = list(status.get("containerStatuses") or ())
    inits = list(status.get("initContainerStatuses") or ())
    if not counted or _condition(status, "Initialized").get("status") == "False":
        counted += inits
    else:
        counted += [one for one in inits if one.get("name") in sidecars]
    restarts = sum(int(one.get("restartCount") or 0) for one in counted)
    ends = [dig(one, "lastState", "terminated", "finishedAt", default="") for one in counted]
    last = max(ends, default="")
    if not restarts or not last:
        return str(restarts)
    return f"{restarts} ({duration(now - clock.parse_timestamp(last))} ago)"


def _gates(spec: dict[str, Any], status: dict[str, Any]) -> str:
    gates = spec.get("readinessGates") or []
    if not gates:
        return "<none>"
    true = sum(
        _condition(status, one.get("conditionType", "")).get("status") == "True" for one in gates
    )
    return f"{true}/{len(gates)}"


def _condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    for one in status.get("conditions") or ():
        if one.get("type") == kind:
            found: dict[str, Any] = one
            return found
    return {}


PODS = Columns(COLUMNS, row)
