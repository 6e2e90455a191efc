"""Disruption: count how many of the Pods that a budget guards may go at once.

A PodDisruptionBudget says how many must stay healthy. This controller counts how many are, and
writes the difference into the budget's status, from which the eviction of a Pod takes its share.
Shares that were taken and whose Pods do not go are given back after a while, and so is the mark on a
Pod that was to be evicted and stays.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/disruption/disruption.go.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from arubeki import clock
from arubeki.api.objects import set_condition
from arubeki.api.selectors import LabelSelector
from arubeki.errors import ArubekiError, Conflict, NotFound
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import pods
from arubeki.kinds import policy_v1 as policy
from arubeki.kinds.base import UnsetType
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

DELETION_SECONDS = 120.0
"""How long a Pod may be there after its share was taken, and after it was marked to go."""
_SCALED = ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController")


class Uncounted(ArubekiError):
    """How many Pods should be there cannot be told."""


def controller() -> Controller[Key]:
    """Return the controller; its keys are budgets."""
    found = Controller[Key]("disruption-controller", reconcile)
    found.watch(policy.PodDisruptionBudget)
    for kind in (apps.Deployment, apps.ReplicaSet, apps.StatefulSet, core.ReplicationController):
        found.watch(kind, None)

    def budgets_of(pod: core.Pod) -> Iterable[Key]:
        for budget in found.lookup.list(policy.PodDisruptionBudget, pod.namespace):
            if _guards(budget, pod):
                yield Key(budget.namespace, budget.name)

    found.watch(core.Pod, budgets_of)
    return found


def stale_mark_controller() -> Controller[Key]:
    """Return the controller whose keys are Pods that are marked to go."""
    found = Controller[Key]("disruption-mark-controller", reconcile_mark)
    found.watch(core.Pod, predicates=(lambda change: change.new is not None,))
    return found


async def reconcile(key: Key, session: Session) -> Again | None:
    """Bring a budget's status to what is."""
    budget = await session.get(policy.PodDisruptionBudget, key.name, key.namespace)
    if budget is None:
        session.forget()
        return None
    now = clock.now()
    guarded = [pod for pod in await session.list(core.Pod, key.namespace) if _guards(budget, pod)]
    if not guarded:
        session.event_about(budget, "Normal", "NoPods", "No matching pods found")
    taken = dict(_shares(budget, guarded, now))
    try:
        expected, desired = await _expected(budget, guarded, session)
    except Uncounted as error:
        session.event_about(
            budget,
            "Warning",
            "CalculateExpectedPodCountFailed",
            f"Failed to calculate the number of expected pods: {error}",
        )
        await _write(budget, _failed(budget, error), session)
        return None
    healthy = sum(
        pods.is_ready(pod) and not pod.deleting and pod.name not in taken for pod in guarded
    )
    allowed = max(0, healthy - desired) if expected > 0 else 0
    status: dict[str, Any] = {
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptedPods": taken,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": budget.generation,
    }
    reason = "SufficientPods" if allowed else "InsufficientPods"
    status["conditions"] = _conditions(budget, reason, "", "True" if allowed else "False")
    await _write(budget, status, session)
    if not taken:
        return None
    first = min(clock.parse_timestamp(since) for since in taken.values())
    return Again(max(0.0, first + DELETION_SECONDS - now) + 1)


def _guards(budget: policy.PodDisruptionBudget, pod: core.Pod) -> bool:
    """Tell whether a budget is about a Pod; one without a selector is about none."""
    selector = budget.spec.selector
    if isinstance(selector, UnsetType):
        return False
    return LabelSelector.of(msgspec.to_builtins(selector)).matches(pod.labels)


def _shares(
    budget: policy.PodDisruptionBudget, guarded: Sequence[core.Pod], now: float
) -> Iterator[tuple[str, str]]:
    """Yield the shares that were taken lately and whose Pods are still to go."""
    taken: Mapping[str, str] = budget.status.disruptedPods or {}
    for pod in guarded:
        since = taken.get(pod.name)
        if since and not pod.deleting and clock.parse_timestamp(since) + DELETION_SECONDS > now:
            yield pod.name, since


# How many there should be.


async def _expected(
    budget: policy.PodDisruptionBudget, guarded: Sequence[core.Pod], session: Session
) -> tuple[int, int]:
    """Return how many Pods there should be, and how many must be healthy. Raises: Uncounted."""
    most, least = budget.spec.maxUnavailable, budget.spec.minAvailable
    if not isinstance(most, UnsetType):
        expected = await _scale(budget, guarded, session)
        return expected, max(0, expected - _scaled(most, expected))
    if isinstance(least, str):
        expected = await _scale(budget, guarded, session)
        return expected, _scaled(least, expected)
    return len(guarded), least or 0


