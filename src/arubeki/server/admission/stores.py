"""Volumes, claims and what limits them: first statuses, sources in both spellings.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/core/{persistentvolume,persistentvolumeclaim,limitrange,
resourcequota}/strategy.go, pkg/api/persistentvolumeclaim/util.go.
"""

from arubeki import clock
from arubeki.api import quantity
from arubeki.api.rules import podwarnings
from arubeki.server.admission.classes import DEFAULT_STORAGE, STORAGE, Classes
from arubeki.server.admission.strategy import Object, Strategy
from arubeki.server.resources import Resource

_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
_LIMITED = ("cpu", "memory", "storage", "ephemeral-storage")


class VolumeStrategy(Strategy):
    """PersistentVolumes: their phase says since when."""

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Begin as pending; note the time of a new phase."""
        super().reset(resource, new, old, subresource)
        if old is None:
            stamp = clock.timestamp()
            new["status"] = {"phase": "Pending", "lastPhaseTransitionTime": stamp}
        elif subresource == "status":
            _stamp(new.setdefault("status", {}), old.get("status", {}))

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Warn of a size that is no whole number of bytes, and of what works no more."""
        del old
        return [] if subresource else podwarnings.of_volume(new)


class ClaimStrategy(Strategy):
    """PersistentVolumeClaims: a source may be written in two fields, which then both have it.

    Who names no class gets the default one.
    """

    def __init__(self, classes: Classes) -> None:
        self._classes = classes

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Give a new claim a class."""
        del resource, subresource
        if old is None:
            await self._classes.fill(
                new, STORAGE, DEFAULT_STORAGE, field="storageClassName", annotation=_OLD_CLASS
            )

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Bring the two spellings of a source together; begin as pending."""
        super().reset(resource, new, old, subresource)
        spec = new.get("spec", {})
        if not subresource:
            _join_sources(spec)
        if old is None:
            new["status"] = {"phase": "Pending"}

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Warn of a size that is no whole number of bytes."""
        del old
        return [] if subresource else podwarnings.of_claim(new.get("spec", {}), "spec")


class LimitRangeStrategy(Strategy):
    """LimitRanges: a PUT makes one."""

    create_on_update = True


class QuotaStrategy(Strategy):
    """ResourceQuotas."""

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Warn of a new quota that has more requested than allowed."""
        if old is not None or subresource:
            return []
        hard, found = new.get("spec", {}).get("hard", {}), []
        for name in _LIMITED:
            asked = f"requests.{name}"
            if asked not in hard and name in ("cpu", "memory"):
                asked = name
            request, limit = hard.get(asked), hard.get(f"limits.{name}")
            if request is None or limit is None or quantity.compare(request, limit) <= 0:
                continue
            shown, other = quantity.canonical(request), quantity.canonical(limit)
            found.append(
                f"ResourceQuota {asked} ({shown}) should be less than limits.{name} ({other})"
            )
        return found


def _stamp(status: Object, was: Object) -> None:
    phase, name = status.get("phase"), "lastPhaseTransitionTime"
    if phase == was.get("phase"):
        if name not in status and name in was:
            status[name] = was[name]
    elif status.get(name) in (None, was.get(name)):
        status[name] = clock.timestamp()


def _join_sources(spec: Object) -> None:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = {**source}
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {
            name: value for name, value in reference.items() if name != "namespace"
        }
    for name in ("dataSource", "dataSourceRef"):
        if name in spec:
            # Go writes this pointer also where it points at nothing.
            spec[name].setdefault("apiGroup", None)
