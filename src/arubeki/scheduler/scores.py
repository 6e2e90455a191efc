"""Which of the nodes that can take a Pod should: the emptiest, with the fewest of its siblings.

Kubernetes adds up some ten scores; these are the four that decide in a cluster of equal nodes. Each
is between 0 and 100.

Beside the ring. Source: kubernetes pkg/scheduler/framework/plugins (noderesources, podtopologyspread,
nodeaffinity, tainttoleration).
"""

from collections.abc import Mapping, Sequence

from arubeki.scheduler.filters import matches_term, tolerates
from arubeki.scheduler.nodes import DEFAULT_REQUESTS, PODS, NodeInfo, PodInfo

TOP = 100.0


def best(pod: PodInfo, nodes: Sequence[NodeInfo]) -> NodeInfo:
    """Return the node to place `pod` on; the name decides between equals, so that it is repeatable.

    Kubernetes draws lots between equals. A repeatable choice is as good and can be tested.
    """
    # Pods of one owner spread; a Pod without an owner has no siblings.
    most = max((info.owners[pod.owner_uid] for info in nodes), default=0) if pod.owner_uid else 0

    def score(info: NodeInfo) -> float:
        spread = TOP * (1 - info.owners[pod.owner_uid] / most) if most else TOP
        # Taints weigh three times, spreading and preferred affinity twice, as in the default profile.
        return (
            _free(pod.scored, info)
            + 2 * spread
            + 2 * _preferred(pod, info)
            + 3 * _untainted(pod, info)
        )

    return min(nodes, key=lambda info: (-score(info), len(info.pods), info.name))


def _free(asked: Mapping[str, int], info: NodeInfo) -> float:
    """How much of cpu and memory would be left."""
    shares = []
    for name in DEFAULT_REQUESTS:
        total = info.allocatable.get(name)
        if total:
            used = info.scored.get(name, 0) + asked.get(name, 0)
            shares.append(max(0.0, 1 - used / total))
    count = info.allocatable.get(PODS)
    if count:
        shares.append(max(0.0, 1 - (len(info.pods) + 1) / count))
    return TOP * sum(shares) / len(shares) if shares else 0.0


def _preferred(pod: PodInfo, info: NodeInfo) -> float:
    affinity = pod.pod.spec.affinity and pod.pod.spec.affinity.nodeAffinity
    terms = (affinity and affinity.preferredDuringSchedulingIgnoredDuringExecution) or ()
    total = sum(one.weight for one in terms)
    matched = sum(one.weight for one in terms if matches_term(one.preference, info))
    return TOP * matched / total if total else 0.0


def _untainted(pod: PodInfo, info: NodeInfo) -> float:
    taints = [one for one in info.node.spec.taints or () if one.effect == "PreferNoSchedule"]
    if not taints:
        return TOP
    bad = sum(not any(tolerates(t, one) for t in pod.pod.spec.tolerations or ()) for one in taints)
    return TOP * (1 - bad / len(taints))
