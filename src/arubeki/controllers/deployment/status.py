"""The status of a Deployment: counts, and the three conditions that people and tools read.

Available says whether enough Pods answer, Progressing whether a rollout gets on (with a deadline),
ReplicaFailure repeats what keeps a ReplicaSet from making Pods.

On the ring: [workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/deployment/progress.go, sync.go.
"""

from collections.abc import Sequence

from arubeki import clock
from arubeki.controllers.deployment import plan
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds.base import UNSET, UnsetType

Condition = apps.DeploymentCondition

NO_DEADLINE = 2**31 - 1
"""progressDeadlineSeconds of this value means that there is none."""


def deadline(deployment: apps.Deployment) -> int | None:
    """Return the seconds in which a rollout must get on; None without such a bound."""
    seconds = deployment.spec.progressDeadlineSeconds
    if isinstance(seconds, UnsetType) or seconds == NO_DEADLINE:
        return None
    return seconds


def find(deployment: apps.Deployment, kind: str) -> Condition | None:
    """Return a Deployment's condition of a type."""
    return next((one for one in deployment.status.conditions or () if one.type == kind), None)


def condition(kind: str, status: str, reason: str, message: str) -> Condition:
    """Return a new condition, as of now."""
    now = clock.timestamp()
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        lastUpdateTime=now,
        lastTransitionTime=now,
    )


def put(conditions: dict[str, Condition], new: Condition) -> None:
    """Set a condition; one that says the same stays, one of the same status keeps its time."""
    kind = str(new.type)
    old = conditions.get(kind)
    if old is not None and (old.status, old.reason) == (new.status, new.reason):
        return
    if old is not None and old.status == new.status:
        new = new.evolve(lastTransitionTime=old.lastTransitionTime)
    conditions[kind] = new


def counts(
    deployment: apps.Deployment, new: apps.ReplicaSet | None, sets: Sequence[apps.ReplicaSet]
) -> apps.DeploymentStatus:
    """Return the status without conditions; counts of zero are left out, as Go's encoder does."""
    available = plan.available(sets)
    return apps.DeploymentStatus(
        observedGeneration=deployment.generation,
        replicas=sum(one.status.replicas or 0 for one in sets) or UNSET,
        updatedReplicas=((new.status.replicas or 0) if new else 0) or UNSET,
        readyReplicas=sum(one.status.readyReplicas or 0 for one in sets) or UNSET,
        availableReplicas=available or UNSET,
        unavailableReplicas=max(0, plan.total(sets) - available) or UNSET,
        terminatingReplicas=_terminating(sets),
        collisionCount=deployment.status.collisionCount,
    )


def _terminating(sets: Sequence[apps.ReplicaSet]) -> int | UnsetType:
    """Return how many Pods are ending; unsaid when a ReplicaSet's controller has not counted."""
    total = 0
    for one in sets:
        if isinstance(one.status.terminatingReplicas, int):
            total += one.status.terminatingReplicas
        elif one.status.observedGeneration:
            return UNSET
    return total


def measured(
    deployment: apps.Deployment,
    new: apps.ReplicaSet | None,
    sets: Sequence[apps.ReplicaSet],
    noted: Sequence[Condition] = (),
) -> apps.DeploymentStatus:
    """Return the status while nothing is rolled out: progress is not judged.

    `noted` are conditions that this run found on its way.
    """
    status, conditions = _measured(deployment, new, sets, noted)
    return status.evolve(conditions=tuple(conditions.values()))


def judged(
    deployment: apps.Deployment,
    new: apps.ReplicaSet | None,
    sets: Sequence[apps.ReplicaSet],
    noted: Sequence[Condition] = (),
) -> apps.DeploymentStatus:
    """Return the status amid a rollout, or after it: `measured`, progress and failures."""
    status, conditions = _measured(deployment, new, sets, noted)
    _judge_progress(deployment, new, status, conditions)
    failure = _failure_of([*([new] if new else []), *(one for one in sets if one is not new)])
    if failure is None:
        conditions.pop("ReplicaFailure", None)
    else:
        put(conditions, failure)
    return status.evolve(conditions=tuple(conditions.values()))


