"""Logs, from a process through node and server to who asks."""

import asyncio

import pytest
import uvloop

from arubeki import clock
from arubeki.errors import BadRequest, NotFound, NotServed
from arubeki.kinds import core_v1 as core
from arubeki.net.message import Request
from arubeki.node import serving
from arubeki.node.runtimes.plain import PlainRuntime
from tests.node.kit import (
    NODE,
    ProcessWorld,
    container,
    main_status,
    once,
    pod,
    shell,
)


@pytest.fixture
def run(tmp_path):
    """Run `scenario(world)` with real processes."""

    def runner(scenario):
        async def main():
            async with ProcessWorld(PlainRuntime(), tmp_path) as world:
                await scenario(world)
            assert len(asyncio.all_tasks()) == 1

        uvloop.run(main())

    return runner


LINES = "for n in 1 2 3 4 5; do echo out $n; done"


def test_what_a_container_printed(run):
    async def scenario(world):
        await world.create(once(shell(LINES)))
        assert await world.output() == "out 1\nout 2\nout 3\nout 4\nout 5\n"
        assert await world.logs(tail_lines=2) == "out 4\nout 5\n"
        assert await world.logs(tail_lines=0) == ""
        assert await world.logs(limit_bytes=8) == "out 1\nou"
        stamped = (await world.logs(timestamps=True, tail_lines=1)).split(" ", 1)
        assert clock.parse_timestamp(stamped[0]) > 0
        assert stamped[1] == "out 5\n"
        assert await world.logs(since_time="2100-01-01T00:00:00Z") == ""
        assert len((await world.logs(since_seconds=3600)).splitlines()) == 5
        # Following what has ended gives it all, and ends.
        assert len((await world.logs(follow=True)).splitlines()) == 5

    run(scenario)


def test_a_log_is_followed_until_the_container_ends(run):
    script = "echo begin; until [ -e /shared/go ]; do sleep 0.01; done; echo end"
    mount = core.VolumeMount(name="tmp", mountPath="/shared")
    volume = core.Volume(name="tmp", emptyDir=core.EmptyDirVolumeSource())

    async def scenario(world):
        made = await world.create(once(shell(script, volumeMounts=(mount,)), volumes=(volume,)))
        await world.said("begin")
        following = asyncio.ensure_future(world.logs(follow=True))
        await world.said("begin")
        assert not following.done()
        place = world.directory / NODE / "pods" / made.uid / "volumes/kubernetes.io~empty-dir/tmp"
        (place / "go").touch()
        assert await asyncio.wait_for(following, 10) == "begin\nend\n"

    run(scenario)


def test_who_stops_following_leaves_nothing_behind(run):
    async def scenario(world):
        await world.create(pod(shell("echo begin; exec sleep 1000")))
        await world.said("begin")
        await world.node.manager.settle()
        tasks = asyncio.all_tasks()
        following = asyncio.ensure_future(world.logs(follow=True))
        await world.said("begin")
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        await asyncio.sleep(0.01)
        left = [one.get_coro().__qualname__ for one in asyncio.all_tasks() - tasks]
        assert not [one for one in left if "_Sending" in one]

    run(scenario)


def test_a_follower_is_let_go_when_the_pod_is_deleted(run):
    async def scenario(world):
        await world.create(pod(shell("echo begin; exec sleep 1000")))
        await world.said("begin")
        following = asyncio.ensure_future(world.logs(follow=True))
        await world.said("begin")
        await world.delete()
        assert await asyncio.wait_for(following, 10) == "begin\n"
        await world.gone()

    run(scenario)


def test_the_run_before(run):
    async def scenario(world):
        await world.create(pod(shell("echo run $$$$; exit 1")))
        await world.until(
            lambda one: (
                one.status.containerStatuses
                and (waiting := main_status(one).state.waiting)
                and waiting.reason == "CrashLoopBackOff"
            )
        )
        # Two runs are over; while the third is waited for, both questions mean the second.
        current, previous = await world.logs(), await world.logs(previous=True)
        assert current == previous
        assert current.startswith("run ")

    run(scenario)


def test_the_run_before_the_one_that_runs(run):
    script = "echo x >> /shared/runs; wc -l < /shared/runs; [ $(wc -l < /shared/runs) -gt 1 ] "
    mount = core.VolumeMount(name="tmp", mountPath="/shared")
    volume = core.Volume(name="tmp", emptyDir=core.EmptyDirVolumeSource())

    async def scenario(world):
        spec = shell(f"{script}&& exec sleep 1000", volumeMounts=(mount,))
        await world.create(pod(spec, volumes=(volume,)))
        await world.until(
            lambda one: (
                one.status.containerStatuses
                and main_status(one).restartCount == 1
                and main_status(one).state.running
            )
        )
        assert (await world.said("2")).strip() == "2"
        assert (await world.logs(previous=True)).strip() == "1"

    run(scenario)


def test_logs_that_are_not_there_are_refused_in_the_kubelets_words(run):
    async def scenario(world):
        await world.create(pod(shell("exec sleep 1000"), shell("x", "other")))
        await world.phase("Running")
        with pytest.raises(BadRequest, match="container nobody is not valid for pod p"):
            await world.logs(container="nobody")
        with pytest.raises(BadRequest, match="a container name must be specified for pod p"):
            await world.logs()
        words = 'previous terminated container "main" in pod "p" not found'
        with pytest.raises(BadRequest, match=words):
            await world.logs(container="main", previous=True)
        await world.create(pod(container(command=()), name="q"))
        await world.until(lambda one: one.status.containerStatuses, "q")
        words = 'container "main" in pod "q" is waiting to start: CreateContainerConfigError'
        with pytest.raises(BadRequest, match=words):
            await world.logs("q")

    run(scenario)


def test_init_containers_have_logs_too(run):
    async def scenario(world):
        await world.create(once(shell("true"), initContainers=(shell("echo prepared", "i"),)))
        await world.phase("Succeeded")
        assert await world.logs(container="i") == "prepared\n"

    run(scenario)


def test_logs_outlive_the_agent(run):
    async def scenario(world):
        await world.create(once(shell("echo done")))
        assert await world.output() == "done\n"
        await world.stop_node()
        await world.start_node()
        assert await world.said("done") == "done\n"

    run(scenario)


def test_a_long_log_is_sent_in_pieces(run):
    async def scenario(world):
        await world.create(once(shell("seq 200000")))
        text = await world.output()
        assert text.splitlines() == [str(n) for n in range(1, 200001)]

    run(scenario)


# Asked directly.


def test_other_requests_are_not_served():
    async def ask(path):
        await serving.answer(Request("GET", path), lambda *_: None)

    with pytest.raises(NotServed, match="this node does not serve exec"):
        asyncio.run(ask("/exec/ns/p/main"))
    with pytest.raises(NotFound, match='pod "p" does not exist'):
        asyncio.run(ask("/containerLogs/ns/p/main"))
