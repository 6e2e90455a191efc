"""What one step of a rollout may do: arithmetic over ReplicaSets, without a request.

On the ring: [workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/deployment/util/deployment_util.go, rolling.go, sync.go.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from arubeki.api import names
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import UnsetType, to_dict

HASH_LABEL = "pod-template-hash"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"

_FNV_OFFSET, _FNV_PRIME, _32_BITS = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def desired(owner: apps.Deployment | apps.ReplicaSet) -> int:
    """Return the number of Pods an object asks for; not said means 1."""
    replicas = owner.spec.replicas
    return 1 if isinstance(replicas, UnsetType) else replicas


def total(sets: Iterable[apps.ReplicaSet]) -> int:
    """Return how many Pods ReplicaSets ask for together."""
    return sum(desired(one) for one in sets)


def available(sets: Iterable[apps.ReplicaSet]) -> int:
    """Return how many Pods of ReplicaSets are available."""
    return sum(one.status.availableReplicas or 0 for one in sets)


def is_rolling(deployment: apps.Deployment) -> bool:
    """Whether the strategy is RollingUpdate, which it is unless another is named."""
    strategy = deployment.spec.strategy
    return not strategy or (strategy.type or "RollingUpdate") == "RollingUpdate"


def limits(deployment: apps.Deployment) -> tuple[int, int]:
    """Return (maxSurge, maxUnavailable) as numbers of Pods.

    Surge rounds up, unavailability down; were both 0 nothing could move, so then one Pod may miss.
    """
    count = desired(deployment)
    if not is_rolling(deployment):
        return 0, 0
    rolling = deployment.spec.strategy and deployment.spec.strategy.rollingUpdate
    surge = _resolved(rolling and rolling.maxSurge, count, up=True)
    missing = _resolved(rolling and rolling.maxUnavailable, count, up=False)
    if not surge and not missing:
        missing = 1
    return surge, min(missing, count)


def _resolved(value: object, count: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    text = value if isinstance(value, str) and value else "25%"
    share = count * int(text.removesuffix("%")) / 100
    return math.ceil(share) if up else math.floor(share)


def new_of(deployment: apps.Deployment, sets: Sequence[apps.ReplicaSet]) -> apps.ReplicaSet | None:
    """Return the oldest ReplicaSet of the current template; None when there is none yet."""
    for one in by_age(sets):
        if is_same(one.spec.template, deployment.spec.template):
            return one
    return None


def is_same(one: core.PodTemplateSpec | UnsetType, other: core.PodTemplateSpec) -> bool:
    """Whether two templates say the same, apart from the label that tells their ReplicaSets.

    An empty list or map says nothing. Source: deployment_util.go EqualIgnoreHash.
    """
    if isinstance(one, UnsetType):
        return False
    return (one.spec == other.spec and _told(one) == _told(other)) or bare(one) == bare(other)


def _told(template: core.PodTemplateSpec) -> meta.ObjectMeta:
    metadata = template.metadata or meta.ObjectMeta()
    return metadata.evolve(labels=_own_labels(metadata))


def _own_labels(metadata: meta.ObjectMeta) -> dict[str, str]:
    labels = dict(metadata.labels or {})
    labels.pop(HASH_LABEL, None)
    return labels


def bare(template: core.PodTemplateSpec) -> dict[str, Any]:
    """Return a template as its author wrote it: without our label, and without what says nothing."""
    metadata = _told(template)
    found: dict[str, Any] = _without_nothing(to_dict(template.evolve(metadata=metadata)))
    return found


_MAPS = {"annotations", "labels", "limits", "matchLabels", "nodeSelector", "overhead", "requests"}
"""Maps; of a struct (emptyDir, securityContext) it does matter whether it is there."""


def _without_nothing(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_nothing(one)
            for key, one in value.items()
            if one != [] and (one or key not in _MAPS)
        }
    return [_without_nothing(one) for one in value] if isinstance(value, list) else value


def hash_of(template: core.PodTemplateSpec, collisions: int) -> str:
    """Return the text by which a template's ReplicaSet is named.

    FNV-1a over canonical JSON; any stable hash will do, since nobody but this controller reads it.
    `collisions` makes it another when the name is taken.
    """
    data = msgspec.json.encode(bare(template), order="sorted")
    data += collisions.to_bytes(4, "little") if collisions else b""
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & _32_BITS
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(value))


def name_of(deployment: apps.Deployment, digest: str) -> str:
    """Return the name of the ReplicaSet with that hash, cut so that it stays a name."""
    limit = names.SUBDOMAIN_MAX_BYTES - len(digest) - 1
    return f"{deployment.name[:limit]}-{digest}"


def by_age(sets: Iterable[apps.ReplicaSet]) -> list[apps.ReplicaSet]:
    """Return ReplicaSets, oldest first; the name decides between equals."""
    return sorted(sets, key=lambda one: (one.metadata.creationTimestamp or "", one.name))


def size_of_new(
    deployment: apps.Deployment, sets: Sequence[apps.ReplicaSet], new: apps.ReplicaSet | None
) -> int:
    """Return how many Pods the new ReplicaSet may have now: as many as fit under the surge."""
    wanted, current = desired(deployment), desired(new) if new else 0
    if not is_rolling(deployment):
        return wanted
    if current > wanted:
        return wanted
    surge, _ = limits(deployment)
    room = wanted + surge - total(sets)
    if room <= 0:
        return current
    return current + min(room, wanted - current)


def shrunk(
    deployment: apps.Deployment, new: apps.ReplicaSet, old: Sequence[apps.ReplicaSet]
) -> dict[str, int]:
    """Return the sizes of old ReplicaSets (by name) that a rolling update may take down now.

    First those Pods that are not available anyway; then as many of the rest as leave enough.
    """
    sets = [*old, new]
    _, may_miss = limits(deployment)
    least = desired(deployment) - may_miss
    new_missing = desired(new) - (new.status.availableReplicas or 0)
    may_go = total(sets) - least - new_missing
    if not total(old) or may_go <= 0:
        return {}
    sizes: dict[str, int] = {}
    for one in by_age(old):
        missing = min(may_go, desired(one) - (one.status.availableReplicas or 0))
        if missing > 0:
            sizes[one.name] = desired(one) - missing
            may_go -= missing
    # A status may still count Pods of a larger size than the ReplicaSet has now: those will go.
    may_go = sum(min(desired(one), one.status.availableReplicas or 0) for one in sets) - least
    for one in by_age(old):
        size = sizes.get(one.name, desired(one))
        fewer = min(size, may_go)
        if fewer > 0:
            sizes[one.name] = size - fewer
            may_go -= fewer
    return sizes


def rescaled(
    deployment: apps.Deployment, new: apps.ReplicaSet | None, old: Sequence[apps.ReplicaSet]
) -> dict[str, int]:
    """Return the sizes (by name) after a change of the number alone, also amid a rollout.

    Amid one the change is shared out by size, so that neither side has to make it all.
    """
    wanted = desired(deployment)
    sets = [*old, *([new] if new else [])]
    active = [one for one in sets if desired(one)]
    if len(active) <= 1:
        one = active[0] if active else new or (by_age(old)[-1] if old else None)
        return {one.name: wanted} if one else {}
    if new is not None and is_saturated(deployment, new):
        return {one.name: 0 for one in old if desired(one)}
    if not is_rolling(deployment):
        return {}
    return _shared_out(deployment, active)


def is_rescaled(deployment: apps.Deployment, sets: Iterable[apps.ReplicaSet]) -> bool:
    """Whether the number was changed since the ReplicaSets were last sized."""
    wanted = desired(deployment)
    return any(desired(one) and annotated(one, DESIRED) not in (None, wanted) for one in sets)


def is_saturated(deployment: apps.Deployment, new: apps.ReplicaSet) -> bool:
    """Whether the new ReplicaSet has all the Pods of the Deployment, available."""
    wanted = desired(deployment)
    return (
        annotated(new, DESIRED) == wanted
        and desired(new) == wanted
        and (new.status.availableReplicas or 0) == wanted
    )


def _shared_out(deployment: apps.Deployment, active: list[apps.ReplicaSet]) -> dict[str, int]:
    wanted = desired(deployment)
    surge, _ = limits(deployment)
    to_add = (wanted + surge if wanted else 0) - total(active)
    # The largest takes its share first; between equals the newest when growing, else the oldest.
    ordered = by_age(active)
    if to_add > 0:
        ordered.reverse()
    active = sorted(ordered, key=desired, reverse=True)
    sizes, added = {}, 0
    for one in active:
        share = _share(deployment, one, to_add, added)
        sizes[one.name] = desired(one) + share
        added += share
    if active and to_add != added:
        # What rounding left goes to the largest.
        first = active[0].name
        sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _share(deployment: apps.Deployment, one: apps.ReplicaSet, to_add: int, added: int) -> int:
    if to_add in (0, added) or not desired(one):
        return 0
    wanted, left = desired(deployment), to_add - added
    if not wanted:
        return -desired(one)
    surge, _ = limits(deployment)
    before = annotated(one, MAXIMUM) or deployment.status.replicas or 0
    if not before:
        return 0
    share = math.floor(desired(one) * (wanted + surge) / before + 0.5) - desired(one)
    return min(share, left) if to_add > 0 else max(share, left)


def annotated(one: apps.ReplicaSet, name: str) -> int | None:
    """Return the number of Pods in an annotation; None if there is none that counts as one."""
    text = one.annotations.get(name, "")
    if not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if int(text) < 2**31 else None
