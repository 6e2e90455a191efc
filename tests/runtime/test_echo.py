"""What a run wrote itself does not wake it, and what anyone else writes does."""

import asyncio

import pytest

from arubeki.errors import Terminal
from arubeki.kinds import apps_v1 as apps
from arubeki.runtime.cause import Cause
from arubeki.runtime.change import Change
from arubeki.runtime.echo import REVISIONS_LIMIT, Echoes
from arubeki.runtime.results import Again
from tests.runtime.kit import annotate, condition, deployment, reconciling, run
from tests.support.world import Faults


def times_of(act, *, seconds=100.0, faults=None, cleanup=False, **options):
    """Return the seconds at which `act(number, ctx)` ran, from the first on."""
    times = []

    async def reconcile(web, ctx):
        times.append(asyncio.get_running_loop().time())
        return act(len(times), ctx)

    async def scenario(world):
        app = reconciling(reconcile, **options)
        if cleanup:
            app.controllers[0].cleanup(reconcile)
        async with world.running(app, faults=faults):
            await asyncio.sleep(seconds)

    run(scenario)
    return [round(one - times[0], 3) for one in times]


def fail_differently(number, ctx):
    raise ValueError(f"request {number} was refused")


@pytest.mark.parametrize("faults", [None, Faults(late_seconds=0.3), Faults(duplicate=True)])
def test_an_error_that_reads_differently_each_time_backs_off_all_the_same(faults):
    times = times_of(fail_differently, seconds=2.0, faults=faults, on_error="Degraded")
    assert times == pytest.approx([0.005 * (2**n - 1) for n in range(9)], abs=0.002)


def test_a_status_that_differs_in_each_run_waits_for_its_time():
    def act(number, ctx):
        ctx.condition("Looked", True, message=f"{number} times")
        return Again(after=10)

    assert times_of(act, seconds=35) == [0, 10, 20, 30]


def test_a_refused_object_is_left_alone_though_its_status_changed():
    def act(number, ctx):
        ctx.condition("Looked", True, message=f"{number} times")
        raise Terminal("cannot be")

    assert times_of(act, on_error="Degraded") == [0]


def test_the_finalizer_of_the_framework_wakes_nobody():
    assert times_of(lambda number, ctx: None, cleanup=True) == [0]


def test_a_status_written_by_a_run_that_is_through_wakes_it_as_ever():
    def act(number, ctx):
        ctx.condition("Looked", True, message=f"{min(number, 3)} times")

    assert len(times_of(act)) == 4


def test_what_others_write_at_the_same_time_wakes():
    seen = []

    async def scenario(world):
        async def reconcile(web, ctx):
            seen.append((web.annotations.get("new"), web.status.replicas))
            ctx.condition("Looked", True, message=f"{len(seen)} times")
            if len(seen) == 1:
                await annotate(world, new="1")
            if len(seen) == 2:
                status = {"status": {"replicas": 7}}
                await world.client.patch(apps.Deployment, "web", "ns", status, subresource="status")
            raise Terminal("cannot be")

        async with world.running(reconciling(reconcile)):
            await asyncio.sleep(5)
        assert seen[0][0] is None
        assert seen[1:] == [("1", seen[0][1]), ("1", 7)]
        assert (await condition(world, "Looked")).message == "3 times"

    run(scenario)


def change(revision=5, *, old=None, new=None, **said):
    one = deployment()
    other = one.evolve(status=apps.DeploymentStatus(replicas=1))
    return Change("web", old or one, new or other, revision, **said)


def cause(revision=5):
    return Cause("change", revision=revision)


def test_an_echo_is_known_by_its_revision_and_by_what_differs():
    echoes = Echoes()
    echoes.begin("web")
    assert echoes.end("web", {5, 6}) == []
    assert not echoes.takes("web", change(4), cause(4))
    assert not echoes.takes("web", change(5, is_listed=True), cause())
    assert not echoes.takes("web", change(5, new=deployment(parts="c")), cause())
    assert not echoes.takes("other", change(5), cause())
    assert echoes.takes("web", change(5), cause())
    assert echoes.takes("web", change(6), cause(6))
    same = deployment()
    assert echoes.takes("web", change(5, old=same, new=deployment()), cause())  # said twice
    assert not echoes.takes("web", change(5, old=same, new=same), cause())  # a resync


def test_what_comes_during_the_run_is_judged_at_its_end():
    echoes = Echoes()
    echoes.begin("web")
    assert echoes.takes("web", change(4), cause(4))
    assert echoes.takes("web", change(5), cause(5))
    assert echoes.end("web", {5}) == [cause(4)]
    assert not echoes.takes("web", change(4), cause(4))


def test_what_is_noted_is_bounded_and_forgotten():
    echoes = Echoes()
    for revision in range(100):
        echoes.begin("web")
        echoes.end("web", {revision})
    assert not echoes.takes("web", change(99 - REVISIONS_LIMIT), cause(99 - REVISIONS_LIMIT))
    assert echoes.takes("web", change(99), cause(99))
    echoes.forget("web")
    assert not echoes.takes("web", change(98), cause(98))
