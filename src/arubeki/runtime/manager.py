"""Runs apps and controllers on one cluster: shared caches, ordered start, graceful stop.

Informers start first; a controller's workers start when its own caches are filled (a kind that is
not served yet holds up its controller and no other); at the end workers finish what they are at,
then the watches close.

On the ring: all of [informer > workqueue > reconcile > client], put together.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Any

from arubeki.client.client import Client
from arubeki.errors import ConfigError
from arubeki.runtime.app import App
from arubeki.runtime.controller import Controller
from arubeki.runtime.events import Recorder
from arubeki.runtime.informer import State
from arubeki.runtime.informers import Informers
from arubeki.runtime.session import Environment
from arubeki.runtime.trace import Trace

logger = logging.getLogger(__name__)

GRACE_SECONDS = 30.0
"""How long running reconciles may go on when the manager stops. Source: controller-runtime."""
EVENTS_SECONDS = 1.0
"""How long what is to be said of them may take after that."""


class Manager:
    """Apps and controllers at work.

    `client` reads for all of them and writes for those whom `client_for` gives none of their own
    (by controller name: Kubernetes' own controllers each have an identity).
    """

    def __init__(
        self,
        client: Client,
        apps: Iterable[App | Controller[Any]],
        *,
        client_for: Callable[[str], Client | None] | None = None,
        trace: Trace | None = None,
        resync_seconds: float = 0.0,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        """Put the controllers together; nothing is sent before `start`.

        Raises: ConfigError when two have one name, or one is declared wrongly.
        """
        self.informers = Informers(client, resync_seconds=resync_seconds)
        self.trace = trace or Trace()
        self.controllers: list[Controller[Any]] = []
        self._grace_seconds = grace_seconds
        self._tasks: list[asyncio.Task[None]] = []
        self._recorders: list[Recorder] = []
        for app in apps:
            self.controllers += app.build() if isinstance(app, App) else [app]
        seen: set[str] = set()
        for controller in self.controllers:
            if controller.name in seen:
                raise ConfigError(f"two controllers have the name {controller.name}")
            seen.add(controller.name)
            self.informers.managers.add(controller.manager)
        for controller in self.controllers:
            own = client_for(controller.name) if client_for is not None else None
            env = Environment(
                controller.name, own or client, self.informers, manager=controller.manager
            )
            controller.bind(env, self.trace)
            self._recorders.append(env.recorder)

    async def start(self) -> None:
        """Start watching and, as caches fill, working. Does not wait for that."""
        if self._tasks:
            return
        loop = asyncio.get_running_loop()
        self.informers.start()
        for controller in self.controllers:
            self._tasks.append(loop.create_task(controller.run(), name=controller.name))

    async def stop(self) -> None:
        """Let running reconciles end (within the grace), then stop watching."""
        await asyncio.gather(*(one.stop(self._grace_seconds) for one in self.controllers))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVENTS_SECONDS):
                await asyncio.gather(*(one.flush() for one in self._recorders))
        for recorder in self._recorders:
            recorder.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.informers.stop()

    async def kill(self) -> None:
        """Stop at once, amid whatever runs, as a crash would: for tests."""
        for recorder in self._recorders:
            recorder.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(one.stop(0) for one in self.controllers))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.informers.stop()

    async def run(self) -> None:
        """Start, work until cancelled, stop in good order."""
        await self.start()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            await self.stop()

    async def __aenter__(self) -> "Manager":
        await self.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.stop()

    def synced(self) -> bool:
        """Whether every cache holds the whole state, so that every controller works."""
        return not self.unsynced()

    def unsynced(self) -> str:
        """Say what is waited for, "" when nothing is: a readiness check."""
        waiting = [f"{one} ({one.failure or one.state.value})" for one in self._unsynced()]
        return f"not synced: {', '.join(waiting)}" if waiting else ""

    async def wait_synced(self, timeout_seconds: float = 120.0) -> None:
        """Wait until `synced`.

        Raises: TimeoutError saying what is missing. Source: controller-runtime CacheSyncTimeout.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                for informer in self._unsynced():
                    await informer.wait_synced()
        except TimeoutError:
            raise TimeoutError(self.unsynced()) from None

    @property
    def is_idle(self) -> bool:
        """Whether no key is ready and none runs. Delayed keys (backoff, `Again`) do not count."""
        return all(controller.queue.is_idle for controller in self.controllers)

    async def settle(self, quiet_seconds: float = 0.05, timeout_seconds: float = 60.0) -> None:
        """Wait until nothing is left to do but wait for time to pass or the world to change.

        That is: every watch follows, no key is ready, runs or failed last, and for `quiet_seconds`
        no run has written. Keys that come again after a while (`Again`, `every`) do not count. In
        virtual time it is exact: time passes only when nothing else can happen.
        Raises: TimeoutError that says what is still at work.
        """
        loop = asyncio.get_running_loop()
        until, count = loop.time() + timeout_seconds, -1
        while busy := self.busy() or (self.trace.changes != count and "runs have just written"):
            if loop.time() >= until:
                raise TimeoutError(f"not settled in {timeout_seconds:g} s: {busy}")
            count = self.trace.changes
            for controller in self.controllers:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await controller.queue.idle()
            await asyncio.sleep(quiet_seconds)

    def busy(self) -> str:
        """Say what is at work or in trouble, "" when nothing is."""
        found = [
            f"{one} {one.state.value} {one.failure}".rstrip()
            for one in self.informers
            if one.state is not State.WATCHING
        ]
        for controller in self.controllers:
            queue = controller.queue
            if not queue.is_idle or queue.failing:
                found.append(
                    f"{controller.name}: {len(queue)} waiting, {queue.running} running, "
                    f"{queue.failing} failing"
                    + (f" ({controller.failures})" if queue.failing else "")
                )
        if not all(one.is_idle for one in self._recorders):
            found.append("Events are being sent")
        return "; ".join(found)

    def _unsynced(self) -> list[Any]:
        found = dict.fromkeys(one for all_ in self.controllers for one in all_.unsynced)
        return list(found)