def _measured(
    deployment: apps.Deployment,
    new: apps.ReplicaSet | None,
    sets: Sequence[apps.ReplicaSet],
    noted: Sequence[Condition],
) -> tuple[apps.DeploymentStatus, dict[str, Condition]]:
    status = counts(deployment, new, sets)
    conditions = {str(one.type): one for one in deployment.status.conditions or ()}
    for one in noted:
        put(conditions, one)
    _judge_available(deployment, status, conditions)
    return status, conditions


def _failure_of(sets: Sequence[apps.ReplicaSet]) -> Condition | None:
    """Return the first ReplicaSet's failure as a condition of the Deployment."""
    for one in sets:
        for failed in one.status.conditions or ():
            if failed.type == "ReplicaFailure":
                return Condition(
                    type="ReplicaFailure",
                    status=failed.status,
                    reason=failed.reason,
                    message=failed.message,
                    lastTransitionTime=failed.lastTransitionTime,
                    lastUpdateTime=failed.lastTransitionTime,
                )
    return None


def _judge_available(
    deployment: apps.Deployment, status: apps.DeploymentStatus, conditions: dict[str, Condition]
) -> None:
    _, may_miss = plan.limits(deployment)
    if (status.availableReplicas or 0) >= plan.desired(deployment) - may_miss:
        found = condition(
            "Available", "True", "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )  # fmt: skip
    else:
        found = condition(
            "Available", "False", "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )  # fmt: skip
    put(conditions, found)


def _judge_progress(
    deployment: apps.Deployment,
    new: apps.ReplicaSet | None,
    status: apps.DeploymentStatus,
    conditions: dict[str, Condition],
) -> None:
    seconds = deadline(deployment)
    if seconds is None:
        conditions.pop("Progressing", None)
        return
    current = conditions.get("Progressing")
    who = f'ReplicaSet "{new.name}"' if new else f'Deployment "{deployment.name}"'
    done = condition(
        "Progressing", "True", "NewReplicaSetAvailable", f"{who} has successfully progressed."
    )
    if current is not None and current.reason == done.reason:
        settled = (status.replicas or 0) == (status.updatedReplicas or 0)
        if settled and current.message == done.message:
            return
        # It tells of another ReplicaSet: a crash kept the rollout since then from being noted.
    if is_complete(deployment, status):
        if current is not None and current.status == "True":
            done = done.evolve(lastTransitionTime=current.lastTransitionTime)
        conditions["Progressing"] = done
    elif _is_progressing(deployment, status):
        found = condition("Progressing", "True", "ReplicaSetUpdated", f"{who} is progressing.")
        if current is not None and current.status == "True":
            found = found.evolve(lastTransitionTime=current.lastTransitionTime)
        conditions["Progressing"] = found  # its update time moves with every step
    elif expires_in(current, seconds) == 0:
        put(
            conditions,
            condition(
                "Progressing", "False", "ProgressDeadlineExceeded",
                f"{who} has timed out progressing.",
            ),
        )  # fmt: skip


def is_complete(deployment: apps.Deployment, status: apps.DeploymentStatus) -> bool:
    """Whether the rollout is over: every Pod is new and available, and no other is left."""
    wanted = plan.desired(deployment)
    return (
        (status.updatedReplicas or 0) == wanted
        and (status.replicas or 0) == wanted
        and (status.availableReplicas or 0) == wanted
        and (status.observedGeneration or 0) >= deployment.generation
    )


def _is_progressing(deployment: apps.Deployment, status: apps.DeploymentStatus) -> bool:
    old = deployment.status

    def left(one: apps.DeploymentStatus) -> int:
        return (one.replicas or 0) - (one.updatedReplicas or 0)

    return (
        (status.updatedReplicas or 0) > (old.updatedReplicas or 0)
        or left(status) < left(old)
        or (status.readyReplicas or 0) > (old.readyReplicas or 0)
        or (status.availableReplicas or 0) > (old.availableReplicas or 0)
    )


def expires_in(current: Condition | None, seconds: int) -> float | None:
    """Return the seconds until the deadline passes, 0 when it has, None when none is running."""
    if current is None or current.reason in ("NewReplicaSetAvailable", "DeploymentPaused"):
        return None
    if current.reason == "ProgressDeadlineExceeded" or not current.lastUpdateTime:
        return 0
    return max(0.0, clock.parse_timestamp(current.lastUpdateTime) + seconds - clock.now())
