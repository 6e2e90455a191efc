"""One container: its runs, the pauses between them, and what cannot be started."""

import asyncio
import itertools

import pytest

from arubeki import clock
from arubeki.errors import ArubekiError
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import UNSET
from arubeki.node.container import go_duration
from arubeki.node.expand import ContainerConfigError
from tests.node.bench import Bench
from tests.node.kit import container


def run(scenario, *args, **options):
    """Run `scenario(bench)` in virtual time."""

    async def main():
        bench = Bench(*args, **options)
        try:
            await scenario(bench)
        finally:
            await bench.close()
        assert len(asyncio.all_tasks()) == 1  # nothing is left but us

    clock.run_virtual(main())


def test_a_container_runs():
    async def scenario(bench):
        life = await bench.begun()
        assert life.state.running.startedAt == clock.timestamp(life.handle.started_at)
        status = life.status()
        assert (status.ready, status.started, status.restartCount) == (True, True, 0)
        assert status.containerID == life.handle.id
        assert status.image == "none"
        assert bench.told == [
            ("Normal", "Created", "Created container: main"),
            ("Normal", "Started", "Started container main"),
        ]

    run(scenario)


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_policy_decides_whether_it_comes_again(policy, code, again):
    async def scenario(bench):
        bench.runtime.runs["main"] = [(5, code)]
        await bench.begun(6)
        assert bench.task.done() is not again
        if again:
            assert bench.life.state.running
            assert bench.life.status().restartCount == 1
            assert bench.life.last_state.terminated.exitCode == code
        else:
            assert bench.task.result() == code
            ended = bench.life.state.terminated
            assert (ended.exitCode, ended.reason) == (code, "Error" if code else "Completed")
            assert not bench.life.ready
            assert not bench.life.started

    run(scenario, policy=policy)


def test_the_end_says_when_and_how():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(5, 3)]
        life = await bench.begun(6)
        ended = life.state.terminated
        assert clock.parse_timestamp(ended.finishedAt) - clock.parse_timestamp(ended.startedAt) == 5
        assert ended.containerID == life.handle.id == life.status().containerID

    run(scenario, policy="Never")


def test_the_first_restart_is_at_once_and_then_pauses_double_up_to_five_minutes():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(1, 1)] * 9
        await bench.begun(2000)
        starts = bench.runtime.times("start", "main")
        pauses = [after - before - 1 for before, after in itertools.pairwise(starts)]
        assert pauses[:9] == [0, 10, 20, 40, 80, 160, 300, 300, 300]
        assert bench.states[:6] == [
            "running", "Error 1", "running", "Error 1", "CrashLoopBackOff", "running",
        ]  # fmt: skip

    run(scenario)


def test_a_pause_is_told_in_the_kubelets_words():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(1, 1)] * 2
        life = await bench.begun(3)
        waiting = life.state.waiting
        assert waiting.reason == "CrashLoopBackOff"
        assert waiting.message == "back-off 10s restarting failed container=main pod=p_ns(u1)"
        assert life.last_state.terminated.exitCode == 1
        assert not life.ready
        message = "Back-off restarting failed container main in pod p_ns(u1)"
        assert bench.told[-1] == ("Warning", "BackOff", message)

    run(scenario)


def test_one_that_ends_well_waits_as_long_where_it_must_run_always():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(1, 0)] * 3
        await bench.begun(100)
        assert bench.runtime.times("start", "main") == [0, 1, 12, 33]

    run(scenario)


def test_after_ten_minutes_of_running_the_pauses_begin_anew():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(1, 1), (1, 1), (601, 1), (1, 1)]
        await bench.begun(1000)
        assert bench.runtime.times("start", "main") == [0, 1, 12, 613, 624]

    run(scenario)


def test_just_under_ten_minutes_are_not_enough():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(1, 1), (1, 1), (599, 1)]
        await bench.begun(1000)
        assert bench.runtime.times("start", "main") == [0, 1, 12, 631]

    run(scenario)


