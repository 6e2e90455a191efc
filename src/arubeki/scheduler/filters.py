"""Which nodes can take a Pod, and what keeps the others from it.

Each filter answers "" or a reason; reasons are those that kube-scheduler puts into the Pod's
condition and event, since people search for them.

Beside the ring. Source: kubernetes pkg/scheduler/framework/plugins.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from arubeki.kinds import core_v1 as core
from arubeki.scheduler import relations
from arubeki.scheduler.nodes import PODS, NodeInfo, PodInfo

Filter = Callable[[PodInfo, NodeInfo], str]


def feasible(
    pod: PodInfo,
    nodes: Collection[NodeInfo],
    namespaces: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[list[NodeInfo], Counter[str]]:
    """Return the nodes that can take `pod`, and how many others fail for which reason.

    `namespaces` are labels by name, for terms that choose Pods by their namespaces' labels.
    """
    good, reasons = [], Counter[str]()
    related = relations.rules(
        pod,
        nodes,
        namespaces or {},
        is_selected=lambda pod, info: not _selected(pod, info),
        is_tolerated=lambda pod, info: not _tainted(pod, info),
    )
    for info in nodes:
        found = _reasons(pod, info) or [text for rule in related if (text := rule(info))][:1]
        if found:
            reasons.update(found)
        else:
            good.append(info)
    return good, reasons


def explanation(count: int, reasons: Mapping[str, int]) -> str:
    """Return the sentence that says why none of `count` nodes will do.

    Source: kubernetes pkg/scheduler/framework/types.go FitError.
    """
    if not count:
        return "no nodes available to schedule pods"
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    return f"0/{count} nodes are available: {listed}."


def _reasons(pod: PodInfo, info: NodeInfo) -> Sequence[str]:
    for one in FILTERS:
        reason = one(pod, info)
        if reason:
            return (reason,)
    return _lacking(pod, info)


def _unschedulable(pod: PodInfo, info: NodeInfo) -> str:
    if not info.node.spec.unschedulable:
        return ""
    taint = core.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
    if any(tolerates(one, taint) for one in pod.pod.spec.tolerations or ()):
        return ""
    return "node(s) were unschedulable"


def _named(pod: PodInfo, info: NodeInfo) -> str:
    wanted = pod.pod.spec.nodeName
    if not wanted or wanted == info.name:
        return ""
    return "node(s) didn't match the requested node name"


def _tainted(pod: PodInfo, info: NodeInfo) -> str:
    for taint in info.node.spec.taints or ():
        if taint.effect not in ("NoSchedule", "NoExecute"):
            continue
        if not any(tolerates(one, taint) for one in pod.pod.spec.tolerations or ()):
            return "node(s) had untolerated taint(s)"
    return ""


def _selected(pod: PodInfo, info: NodeInfo) -> str:
    reason = "node(s) didn't match Pod's node affinity/selector"
    labels = info.node.labels
    for key, value in (pod.pod.spec.nodeSelector or {}).items():
        if labels.get(key) != value:
            return reason
    affinity = pod.pod.spec.affinity and pod.pod.spec.affinity.nodeAffinity
    required = affinity and affinity.requiredDuringSchedulingIgnoredDuringExecution
    if required and not any(matches_term(one, info) for one in required.nodeSelectorTerms or ()):
        return reason
    return ""


def _ports(pod: PodInfo, info: NodeInfo) -> str:
    for address, port, protocol in pod.ports:
        for taken, taken_port, taken_protocol in info.ports:
            anywhere = "0.0.0.0" in (address, taken)
            if (port, protocol) == (taken_port, taken_protocol) and (anywhere or address == taken):
                return "node(s) didn't have free ports for the requested pod ports"
    return ""


FILTERS: tuple[Filter, ...] = (_unschedulable, _named, _tainted, _selected, _ports)


def _lacking(pod: PodInfo, info: NodeInfo) -> list[str]:
    found = []
    for name, amount in pod.requests.items():
        if amount and info.requested.get(name, 0) + amount > info.allocatable.get(name, 0):
            found.append("Too many pods" if name == PODS else f"Insufficient {name}")
    return found


def tolerates(toleration: core.Toleration, taint: core.Taint) -> bool:
    """Whether a toleration covers a taint.

    Source: kubernetes staging/src/k8s.io/api/core/v1/toleration.go ToleratesTaint.
    """
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    operator = toleration.operator or "Equal"
    if operator == "Exists":
        return True
    # An empty key tolerates every taint only together with Exists.
    return bool(toleration.key) and (toleration.value or "") == (taint.value or "")


def matches_term(term: core.NodeSelectorTerm, info: NodeInfo) -> bool:
    """Whether a node matches all expressions of a term; an empty term matches none."""
    expressions, fields = term.matchExpressions or (), term.matchFields or ()
    if not expressions and not fields:
        return False
    own = {"metadata.name": info.name}
    return all(_expression(one, info.node.labels) for one in expressions) and all(
        _expression(one, own) for one in fields
    )


def _expression(one: core.NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Source: component-helpers scheduling/corev1/nodeaffinity."""
    values = tuple(one.values or ())
    actual = labels.get(one.key)
    if one.operator == "In":
        return actual in values
    if one.operator == "NotIn":
        return actual not in values
    if one.operator == "Exists":
        return actual is not None
    if one.operator == "DoesNotExist":
        return actual is None
    try:
        number, bound = int(actual or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return number > bound if one.operator == "Gt" else number < bound
