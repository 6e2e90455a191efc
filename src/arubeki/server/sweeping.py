"""What the server tidies now and then: old Events, and addresses that nobody has any more.

On the ring: [**server** > storage].
Source: kubernetes cmd/kube-apiserver options (--event-ttl 1h),
pkg/registry/core/service/ipallocator/controller (every 3 minutes).
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from arubeki import clock
from arubeki.errors import ArubekiError, RevisionMismatch
from arubeki.server import wire
from arubeki.server.admission.services import ServiceStrategy
from arubeki.server.core import Core

_log = logging.getLogger("arubeki.server.sweeping")

SWEEP_SECONDS = 60.0
REPAIR_EVERY = 3
"""Sweeps from one repair of allocations to the next."""
TURN_ENTRIES = 200
DELETE_LIMIT = 5000
"""Events removed in one sweep; the rest waits for the next."""
_MOMENTS = ("lastTimestamp", "eventTime", "firstTimestamp")


class Sweeper:
    """One task for all tidying."""

    def __init__(self, core: Core, services: ServiceStrategy) -> None:
        self._core = core
        self._services = services
        self._suspects: set[tuple[str, int]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Repair allocations now, and tidy from now on."""
        await self.repair()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Tidy no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def repair(self) -> None:
        """Make the allocations be those of the stored Services."""
        resource = self._core.registry.find("", "v1", "services")
        assert resource is not None
        part = await self._core.storage.range(resource.prefix)
        services = []
        for index, entry in enumerate(part.entries):
            if index % TURN_ENTRIES == TURN_ENTRIES - 1:
                await asyncio.sleep(0)
            services.append(wire.decode(entry.value))
        await self._services.repair(services, self._suspects)

    async def sweep_events(self) -> int:
        """Remove the Events that nothing has been heard of for an hour; return how many."""
        storage = self._core.storage
        limit = clock.now() - self._core.settings.event_seconds
        resource = self._core.registry.find("", "v1", "events")
        assert resource is not None
        part = await storage.range(resource.prefix)
        removed = 0
        for index, entry in enumerate(part.entries):
            if index % TURN_ENTRIES == TURN_ENTRIES - 1:
                await asyncio.sleep(0)
            if removed >= DELETE_LIMIT:
                break
            if last_heard(wire.decode(entry.value)) >= limit:
                continue
            try:
                await storage.commit(entry.key, None, expected=entry.revision)
            except RevisionMismatch:
                continue  # heard of again, or gone
            removed += 1
        return removed

    async def _run(self) -> None:
        sweeps = 0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            sweeps += 1
            try:
                await self.sweep_events()
                if sweeps % REPAIR_EVERY == 0:
                    await self.repair()
            except ArubekiError as error:
                _log.warning("sweep: %s; trying again", error)
            except Exception:
                # Tidying must not end for good because of one odd object.
                _log.exception("sweep; trying again")


def last_heard(event: Mapping[str, Any]) -> float:
    """Return when an Event was last told, in seconds since 1970."""
    latest = 0.0
    for text in _moments(event):
        try:
            latest = max(latest, clock.parse_timestamp(text))
        except ValueError:
            continue
    return latest


def _moments(event: Mapping[str, Any]) -> Iterator[str]:
    series = event.get("series") or {}
    for text in (
        event["metadata"].get("creationTimestamp"),
        series.get("lastObservedTime"),
        *(event.get(name) for name in _MOMENTS),
    ):
        if isinstance(text, str):
            yield text
