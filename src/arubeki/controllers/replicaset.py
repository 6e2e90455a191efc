"""ReplicaSet: keep a number of Pods. Read this controller first.

It has the whole pattern on one page. Whatever happened (a Pod died, the number was changed, this
process was restarted half-way), the same function runs from its head: which Pods are mine, how many
should there be, make or remove the difference, write down what is. It keeps no state of its own.

- A Pod is mine when its controlling owner reference says so and its labels match; a Pod that matches
  and has no controller is adopted, one of mine that no longer matches is let go.
- Pods are made in batches of 1, 2, 4 …, so that a template that cannot work costs a few failures,
  not hundreds.
- Which Pods go first is a ranking: those that would be missed least.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/replicaset/replica_set.go, pkg/controller/controller_utils.go.
"""

import asyncio
import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from arubeki import clock
from arubeki.errors import ApiError, Forbidden, NotFound
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import pods
from arubeki.kinds.base import UNSET, UnsetType
from arubeki.runtime.cache import Key
from arubeki.runtime.claim import claimed, watch_claims
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session
from arubeki.runtime.shape import reference_to

BURST = 500
"""The most Pods made or removed in one run."""
COST = "controller.kubernetes.io/pod-deletion-cost"


def controller() -> Controller[Key]:
    """Return the controller."""
    found = Controller[Key]("replicaset-controller", reconcile, workers=5)
    found.watch(apps.ReplicaSet)
    watch_claims(found, apps.ReplicaSet, core.Pod)
    return found


async def reconcile(key: Key, session: Session) -> Again | None:
    """Bring the number of Pods to what the ReplicaSet says, and its status to what is."""
    replica_set = await session.get(apps.ReplicaSet, key.name, key.namespace)
    if replica_set is None:
        session.forget()
        return None
    mine = await claimed(session, replica_set, core.Pod, may_adopt=pods.is_active)
    active = [pod for pod in mine if pods.is_active(pod)]
    failure: ApiError | None = None
    if not replica_set.deleting:
        try:
            active = await _scaled(replica_set, active, session)
        except ApiError as error:
            failure = error
    now = clock.now()
    status = status_of(replica_set, mine, active, failure, now)
    metadata = meta.ObjectMeta(name=key.name, namespace=key.namespace, uid=replica_set.uid)
    try:
        await session.apply(apps.ReplicaSet(metadata=metadata, status=status), subresource="status")
    except NotFound:
        return None
    if failure is not None:
        raise failure
    return _next_available(replica_set, active, now)


# How many there should be.


async def _scaled(
    replica_set: apps.ReplicaSet, active: list[core.Pod], session: Session
) -> list[core.Pod]:
    """Make or remove the difference; return the Pods there are then."""
    missing = wanted(replica_set) - len(active)
    if missing > 0:
        return active + await _create(replica_set, min(missing, BURST), session)
    if missing < 0:
        surplus = await _surplus(replica_set, active, min(-missing, BURST), session)
        await _delete(replica_set, surplus, session)
        removed = {pod.uid for pod in surplus}
        return [pod for pod in active if pod.uid not in removed]
    return active


def wanted(replica_set: apps.ReplicaSet) -> int:
    """Return the number of Pods that should be."""
    replicas = replica_set.spec.replicas
    return 1 if isinstance(replicas, UnsetType) else replicas


async def _create(replica_set: apps.ReplicaSet, count: int, session: Session) -> list[core.Pod]:
    """Make `count` Pods in growing batches; the batch in which one fails is the last.

    Raises: the first failure.
    """
    made: list[core.Pod] = []
    pod = pod_of(replica_set)
    batch = 1
    while len(made) < count:
        batch = min(batch, count - len(made))
        results = await asyncio.gather(
            *(session.create(pod) for _ in range(batch)), return_exceptions=True
        )
        failures = []
        for result in results:
            if isinstance(result, core.Pod):
                made.append(result)
                session.event_about(
                    replica_set, "Normal", "SuccessfulCreate", f"Created pod: {result.name}"
                )
            else:
                failures.append(result)
        if failures:
            if isinstance(failures[0], Forbidden) and failures[0].has_cause("NamespaceTerminating"):
                break  # nothing can be made any more; trying again would be noise
            session.event_about(
                replica_set, "Warning", "FailedCreate", f"Error creating: {failures[0]}"
            )
            raise failures[0]
        batch *= 2
    return made


