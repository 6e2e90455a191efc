"""Pods' lives without an agent, in virtual time, on a runtime that plays.

async def scenario(world):
    life = await world.begun(pod(), seconds=5)
    assert phase(life) == "Running"

run(scenario)
"""

import asyncio
from pathlib import Path

from arubeki import clock
from arubeki.kinds import core_v1 as core
from arubeki.node.pod import PodLife
from arubeki.node.site import Site
from tests.node.kit import Played, container, main_status

ADDRESS = "127.7.0.2"


class World:
    """A place for Pods' lives. What objects exist and which addresses are free is the test's."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.runtime = Played()
        self.config_maps = {}
        self.address_errors = []
        self.released = []
        self.lives = []

    def life(self, found):
        metadata = found.metadata.evolve(uid=found.metadata.uid or "u1", generation=1)
        site = Site(
            runtime=self.runtime,
            directory=self.directory / "u1",
            objects=lambda _, names: (
                {one: self.config_maps[one] for one in names.config_maps & set(self.config_maps)},
                {},
            ),
            services=lambda _: (),
            allocatable={},
            take_address=self._take,
            release_address=self.released.append,
            host_address="127.7.0.1",
        )
        life = PodLife(found.evolve(metadata=metadata), site, lambda: None)
        self.lives.append(life)
        return life

    def _take(self, uid):
        if self.address_errors:
            raise self.address_errors.pop(0)
        return ADDRESS

    async def begun(self, found, seconds=0.001):
        life = self.life(found)
        life.start()
        await asyncio.sleep(seconds)
        return life


def run(scenario, directory="/nowhere"):
    """Run `scenario(world)` in virtual time; no task may be left after it."""

    async def main():
        world = World(directory)
        try:
            await scenario(world)
        finally:
            for life in world.lives:
                await life.kill()
        assert len(asyncio.all_tasks()) == 1
        assert world.runtime.containers() == []

    clock.run_virtual(main())


def phase(life):
    return life.status().phase


def sidecar(name, **fields):
    return container(name, restartPolicy="Always", **fields)


def main_status_of(said, name):
    return main_status(core.Pod(status=said), name)
