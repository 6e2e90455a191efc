"""Namespace: when one is deleted, empty it, then let it go.

A namespace being deleted is held by the finalizer `kubernetes` in its spec. This controller asks the
server which kinds there are (custom ones too), deletes Pods first and then everything else, looks
again until nothing is left, says in conditions what it waits for, and takes the finalizer away.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/namespace/deletion/namespaced_resources_deleter.go, KEP-5080.
"""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from arubeki import clock
from arubeki.api.objects import Kind
from arubeki.client.discovery import Served
from arubeki.errors import ApiError, Conflict, MethodNotAllowed, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import Dynamic
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

FINALIZER = "kubernetes"
PAUSE_SECONDS = 0.5
"""How soon what is left is looked at again: Pods end and finalizers go without telling us."""


class _Metadata(msgspec.Struct, gc=False, frozen=True):
    finalizers: tuple[str, ...] | None = None


class _Left(msgspec.Struct, gc=False, frozen=True):
    metadata: _Metadata = _Metadata()


@dataclass
class Remains:
    """What a pass over a namespace left behind, and what kept it from doing more."""

    unknown: str = ""
    failures: list[str] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.unknown or self.failures or self.left)


def controller() -> Controller[Key]:
    """Return the controller."""
    found = Controller[Key]("namespace-controller", reconcile, workers=5)
    found.watch(core.Namespace)
    return found


async def reconcile(key: Key, session: Session) -> Again | None:
    """Empty a namespace that is being deleted, and let it go when it is empty."""
    namespace = await session.get(core.Namespace, key.name, "")
    if namespace is None:
        session.forget()
        return None
    if not namespace.deleting:
        return None
    if FINALIZER not in (namespace.spec.finalizers or ()):
        return None
    remains = Remains()
    kinds = await _kinds(session, remains)
    pods = [one for one in kinds if one.kind.gvk == core.Pod.KIND.gvk]
    others = [one for one in kinds if one.kind.gvk != core.Pod.KIND.gvk]
    for group in (pods, others):
        # Pods go first: they may still write to, or need, what the namespace holds besides them.
        for one in group:
            try:
                await _empty(session, one, namespace.name, remains)
            except ApiError as error:
                remains.failures.append(str(error))
        if remains.left:
            break
    if remains:
        await _write_status(session, namespace, conditions_of(namespace, remains))
        return Again(PAUSE_SECONDS)
    await _finalize(session, namespace)
    return None


async def _kinds(session: Session, remains: Remains) -> list[Served]:
    """Return what namespaces hold, each kind in one version."""
    try:
        served = await session.client.discovery.served(refresh=True)
    except ApiError as error:
        remains.unknown = str(error)
        return []
    seen: set[tuple[str, str]] = set()
    found = []
    for one in served:
        place = (one.kind.group, one.kind.plural)
        if one.kind.namespaced and {"list", "delete"} <= one.verbs and place not in seen:
            seen.add(place)
            found.append(one)
    return found


async def _empty(session: Session, one: Served, namespace: str, remains: Remains) -> None:
    """Delete the objects of a kind, and count what stays behind and what holds it."""
    kind = one.kind
    try:
        if not await _listed(session, kind, namespace):
            return
        if "deletecollection" in one.verbs:
            await session.client.delete_collection(kind, namespace, propagation="Background")
        else:
            for one_object in await session.client.list(kind, namespace):
                await session.client.delete(kind, one_object["metadata"]["name"], namespace)
        staying = await _listed(session, kind, namespace)
    except (NotFound, MethodNotAllowed):
        return  # its definition went in the meantime, and its objects with it
    for obj in staying:
        remains.left[f"{kind.plural}.{kind.group}"] += 1  # with its dot where there is no group
        remains.finalizers.update(obj.metadata.finalizers or ())


async def _listed(session: Session, kind: Kind, namespace: str) -> list[_Left]:
    items, _ = await session.client.list_raw(kind, namespace)
    return [msgspec.json.decode(one, type=_Left) for one in items]


async def _finalize(session: Session, namespace: core.Namespace) -> None:
    """Take our finalizer away; the server lets the namespace go when it was the last."""
    rest = [one for one in namespace.spec.finalizers or () if one != FINALIZER]
    kind = core.Namespace.KIND
    body = Dynamic.of(kind)(
        apiVersion="v1",
        kind="Namespace",
        metadata={
            "name": namespace.name,
            "uid": namespace.uid,
            "resourceVersion": namespace.resource_version,
        },
        spec={"finalizers": rest},
    )
    try:
        await session.update(body, subresource="finalize")
    except (NotFound, Conflict):
        return  # gone, or changed: then we are woken again


def conditions_of(
    namespace: core.Namespace, remains: Remains
) -> tuple[core.NamespaceCondition, ...]:
    """Return the conditions that say what is waited for."""
    left = ", ".join(
        sorted(f"{name} has {count} resource instances" for name, count in remains.left.items())
    )
    held = ", ".join(
        sorted(
            f"{name} in {count} resource instances" for name, count in remains.finalizers.items()
        )
    )
    failures = f"{len(remains.failures)} remaining: {', '.join(sorted(remains.failures))}"
    told = (
        (
            "NamespaceDeletionDiscoveryFailure",
            remains.unknown,
            ("DiscoveryFailed", "ResourcesDiscovered"),
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            ("GroupVersionParsingFailed", "ParsedGroupVersions"),
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            remains.failures and f"Failed to delete all resource types, {failures}",
            ("ContentDeletionFailed", "ContentDeleted"),
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            left and f"Some resources are remaining: {left}",
            ("SomeResourcesRemain", "ContentRemoved"),
            "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            held and f"Some content in the namespace has finalizers remaining: {held}",
            ("SomeFinalizersRemain", "ContentHasNoFinalizers"),
            "All content-preserving finalizers finished",
        ),
    )
    known = {one.type: one for one in namespace.status.conditions or ()}
    conditions = []
    for kind, message, (bad, good), fine in told:
        status = "True" if message else "False"
        old = known.get(kind)
        same = old is not None and old.status == status
        conditions.append(
            core.NamespaceCondition(
                type=kind,
                status=status,
                reason=bad if message else good,
                message=str(message or fine),
                lastTransitionTime=old.lastTransitionTime if old and same else clock.timestamp(),
            )
        )
    return tuple(conditions)


async def _write_status(
    session: Session, namespace: core.Namespace, conditions: tuple[core.NamespaceCondition, ...]
) -> None:
    wanted = core.Namespace(
        metadata=meta.ObjectMeta(name=namespace.name, uid=namespace.uid),
        status=core.NamespaceStatus(phase="Terminating", conditions=conditions),
    )
    try:
        await session.apply(wanted, subresource="status")
    except (NotFound, Conflict):
        return  # gone, or another of the same name
