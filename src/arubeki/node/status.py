"""A Pod's status, from what its containers do: pure functions.

Below the node agent. Source: kubernetes pkg/kubelet/kubelet_pods.go (getPhase),
pkg/kubelet/status/generate.go (conditions).
"""

from collections.abc import Sequence

from arubeki import clock
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import UNSET

Statuses = Sequence[core.ContainerStatus]


def waiting(reason: str, message: str = "") -> core.ContainerState:
    """Return the state of a container that does not run yet."""
    return core.ContainerState(
        waiting=core.ContainerStateWaiting(reason=reason, message=message or UNSET)
    )


def is_sidecar(container: core.Container) -> bool:
    """Whether an init container goes on running beside the others."""
    return container.restartPolicy == "Always"


def phase(pod: core.Pod, inits: Statuses, mains: Statuses) -> str:
    """Return Pending, Running, Succeeded or Failed."""
    sidecars = {one.name for one in pod.spec.initContainers or () if is_sidecar(one)}
    for one in inits:
        ended = one.state and one.state.terminated
        if one.name in sidecars:
            if not one.started:
                return "Pending"
        elif not ended:
            last = one.lastState and one.lastState.terminated
            if last and last.exitCode and pod.spec.restartPolicy == "Never":
                return "Failed"
            return "Pending"
        elif ended.exitCode:
            return "Failed" if pod.spec.restartPolicy == "Never" else "Pending"
    running = stopped = succeeded = waits = 0
    for one in mains:
        state = one.state
        if state and state.running:
            running += 1
        elif state and state.terminated:
            stopped += 1
            succeeded += not state.terminated.exitCode
        elif one.lastState and one.lastState.terminated:
            stopped += 1  # between two runs
        else:
            waits += 1
    if waits or len(mains) < len(pod.spec.containers or ()):
        return "Pending"
    if running or (pod.spec.restartPolicy or "Always") == "Always":
        return "Running"
    if stopped == succeeded:
        return "Succeeded"
    return "Failed" if pod.spec.restartPolicy == "Never" else "Running"


def conditions(
    pod: core.Pod, status_phase: str, inits: Statuses, mains: Statuses, *, has_sandbox: bool
) -> tuple[core.PodCondition, ...]:
    """Return the conditions that the node answers for; times move only when the status does."""
    ended = status_phase in ("Succeeded", "Failed")
    unready = [one.name for one in mains if not one.ready]
    sidecars = {one.name for one in pod.spec.initContainers or () if is_sidecar(one)}
    unready += [one.name for one in inits if one.name in sidecars and not one.ready]
    initialized = status_phase != "Pending" or _initialized(inits, sidecars)
    containers_ready = not ended and not unready and bool(mains)
    said = {one.type: one for one in pod.status.conditions or ()}
    gates = [one.conditionType for one in pod.spec.readinessGates or ()]
    closed = [one for one in gates if one not in said or said[one].status != "True"]
    why, message = "", ""
    if status_phase == "Succeeded":
        why = "PodCompleted"
    elif status_phase == "Failed":
        why = "PodFailed"
    elif unready:
        why, message = (
            "ContainersNotReady",
            f"containers with unready status: [{' '.join(unready)}]",
        )
    ready = containers_ready and not closed
    gate = 'corresponding condition of pod readiness gate "{}" does not exist.'
    ready_why = why or ("ReadinessGatesNotReady" if closed else "")
    ready_message = message or (gate.format(closed[0]) if closed and closed[0] not in said else "")
    told = (
        ("PodReadyToStartContainers", has_sandbox, "", ""),
        ("Initialized", initialized, "" if initialized else "ContainersNotInitialized", ""),
        ("Ready", ready, "" if ready else ready_why, "" if ready else ready_message),
        (
            "ContainersReady",
            containers_ready,
            "" if containers_ready else why,
            "" if containers_ready else message,
        ),
    )
    return tuple(_condition(pod, said, one) for one in told)


def _initialized(inits: Statuses, sidecars: set[str]) -> bool:
    for one in inits:
        if one.name in sidecars:
            if not one.started:
                return False
        elif not (one.state and one.state.terminated and not one.state.terminated.exitCode):
            return False
    return True


def _condition(
    pod: core.Pod, said: dict[str, core.PodCondition], told: tuple[str, bool, str, str]
) -> core.PodCondition:
    kind, value, reason, message = told
    status = "True" if value else "False"
    old = said.get(kind)
    kept = old.lastTransitionTime if old is not None and old.status == status else None
    return core.PodCondition(
        type=kind,
        status=status,
        reason=reason or UNSET,
        message=message or UNSET,
        lastTransitionTime=kept or clock.timestamp(),
        observedGeneration=pod.generation or UNSET,
    )


def known(statuses: object, name: str) -> core.ContainerStatus | None:
    """Return a container's status among those of the API's object."""
    for one in statuses if isinstance(statuses, tuple) else ():
        if one.name == name:
            found: core.ContainerStatus = one
            return found
    return None
