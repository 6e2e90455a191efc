"""The questions that controllers ask of Pods: does it count, is it ready, since when.

Pure functions over typed Pods. Source: kubernetes pkg/api/v1/pod/util.go,
pkg/controller/controller_utils.go.

On the ring: what reconcilers read.
"""

from arubeki import clock
from arubeki.kinds.core_v1 import Pod, PodCondition


def condition(pod: Pod, kind: str) -> PodCondition | None:
    """Return a Pod's condition of a type, None if it has none."""
    for one in pod.status.conditions or ():
        if one.type == kind:
            return one
    return None


def is_terminal(pod: Pod) -> bool:
    """Whether its containers have ended and will not start again."""
    return pod.status.phase in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """Whether it counts towards a number of replicas: neither ended nor being deleted."""
    return not is_terminal(pod) and not pod.deleting


def is_ready(pod: Pod) -> bool:
    """Whether its Ready condition is true."""
    found = condition(pod, "Ready")
    return found is not None and found.status == "True"


def ready_since(pod: Pod) -> float:
    """Return when it became ready, in seconds since 1970; infinity if it is not, or does not say."""
    found = condition(pod, "Ready")
    if found is None or found.status != "True" or not found.lastTransitionTime:
        return float("inf")
    return clock.parse_timestamp(found.lastTransitionTime)


def available_in(pod: Pod, min_ready_seconds: int, now: float) -> float:
    """Return the seconds until it counts as available: 0 now, infinity while it is not ready."""
    if not is_ready(pod):
        return float("inf")
    if not min_ready_seconds:
        return 0.0
    return max(0.0, ready_since(pod) + min_ready_seconds - now)


def restarts(pod: Pod) -> tuple[int, int]:
    """Return how often its containers were started again: the most often restarted one's number.

    Those of its sidecars (init containers that restart always) are the second number.
    """
    sidecars = {one.name for one in pod.spec.initContainers or () if one.restartPolicy == "Always"}
    mains = [one.restartCount or 0 for one in pod.status.containerStatuses or ()]
    others = [
        one.restartCount or 0
        for one in pod.status.initContainerStatuses or ()
        if one.name in sidecars
    ]
    return max(mains, default=0), max(others, default=0)
