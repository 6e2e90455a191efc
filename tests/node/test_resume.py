"""A Pod's life that begins while the API tells of an earlier one: the agent was away."""

import asyncio

import pytest

from arubeki.kinds import core_v1 as core
from arubeki.node.pod import Stage
from tests.node.kit import container, pod
from tests.node.lives import ADDRESS, main_status_of, phase, run, sidecar

RUNNING = core.ContainerState(running=core.ContainerStateRunning(startedAt="2025-12-31T00:00:00Z"))
WAITING = core.ContainerState(waiting=core.ContainerStateWaiting(reason="PodInitializing"))


def ended(code):
    return core.ContainerState(terminated=core.ContainerStateTerminated(exitCode=code))


def status(*mains, inits=(), phase="Running", ip="127.3.0.9"):
    def of(entries):
        return tuple(
            core.ContainerStatus(name=name, state=state, containerID="fake://old")
            for name, state in entries
        )

    return core.PodStatus(
        phase=phase,
        podIP=ip,
        startTime="2025-12-31T00:00:00Z",
        containerStatuses=of(mains),
        initContainerStatuses=of(inits),
    )


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_what_ran_runs_anew(policy):
    async def scenario(world):
        found = pod(restartPolicy=policy, status=status(("main", RUNNING)))
        life = world.life(found)
        said = life.status()
        # Before its new beginning it counts as running, not ready, and has no address.
        assert said.phase == "Running"
        assert not main_status_of(said, "main").ready
        assert not said.podIP
        life.start()
        await asyncio.sleep(1)
        said = life.status()
        assert (said.phase, said.podIP) == ("Running", ADDRESS)
        assert said.startTime == "2025-12-31T00:00:00Z"
        assert main_status_of(said, "main").restartCount == 1
        assert main_status_of(said, "main").lastState.terminated.exitCode == 137

    run(scenario)


def test_what_ran_once_only_has_failed():
    async def scenario(world):
        found = pod(restartPolicy="Never", status=status(("main", RUNNING)))
        life = await world.begun(found, 100)
        assert (phase(life), life.stage) == ("Failed", Stage.ENDED)
        assert world.runtime.order() == []

    run(scenario)


def test_of_two_only_the_one_that_was_not_done_runs():
    async def scenario(world):
        found = pod(
            container("a"),
            container("b"),
            restartPolicy="OnFailure",
            status=status(("a", ended(0)), ("b", RUNNING)),
        )
        life = await world.begun(found, 1)
        assert world.runtime.order() == ["start b"]
        assert main_status_of(life.status(), "a").state == ended(0)
        assert phase(life) == "Running"

    run(scenario)


def test_what_had_all_been_done_is_done():
    async def scenario(world):
        found = pod(
            restartPolicy="OnFailure",
            status=status(("main", ended(0)), phase="Running", ip=ADDRESS),
        )
        life = await world.begun(found, 1)
        assert (phase(life), life.stage) == ("Succeeded", Stage.ENDED)
        assert life.status().podIP == ADDRESS
        assert world.runtime.order() == []

    run(scenario)


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_init_containers_repeat_their_work_before_the_others(policy):
    async def scenario(world):
        world.runtime.runs["i"] = [(5, 0)]
        found = pod(
            container("a"),
            initContainers=(sidecar("s"), container("i")),
            restartPolicy=policy,
            status=status(("a", RUNNING), inits=(("s", RUNNING), ("i", ended(0)))),
        )
        life = await world.begun(found, 1)
        assert world.runtime.order() == ["start s", "start i"]
        shown = main_status_of(life.status(), "i")
        # A status may not go back from done, unless everything is repeated always.
        assert bool(shown.state.terminated) is (policy == "OnFailure")
        await asyncio.sleep(5)
        assert world.runtime.order() == ["start s", "start i", "start a"]
        assert phase(life) == "Running"

    run(scenario)


def test_an_init_container_that_ran_once_only_has_failed():
    async def scenario(world):
        found = pod(
            container("a"),
            initContainers=(container("i"),),
            restartPolicy="Never",
            status=status(("a", WAITING), inits=(("i", RUNNING),), phase="Pending"),
        )
        life = await world.begun(found, 1)
        assert (phase(life), life.stage) == ("Failed", Stage.ENDED)
        assert world.runtime.order() == []

    run(scenario)


def test_a_pod_that_had_begun_to_end_has_failed():
    async def scenario(world):
        life = world.life(pod(status=status(("main", RUNNING))))
        life.stop(30)
        await life.gone.wait()
        said = life.status()
        assert said.phase == "Failed"
        assert main_status_of(said, "main").state.terminated.reason == "ContainerStatusUnknown"
        assert world.runtime.order() == []

    run(scenario)


@pytest.mark.parametrize("terminal", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_stays_as_it_is(terminal):
    async def scenario(world):
        found = pod(status=status(("main", ended(0)), phase=terminal))
        life = await world.begun(found, 100)
        assert (phase(life), life.stage) == (terminal, Stage.ENDED)
        assert world.runtime.order() == []

    run(scenario)


def test_time_that_passed_while_nobody_was_there_counts_for_the_deadline():
    async def scenario(world):
        found = pod(activeDeadlineSeconds=60, status=status(("main", RUNNING)))
        life = await world.begun(found, 1)
        assert life.status().reason == "DeadlineExceeded"
        assert world.runtime.containers() == []

    run(scenario)