def test_a_container_that_cannot_be_started_is_tried_again_later():
    async def scenario(bench):
        bench.runtime.refuses["main"] = ["no such file"] * 2
        life = await bench.begun(5)
        assert life.state.waiting.reason == "CrashLoopBackOff"
        last = life.last_state.terminated
        assert (last.exitCode, last.reason, last.message) == (128, "StartError", "no such file")
        assert bench.told[0] == ("Warning", "Failed", "Error: no such file")
        assert life.status().restartCount == 1
        await asyncio.sleep(6)
        assert life.state.running
        assert life.status().restartCount == 2
        assert bench.runtime.times("start", "main") == [0, 0, 10]
        assert bench.states == ["RunContainerError", "CrashLoopBackOff", "running"]

    run(scenario)


def test_one_that_cannot_be_started_and_must_not_be_again_has_failed():
    async def scenario(bench):
        bench.runtime.refuses["main"] = ["no such file"]
        life = await bench.begun()
        assert bench.task.result() == 128
        assert life.state.terminated.reason == "StartError"

    run(scenario, policy="Never")


def test_what_is_missing_is_said_once_and_waited_for():
    async def scenario(bench):
        bench.problem = ContainerConfigError('configmap "cm" not found')
        life = await bench.begun(30)
        waiting = life.state.waiting
        assert waiting.reason == "CreateContainerConfigError"
        assert waiting.message == 'configmap "cm" not found'
        assert bench.told == [("Warning", "Failed", 'Error: configmap "cm" not found')]
        assert (life.status().restartCount, life.status().containerID) == (0, UNSET)
        bench.problem = None
        bench.place.retry.set()
        await asyncio.sleep(0.001)
        assert life.state.running
        assert life.status().restartCount == 0

    run(scenario)


def test_what_is_missing_is_found_without_being_woken_too():
    async def scenario(bench):
        bench.problem = ContainerConfigError("missing")
        life = await bench.begun(0.5)
        bench.problem = None
        await asyncio.sleep(1)
        assert life.state.running

    run(scenario)


def test_another_obstacle_is_another_message():
    async def scenario(bench):
        bench.problem = ContainerConfigError("one")
        life = await bench.begun()
        bench.problem = OSError("disk full")
        bench.place.retry.set()
        await asyncio.sleep(0.001)
        assert life.state.waiting.reason == "CreateContainerError"
        assert life.state.waiting.message == "disk full"
        assert bench.reasons() == ["Failed", "Failed"]

    run(scenario)


def test_a_restart_that_lacks_something_keeps_the_last_end():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(5, 7)]
        await bench.begun(1)
        bench.problem = ContainerConfigError("gone")
        await asyncio.sleep(5)
        status = bench.life.status()
        assert status.state.waiting.reason == "CreateContainerConfigError"
        assert status.lastState.terminated.exitCode == 7

    run(scenario)


def test_an_unforeseen_error_ends_the_life_so_that_its_pod_sees_it():
    async def scenario(bench):
        bench.problem = ZeroDivisionError("a mistake")
        bench.begin()
        with pytest.raises(ZeroDivisionError):
            await bench.task

    run(scenario)


def test_an_init_container_is_done_once_it_has_ended_well():
    async def scenario(bench):
        bench.runtime.runs["main"] = [(1, 1), (1, 0)]
        life = await bench.begun(10)
        assert bench.task.result() == 0
        status = life.status()
        assert (status.ready, status.started, status.restartCount) == (True, False, 1)

    run(scenario, is_init=True)


def test_a_running_init_container_is_not_ready():
    async def scenario(bench):
        life = await bench.begun()
        assert (life.ready, life.started) == (False, True)

    run(scenario, is_init=True)


def test_another_image_means_another_run_whatever_the_policy():
    async def scenario(bench):
        life = await bench.begun(5)
        life.redefine(container(image="other"))
        await asyncio.sleep(1)
        assert life.state.running
        assert life.status().image == "other"
        assert life.status().restartCount == 1
        message = "Container main definition changed, will be restarted"
        assert ("Normal", "Killing", message) in bench.told
        assert bench.runtime.times("term", "main", 30) == [5]

    run(scenario, policy="Never")


def test_two_reasons_to_end_a_run_are_one_end():
    async def scenario(bench):
        bench.runtime.obeys["main"] = 5
        life = await bench.begun(1)
        life.redefine(container(image="other"))
        life.redefine(container(image="another"))
        await asyncio.sleep(10)
        assert bench.reasons().count("Killing") == 1
        assert bench.runtime.times("term") == [1]
        assert life.status().restartCount == 1

    run(scenario)


