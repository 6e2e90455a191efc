"""ResourceQuotas: what is created is charged to them first, and refused where one is used up.

The charge is written to the status of each quota that is about the object, before the object is
stored, so that two writers cannot both take the last of it. What is released is not given back here:
the controller of quotas counts anew what there is, and says how much a new quota allows.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/admission/plugin/resourcequota/controller.go.
"""

from collections.abc import Callable, Container

from arubeki.api import charges, quantity
from arubeki.errors import RevisionMismatch, ServerTimeout
from arubeki.server import failures, wire
from arubeki.server.admission.strategy import Object, Undo, nothing
from arubeki.server.resources import Registry, Resource
from arubeki.storage.base import Entry, Storage

TRIES = 100
"""How often a charge is computed anew because others were faster in a row."""
_RECHARGED = {charges.SERVICES, charges.CLAIMS}
"""Kinds that may take more when they are updated."""

Judge = Callable[[Object], charges.Amounts]


class Quotas:
    """Charges writes to the quotas of their namespace."""

    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._storage = storage
        self._registry = registry

    async def charge(
        self,
        resource: Resource,
        new: Object,
        old: Object | None,
        subresource: str = "",
        *,
        dry_run: bool = False,
    ) -> Undo:
        """Charge a write to each quota that is about it; return how to give it back.

        Raises: Forbidden where a quota is used up, or does not know yet what is used.
        """
        place = (resource.group, resource.plural)
        if not resource.namespaced or not _is_charged(place, new, old, subresource):
            return nothing
        quotas = self._registry.find("", "v1", "resourcequotas")
        assert quotas is not None, "built in"
        part = await self._storage.range(quotas.key_prefix(new["metadata"]["namespace"]))
        if not part.entries:
            return nothing

        def judge(quota: Object) -> charges.Amounts:
            return _judged(quota, resource, new, old)

        wanted = [(entry, judge(wire.decode(entry.value))) for entry in part.entries]
        if dry_run:
            return nothing
        taken: list[tuple[str, charges.Amounts]] = []

        async def undo() -> None:
            for key, amounts in taken:
                await self._give_back(key, amounts)

        try:
            for entry, amounts in wanted:
                if amounts:
                    taken.append((entry.key, await self._take(entry, judge)))
        except BaseException:
            await undo()
            raise
        return undo

    async def _take(self, entry: Entry | None, judge: Judge) -> charges.Amounts:
        """Write a charge to a quota, as it is by then."""
        for _ in range(TRIES):
            if entry is None:
                return {}  # it was deleted, and limits nothing any more
            quota = wire.decode(entry.value)
            amounts = judge(quota)
            used = quota["status"]["used"]
            quota["status"]["used"] = {**used, **charges.add(_only(used, amounts), amounts)}
            try:
                await self._storage.commit(entry.key, wire.encode(quota), expected=entry.revision)
                return amounts
            except RevisionMismatch:
                entry = await self._storage.get(entry.key)
        raise ServerTimeout("a quota changes faster than it can be charged")

    async def _give_back(self, key: str, amounts: charges.Amounts) -> None:
        for _ in range(TRIES):
            entry = await self._storage.get(key)
            if entry is None or not amounts:
                return
            quota = wire.decode(entry.value)
            used = quota["status"]["used"]
            quota["status"]["used"] = {**used, **charges.subtract(_only(used, amounts), amounts)}
            try:
                await self._storage.commit(key, wire.encode(quota), expected=entry.revision)
                return
            except RevisionMismatch:
                continue
        # The controller counts it right.


def _is_charged(place: charges.Place, new: Object, old: Object | None, subresource: str) -> bool:
    """Tell whether a write may take something that it did not have."""
    if old is None:
        return not subresource
    if place == charges.PODS:
        ends = charges.is_terminating(new) != charges.is_terminating(old)
        return subresource == "resize" or (not subresource and ends)
    return not subresource and place in _RECHARGED


def _judged(quota: Object, resource: Resource, new: Object, old: Object | None) -> charges.Amounts:
    """Return what a write takes of a quota, {} for nothing. Raises: Forbidden."""
    place = (resource.group, resource.plural)
    name, metadata = quota["metadata"]["name"], new["metadata"]
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    limited = charges.covered(place, hard)
    if not limited or not charges.matches(quota, place, new):
        return {}

    def refused(why: str) -> Exception:
        return failures.forbidden(resource, metadata.get("name", ""), why)

    if place == charges.PODS and (why := charges.unsaid(limited, new.get("spec") or {})):
        raise refused(f"failed quota: {name}: {why}")
    if limited - used.keys():
        listed = ",".join(sorted(limited))
        raise refused(f"status unknown for quota: {name}, resources: {listed}")
    amounts = charges.charge(place, new)
    if old is not None and charges.matches(quota, place, old):
        amounts = charges.subtract(amounts, charges.charge(place, old))
    amounts = {
        key: amount for key, amount in amounts.items() if key in limited and quantity.parse(amount)
    }
    after = charges.add(_only(used, amounts), amounts)
    over = {key for key in amounts if quantity.compare(after[key], hard[key]) > 0}
    if over:
        asked, was, limit = (charges.written(_only(one, over)) for one in (amounts, used, hard))
        raise refused(f"exceeded quota: {name}, requested: {asked}, used: {was}, limited: {limit}")
    return amounts


def _only(amounts: Object, names: Container[str]) -> charges.Amounts:
    return {name: amount for name, amount in amounts.items() if name in names}
