"""Containers that are status only."""

import asyncio
from pathlib import Path

import pytest

from arubeki import clock
from arubeki.node.runtimes.base import Command, PodSandbox, Runtime, StartError
from arubeki.node.runtimes.fake import FakeRuntime


def pod(uid: str = "u1", **annotations: str) -> PodSandbox:
    named = {
        "fake.arubeki.dev/" + name.replace("_", "-"): text for name, text in annotations.items()
    }
    return PodSandbox(uid, "default", "web", Path("/nowhere"), annotations=named)


def command(container: str = "main") -> Command:
    return Command(container, (), {}, Path("/nowhere/0.log"))


def test_it_is_a_runtime() -> None:
    runtime: Runtime = FakeRuntime()
    assert runtime.name == "fake"
    assert clock.run_virtual(runtime.probe()) == ""


def test_a_container_runs_until_it_is_stopped() -> None:
    async def main() -> None:
        runtime = FakeRuntime()
        container = await runtime.start(pod(), command())
        await asyncio.sleep(86_400)
        assert container.exit is None
        assert runtime.containers("u1") == [container]
        stopped = await runtime.stop(container, 30)
        assert (stopped.code, stopped.reason) == (0, "Completed")
        assert runtime.containers() == []

    clock.run_virtual(main())


def test_no_grace_is_a_kill() -> None:
    async def main() -> None:
        runtime = FakeRuntime()
        container = await runtime.start(pod(), command())
        stopped = await runtime.stop(container, 0)
        assert (stopped.code, stopped.signal, stopped.reason) == (137, 9, "Error")

    clock.run_virtual(main())


def test_annotations_say_how_long_it_starts_and_runs_and_how_it_ends() -> None:
    async def main() -> None:
        runtime = FakeRuntime(start_seconds=9)
        begun = clock.now()
        container = await runtime.start(
            pod(start_seconds="2", run_seconds="30", exit_code="3"), command()
        )
        assert container.started_at == begun + 2
        ended = await container.wait()
        assert (ended.code, ended.finished_at) == (3, begun + 32)

    clock.run_virtual(main())


def test_an_annotation_may_be_for_one_container() -> None:
    async def main() -> None:
        runtime = FakeRuntime()
        sandbox = PodSandbox(
            "u1",
            "default",
            "web",
            Path("/nowhere"),
            annotations={"fake.arubeki.dev/run-seconds.first": "5"},
        )
        first = await runtime.start(sandbox, command("first"))
        second = await runtime.start(sandbox, command("second"))
        await first.wait()
        assert second.exit is None

    clock.run_virtual(main())


def test_a_bad_annotation_is_said() -> None:
    with pytest.raises(StartError, match=r"run-seconds: 'soon' is not a number"):
        clock.run_virtual(FakeRuntime().start(pod(run_seconds="soon"), command()))


def test_a_command_inside_answers_as_told() -> None:
    async def main() -> None:
        runtime = FakeRuntime()
        container = await runtime.start(pod(exec_code="1"), command())
        assert (await runtime.execute(container, ["true"], 1)).code == 1
        await runtime.stop(container, 30)
        with pytest.raises(StartError):
            await runtime.execute(container, ["true"], 1)

    clock.run_virtual(main())


def test_removing_a_pod_ends_its_containers_for_all_who_wait() -> None:
    async def main() -> None:
        runtime = FakeRuntime()
        sandbox = pod()
        await runtime.create(sandbox)
        container = await runtime.start(sandbox, command())
        waiting = [asyncio.ensure_future(container.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        await runtime.remove(sandbox)
        assert {(await one).code for one in waiting} == {143}
        assert runtime.containers() == []

    clock.run_virtual(main())


def test_a_thousand_pods_leave_no_task_behind() -> None:
    async def main() -> None:
        runtime = FakeRuntime(start_seconds=1)
        sandboxes = [pod(f"u{number}") for number in range(1000)]
        begun = clock.now()
        await asyncio.gather(*(runtime.start(sandbox, command()) for sandbox in sandboxes))
        assert clock.now() == begun + 1
        assert len(runtime.containers()) == 1000
        assert len(asyncio.all_tasks()) == 1
        await runtime.close()
        assert runtime.containers() == []

    clock.run_virtual(main())
