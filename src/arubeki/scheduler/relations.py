"""What other Pods have to do with where a Pod may go: together, apart, spread.

Affinity wants the Pod where certain others are, anti-affinity where they are not (also against the
wish of those that are there already), spreading wants about as many everywhere. "Where" is a
topology: all nodes with the same value of a label. Only what is required is judged here; what is
merely preferred (preferred terms, ScheduleAnyway) is not taken into account.

All of it is worked out once per Pod, before the nodes are looked at one by one; a Pod without
relations, among others without, costs nothing.

Beside the ring. Source: kubernetes pkg/scheduler/framework/plugins/{interpodaffinity,
podtopologyspread}.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from arubeki.api.selectors import LabelSelector
from arubeki.kinds import core_v1 as core
from arubeki.scheduler.nodes import NodeInfo, PodInfo
from arubeki.scheduler.terms import (
    AffinityTerm,
    affinity_terms,
    anti_affinity_terms,
    said_of,
    selector_of,
)

Rule = Callable[[NodeInfo], str]
"""Answers "" or why the Pod cannot go to a node."""
NodeTest = Callable[[PodInfo, NodeInfo], bool]
Labels = Mapping[str, str]
Place = tuple[str, str]
"""A topology: (label, value)."""

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"
UNLABELLED = f"{SPREAD} (missing required label)"


def has_relations(pod: core.Pod) -> bool:
    """Whether where a Pod may go depends on other Pods by its own wish."""
    return bool(affinity_terms(pod) or anti_affinity_terms(pod) or _constraints(pod))


def rules(
    pod: PodInfo,
    nodes: Collection[NodeInfo],
    namespaces: Mapping[str, Labels],
    *,
    is_selected: NodeTest,
    is_tolerated: NodeTest,
) -> list[Rule]:
    """Return what keeps `pod` from a node on account of other Pods; often nothing.

    `namespaces` are their labels by name. `is_selected` says whether the Pod's own node selector and
    affinity agree to a node, `is_tolerated` whether it tolerates its taints: some nodes do not count.
    """
    own = pod.pod
    found: list[Rule] = []
    for constraint in _constraints(own):
        found.append(_spread(constraint, pod, nodes, is_selected, is_tolerated))
    if wanted := affinity_terms(own):
        found.append(_together(wanted, own, nodes, namespaces))
    if unwanted := anti_affinity_terms(own):
        found.append(_apart(unwanted, nodes, namespaces))
    guarded = [info for info in nodes if info.guarded]
    if guarded:
        found.append(_kept_away(own, guarded, namespaces))
    return found


def _labels(namespaces: Mapping[str, Labels], pod: core.Pod) -> Labels:
    return namespaces.get(pod.namespace, {})


def _together(
    terms: Sequence[AffinityTerm],
    own: core.Pod,
    nodes: Collection[NodeInfo],
    namespaces: Mapping[str, Labels],
) -> Rule:
    """The Pod goes where, for each term, there is a Pod that meets all of them."""

    def meets(other: core.Pod) -> bool:
        return all(term.matches(other, _labels(namespaces, other)) for term in terms)

    places = {
        (term.topology, info.node.labels[term.topology])
        for info in nodes
        if any(meets(other.pod) for other in info.pods.values())
        for term in terms
        if term.topology in info.node.labels
    }
    # The first of Pods that want to be together must be able to begin somewhere.
    may_begin = not places and meets(own)

    def rule(info: NodeInfo) -> str:
        labels = info.node.labels
        if not all(term.topology in labels for term in terms):
            return AFFINITY
        if may_begin or all((term.topology, labels[term.topology]) in places for term in terms):
            return ""
        return AFFINITY

    return rule


def _apart(
    terms: Sequence[AffinityTerm],
    nodes: Collection[NodeInfo],
    namespaces: Mapping[str, Labels],
) -> Rule:
    """The Pod goes nowhere where there is one that meets any of the terms."""
    places: set[Place] = set()
    for info in nodes:
        for term in terms:
            place = (term.topology, info.node.labels.get(term.topology, ""))
            if term.topology not in info.node.labels or place in places:
                continue
            others = (one.pod for one in info.pods.values())
            if any(term.matches(other, _labels(namespaces, other)) for other in others):
                places.add(place)
    return lambda info: ANTI_AFFINITY if _lies_in(info, places) else ""


def _kept_away(
    own: core.Pod, guarded: Collection[NodeInfo], namespaces: Mapping[str, Labels]
) -> Rule:
    """The Pod goes nowhere where one is that does not want it."""
    labels = _labels(namespaces, own)
    places = {
        (term.topology, info.node.labels[term.topology])
        for info in guarded
        for other in info.guarded.values()
        for term in other.anti_affinity
        if term.topology in info.node.labels and term.matches(own, labels)
    }
    return lambda info: EXISTING if _lies_in(info, places) else ""


def _lies_in(info: NodeInfo, places: Collection[Place]) -> bool:
    return any(info.node.labels.get(label) == value for label, value in places)


# Spreading.


def _constraints(pod: core.Pod) -> list[core.TopologySpreadConstraint]:
    return [
        one
        for one in pod.spec.topologySpreadConstraints or ()
        if one.whenUnsatisfiable == "DoNotSchedule"
    ]


def _spread(
    constraint: core.TopologySpreadConstraint,
    pod: PodInfo,
    nodes: Collection[NodeInfo],
    is_selected: NodeTest,
    is_tolerated: NodeTest,
) -> Rule:
    """The Pod goes where there are at most maxSkew more than where there are fewest."""
    own, label = pod.pod, constraint.topologyKey
    selector = _spread_selector(constraint, own)
    every = [one.topologyKey for one in _constraints(own)]
    counts: Counter[str] = Counter()
    for info in nodes:
        if not all(one in info.node.labels for one in every):
            continue
        if (constraint.nodeAffinityPolicy or "Honor") == "Honor" and not is_selected(pod, info):
            continue
        if constraint.nodeTaintsPolicy == "Honor" and not is_tolerated(pod, info):
            continue
        counts[info.node.labels[label]] += _count(info, selector, own.namespace)
    fewest = min(counts.values(), default=0)
    if len(counts) < (constraint.minDomains or 1):
        fewest = 0  # domains that are not there yet count as empty
    itself = int(selector.matches(own.labels))

    def rule(info: NodeInfo) -> str:
        value = info.node.labels.get(label)
        if value is None:
            return UNLABELLED
        return SPREAD if counts[value] + itself - fewest > constraint.maxSkew else ""

    return rule


def _spread_selector(constraint: core.TopologySpreadConstraint, own: core.Pod) -> LabelSelector:
    extra: list[dict[str, Any]] = [
        {"key": key, "operator": "In", "values": [own.labels[key]]}
        for key in constraint.matchLabelKeys or ()
        if key in own.labels
    ]
    return selector_of(said_of(constraint.labelSelector), extra)


def _count(info: NodeInfo, selector: LabelSelector, namespace: str) -> int:
    if selector.empty:
        return 0
    return sum(
        one.pod.namespace == namespace and not one.pod.deleting and selector.matches(one.pod.labels)
        for one in info.pods.values()
    )
