"""One container's life without a Pod around it, in virtual time."""

import asyncio
from pathlib import Path

from arubeki.node import status
from arubeki.node.container import Life, Place
from arubeki.node.runtimes.base import Command, PodSandbox
from tests.node.kit import Played, container, pod


class Bench:
    """A `Life` on a runtime that plays; `told` are its Events, `states` what it went through."""

    def __init__(
        self, spec=None, *, policy="Always", is_init=False, directory="/nowhere", grace=30
    ):
        self.spec = spec or container()
        self.pod = pod(self.spec, restartPolicy=policy)
        self.runtime = Played()
        self.told = []
        self.states = []
        self.problem = None
        self.place = Place(
            runtime=self.runtime,
            sandbox=PodSandbox("u1", "ns", "p", Path(directory), ip="127.0.0.1"),
            make=self._make,
            changed=self._note,
            tell=lambda *event: self.told.append(event),
            comes_again=lambda spec, code: status.comes_again(self.pod, spec, code),
            grace_seconds=lambda: grace,
            retry=asyncio.Event(),
        )
        self.life = Life(self.spec, self.place, is_init=is_init)
        self.task = None

    def _make(self, spec, run):
        if self.problem is not None:
            raise self.problem
        return Command(spec.name, spec.command, {}, self.life.log_of(run))

    def _note(self):
        state = self.life.state
        if state.running:
            found = "running"
        elif state.terminated:
            found = f"{state.terminated.reason} {state.terminated.exitCode}"
        else:
            found = state.waiting.reason
        if not self.states or self.states[-1] != found:
            self.states.append(found)

    def begin(self, on_started=None):
        self.task = asyncio.ensure_future(self.life.live(on_started))
        return self.task

    async def begun(self, seconds=0.001):
        """Begin, and let some time pass."""
        self.begin()
        await asyncio.sleep(seconds)
        return self.life

    async def stop(self, grace=30, after=()):
        """End it as its Pod does."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.life.stop(grace, after)

    async def close(self):
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.life.drop()

    def reasons(self, type_=""):
        return [event[1] for event in self.told if not type_ or event[0] == type_]
