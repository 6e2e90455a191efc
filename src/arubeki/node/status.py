"""A Pod's status, from what its containers do: pure functions.

Below the node agent. Source: kubernetes pkg/kubelet/kubelet_pods.go (getPhase),
pkg/kubelet/status/generate.go (conditions), status_manager.go (TerminatePod),
pkg/api/v1/pod/util.go (ContainerShouldRestart).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from arubeki import clock
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import UNSET

Statuses = Sequence[core.ContainerStatus]

UNKNOWN_CODE = 137
_UNKNOWN = "The container could not be located when the pod was terminated"


def waiting(reason: str, message: str = "") -> core.ContainerState:
    """Return the state of a container that does not run yet."""
    return core.ContainerState(
        waiting=core.ContainerStateWaiting(reason=reason, message=message or UNSET)
    )


def lost(known: core.ContainerStatus) -> core.ContainerState:
    """Return the state of a container that ran once and whose end nobody saw."""
    running = known.state.running if known.state else None
    return core.ContainerState(
        terminated=core.ContainerStateTerminated(
            exitCode=UNKNOWN_CODE,
            reason="ContainerStatusUnknown",
            message=_UNKNOWN,
            startedAt=running.startedAt if running else UNSET,
            finishedAt=clock.timestamp(),
            containerID=known.containerID,
        )
    )


def is_sidecar(container: core.Container) -> bool:
    """Whether an init container goes on running beside the others."""
    return container.restartPolicy == "Always"


def comes_again(pod: core.Pod, container: core.Container, exit_code: int) -> bool:
    """Whether a container that ended with `exit_code` is to be started again."""
    if container.restartPolicy:
        for rule in container.restartPolicyRules or ():
            said = rule.exitCodes
            if rule.action == "Restart" and said:
                among = exit_code in (said.values or ())
                if among is (said.operator == "In"):
                    return True
    policy = container.restartPolicy or pod.spec.restartPolicy or "Always"
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def known(statuses: object, name: str) -> core.ContainerStatus | None:
    """Return a container's status among those of the API's object."""
    for one in statuses if isinstance(statuses, tuple) else ():
        if one.name == name:
            found: core.ContainerStatus = one
            return found
    return None


# The phase.


class _Ended(NamedTuple):
    """A container that has ended: its code, and whether it waits for another run."""

    code: int
    waits: bool


def _ended(one: core.ContainerStatus) -> _Ended | None:
    if one.state and one.state.terminated:
        return _Ended(one.state.terminated.exitCode, False)
    if one.state and one.state.waiting and one.lastState and one.lastState.terminated:
        return _Ended(one.lastState.terminated.exitCode, True)
    return None


def phase(
    pod: core.Pod, inits: Statuses, mains: Statuses, *, is_over: bool, is_initialized: bool
) -> str:
    """Return Pending, Running, Succeeded or Failed.

    `is_over`: nothing will be started again, whatever the policy says. `is_initialized`: one of the
    main containers has been started since the Pod's surroundings were made.
    """
    spec = pod.spec
    specs = {one.name: one for one in (*(spec.initContainers or ()), *(spec.containers or ()))}
    sidecars = [one for one in inits if is_sidecar(specs[one.name])]
    pending = 0
    for one in inits:
        ended = _ended(one)
        if one in sidecars:
            continue
        if ended is None:
            pending += 1
        elif ended.code and not comes_again(pod, specs[one.name], ended.code):
            return "Failed"
    running = sum(1 for one in sidecars if one.state and one.state.running)
    unstarted = sum(1 for one in sidecars if _ended(one) is None and not one.started)
    waits = sum(1 for one in sidecars if _ended(one) is None and not _runs(one))
    stopped = for_good = succeeded = 0
    for one in mains:
        ended = _ended(one)
        if _runs(one):
            running += 1
        elif ended is None:
            waits += 1
        else:
            stopped += 1
            for_good += not comes_again(pod, specs[one.name], ended.code)
            succeeded += not ended.code and not ended.waits
    if pending or waits or (unstarted and not is_initialized):
        return "Pending"
    if running:
        return "Running"
    if not stopped:
        return "Pending"
    if stopped != for_good and not is_over:
        return "Running"
    return "Succeeded" if stopped == succeeded else "Failed"


def _runs(one: core.ContainerStatus) -> bool:
    return bool(one.state and one.state.running)


def finished(
    inits: Statuses, mains: Statuses
) -> tuple[tuple[core.ContainerStatus, ...], tuple[core.ContainerStatus, ...]]:
    """Return the statuses of a Pod of which nothing is left: what was not seen to end has failed.

    What had not begun, because the Pod was not that far, stays as it is.
    """
    begun = [index for index, one in enumerate(inits) if _has_begun(one)]
    first_idle = begun[-1] + 1 if begun else 1
    last = _ended(inits[-1]) if inits else None
    is_initialized = (
        not inits or any(_has_begun(one) for one in mains) or (last is not None and not last.code)
    )
    return (
        (*(_closed(one) for one in inits[:first_idle]), *inits[first_idle:]),
        tuple(_closed(one) if is_initialized else one for one in mains),
    )


def _has_begun(one: core.ContainerStatus) -> bool:
    return not (one.state and one.state.waiting) or _ended(one) is not None


def _closed(one: core.ContainerStatus) -> core.ContainerStatus:
    if one.state and one.state.terminated:
        return one
    return one.evolve(state=lost(one), ready=False, started=False)


# The conditions.


class _Told(NamedTuple):
    """What a condition is to say."""

    type: str
    value: bool
    reason: str = ""
    message: str = ""


def conditions(
    pod: core.Pod, phase: str, inits: Statuses, mains: Statuses, *, has_sandbox: bool
) -> tuple[core.PodCondition, ...]:
    """Return the conditions that the node answers for; times move only when the status does."""
    said = {one.type: one for one in pod.status.conditions or ()}
    containers = _containers_ready(pod, phase, inits, mains)
    told = (
        _Told("PodReadyToStartContainers", has_sandbox),
        _initialized(pod, phase, inits, mains),
        _ready(pod, said, containers),
        containers,
        _Told("PodScheduled", True),
    )
    return tuple(_condition(pod, said.get(one.type), one) for one in told)


def _containers_ready(pod: core.Pod, phase: str, inits: Statuses, mains: Statuses) -> _Told:
    kind = "ContainersReady"
    if phase == "Succeeded":
        return _Told(kind, False, "PodCompleted")
    if phase == "Failed":
        return _Told(kind, False, "PodFailed")
    sidecars = {one.name for one in pod.spec.initContainers or () if is_sidecar(one)}
    counted = (*(one for one in inits if one.name in sidecars), *mains)
    unready = [one.name for one in counted if not one.ready]
    if unready:
        message = f"containers with unready status: {_list(unready)}"
        return _Told(kind, False, "ContainersNotReady", message)
    return _Told(kind, True)


def _ready(pod: core.Pod, said: dict[str, core.PodCondition], containers: _Told) -> _Told:
    if not containers.value:
        return containers._replace(type="Ready")
    closed = []
    for gate in pod.spec.readinessGates or ():
        name = gate.conditionType
        if name not in said:
            closed.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif said[name].status != "True":
            closed.append(
                f'the status of pod readiness gate "{name}" is not "True", but {said[name].status}'
            )
    if closed:
        return _Told("Ready", False, "ReadinessGatesNotReady", ", ".join(closed))
    return _Told("Ready", True)


def _initialized(pod: core.Pod, phase: str, inits: Statuses, mains: Statuses) -> _Told:
    kind = "Initialized"
    if phase == "Succeeded":
        return _Told(kind, True, "PodCompleted")
    if any(one.state and (one.state.running or one.state.terminated) for one in mains):
        return _Told(kind, True)  # a sidecar that is restarted takes nothing back
    sidecars = {one.name for one in pod.spec.initContainers or () if is_sidecar(one)}
    open_ = [one.name for one in inits if not (one.started if one.name in sidecars else one.ready)]
    if open_:
        message = f"containers with incomplete status: {_list(open_)}"
        return _Told(kind, False, "ContainersNotInitialized", message)
    return _Told(kind, True)


def _list(names: Iterable[str]) -> str:
    return f"[{' '.join(names)}]"


def _condition(pod: core.Pod, old: core.PodCondition | None, told: _Told) -> core.PodCondition:
    status = "True" if told.value else "False"
    kept = old.lastTransitionTime if old is not None and old.status == status else None
    return core.PodCondition(
        type=told.type,
        status=status,
        reason=told.reason or UNSET,
        message=told.message or UNSET,
        lastTransitionTime=kept or clock.timestamp(),
        observedGeneration=pod.generation or UNSET,
    )
