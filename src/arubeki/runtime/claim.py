"""Which objects are mine: those whose controlling owner I am and that my selector matches.

A controller whose dependents are found by labels (a ReplicaSet its Pods, a Deployment its
ReplicaSets) adopts what matches and has no controller, and lets go of what it controls and no longer
matches. Both need an index "orphan" on the dependents' kind; `watch_claims` declares it, with the
watch that wakes whoever may adopt.

On the ring: [workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/controller_ref_manager.go.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from arubeki.api.selectors import LabelSelector
from arubeki.errors import NotFound
from arubeki.kinds.base import Object, to_dict
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller, owner_of
from arubeki.runtime.session import Session
from arubeki.runtime.shape import reference_to

D = TypeVar("D", bound=Object)

_ORPHAN = "orphan"


def selector_of(owner: Any) -> LabelSelector:
    """Return the label selector in an object's spec."""
    return LabelSelector.of(to_dict(owner.spec.selector))


def watch_claims(controller: Controller[Key], owner: type[Any], dependent: type[Any]) -> None:
    """Watch the dependents of a kind: each wakes its owner, or those that might adopt it."""

    def adopters(one: Any) -> Iterable[Key]:
        if one.controller is None and not one.deleting:
            for other in controller.lookup.list(owner, one.namespace):
                if selector_of(other).matches(one.labels):
                    yield Key(other.namespace, other.name)

    controller.watch(dependent, owner_of(owner))
    controller.watch(dependent, adopters)
    controller.index(dependent, _ORPHAN, lambda one: () if one.controller else (one.namespace,))


async def claimed(
    session: Session,
    owner: Any,
    kind: type[D],
    *,
    may_adopt: Callable[[D], bool] = lambda one: not one.deleting,
) -> list[D]:
    """Return the dependents of `owner`, after adopting and letting go.

    An owner that is being deleted does neither. What is being deleted stays with its owner.
    """
    selector = selector_of(owner)
    mine = []
    for one in await session.index(kind, "owner", owner.uid):
        if one.controller is None or one.controller.uid != owner.uid:
            continue
        if one.deleting or selector.matches(one.labels):
            mine.append(one)
        elif not owner.deleting:
            await _release(session, owner, one)
    if owner.deleting:
        return mine
    orphans = [
        one
        for one in await session.index(kind, _ORPHAN, owner.namespace)
        if may_adopt(one) and selector.matches(one.labels)
    ]
    if orphans and await _still_there(session, owner):
        for one in orphans:
            adopted = await _adopt(session, owner, one)
            if adopted is not None:
                mine.append(adopted)
    return mine


async def _still_there(session: Session, owner: Any) -> bool:
    """Ask the server, not the cache: one that is being deleted must adopt nothing."""
    live = await session.get(type(owner), owner.name, owner.namespace, live=True)
    return live is not None and live.uid == owner.uid and not live.deleting


async def _adopt(session: Session, owner: Any, one: D) -> D | None:
    return await _patch(session, one, to_dict(reference_to(owner)))


async def _release(session: Session, owner: Any, one: D) -> None:
    await _patch(session, one, {"$patch": "delete", "uid": owner.uid})


async def _patch(session: Session, one: D, reference: dict[str, Any]) -> D | None:
    """Change one owner reference; the uid makes sure that it is this very object's."""
    try:
        return await session.patch(
            type(one),
            one.name,
            one.namespace,
            patch={"metadata": {"uid": one.uid, "ownerReferences": [reference]}},
            type="strategic",
        )
    except NotFound:
        return None
