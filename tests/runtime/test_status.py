"""Status and conditions: written together, when they differ, with what was said before."""

import asyncio

import pytest

from arubeki import clock
from arubeki.errors import ConfigError
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from tests.runtime.kit import (
    annotate,
    condition,
    parts_app,
    reconciling,
    run,
)


def test_conditions_are_written_together_with_their_times():
    async def scenario(world):
        async with world.running(parts_app()) as manager:
            await manager.settle()
            first = await condition(world)
            assert (first.status, first.reason, first.message) == ("True", "Counted", "2 parts")
            await asyncio.sleep(100)
            await annotate(world, parts="a")
            await manager.settle()
            second = await condition(world)
            assert second.message == "1 parts"
            assert second.lastTransitionTime == first.lastTransitionTime
            await annotate(world, parts="")
            await manager.settle()
            third = await condition(world)
            assert third.status == "False"
            assert third.lastTransitionTime > first.lastTransitionTime

    run(scenario)


def test_other_fields_of_the_status_are_written_too():
    async def reconcile(web, ctx):
        ctx.status(apps.DeploymentStatus(readyReplicas=2), replicas=3)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        status = (await world.client.get(apps.Deployment, "web", "ns")).status
        assert (status.readyReplicas, status.replicas) == (2, 3)

    run(scenario)


def test_a_condition_is_given_up_by_a_run_that_does_not_mention_it():
    async def reconcile(web, ctx):
        if "quiet" not in web.annotations:
            ctx.condition("Odd", True)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
            assert (await condition(world, "Odd")).status == "True"
            await annotate(world, quiet="1")
            await manager.settle()
            assert await condition(world, "Odd") is None

    run(scenario)


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_a_run_that_raises_keeps_what_was_said_before(restart):
    async def reconcile(web, ctx):
        if "broken" in web.annotations:
            ctx.condition("New", True)
            raise ValueError("first line\nsecond line")
        ctx.condition("Available", True, reason="OK")
        ctx.status(replicas=3)

    def build():
        return reconciling(reconcile, on_error="Degraded")

    async def scenario(world):
        async with world.running(build()) as manager:
            await manager.settle()
            assert (await condition(world, "Degraded")).status == "False"
            if not restart:
                await annotate(world, broken="1")
                await asyncio.sleep(1)
        if restart:
            await annotate(world, broken="1")
            async with world.running(build()):
                await asyncio.sleep(1)
        degraded = await condition(world, "Degraded")
        assert (degraded.status, degraded.reason) == ("True", "ValueError")
        assert degraded.message == "first line"
        assert (await condition(world, "Available")).status == "True"
        assert (await condition(world, "New")).status == "True"
        assert (await world.client.get(apps.Deployment, "web", "ns")).status.replicas == 3

    run(scenario)


def test_a_condition_that_begins_well_is_no_news():
    async def reconcile(web, ctx):
        ctx.condition("Degraded", False, event=True)
        ctx.condition("Stalled", True, reason="Stuck", event=True)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        told = [(one.type, one.reason) for one in await world.client.list(core.Event, "ns")]
        assert told == [("Warning", "Stuck")]

    run(scenario)


def test_an_event_is_reported_when_a_condition_flips_and_not_before():
    async def reconcile(web, ctx):
        good = "bad" not in web.annotations
        ctx.condition("Available", good, reason="Good" if good else "Bad", event=True)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            for bad in (None, None, "1", "1", None):
                await annotate(world, bad=bad, wake=str(clock.now()))
                await manager.settle()
                await asyncio.sleep(1)
        events = [
            one for one in await world.client.list(core.Event, "ns") if one.reason != "Created"
        ]
        told = [(one.type, one.reason, one.count) for one in events]
        assert told == [("Normal", "Good", 2), ("Warning", "Bad", 1)]
        assert events[0].involvedObject.name == "web"
        assert events[0].source.component == "tested"

    run(scenario)


def test_a_condition_without_a_reason_says_whether_it_is_as_expected():
    async def reconcile(web, ctx):
        ctx.condition("Degraded", False)
        ctx.condition("Stalled", True)
        ctx.condition("Available", True)
        ctx.condition("Ready", False)
        ctx.condition("Known", None)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        web = await world.client.get(apps.Deployment, "web", "ns")
        assert {one.type: one.reason for one in web.status.conditions} == {
            "Degraded": "AsExpected",
            "Stalled": "NotAsExpected",
            "Available": "AsExpected",
            "Ready": "NotAsExpected",
            "Known": "Unknown",
        }

    run(scenario)


def test_an_event_about_a_condition_says_what_it_became():
    async def reconcile(web, ctx):
        if "bad" in web.annotations:
            raise ValueError("as told")

    async def scenario(world):
        async with world.running(reconciling(reconcile, on_error="Degraded")) as manager:
            await annotate(world, bad="1")
            await asyncio.sleep(0.1)
            await annotate(world, bad=None)
            await manager.settle()
        told = [(one.type, one.reason, one.message) for one in await world.client.list(core.Event)]
        assert sorted(told) == [
            ("Normal", "Degraded", "Degraded is False"),
            ("Warning", "ValueError", "as told"),
        ]

    run(scenario)


@pytest.mark.parametrize(
    ("say", "said"),
    [
        (lambda ctx: ctx.condition("Ready", "True"), "condition Ready: 'True' is none of"),
        (lambda ctx: ctx.condition("Ready", 1), "condition Ready: 1 is none of"),
        (lambda ctx: ctx.status(redy=1), "the status of Deployment has no field redy\nhelp: it"),
        (lambda ctx: ctx.status({"redy": 1}), "the status of Deployment has no field redy"),
    ],
)
def test_what_a_status_cannot_hold_is_refused(say, said):
    faults = []

    async def reconcile(web, ctx):
        with pytest.raises((TypeError, ConfigError), match=said) as fault:
            say(ctx)
        faults.append(fault.value)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        assert faults

    run(scenario)


def test_an_error_whose_class_is_private_makes_a_valid_reason():
    class _Oops(Exception):
        pass

    async def reconcile(web, ctx):
        raise _Oops("hidden")

    async def scenario(world):
        async with world.running(reconciling(reconcile, on_error="Degraded")):
            await asyncio.sleep(0.01)
        assert (await condition(world, "Degraded")).reason == "Oops"

    run(scenario)
