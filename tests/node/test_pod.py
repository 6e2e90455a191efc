"""One Pod's life: the order of things, and every way to end."""

import asyncio

import pytest

from arubeki.kinds import core_v1 as core
from arubeki.node.pod import Stage
from tests.node.kit import command_probe, condition, container, pod
from tests.node.lives import ADDRESS, main_status_of, phase, run, sidecar


def test_a_pod_runs_and_has_an_address():
    async def scenario(world):
        life = await world.begun(pod(container("a"), container("b")))
        said = life.status()
        assert (said.phase, life.stage) == ("Running", Stage.RUNNING)
        assert (said.podIP, said.podIPs[0].ip, said.hostIP) == (ADDRESS, ADDRESS, "127.7.0.1")
        assert said.startTime == "2026-01-01T00:00:00Z"
        assert said.observedGeneration == 1
        assert {one.status for one in said.conditions} == {"True"}
        assert world.runtime.running() == ["a", "b"]

    run(scenario)


def test_a_pod_of_the_hosts_network_has_the_nodes_address():
    async def scenario(world):
        world.address_errors = [OSError("not asked for")]
        life = await world.begun(pod(hostNetwork=True))
        assert life.status().podIP == "127.7.0.1"

    run(scenario)


# Init containers.


def test_init_containers_run_one_after_the_other_before_all_else():
    async def scenario(world):
        world.runtime.runs |= {"i": [(5, 0)], "j": [(5, 0)]}
        found = pod(container("a"), initContainers=(container("i"), container("j")))
        life = await world.begun(found, 2)
        assert world.runtime.order() == ["start i"]
        assert phase(life) == "Pending"
        said = life.status()
        assert main_status_of(said, "a").state.waiting.reason == "PodInitializing"
        assert main_status_of(said, "j").state.waiting.reason == "ContainerCreating"
        await asyncio.sleep(5)
        assert world.runtime.order() == ["start i", "start j"]
        await asyncio.sleep(5)
        assert world.runtime.order() == ["start i", "start j", "start a"]
        assert phase(life) == "Running"
        assert all(one.ready for one in life.status().initContainerStatuses)

    run(scenario)


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_an_init_container_that_fails_is_repeated_with_pauses(policy):
    async def scenario(world):
        world.runtime.runs["i"] = [(1, 1), (1, 1), (1, 0)]
        found = pod(container("a"), initContainers=(container("i"),), restartPolicy=policy)
        life = await world.begun(found, 5)
        assert phase(life) == "Pending"
        waiting = life.status().initContainerStatuses[0].state.waiting
        assert waiting.reason == "CrashLoopBackOff"
        await asyncio.sleep(20)
        assert world.runtime.times("start", "i") == [0, 1, 12]
        assert phase(life) == "Running"

    run(scenario)


def test_an_init_container_that_fails_where_nothing_is_repeated_fails_the_pod():
    async def scenario(world):
        world.runtime.runs["i"] = [(1, 3)]
        found = pod(
            container("a"),
            initContainers=(sidecar("s"), container("i"), container("j")),
            restartPolicy="Never",
        )
        life = await world.begun(found, 5)
        assert (phase(life), life.stage) == ("Failed", Stage.ENDED)
        assert world.runtime.order() == ["start s", "start i", "term s"]
        assert main_status_of(life.status(), "a").state.waiting.reason == "PodInitializing"
        assert world.runtime.containers() == []

    run(scenario)


# Sidecars.


def test_a_sidecar_goes_on_and_what_follows_waits_for_its_start():
    async def scenario(world):
        world.runtime.answers["up"] = 1
        world.runtime.runs["i"] = [(1, 0)]
        s = sidecar("s", startupProbe=command_probe("up", failureThreshold=100))
        life = await world.begun(pod(container("a"), initContainers=(s, container("i"))), 25)
        assert "start i" not in world.runtime.order()
        assert phase(life) == "Pending"
        world.runtime.answers["up"] = 0
        await asyncio.sleep(10)
        assert phase(life) == "Running"
        assert world.runtime.running() == ["a", "s"]

    run(scenario)


def test_a_sidecar_that_ends_is_started_again_whatever_the_policy():
    async def scenario(world):
        world.runtime.runs["s"] = [(5, 0)]
        found = pod(container("a"), initContainers=(sidecar("s"),), restartPolicy="Never")
        life = await world.begun(found, 6)
        assert world.runtime.times("start", "s") == [0, 5]
        assert phase(life) == "Running"

    run(scenario)


def test_when_all_others_are_done_sidecars_are_ended_from_the_last_to_the_first():
    async def scenario(world):
        world.runtime.runs["a"] = [(5, 0)]
        world.runtime.obeys |= {"s": 1, "t": 2}
        found = pod(
            container("a"),
            initContainers=(sidecar("s"), sidecar("t")),
            restartPolicy="OnFailure",
            terminationGracePeriodSeconds=20,
        )
        life = await world.begun(found, 20)
        assert (phase(life), life.stage) == ("Succeeded", Stage.ENDED)
        assert world.runtime.times("term", "t", 20) == [5]
        assert world.runtime.times("term", "s", 18) == [7]

    run(scenario)


def test_the_order_of_the_end_gives_way_to_the_grace():
    async def scenario(world):
        world.runtime.obeys |= {"a": None, "t": 1, "s": 1}
        found = pod(container("a"), initContainers=(sidecar("s"), sidecar("t")))
        life = await world.begun(found, 1)
        life.stop(10)
        await life.gone.wait()
        assert world.runtime.times("term", "a", 10) == [1]
        assert world.runtime.times("kill", "a") == [11]
        assert world.runtime.times("term", "t", 2) == [11]
        assert world.runtime.times("term", "s", 2) == [11]

    run(scenario)


