"""One Pod's life when something is in its way, or goes wrong in the agent itself."""

import asyncio
import contextlib

import pytest

from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import UNSET
from arubeki.node.network.addresses import NoAddressLeft
from arubeki.node.pod import Stage
from arubeki.node.volumes import Volumes
from tests.node.kit import config_map, container, pod
from tests.node.lives import main_status_of, phase, run, sidecar

# What is in the way.


def test_a_volume_that_is_missing_is_said_and_waited_for(tmp_path):
    async def scenario(world):
        source = core.ConfigMapVolumeSource(name="cm")
        found = pod(volumes=(core.Volume(name="v", configMap=source),))
        life = await world.begun(found, 1)
        told = life.events[0]
        assert (told.type, told.reason) == ("Warning", "FailedMount")
        assert told.message == 'MountVolume.SetUp failed for volume "v" : configmap "cm" not found'
        assert main_status_of(life.status(), "main").state.waiting.reason == "ContainerCreating"
        assert life.status().podIP is UNSET
        world.config_maps["cm"] = config_map(a="1")
        life.update(life.pod)
        await asyncio.sleep(0.001)
        assert phase(life) == "Running"

    run(scenario, tmp_path)


def test_files_are_looked_at_only_when_something_they_are_made_of_has_changed(
    tmp_path, monkeypatch
):
    prepared = []
    prepare = Volumes.prepare

    def counted(*args):
        prepared.append(1)
        return prepare(*args)

    monkeypatch.setattr(Volumes, "prepare", counted)

    async def scenario(world):
        world.config_maps["cm"] = config_map(a="1")
        source = core.ConfigMapVolumeSource(name="cm")
        life = await world.begun(pod(volumes=(core.Volume(name="v", configMap=source),)))
        for _ in range(5):
            assert life.update(life.pod.evolve(status=life.status()))
        assert len(prepared) == 1
        world.config_maps["cm"] = config_map(a="2")
        assert life.update(life.pod)
        assert len(prepared) == 2
        labelled = life.pod.metadata.evolve(labels={"new": "label"})
        assert life.update(life.pod.evolve(metadata=labelled))
        assert len(prepared) == 3

    run(scenario, tmp_path)


def test_what_is_in_the_way_is_tried_ever_more_rarely(tmp_path):
    async def scenario(world):
        source = core.ConfigMapVolumeSource(name="cm")
        life = await world.begun(pod(volumes=(core.Volume(name="v", configMap=source),)), 3600)
        assert 25 < len(life.events) < 45
        # Being told of what changed nothing is no reason to try again.
        count = len(life.events)
        for _ in range(10):
            life.update(life.pod)
            await asyncio.sleep(0.001)
        assert len(life.events) == count

    run(scenario, tmp_path)


@pytest.mark.parametrize("error", [OSError("disk full"), NoAddressLeft("all taken")])
def test_a_sandbox_that_cannot_be_made_is_said_and_tried_again(error):
    async def scenario(world):
        if isinstance(error, OSError):
            world.runtime.create_errors = [error]
        else:
            world.address_errors = [error]
        life = await world.begun(pod(), 0.1)
        assert life.events[0].reason == "FailedCreatePodSandBox"
        assert life.events[0].message == f"Failed to create pod sandbox: {error}"
        assert phase(life) == "Pending"
        await asyncio.sleep(1)
        assert phase(life) == "Running"

    run(scenario)


def test_an_unforeseen_error_is_logged_and_the_life_begins_anew(caplog):
    async def scenario(world):
        world.runtime.create_errors = [ZeroDivisionError("a mistake")]
        life = await world.begun(pod(), 0.1)
        assert life.events[0].reason == "FailedSync"
        assert "life of pod ns/p failed, again in 0.5 s" in caplog.text
        await asyncio.sleep(1)
        assert phase(life) == "Running"

    run(scenario)


def test_an_unforeseen_error_beside_other_containers_leaves_none_of_them_over(caplog):
    async def scenario(world):
        start = world.runtime.start
        mistakes = [ZeroDivisionError("a mistake")]

        async def failing(sandbox, command):
            if command.container == "b" and mistakes:
                raise mistakes.pop()
            return await start(sandbox, command)

        world.runtime.start = failing
        life = await world.begun(pod(container("a"), container("b")), 2)
        assert phase(life) == "Running"
        assert world.runtime.running() == ["a", "b"]
        assert main_status_of(life.status(), "a").restartCount == 1
        assert "ZeroDivisionError" in caplog.text

    run(scenario)


def test_killed_it_leaves_nothing_at_any_moment():
    async def scenario(world):
        for steps in range(12):
            life = world.life(pod(container("a"), initContainers=(sidecar("s"),)))
            life.start()
            if steps % 2:
                life.stop(30)
            for _ in range(steps):
                await asyncio.sleep(0)
            await life.kill()
            assert world.runtime.containers() == []

    run(scenario)


def test_stopped_at_any_moment_it_ends():
    async def scenario(world):
        for steps in range(12):
            life = world.life(pod(container("a"), initContainers=(sidecar("s"),)))
            life.start()
            for _ in range(steps):
                await asyncio.sleep(0)
            life.stop(30)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await life.gone.wait()
            assert life.stage is Stage.GONE
            assert phase(life) == "Failed"
            assert world.runtime.containers() == []

    run(scenario)