async def _delete(
    replica_set: apps.ReplicaSet, surplus: Sequence[core.Pod], session: Session
) -> None:
    """Delete Pods, all of them even if some cannot be. Raises: the first failure."""
    results = await asyncio.gather(
        *(session.delete(pod) for pod in surplus), return_exceptions=True
    )
    failures = []
    for pod, result in zip(surplus, results, strict=True):
        if isinstance(result, BaseException):
            failures.append(result)
            session.event_about(replica_set, "Warning", "FailedDelete", f"Error deleting: {result}")
        elif result:
            session.event_about(
                replica_set, "Normal", "SuccessfulDelete", f"Deleted pod: {pod.name}"
            )
    if failures:
        raise failures[0]


def pod_of(replica_set: apps.ReplicaSet) -> core.Pod:
    """Return a new Pod of the template."""
    template = replica_set.spec.template or core.PodTemplateSpec()
    return core.Pod(
        metadata=meta.ObjectMeta(
            generateName=f"{replica_set.name}-",
            namespace=replica_set.namespace,
            labels=template.metadata.labels if template.metadata else UNSET,
            annotations=template.metadata.annotations if template.metadata else UNSET,
            finalizers=template.metadata.finalizers if template.metadata else UNSET,
            ownerReferences=(reference_to(replica_set),),
        ),
        spec=template.spec or core.PodSpec(containers=()),
    )


async def _surplus(
    replica_set: apps.ReplicaSet, active: Sequence[core.Pod], count: int, session: Session
) -> list[core.Pod]:
    if count >= len(active):
        return list(active)
    related = await _related(replica_set, active, session)
    return ranked(active, related, clock.now())[:count]


async def _related(
    replica_set: apps.ReplicaSet, active: Sequence[core.Pod], session: Session
) -> Counter[str]:
    """Count Pods per node over all ReplicaSets of the same owner: crowded nodes lose theirs first."""
    owner = replica_set.controller
    found = list(active)
    if owner is not None:
        for sibling in await session.index(apps.ReplicaSet, "owner", owner.uid):
            if sibling.uid != replica_set.uid:
                found += [
                    pod
                    for pod in await session.index(core.Pod, "owner", sibling.uid)
                    if pods.is_active(pod)
                ]
    return Counter(pod.spec.nodeName or "" for pod in found)


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def ranked(active: Iterable[core.Pod], related: Counter[str], now: float) -> list[core.Pod]:
    """Return Pods in the order in which they should go.

    Without a node before placed; Pending before Unknown before Running; not ready before ready;
    lower deletion cost; on the more crowded node; ready for a shorter time; restarted more often;
    newer. Times are compared by orders of magnitude, and equals are left to chance (the uid): who
    always took the newest would take all of one node's.
    """
    merits = [_merit(pod, related, now) for pod in active]
    merits.sort(key=functools.cmp_to_key(_compare))
    return [merit.pod for merit in merits]


@dataclass(frozen=True, slots=True)
class _Merit:
    """What is weighed of a Pod. `plain` is compared first, and the lower goes."""

    pod: core.Pod
    plain: tuple[Any, ...]
    ready_seconds: float
    restarts: tuple[int, int]
    age_seconds: float


def _merit(pod: core.Pod, related: Counter[str], now: float) -> _Merit:
    is_ready = pods.is_ready(pod)
    node = pod.spec.nodeName or ""
    created = pod.metadata.creationTimestamp
    return _Merit(
        pod,
        (bool(node), _PHASES.get(pod.status.phase or "", 0), is_ready, _cost(pod), -related[node]),
        now - pods.ready_since(pod) if is_ready else 0.0,
        pods.restarts(pod),
        now - clock.parse_timestamp(created) if created else -1.0,
    )


