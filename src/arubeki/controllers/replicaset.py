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
import math
from collections import Counter
from collections.abc import Iterable, Sequence

from arubeki import clock
from arubeki.errors import ApiError, Forbidden
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
    await session.apply(
        apps.ReplicaSet(
            metadata=meta.ObjectMeta(name=key.name, namespace=key.namespace), status=status
        ),
        subresource="status",
    )
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
        await asyncio.gather(*(_delete(replica_set, pod, session) for pod in surplus))
        removed = {pod.uid for pod in surplus}
        return [pod for pod in active if pod.uid not in removed]
    return active


def wanted(replica_set: apps.ReplicaSet) -> int:
    """Return the number of Pods that should be."""
    replicas = replica_set.spec.replicas
    return 1 if isinstance(replicas, UnsetType) else replicas


async def _create(replica_set: apps.ReplicaSet, count: int, session: Session) -> list[core.Pod]:
    """Make `count` Pods in growing batches; the first failure ends it and is raised."""
    made: list[core.Pod] = []
    pod = pod_of(replica_set)
    batch = 1
    while len(made) < count:
        batch = min(batch, count - len(made))
        results = await asyncio.gather(
            *(session.create(pod) for _ in range(batch)), return_exceptions=True
        )
        for result in results:
            if isinstance(result, core.Pod):
                made.append(result)
                session.event_about(
                    replica_set, "Normal", "SuccessfulCreate", f"Created pod: {result.name}"
                )
        failures = [one for one in results if isinstance(one, BaseException)]
        if failures:
            if _namespace_is_ending(failures[0]):
                break
            session.event_about(
                replica_set, "Warning", "FailedCreate", f"Error creating: {failures[0]}"
            )
            raise failures[0]
        batch *= 2
    return made


def _namespace_is_ending(error: BaseException) -> bool:
    """Whether nothing can be made any more since the namespace goes; trying again would be noise."""
    return isinstance(error, Forbidden) and any(
        cause.get("reason") == "NamespaceTerminating" for cause in error.causes
    )


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


async def _delete(replica_set: apps.ReplicaSet, pod: core.Pod, session: Session) -> None:
    try:
        await session.delete(pod)
    except ApiError as error:
        session.event_about(replica_set, "Warning", "FailedDelete", f"Error deleting: {error}")
        raise
    session.event_about(replica_set, "Normal", "SuccessfulDelete", f"Deleted pod: {pod.name}")


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
    lower deletion cost; on the more crowded node; ready for a shorter time, by orders of magnitude,
    so that equals are left to chance; restarted more often; newer.
    """

    def rank(pod: core.Pod) -> tuple[object, ...]:
        ready = pods.is_ready(pod)
        since = pods.ready_since(pod)
        age = math.floor(math.log10(max(now - since, 1.0))) if ready and since else 0
        return (
            bool(pod.spec.nodeName),
            _PHASES.get(pod.status.phase or "", 0),
            ready,
            _cost(pod),
            -related[pod.spec.nodeName or ""],
            age,
            -pods.restarts(pod),
            _newest_first(pod.metadata.creationTimestamp or ""),
            pod.uid,
        )

    return sorted(active, key=rank)


def _cost(pod: core.Pod) -> int:
    try:
        return int(pod.annotations.get(COST, "0"))
    except ValueError:
        return 0


def _newest_first(timestamp: str) -> float:
    return -clock.parse_timestamp(timestamp) if timestamp else float("-inf")


# What is.


def status_of(
    replica_set: apps.ReplicaSet,
    mine: Sequence[core.Pod],
    active: Sequence[core.Pod],
    failure: ApiError | None,
    now: float,
) -> apps.ReplicaSetStatus:
    """Return the status. Counts of zero are left out, as Go's encoder does, but `replicas`."""
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
        terminatingReplicas=ending or UNSET,
        observedGeneration=replica_set.generation,
        conditions=_conditions(replica_set, len(active), failure),
    )


def _conditions(
    replica_set: apps.ReplicaSet, count: int, failure: ApiError | None
) -> tuple[apps.ReplicaSetCondition, ...] | UnsetType:
    if failure is None:
        return UNSET
    reason = "FailedCreate" if wanted(replica_set) > count else "FailedDelete"
    for one in replica_set.status.conditions or ():
        if one.type == "ReplicaFailure" and one.reason == reason:
            return (one,)  # its time and message are those of the first failure
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
