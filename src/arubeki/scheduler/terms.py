"""The terms by which a Pod wants others near or far, with their selectors read once.

Beside the ring: what `nodes` keeps of each Pod and `relations` judges by.
Source: kubernetes pkg/scheduler/framework/types.go AffinityTerm.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from arubeki.api.selectors import LabelSelector
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import to_dict


class AffinityTerm(NamedTuple):
    """Which Pods a term is about, and in which topology."""

    topology: str
    selector: LabelSelector
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None

    def matches(self, pod: core.Pod, namespace_labels: Mapping[str, str]) -> bool:
        """Whether the term is about a Pod whose namespace has these labels."""
        if pod.namespace not in self.namespaces and not (
            self.namespace_selector is not None
            and self.namespace_selector.matches(namespace_labels)
        ):
            return False
        return self.selector.matches(pod.labels)


def affinity_terms(pod: core.Pod) -> tuple[AffinityTerm, ...]:
    """Return the terms that must be met by Pods nearby."""
    affinity = pod.spec.affinity
    wanted = affinity and affinity.podAffinity
    if not wanted:
        return ()
    return tuple(
        _read(one, pod) for one in wanted.requiredDuringSchedulingIgnoredDuringExecution or ()
    )


def anti_affinity_terms(pod: core.Pod) -> tuple[AffinityTerm, ...]:
    """Return the terms that must not be met by any Pod nearby."""
    affinity = pod.spec.affinity
    unwanted = affinity and affinity.podAntiAffinity
    if not unwanted:
        return ()
    return tuple(
        _read(one, pod) for one in unwanted.requiredDuringSchedulingIgnoredDuringExecution or ()
    )


def _read(term: core.PodAffinityTerm, pod: core.Pod) -> AffinityTerm:
    # matchLabelKeys: only Pods with the same values, mismatchLabelKeys: only those with others.
    extra: list[dict[str, Any]] = [
        {"key": key, "operator": operator, "values": [pod.labels[key]]}
        for keys, operator in ((term.matchLabelKeys, "In"), (term.mismatchLabelKeys, "NotIn"))
        for key in keys or ()
        if key in pod.labels
    ]
    said = said_of(term.labelSelector)
    chosen = said_of(term.namespaceSelector)
    names = frozenset(term.namespaces or ())
    return AffinityTerm(
        term.topologyKey,
        selector_of(said, extra),
        # Neither names nor a selector: the Pod's own namespace.
        names if names or chosen is not None else frozenset((pod.namespace,)),
        None if chosen is None else LabelSelector.of(chosen),
    )


def said_of(selector: Any) -> dict[str, Any] | None:
    """Return a selector as a dict; None where none was given, which is not an empty one."""
    return to_dict(selector) if isinstance(selector, meta.LabelSelector) else None


def selector_of(
    selector: Mapping[str, Any] | None, extra: Sequence[Mapping[str, Any]]
) -> LabelSelector:
    """Return a label selector with more expressions; None stays one that matches nothing."""
    if selector is None or not extra:
        return LabelSelector.of(selector)
    expressions = [*(selector.get("matchExpressions") or ()), *extra]
    return LabelSelector.of({**selector, "matchExpressions": expressions})