def _compare(one: _Merit, other: _Merit) -> int:
    """Return a negative number if `one` goes first. Source: ActivePodsWithRanks.Less."""
    if one.plain != other.plain:
        return -1 if one.plain < other.plain else 1
    if one.ready_seconds != other.ready_seconds:
        return _by_magnitude(one, one.ready_seconds, other, other.ready_seconds)
    if one.restarts != other.restarts:
        return -1 if one.restarts > other.restarts else 1
    if one.age_seconds != other.age_seconds:
        return _by_magnitude(one, one.age_seconds, other, other.age_seconds)
    return 0


def _by_magnitude(one: _Merit, seconds: float, other: _Merit, other_seconds: float) -> int:
    difference = _magnitude(seconds) - _magnitude(other_seconds)
    return difference or (-1 if one.pod.uid < other.pod.uid else 1)


def _magnitude(seconds: float) -> int:
    return int(math.log2(seconds * 1e9)) if seconds > 0 else -1


def _cost(pod: core.Pod) -> int:
    """Return the cost as its annotation says it; what is no int32 counts as none."""
    text = pod.annotations.get(COST, "0")
    return int(text) if _COST.fullmatch(text) and abs(int(text)) < 2**31 else 0


_COST = re.compile(r"-?(0|[1-9][0-9]{0,9})")
"""Source: pkg/apis/core/v1/helper GetDeletionCostFromPodAnnotations: no plus, no leading zero."""


# What is.


def status_of(
    replica_set: apps.ReplicaSet,
    mine: Sequence[core.Pod],
    active: Sequence[core.Pod],
    failure: ApiError | None,
    now: float,
) -> apps.ReplicaSetStatus:
    """Return the status. Counts of zero are left out where Go's encoder leaves them out."""
    template = replica_set.spec.template
    labels = (template.metadata.labels if template and template.metadata else None) or {}
    seconds = replica_set.spec.minReadySeconds or 0
    full = sum(all(pod.labels.get(k) == v for k, v in labels.items()) for pod in active)
    ready = sum(pods.is_ready(pod) for pod in active)
    available = sum(not pods.available_in(pod, seconds, now) for pod in active)
    ending = sum(pod.deleting and not pods.is_terminal(pod) for pod in mine)
    return apps.ReplicaSetStatus(
        replicas=len(active),
        fullyLabeledReplicas=full or UNSET,
        readyReplicas=ready or UNSET,
        availableReplicas=available or UNSET,
        terminatingReplicas=ending,
        observedGeneration=replica_set.generation,
        conditions=_conditions(replica_set, len(active), failure),
    )


def _conditions(
    replica_set: apps.ReplicaSet, count: int, failure: ApiError | None
) -> tuple[apps.ReplicaSetCondition, ...] | UnsetType:
    if failure is None:
        return UNSET
    for one in replica_set.status.conditions or ():
        if one.type == "ReplicaFailure":
            return (one,)  # it says what failed first, and since when
    reason = "FailedCreate" if wanted(replica_set) > count else "FailedDelete"
    return (
        apps.ReplicaSetCondition(
            type="ReplicaFailure",
            status="True",
            reason=reason,
            message=str(failure),
            lastTransitionTime=clock.timestamp(),
        ),
    )


def _next_available(
    replica_set: apps.ReplicaSet, active: Sequence[core.Pod], now: float
) -> Again | None:
    """Come again when the next ready Pod has been so for long enough: no change will tell."""
    seconds = replica_set.spec.minReadySeconds or 0
    if not seconds:
        return None
    waits = [pods.available_in(pod, seconds, now) for pod in active]
    later = [one for one in waits if 0 < one < float("inf")]
    return Again(min(later)) if later else None
