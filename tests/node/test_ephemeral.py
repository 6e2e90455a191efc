"""Ephemeral containers: they come while the Pod runs, run once, and go with it."""

import asyncio

from arubeki.kinds import core_v1 as core
from tests.node.kit import container, pod
from tests.node.lives import phase, run


def with_debugger(found, *names):
    extras = tuple(core.EphemeralContainer(name=one, image="i", command=("x",)) for one in names)
    return found.evolve(
        spec=found.spec.evolve(ephemeralContainers=extras),
        metadata=found.metadata.evolve(generation=found.generation + 1),
    )


def test_one_is_started_beside_the_others_and_not_again():
    async def scenario(world):
        world.runtime.runs["debug"] = [(5, 3)]
        life = await world.begun(pod(container("a")))
        assert not life.status().ephemeralContainerStatuses
        life.update(with_debugger(life.pod, "debug"))
        await asyncio.sleep(1)
        assert world.runtime.running() == ["a", "debug"]
        (said,) = life.status().ephemeralContainerStatuses
        assert said.state.running
        await asyncio.sleep(100)
        (said,) = life.status().ephemeralContainerStatuses
        assert said.state.terminated.exitCode == 3
        assert said.restartCount == 0
        assert len(world.runtime.times("start", "debug")) == 1
        assert phase(life) == "Running"
        assert life.life("debug") is not None

    run(scenario)


def test_those_that_are_there_at_the_start_run_too_and_end_with_the_pod():
    async def scenario(world):
        life = await world.begun(with_debugger(pod(container("a")), "one", "two"), 1)
        assert world.runtime.running() == ["a", "one", "two"]
        life.stop(5)
        await life.gone.wait()
        assert world.runtime.running() == []
        ended = [one.state.terminated for one in life.status().ephemeralContainerStatuses]
        assert all(ended)

    run(scenario)


def test_a_pod_ends_without_waiting_for_them():
    async def scenario(world):
        world.runtime.runs["a"] = [(3, 0)]
        found = with_debugger(pod(container("a"), restartPolicy="Never"), "debug")
        life = await world.begun(found, 4)
        await asyncio.sleep(5)
        assert phase(life) == "Succeeded"
        assert world.runtime.running() == []

    run(scenario)


def test_what_ended_before_the_agent_was_away_stays_ended():
    async def scenario(world):
        ended = core.ContainerState(terminated=core.ContainerStateTerminated(exitCode=2))
        known = core.ContainerStatus(name="debug", image="i", state=ended, containerID="x")
        status = core.PodStatus(ephemeralContainerStatuses=(known,))
        await world.begun(with_debugger(pod(container("a"), status=status), "debug", "new"), 1)
        assert world.runtime.running() == ["a", "new"]

    run(scenario)
