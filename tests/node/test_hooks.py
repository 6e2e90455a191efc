"""Hooks and probes at a container's side: what they hold up, and what they end."""

import asyncio

import pytest

from arubeki import clock
from arubeki.kinds import core_v1 as core
from arubeki.node.runtimes.base import Executed, StartError
from tests.node.bench import Bench
from tests.node.kit import command_probe, container, exec_hook


def run(scenario, *, policy="Always", grace=30, **fields):
    """Run `scenario(bench)` in virtual time, on a container with these fields."""

    async def main():
        bench = Bench(container(**fields), policy=policy, grace=grace)
        try:
            await scenario(bench)
        finally:
            await bench.close()
        assert len(asyncio.all_tasks()) == 1

    clock.run_virtual(main())


def takes(seconds, code=0):
    """An answer of an exec that takes its time."""

    async def answer():
        await asyncio.sleep(seconds)
        return Executed(code)

    return answer


def lifecycle(*, start=None, stop=None):
    hooks = {}
    if start:
        hooks["postStart"] = start if isinstance(start, core.LifecycleHandler) else exec_hook(start)
    if stop:
        hooks["preStop"] = stop if isinstance(stop, core.LifecycleHandler) else exec_hook(stop)
    return core.Lifecycle(**hooks)


# postStart.


def test_a_container_counts_as_running_when_its_post_start_hook_is_done():
    async def scenario(bench):
        bench.runtime.answers["hook"] = takes(100)
        life = await bench.begun(99)
        assert life.state.waiting.reason == "ContainerCreating"
        assert bench.runtime.order() == ["start main", "exec main"]
        await asyncio.sleep(2)
        assert life.state.running
        assert life.ready

    run(scenario, lifecycle=lifecycle(start="hook"))


@pytest.mark.parametrize("answer", [1, StartError("no such program")])
def test_a_post_start_hook_that_fails_ends_the_run(answer):
    async def scenario(bench):
        bench.runtime.answers["hook"] = answer
        await bench.begun(5)
        assert bench.runtime.order()[:4] == [
            "start main", "exec main", "term main", "start main",
        ]  # fmt: skip
        assert bench.runtime.times("term", "main", 7)
        assert bench.told[2:4] == [
            ("Warning", "FailedPostStartHook", "PostStartHook failed"),
            ("Normal", "Killing", "FailedPostStartHook"),
        ]
        assert "running" not in bench.states

    run(scenario, grace=7, lifecycle=lifecycle(start="hook"))


def test_a_run_that_ends_during_its_post_start_hook_does_not_wait_for_it():
    async def scenario(bench):
        bench.runtime.answers["hook"] = takes(100)
        bench.runtime.runs["main"] = [(5, 4)]
        await bench.begun(6)
        assert bench.task.result() == 4

    run(scenario, policy="Never", lifecycle=lifecycle(start="hook"))


def test_ending_the_pod_ends_a_post_start_hook():
    async def scenario(bench):
        bench.runtime.answers["hook"] = takes(100)
        await bench.begun(1)
        await bench.stop(5)
        assert bench.life.state.terminated.exitCode == 143

    run(scenario, lifecycle=lifecycle(start="hook"))


# preStop.


def test_a_pre_stop_hook_runs_before_the_signal_and_within_the_grace():
    async def scenario(bench):
        bench.runtime.answers["hook"] = takes(10)
        await bench.begun(1)
        await bench.stop(30)
        assert bench.runtime.times("exec", "main") == [1]
        assert bench.runtime.times("term", "main", 20) == [11]
        assert bench.told[-1] == ("Normal", "Killing", "Stopping container main")

    run(scenario, lifecycle=lifecycle(stop="hook"))


def test_one_that_takes_all_the_grace_leaves_two_seconds():
    async def scenario(bench):
        bench.runtime.answers["hook"] = takes(1000)
        bench.runtime.obeys["main"] = None
        await bench.begun(1)
        await bench.stop(30)
        assert bench.runtime.times("term", "main", 2) == [31]
        assert bench.runtime.times("kill", "main") == [33]
        assert bench.life.state.terminated.exitCode == 137

    run(scenario, lifecycle=lifecycle(stop="hook"))


