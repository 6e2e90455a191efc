"""ResourceQuota: count what a namespace uses of what it may use.

The server charges each new object to the quotas of its namespace; this controller counts what there
really is, so that what was deleted is free again. It watches only kinds that some quota counts, and
learns of them from the quotas themselves.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/resourcequota/resource_quota_controller.go.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from arubeki import clock
from arubeki.api import charges
from arubeki.api.objects import Kind
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import Object, to_dict
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

RESYNC_SECONDS = 300.0
"""How often a quota is counted anew though nothing was told: Pods become overdue by themselves."""
UNSERVED_SECONDS = 30.0
"""When to look again for a kind that is counted and not served."""

_WHOLE: Mapping[charges.Place, type[Object]] = {
    charges.PODS: core.Pod,
    charges.SERVICES: core.Service,
    charges.CLAIMS: core.PersistentVolumeClaim,
}
"""Kinds that take more than their number, so that more than their metadata is looked at."""


def controller() -> Controller[Key]:
    """Return the controller; its keys are quotas."""
    return Counter().controller


class Counter:
    """The counting: it learns of kinds as it goes, so it knows its own controller."""

    def __init__(self) -> None:
        self.controller: Controller[Key] = Controller(
            "resourcequota-controller", self.reconcile, every_seconds=RESYNC_SECONDS
        )
        self._watched: dict[charges.Place, type[Object]] = {}
        self.controller.watch(core.ResourceQuota)

    async def reconcile(self, key: Key, session: Session) -> Again | None:
        """Write what a quota allows, and what is used of it."""
        quota = await session.get(core.ResourceQuota, key.name, key.namespace)
        if quota is None:
            session.forget()
            return None
        hard = dict(quota.spec.hard or {})
        used = dict.fromkeys(hard, "0")
        again: Again | None = None
        scoped = to_dict(quota)
        for place in dict.fromkeys(filter(None, map(charges.place_of, hard))):
            cls = await self._class_of(place, session)
            if cls is None:
                again = Again(UNSERVED_SECONDS)
                continue
            for one in await session.list(cls, key.namespace):
                used = charges.add(used, dict(_counted(scoped, place, one)))
        await _write(quota, hard, used, session)
        return again

    async def _class_of(self, place: charges.Place, session: Session) -> type[Object] | None:
        """Return the class of a kind's objects, which are watched from now on; None if not served."""
        if place in self._watched:
            return self._watched[place]
        cls = _WHOLE.get(place)
        if cls is None:
            for one in await session.client.discovery.served(refresh=True):
                if (one.kind.group, one.kind.plural) == place and "list" in one.verbs:
                    cls = _metadata_of(one.kind)
                    break
            else:
                return None
        self._watched[place] = cls
        self.controller.watch(cls, self._quotas_of)
        return cls

    def _quotas_of(self, one: Object) -> Iterable[Key]:
        for quota in self.controller.lookup.list(core.ResourceQuota, one.namespace):
            yield Key(quota.namespace, quota.name)


def _metadata_of(kind: Kind) -> type[Object]:
    """Return a class that declares nothing but metadata: only that is kept of its objects."""
    return cast("type[Object]", type(kind.kind, (Object,), {"KIND": kind}))


def _counted(quota: dict[str, Any], place: charges.Place, one: Object) -> Iterator[tuple[str, str]]:
    """Yield what an object takes of a quota."""
    obj = to_dict(one)
    if not charges.matches(quota, place, obj):
        return
    metadata = one.metadata
    since, grace = metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds
    is_overdue = bool(since) and clock.now() > clock.parse_timestamp(str(since)) + float(grace or 0)
    for name, amount in charges.charge(place, obj, is_overdue=is_overdue).items():
        if name in quota["spec"]["hard"]:
            yield name, amount


async def _write(
    quota: core.ResourceQuota, hard: dict[str, str], used: dict[str, str], session: Session
) -> None:
    """Write a status, unless it is there already or the quota has changed since it was read.

    It may have been charged meanwhile for what was not counted yet; that change wakes us again.
    """
    was = {"hard": dict(quota.status.hard or {}), "used": dict(quota.status.used or {})}
    status = {"hard": hard, "used": used}
    if status == was:
        return
    gone = {name: dict.fromkeys(was[name].keys() - hard.keys()) for name in was}
    patch = {
        "metadata": {"uid": quota.uid, "resourceVersion": quota.metadata.resourceVersion},
        "status": {name: {**status[name], **gone[name]} for name in status},
    }
    try:
        await session.patch(
            core.ResourceQuota, quota.name, quota.namespace, patch=patch, subresource="status"
        )
    except (NotFound, Conflict):
        return