def _scaled(number: int | str, total: int) -> int:
    """Return a number, or so many percent of `total`, rounded up. Raises: Uncounted."""
    if isinstance(number, int):
        return number
    if not number.endswith("%") or not number[:-1].isdigit():
        raise Uncounted("invalid value for IntOrString: invalid type: string is not a percentage")
    return -(-int(number[:-1]) * total // 100)


async def _scale(
    budget: policy.PodDisruptionBudget, guarded: Sequence[core.Pod], session: Session
) -> int:
    """Return how many Pods the owners of these want, all in all. Raises: Uncounted."""
    wanted: dict[str, int] = {}
    alone = []
    for pod in guarded:
        owner = pod.controller
        if owner is None:
            alone.append(pod.name)
        elif owner.uid not in wanted:
            scale = await _scale_of(owner, pod.namespace, session)
            if scale is None:
                raise Uncounted(f'found no controllers for pod "{pod.name}"')
            wanted[scale[0]] = scale[1]
    if alone:
        session.event_about(
            budget,
            "Warning",
            "UnmanagedPods",
            "Pods selected by this PodDisruptionBudget (selector: "
            f"{msgspec.to_builtins(budget.spec.selector)}) were found to be unmanaged. As a result, the "
            "status of the PDB cannot be calculated correctly, which may result in undefined "
            'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB '
            "to an integer value.",
        )
    return sum(wanted.values())


async def _scale_of(
    owner: meta.OwnerReference, namespace: str, session: Session
) -> tuple[str, int] | None:
    """Return uid and replicas of who decides on the number: a ReplicaSet's Deployment, for one."""
    if owner.kind not in _SCALED:
        return None
    found: Any = None
    if owner.kind == "ReplicaSet":
        found = await session.get(apps.ReplicaSet, owner.name, namespace)
        above = found.controller if found is not None and found.uid == owner.uid else None
        if above is not None and above.kind == "Deployment":
            return await _scale_of(above, namespace, session)
    elif owner.kind == "Deployment":
        found = await session.get(apps.Deployment, owner.name, namespace)
    elif owner.kind == "StatefulSet":
        found = await session.get(apps.StatefulSet, owner.name, namespace)
    else:
        found = await session.get(core.ReplicationController, owner.name, namespace)
    if found is None or found.uid != owner.uid:
        return None
    replicas = found.spec.replicas
    return owner.uid, 1 if isinstance(replicas, UnsetType) else replicas


# Writing it down.


def _failed(budget: policy.PodDisruptionBudget, error: Exception) -> dict[str, Any]:
    """Return a status that lets nothing go, and says why."""
    status = {"disruptedPods": {}, **msgspec.to_builtins(budget.status)}
    conditions = _conditions(budget, "SyncFailed", str(error), "False")
    return {**status, "disruptionsAllowed": 0, "conditions": conditions}


def _conditions(
    budget: policy.PodDisruptionBudget, reason: str, message: str, status: str
) -> list[dict[str, Any]]:
    known = [dict(msgspec.to_builtins(one)) for one in budget.status.conditions or ()]
    condition = {
        "type": "DisruptionAllowed",
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": budget.generation,
    }
    return set_condition(known, condition, clock.timestamp())


async def _write(
    budget: policy.PodDisruptionBudget, status: dict[str, Any], session: Session
) -> None:
    """Write a status, unless it is there already or the budget has changed since it was read.

    The whole status is written, also what evictions have noted in it, so it must be as it was read:
    a change wakes this controller again.
    """
    was = {"disruptedPods": {}, **msgspec.to_builtins(budget.status)}
    if status == {**was, "conditions": list(was.get("conditions", ()))}:
        return
    gone = dict.fromkeys(set(was["disruptedPods"]) - set(status["disruptedPods"]))
    patch = {
        "metadata": {"uid": budget.uid, "resourceVersion": budget.metadata.resourceVersion},
        "status": {**status, "disruptedPods": {**status["disruptedPods"], **gone}},
    }
    try:
        await session.patch(
            policy.PodDisruptionBudget,
            budget.name,
            budget.namespace,
            patch=patch,
            subresource="status",
        )
    except (NotFound, Conflict):
        return


# Marks on Pods.


async def reconcile_mark(key: Key, session: Session) -> Again | None:
    """Take back the mark of a Pod that was to be disrupted and was not."""
    pod = await session.get(core.Pod, key.name, key.namespace)
    if pod is None:
        session.forget()
        return None
    found = pods.condition(pod, "DisruptionTarget")
    if pod.deleting or pods.is_terminal(pod) or found is None or found.status != "True":
        return None
    if found.reason == "TerminationByKubelet" or not found.lastTransitionTime:
        return None
    left = clock.parse_timestamp(found.lastTransitionTime) + DELETION_SECONDS - clock.now()
    if left > 0:
        return Again(left)
    condition = {
        "type": "DisruptionTarget",
        "status": "False",
        "lastTransitionTime": clock.timestamp(),
        "reason": None,
        "message": None,
    }
    try:
        await session.patch(
            core.Pod,
            pod.name,
            pod.namespace,
            patch={"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}},
            type="strategic",
            subresource="status",
        )
    except (NotFound, Conflict):
        return None
    return None