def test_one_that_fails_is_said_without_its_words():
    async def scenario(bench):
        bench.runtime.answers["hook"] = lambda: Executed(1, b"secret")
        await bench.begun(1)
        await bench.stop(30)
        assert ("Warning", "FailedPreStopHook", "PreStopHook failed") in bench.told
        assert bench.runtime.times("term") == [1]

    run(scenario, lifecycle=lifecycle(stop="hook"))


def test_without_grace_there_is_no_hook_but_two_seconds():
    async def scenario(bench):
        bench.runtime.obeys["main"] = None
        await bench.begun(1)
        await bench.stop(0)
        assert bench.runtime.times("exec") == []
        assert bench.runtime.times("term", "main", 2) == [1]
        assert bench.runtime.times("kill") == [3]

    run(scenario, lifecycle=lifecycle(stop="hook"))


def test_a_hook_may_just_sleep():
    async def scenario(bench):
        await bench.begun(1)
        await bench.stop(30)
        assert bench.runtime.times("term") == [6]

    sleep = core.LifecycleHandler(sleep=core.SleepAction(seconds=5))
    run(scenario, lifecycle=lifecycle(stop=sleep))


def test_a_run_that_ends_during_its_hook_needs_no_signal():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(5, 0)]
        await bench.begun(1)
        await bench.stop(30)
        assert bench.runtime.times("term") == []
        assert bench.life.state.terminated.exitCode == 0
        assert asyncio.get_running_loop().time() < 6

    sleep = core.LifecycleHandler(sleep=core.SleepAction(seconds=20))
    run(scenario, lifecycle=lifecycle(stop=sleep))


def test_asked_again_with_less_grace_the_hook_is_not_run_twice():
    async def scenario(bench):
        bench.runtime.answers["hook"] = takes(20)
        await bench.begun(1)
        first = asyncio.ensure_future(bench.stop(60))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await bench.life.stop(5)
        assert bench.runtime.times("exec") == [1]
        assert bench.runtime.times("term", "main", 2) == [7]
        assert bench.reasons().count("Killing") == 1

    run(scenario, lifecycle=lifecycle(stop="hook"))


def test_its_turn_comes_after_others_or_when_the_grace_is_over():
    async def scenario(bench):
        await bench.begun(1)
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(3, event.set)
        await bench.stop(30, (event,))
        assert bench.runtime.times("term", "main", 27) == [4]

    run(scenario)

    async def late(bench):
        await bench.begun(1)
        await bench.stop(5, (asyncio.Event(),))
        assert bench.runtime.times("term", "main", 2) == [6]

    run(late)


# Probes.


def test_ready_follows_the_readiness_probe():
    async def scenario(bench):
        bench.runtime.answers["ask"] = 1
        life = await bench.begun(25)
        assert life.state.running
        assert (life.started, life.ready) == (True, False)
        bench.runtime.answers["ask"] = 0
        await asyncio.sleep(10)
        assert life.ready
        bench.runtime.answers["ask"] = 1
        await asyncio.sleep(20)
        assert life.ready  # twice is not thrice
        await asyncio.sleep(10)
        assert not life.ready
        assert life.status().restartCount == 0

    run(scenario, readinessProbe=command_probe())


def test_each_failure_is_an_event():
    async def scenario(bench):
        bench.runtime.answers["ask"] = lambda: Executed(1, b"not yet\n")
        await bench.begun(25)
        said = [event for event in bench.told if event[1] == "Unhealthy"]
        assert said == [("Warning", "Unhealthy", "Readiness probe failed: not yet")] * 3

    run(scenario, readinessProbe=command_probe(failureThreshold=10))


def test_a_liveness_probe_that_fails_thrice_restarts_the_container():
    async def scenario(bench):
        bench.runtime.answers["ask"] = 1
        bench.runtime.obeys["main"] = 25
        life = await bench.begun(21)
        assert bench.runtime.times("term", "main", 40) == [20]
        message = "Container main failed liveness probe, will be restarted"
        assert ("Normal", "Killing", message) in bench.told
        assert bench.runtime.times("exec") == [0, 10, 20]
        bench.runtime.answers["ask"] = 0
        await asyncio.sleep(30)
        assert life.state.running
        assert life.status().restartCount == 1
        # While it was being ended nobody asked, and nobody killed again.
        assert bench.runtime.times("exec")[:4] == [0, 10, 20, 45]
        assert len(bench.runtime.times("term")) == 1

    run(scenario, grace=40, livenessProbe=command_probe())


