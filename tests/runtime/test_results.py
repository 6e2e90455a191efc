"""What a run may end in, and objects that come and go."""

import asyncio

import pytest

from arubeki.errors import NotFound, Terminal
from arubeki.kinds import apps_v1 as apps
from arubeki.runtime.results import Again
from tests.runtime.kit import (
    annotate,
    condition,
    deployment,
    names,
    part,
    parts_app,
    reconciling,
    run,
)
from tests.support.world import Faults

# Results and errors.


def test_again_looks_again_after_its_time():
    times = []

    async def reconcile(web, ctx):
        times.append(asyncio.get_running_loop().time())
        return Again(after=60) if len(times) < 3 else None

    async def scenario(world):
        async with world.running(reconciling(reconcile)):
            await asyncio.sleep(1000)
        assert [round(one - times[0]) for one in times] == [0, 60, 120]

    run(scenario)


def test_every_looks_again_for_ever():
    times = []

    async def reconcile(web, ctx):
        times.append(asyncio.get_running_loop().time())

    async def scenario(world):
        async with world.running(reconciling(reconcile, every=30)):
            await asyncio.sleep(100)
        assert [round(one - times[0]) for one in times] == [0, 30, 60, 90]

    run(scenario)


def test_an_error_backs_off_until_it_succeeds(caplog):
    tries = []

    async def reconcile(web, ctx):
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 8:
            raise ValueError("not yet")

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
            (controller,) = manager.controllers
            assert (controller.errors, controller.panics) == (7, 7)
            assert list(manager.trace)[-1].causes[0].why == "retry"
        assert tries[-1] - tries[0] == pytest.approx(0.005 * (2**7 - 1), abs=0.001)
        assert "tested#1 ns/web: failed, again in 0.005 s: ValueError: not yet" in caplog.text

    run(scenario)


def test_terminal_is_not_tried_again_until_the_object_changes():
    tries = []

    async def reconcile(web, ctx):
        tries.append(web.annotations.get("fixed"))
        if not tries[-1]:
            raise Terminal("cannot be")

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await asyncio.sleep(10_000)
            assert tries == [None]
            await annotate(world, fixed="1")
            await manager.settle()
            assert tries == [None, "1"]

    run(scenario)


def test_a_run_that_hangs_is_ended_and_tried_again():
    tries = []

    async def reconcile(web, ctx):
        tries.append(asyncio.get_running_loop().time())
        if len(tries) == 1:
            await asyncio.sleep(10_000)

    async def scenario(world):
        async with world.running(reconciling(reconcile, timeout=20, on_error="Degraded")):
            await asyncio.sleep(19)
            assert len(tries) == 1
            await asyncio.sleep(2)
            assert len(tries) >= 2
        assert (await condition(world, "Degraded")).status == "False"

    run(scenario)


def test_one_failing_object_does_not_hold_up_another():
    done = []

    async def reconcile(web, ctx):
        if web.name == "web":
            raise ValueError("always")
        done.append(web.name)

    async def scenario(world):
        async with world.running(reconciling(reconcile)):
            await asyncio.sleep(1)
            await world.client.create(deployment("other"))
            await asyncio.sleep(1)
            assert done == ["other"]

    run(scenario)


# Coming and going.


def test_a_gone_object_is_not_reconciled_and_nothing_is_kept_of_it():
    seen = []

    async def reconcile(web, ctx):
        seen.append(web.name)
        await ctx.apply(part(web, "a"))
        ctx.condition("Available", True)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
            count = len(seen)
            await world.client.delete(apps.Deployment, "web", "ns")
            await manager.settle()
            assert len(seen) == count
            assert list(manager.trace)[-1].result == "gone"
            (controller,) = manager.controllers
            assert controller._env.intents._known == {}
            assert controller._env.statuses == {}

    run(scenario)


def cleaning(log, result=None):
    app = parts_app()
    (controller,) = app.controllers

    @controller.cleanup
    async def cleanup(web, ctx):
        log.append(web.name)
        return result.pop() if result else None

    return app


def test_the_finalizer_is_there_before_anything_is_made_and_cleanup_lets_go():
    log = []

    async def scenario(world):
        async with world.running(cleaning(log)) as manager:
            await manager.settle()
            first = next(iter(manager.trace))
            assert [one.verb for one in first.writes][:2] == ["patch", "apply"]
            web = await world.client.get(apps.Deployment, "web", "ns")
            assert web.finalizers == ("apps/parts",)
            assert log == []
            await world.client.delete(apps.Deployment, "web", "ns")
            await manager.settle()
            assert log == ["web"]
            with pytest.raises(NotFound):
                await world.client.get(apps.Deployment, "web", "ns")

    run(scenario)


def test_a_cleanup_that_is_not_through_keeps_the_object():
    log, results = [], [None, Again(after=10), Again(after=10)]

    async def scenario(world):
        async with world.running(cleaning(log, results)) as manager:
            await manager.settle()
            await world.client.delete(apps.Deployment, "web", "ns")
            await asyncio.sleep(15)
            assert len(log) == 2
            assert (await world.client.get(apps.Deployment, "web", "ns")).deleting
            await asyncio.sleep(10)
            assert len(log) == 3
            assert await names(world, apps.Deployment) == []

    run(scenario)


def test_a_finalizer_set_by_another_behind_our_back_is_not_lost():
    log = []

    async def scenario(world):
        async with world.running(cleaning(log), faults=Faults(late_seconds=5)) as manager:
            await asyncio.sleep(2)  # the initial list is on its way, as it was
            patch = {"metadata": {"finalizers": ["example.com/theirs"]}}
            await world.client.patch(apps.Deployment, "web", "ns", patch)
            await manager.settle(11)
        web = await world.client.get(apps.Deployment, "web", "ns")
        assert sorted(web.finalizers) == ["apps/parts", "example.com/theirs"]

    run(scenario)


def test_foreign_finalizers_are_kept():
    log = []

    async def scenario(world):
        patch = {"metadata": {"finalizers": ["example.com/theirs"]}}
        await world.client.patch(apps.Deployment, "web", "ns", patch)
        async with world.running(cleaning(log)) as manager:
            await manager.settle()
            await world.client.delete(apps.Deployment, "web", "ns")
            await manager.settle()
        web = await world.client.get(apps.Deployment, "web", "ns")
        assert web.finalizers == ("example.com/theirs",)
        assert log == ["web"]

    run(scenario)


def test_a_deleting_object_without_cleanup_is_not_reconciled():
    seen = []

    async def reconcile(web, ctx):
        seen.append(web.deleting)

    async def scenario(world):
        patch = {"metadata": {"finalizers": ["example.com/theirs"]}}
        await world.client.patch(apps.Deployment, "web", "ns", patch)
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
            await world.client.delete(apps.Deployment, "web", "ns")
            await manager.settle()
        assert seen == [False]

    run(scenario)
