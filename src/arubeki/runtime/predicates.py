"""Which changes matter: predicates for `app.controller(predicates=...)` and `watch(predicates=...)`.

A predicate only spares runs that would do nothing. It must never decide what a run does: a change
that it swallows may come merged with one that it lets through, or be found by a new list.

On the ring: [informer > **predicates** > workqueue].
Source: controller-runtime pkg/predicate/predicate.go.
"""

from typing import Any

from arubeki.runtime.change import Change
from arubeki.runtime.controller import Predicate
from arubeki.runtime.shape import annotations_of, generation_of, is_deleting, labels_of


def generation_changed(change: Change[Any]) -> bool:
    """Let through what changes the spec (or begins a deletion), not status or metadata alone.

    Objects that come or go, and those of kinds without a generation, are let through.
    """
    if change.old is None or change.new is None:
        return True
    old, new = generation_of(change.old), generation_of(change.new)
    return old != new or new == 0 or is_deleting(change.old) != is_deleting(change.new)


def labels_changed(change: Change[Any]) -> bool:
    """Let through what changes labels, comes or goes."""
    if change.old is None or change.new is None:
        return True
    return labels_of(change.old) != labels_of(change.new)


def annotations_changed(change: Change[Any]) -> bool:
    """Let through what changes annotations, comes or goes."""
    if change.old is None or change.new is None:
        return True
    return annotations_of(change.old) != annotations_of(change.new)


def any_of(*predicates: Predicate) -> Predicate:
    """Return a predicate that lets through what one of these does."""
    return lambda change: any(one(change) for one in predicates)