def test_a_probe_may_have_its_own_grace_and_the_hook_runs_too():
    async def scenario(bench):
        bench.runtime.answers["ask"] = 1
        bench.runtime.answers["hook"] = takes(1)
        await bench.begun(5)
        assert bench.runtime.times("term", "main", 6)[0] == 1

    run(
        scenario,
        livenessProbe=command_probe(failureThreshold=1, terminationGracePeriodSeconds=7),
        lifecycle=lifecycle(stop="hook"),
    )


def test_without_restart_the_message_does_not_promise_one():
    async def scenario(bench):
        bench.runtime.answers["ask"] = 1
        await bench.begun(5)
        assert ("Normal", "Killing", "Container main failed liveness probe") in bench.told
        assert bench.task.result() == 143

    run(scenario, policy="Never", livenessProbe=command_probe(failureThreshold=1))


def test_other_probes_wait_for_the_startup_probe():
    async def scenario(bench):
        bench.runtime.answers |= {"up": 1, "live": 0, "ready": 0}
        life = await bench.begun(25)
        assert (life.started, life.ready) == (False, False)
        assert {one[3] for one in bench.runtime.seen if one[1] == "exec"} == {"up"}
        bench.runtime.answers["up"] = 0
        await asyncio.sleep(10)
        assert (life.started, life.ready) == (True, True)
        count = len(bench.runtime.times("exec", "main", "up"))
        await asyncio.sleep(100)
        assert len(bench.runtime.times("exec", "main", "up")) == count
        assert len(bench.runtime.times("exec", "main", "live")) == 11

    run(
        scenario,
        startupProbe=command_probe("up", failureThreshold=10),
        livenessProbe=command_probe("live"),
        readinessProbe=command_probe("ready"),
    )


def test_a_startup_probe_that_never_passes_restarts_the_container():
    async def scenario(bench):
        bench.runtime.answers["up"] = 1
        life = await bench.begun(21)
        assert life.status().restartCount == 1
        message = "Container main failed startup probe, will be restarted"
        assert ("Normal", "Killing", message) in bench.told

    run(scenario, startupProbe=command_probe("up"))


def test_whoever_waits_for_the_start_is_told_after_the_startup_probe():
    async def scenario(bench):
        bench.runtime.answers["up"] = 1
        started = asyncio.Event()
        bench.begin(started)
        await asyncio.sleep(5)
        assert not started.is_set()
        bench.runtime.answers["up"] = 0
        await asyncio.sleep(10)
        assert started.is_set()

    run(scenario, startupProbe=command_probe("up"))


def test_readiness_counts_until_the_end_and_liveness_does_not():
    async def scenario(bench):
        bench.runtime.obeys["main"] = 100
        await bench.begun(1)
        stopping = asyncio.ensure_future(bench.stop(200))
        await asyncio.sleep(5)
        assert bench.life.ready
        bench.runtime.answers |= {"ready": 1, "live": 1}
        await asyncio.sleep(40)
        assert not bench.life.ready
        assert bench.runtime.times("exec", "main", "live") == [0]
        await stopping
        assert len(bench.runtime.times("term")) == 1

    run(
        scenario,
        livenessProbe=command_probe("live"),
        readinessProbe=command_probe("ready"),
    )


def test_a_command_that_cannot_be_run_counts_for_nothing():
    async def scenario(bench):
        bench.runtime.answers["ask"] = StartError('exec: "ask": executable file not found')
        life = await bench.begun(100)
        assert life.status().restartCount == 0
        message = (
            "Liveness probe errored and resulted in unknown state: "
            'exec: "ask": executable file not found'
        )
        assert ("Warning", "Unhealthy", message) in bench.told

    run(scenario, livenessProbe=command_probe())


def test_a_mistake_in_asking_is_logged_and_asking_goes_on(caplog):
    async def scenario(bench):
        bench.runtime.answers["ask"] = ZeroDivisionError("a mistake")
        life = await bench.begun(15)
        assert not life.ready
        bench.runtime.answers["ask"] = 0
        await asyncio.sleep(10)
        assert life.ready
        assert "Readiness probe of main in ns/p failed" in caplog.text

    run(scenario, readinessProbe=command_probe())
