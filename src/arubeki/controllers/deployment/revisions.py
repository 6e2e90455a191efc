"""The new ReplicaSet of a template, and the numbers by which `kubectl rollout history` knows it.

Every template gets a revision number; going back to an old template gives its ReplicaSet the next
number, and the old one is remembered in an annotation.

On the ring: [workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/deployment/sync.go, util/deployment_util.go.
"""

from collections.abc import Mapping, Sequence

from arubeki.controllers.deployment import plan
from arubeki.errors import AlreadyExists, ApiError, ArubekiError
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import UNSET, to_dict
from arubeki.runtime.session import Session
from arubeki.runtime.shape import reference_to

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
NO_LIMIT = 2**31 - 1
"""revisionHistoryLimit of this value means that there is none."""
_HISTORY_LENGTH = 2000
_OWN = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    HISTORY,
    plan.DESIRED,
    plan.MAXIMUM,
}
"""Annotations that are not copied from a Deployment to its ReplicaSets."""


class NameTaken(ApiError):
    """The new ReplicaSet's name belongs to something else: the hash must become another."""

    code, reason = 409, "AlreadyExists"


class NotCreated(ArubekiError):
    """The new ReplicaSet could not be made. `is_final`: its namespace goes, so it never will be."""

    def __init__(self, name: str, error: ApiError) -> None:
        super().__init__(f'Failed to create new replica set "{name}": {error}')
        self.error = error
        self.is_final = error.has_cause("NamespaceTerminating")


def revision(owner: apps.Deployment | apps.ReplicaSet) -> int:
    """Return an object's revision number; 0 when it has none."""
    text = owner.annotations.get(REVISION, "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def annotations(
    deployment: apps.Deployment, old: Sequence[apps.ReplicaSet], new: apps.ReplicaSet | None
) -> dict[str, str]:
    """Return the annotations that the new ReplicaSet should have.

    Its number is above all old ones'; a ReplicaSet that comes back remembers its former numbers.
    """
    found = dict(new.annotations) if new else {}
    found.update((k, v) for k, v in deployment.annotations.items() if k not in _OWN)
    number = max((revision(one) for one in old), default=0) + 1
    former = revision(new) if new else 0
    if former < number:
        found[REVISION] = str(number)
        if former:
            listed = [part for part in found.get(HISTORY, "").split(",") if part]
            listed.append(str(former))
            while len(",".join(listed)) > _HISTORY_LENGTH:
                del listed[0]
            found[HISTORY] = ",".join(listed)
    # The sizes of one that exists change with its size alone: they tell what it was made for.
    return found if new else found | sizes(deployment)


def sizes(deployment: apps.Deployment) -> dict[str, str]:
    """Return the annotations that tell a later rescale what the sizes were made for."""
    surge, _ = plan.limits(deployment)
    wanted = plan.desired(deployment)
    return {plan.DESIRED: str(wanted), plan.MAXIMUM: str(wanted + surge)}


async def create(
    deployment: apps.Deployment, old: Sequence[apps.ReplicaSet], session: Session
) -> apps.ReplicaSet:
    """Make the ReplicaSet of the current template, with as many Pods as may be now.

    Raises: NameTaken, NotCreated.
    """
    digest = plan.hash_of(deployment.spec.template, deployment.status.collisionCount or 0)
    wanted = _wanted(deployment, old, digest)
    try:
        return await session.create(wanted)
    except AlreadyExists as error:
        # Perhaps it is ours: an answer was lost, or the cache is behind.
        live = await session.get(apps.ReplicaSet, wanted.name, wanted.namespace, live=True)
        if live is None or live.controller is None:
            raise  # gone again, or about to be adopted: the next run sees which
        is_ours = live.controller.uid == deployment.uid
        if is_ours and plan.is_same(live.spec.template, deployment.spec.template):
            return live
        raise NameTaken(error.message, details=error.details) from error
    except ApiError as error:
        raise NotCreated(wanted.name, error) from error


def _wanted(
    deployment: apps.Deployment, old: Sequence[apps.ReplicaSet], digest: str
) -> apps.ReplicaSet:
    template = deployment.spec.template
    mark = {plan.HASH_LABEL: digest}
    labels = {**((template.metadata and template.metadata.labels) or {}), **mark}
    metadata = template.metadata or meta.ObjectMeta()
    selector = deployment.spec.selector
    return apps.ReplicaSet(
        metadata=meta.ObjectMeta(
            name=plan.name_of(deployment, digest),
            namespace=deployment.namespace,
            labels=labels,
            annotations=annotations(deployment, old, None),
            ownerReferences=(reference_to(deployment),),
        ),
        spec=apps.ReplicaSetSpec(
            replicas=plan.size_of_new(deployment, old, None),
            minReadySeconds=deployment.spec.minReadySeconds or UNSET,
            selector=selector.evolve(matchLabels={**(selector.matchLabels or {}), **mark}),
            template=core.PodTemplateSpec(
                metadata=metadata.evolve(labels=labels), spec=template.spec
            ),
        ),
    )


async def change(
    one: apps.ReplicaSet,
    session: Session,
    *,
    replicas: int | None = None,
    notes: Mapping[str, str] | None = None,
    min_ready_seconds: int | None = None,
) -> apps.ReplicaSet:
    """Bring a ReplicaSet's numbers and annotations to what is said; no request when they are so.

    The revision that was read is a precondition, so that a decision is never carried out on another
    state than it was made on. Raises: Conflict; the next run decides anew.
    """
    spec: dict[str, object] = {}
    if replicas is not None and replicas != plan.desired(one):
        spec["replicas"] = replicas
    if min_ready_seconds is not None and min_ready_seconds != (one.spec.minReadySeconds or 0):
        spec["minReadySeconds"] = min_ready_seconds
    missing = {k: v for k, v in (notes or {}).items() if one.annotations.get(k) != v}
    if not spec and not missing:
        return one
    patch: dict[str, object] = {"metadata": {"resourceVersion": one.resource_version}}
    if missing:
        patch["metadata"] = {"resourceVersion": one.resource_version, "annotations": missing}
    if spec:
        patch["spec"] = spec
    return await session.patch(apps.ReplicaSet, one.name, one.namespace, patch=patch)


async def number(deployment: apps.Deployment, text: str, session: Session) -> None:
    """Write the current revision number to the Deployment itself.

    By way of its status, as in Kubernetes: otherwise it would count as a change of what is desired.
    """
    if text and deployment.annotations.get(REVISION) != text:
        await session.patch(
            apps.Deployment,
            deployment.name,
            deployment.namespace,
            patch={"metadata": {"uid": deployment.uid, "annotations": {REVISION: text}}},
            subresource="status",
        )


async def forget(
    deployment: apps.Deployment, old: Sequence[apps.ReplicaSet], session: Session
) -> None:
    """Delete the oldest ReplicaSets beyond the history's limit, those that are empty."""
    limit = deployment.spec.revisionHistoryLimit
    if not isinstance(limit, int) or limit == NO_LIMIT:
        return
    alive = [one for one in old if not one.deleting]
    oldest = sorted(
        alive, key=lambda one: (revision(one), one.metadata.creationTimestamp or "", one.name)
    )
    for one in oldest[: max(0, len(alive) - limit)]:
        is_empty = not plan.desired(one) and not one.status.replicas
        if is_empty and one.generation <= (one.status.observedGeneration or 0):
            await session.delete(one)


def selects_everything(deployment: apps.Deployment) -> bool:
    """Whether the selector is empty, which would make every Pod of the namespace its own."""
    return not any(to_dict(deployment.spec.selector).values())
