"""The ephemeral containers of a Pod: added while it runs, run once, and ended with it.

They are run like others, in the same sandbox, but nothing waits for them: neither the Pod's phase nor
its readiness is a matter of theirs, and what has ended is not started again.

Below the node agent. Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (SyncPod).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from arubeki.kinds import core_v1 as core
from arubeki.node.container import Life, Place
from arubeki.node.status import known

logger = logging.getLogger(__name__)


class Ephemerals:
    """The ephemeral containers of one Pod. `place` returns where they run, as it is then."""

    def __init__(self, pod: core.Pod, place: Callable[[], Place]) -> None:
        self.lives: dict[str, Life] = {}
        self._place = place
        self._tasks: dict[str, asyncio.Task[int]] = {}
        self._take(pod)

    def start(self, pod: core.Pod) -> None:
        """Start those that have not been started; the Pod's sandbox is there."""
        self._take(pod)
        for name, life in self.lives.items():
            task = self._tasks.get(name)
            if life.over is not None or (task is not None and not task.done()):
                continue
            life.place = _once(self._place())
            task = asyncio.get_running_loop().create_task(life.live(), name=f"debugging by {name}")
            task.add_done_callback(_log)
            self._tasks[name] = task

    def status(self) -> tuple[core.ContainerStatus, ...]:
        """Return what they are doing."""
        # One without probes is never asked whether it has started, and is never waited for.
        return tuple(life.status().evolve(started=False) for life in self.lives.values())

    async def stop(self, grace_seconds: float) -> None:
        """End all of them."""
        await self._let_go()
        await asyncio.gather(*(life.stop(grace_seconds) for life in self.lives.values()))

    async def drop(self) -> None:
        """Wait until nothing is at work beside their processes."""
        await self._let_go()
        await asyncio.gather(*(life.drop() for life in self.lives.values()))

    async def _let_go(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _take(self, pod: core.Pod) -> None:
        """Learn of those that are new; what is known of one from an earlier life holds."""
        for one in pod.spec.ephemeralContainers or ():
            if one.name in self.lives:
                continue
            life = self.lives[one.name] = Life(_as_container(one), _once(self._place()))
            said = known(pod.status.ephemeralContainerStatuses, one.name)
            if said is not None:
                life.resume(said)


def _once(place: Place) -> Place:
    """Return a place where nothing is started again."""
    return replace(place, comes_again=lambda _spec, _code: False)


def _as_container(one: core.EphemeralContainer) -> core.Container:
    shared = set(core.Container.__struct_fields__) & set(one.__struct_fields__)
    return core.Container(**{name: getattr(one, name) for name in shared})


def _log(task: "asyncio.Task[int]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("%s failed", task.get_name(), exc_info=task.exception())