def test_the_same_image_changes_nothing():
    async def scenario(bench):
        life = await bench.begun(5)
        life.redefine(container())
        await asyncio.sleep(1)
        assert life.status().restartCount == 0

    run(scenario)


def test_logs_of_all_but_the_last_two_runs_are_removed(tmp_path):
    async def scenario(bench):
        bench.runtime.runs["main"] = [(1, 1)] * 3
        place = bench.life.log_of(0).parent
        place.mkdir(parents=True)
        for number in range(4):
            bench.life.log_of(number).touch()
        (place / "0.log.000001").touch()
        await bench.begun(14)
        assert bench.life.run == 4 - 1
        assert sorted(path.name for path in place.iterdir()) == ["1.log", "2.log", "3.log"]

    run(scenario, directory=tmp_path)


# What was before the agent.


def known(state, last=None, *, restarts=0, container_id="fake://old"):
    return core.ContainerStatus(
        name="main",
        state=state,
        lastState=last or core.ContainerState(),
        restartCount=restarts,
        containerID=container_id,
    )


RUNNING = core.ContainerState(running=core.ContainerStateRunning(startedAt="2025-12-31T00:00:00Z"))


def ended(code):
    return core.ContainerState(terminated=core.ContainerStateTerminated(exitCode=code))


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_a_run_that_nobody_saw_end_is_followed_by_another(policy):
    async def scenario(bench):
        bench.life.resume(known(RUNNING, restarts=2))
        assert bench.life.over is None
        assert bench.life.status().restartCount == 2
        await bench.begun()
        status = bench.life.status()
        assert status.restartCount == 3
        last = status.lastState.terminated
        assert (last.exitCode, last.reason) == (137, "ContainerStatusUnknown")
        assert last.startedAt == "2025-12-31T00:00:00Z"

    run(scenario, policy=policy)


@pytest.mark.parametrize(
    ("policy", "code", "over"),
    [("Always", 0, None), ("OnFailure", 0, 0), ("OnFailure", 1, None), ("Never", 1, 1)],
)
def test_a_run_that_had_ended_stays_so_where_the_policy_lets_it(policy, code, over):
    async def scenario(bench):
        bench.life.resume(known(ended(code)))
        assert bench.life.over == over
        if over is not None:
            assert bench.life.status().state == ended(code)
            assert bench.life.status().containerID == "fake://old"

    run(scenario, policy=policy)


def test_a_run_that_nobody_saw_end_has_failed_where_it_must_not_be_repeated():
    async def scenario(bench):
        bench.life.resume(known(RUNNING))
        assert bench.life.over == 137
        assert bench.life.state.terminated.reason == "ContainerStatusUnknown"

    run(scenario, policy="Never")


def test_one_that_had_never_run_begins():
    async def scenario(bench):
        waiting = core.ContainerState(waiting=core.ContainerStateWaiting(reason="x"))
        bench.life.resume(known(waiting, container_id=UNSET))
        assert bench.life.status().restartCount == 0
        await bench.begun()
        assert bench.life.status().restartCount == 0

    run(scenario, policy="Never")


def test_one_that_waited_for_its_next_run_goes_on_counting():
    async def scenario(bench):
        waiting = core.ContainerState(waiting=core.ContainerStateWaiting(reason="x"))
        bench.life.resume(known(waiting, ended(1), restarts=4))
        await bench.begun()
        assert bench.life.status().restartCount == 5
        assert bench.life.status().lastState == ended(1)

    run(scenario)


def test_an_init_container_that_was_done_stays_so_while_it_repeats_its_work():
    async def scenario(bench):
        bench.life.resume(known(ended(0)))
        assert bench.life.ready
        bench.runtime.runs["main"] = [(5, 0)]
        await bench.begun(1)
        assert bench.life.status().state.terminated.exitCode == 0
        assert bench.life.ready
        await asyncio.sleep(5)
        assert bench.task.result() == 0

    run(scenario, policy="OnFailure", is_init=True)


def test_durations_are_written_as_go_does():
    assert [go_duration(one) for one in (10, 80, 300)] == ["10s", "1m20s", "5m0s"]


def test_errors_without_a_reason_have_the_general_one():
    async def scenario(bench):
        bench.problem = ArubekiError("hm")
        life = await bench.begun()
        assert life.state.waiting.reason == "CreateContainerError"

    run(scenario)