# The end.


def test_a_pod_whose_containers_are_done_keeps_its_address_and_has_no_sandbox():
    async def scenario(world):
        world.runtime.runs["main"] = [(5, 0)]
        life = await world.begun(pod(restartPolicy="Never"), 6)
        said = life.status()
        assert said.phase == "Succeeded"
        assert said.podIP == ADDRESS
        assert condition(core.Pod(status=said), "PodReadyToStartContainers").status == "False"
        assert world.released == []

    run(scenario)


def test_when_a_pod_is_gone_nobody_is_at_work_for_it_any_more():
    async def scenario(world):
        async def slow():
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0.01)  # what is cancelled may need a moment

        world.runtime.answers["slow"] = slow
        probe = command_probe("slow")
        life = await world.begun(pod(container(readinessProbe=probe, livenessProbe=probe)), 1)
        life.stop(30)
        await life.gone.wait()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    run(scenario)


@pytest.mark.parametrize(("code", "expected"), [(0, "Succeeded"), (143, "Failed")])
def test_a_stopped_pod_ends_by_its_exit_codes(code, expected):
    async def scenario(world):
        world.runtime.term_code = code
        life = await world.begun(pod(), 1)
        life.stop(30)
        await life.gone.wait()
        assert (phase(life), life.stage) == (expected, Stage.GONE)
        assert world.released == ["u1"]
        assert "Stopping container main" in [one.message for one in life.events]

    run(scenario)


def test_sigkill_comes_when_the_grace_is_over():
    async def scenario(world):
        world.runtime.obeys["main"] = None
        life = await world.begun(pod(), 1)
        life.stop(7)
        await life.gone.wait()
        assert world.runtime.times("term", "main", 7) == [1]
        assert world.runtime.times("kill", "main") == [8]

    run(scenario)


def test_a_second_shorter_grace_counts_and_a_longer_one_does_not():
    async def scenario(world):
        world.runtime.obeys["main"] = None
        life = await world.begun(pod(), 1)
        life.stop(100)
        await asyncio.sleep(2)
        life.stop(200)
        await asyncio.sleep(2)
        life.stop(5)
        life.stop(5)
        await life.gone.wait()
        assert world.runtime.times("kill", "main") == [10]
        assert [one.reason for one in life.events].count("Killing") == 1

    run(scenario)


def test_a_pod_stopped_while_it_waits_between_runs_does_not_start_again():
    async def scenario(world):
        world.runtime.runs["main"] = [(1, 1)] * 5
        life = await world.begun(pod(), 5)
        life.stop(30)
        await life.gone.wait()
        await asyncio.sleep(100)
        assert world.runtime.times("start", "main") == [0, 1]
        assert phase(life) == "Failed"

    run(scenario)


def test_a_pod_stopped_while_an_init_container_runs_has_failed():
    async def scenario(world):
        found = pod(container("a"), initContainers=(container("i"), container("j")))
        life = await world.begun(found, 1)
        life.stop(30)
        await life.gone.wait()
        said = life.status()
        assert said.phase == "Failed"
        assert main_status_of(said, "i").state.terminated.exitCode == 143
        assert main_status_of(said, "a").state.waiting.reason == "PodInitializing"

    run(scenario)


def test_a_pod_stopped_before_it_could_start_has_failed(tmp_path):
    async def scenario(world):
        source = core.ConfigMapVolumeSource(name="cm")
        found = pod(volumes=(core.Volume(name="v", configMap=source),))
        life = await world.begun(found, 1)
        assert phase(life) == "Pending"
        life.stop(30)
        await life.gone.wait()
        said = life.status()
        assert said.phase == "Failed"
        assert main_status_of(said, "main").state.terminated.reason == "ContainerStatusUnknown"
        assert world.runtime.order() == []

    run(scenario, tmp_path)


def test_the_active_deadline_ends_a_pod():
    async def scenario(world):
        world.runtime.obeys["main"] = 5
        life = await world.begun(pod(activeDeadlineSeconds=60), 61)
        assert phase(life) == "Running"  # until its containers have ended
        await asyncio.sleep(5)
        said = life.status()
        assert (said.phase, said.reason) == ("Failed", "DeadlineExceeded")
        assert said.message == "Pod was active on the node longer than the specified deadline"
        assert world.runtime.times("term", "main") == [60]
        assert "DeadlineExceeded" in [one.reason for one in life.events]
        await asyncio.sleep(1000)
        assert world.runtime.times("start") == [0]

    run(scenario)


def test_a_deadline_may_be_set_later():
    async def scenario(world):
        life = await world.begun(pod(), 10)
        changed = life.pod.evolve(
            metadata=life.pod.metadata.evolve(generation=2),
            spec=life.pod.spec.evolve(activeDeadlineSeconds=30),
        )
        assert life.update(changed)
        await asyncio.sleep(15)
        assert phase(life) == "Running"
        await asyncio.sleep(10)
        assert life.status().reason == "DeadlineExceeded"
        assert life.update(changed.evolve(metadata=changed.metadata.evolve(generation=3)))

    run(scenario)


def test_a_pod_that_somebody_else_declares_failed_is_ended():
    async def scenario(world):
        life = await world.begun(pod(), 10)
        said = core.PodStatus(phase="Failed", reason="Evicted", message="because")
        life.update(life.pod.evolve(status=said))
        await life.gone.wait()
        found = life.status()
        assert (found.phase, found.reason, found.message) == ("Failed", "Evicted", "because")
        assert world.runtime.containers() == []

    run(scenario)
