"""The typed run, on a server in the same process: what the world looks like afterwards."""

import asyncio

import pytest

from arubeki import clock
from arubeki.errors import ConfigError, NotFound, Terminal
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.app import App
from arubeki.runtime.manager import Manager
from arubeki.runtime.results import Again
from tests.runtime.kit import annotate, condition, deployment, names, part, parts_app, prepared
from tests.support.world import Faults, World, hold


def run(scenario):
    """Run `scenario(world)` in virtual time, on a world with the Deployment ns/web."""

    async def main():
        async with World() as world:
            await prepared(world)
            await scenario(world)

    return clock.run_virtual(main())


def reconciling(function, **options):
    """An app whose reconcile function is `function`."""
    app = App("tested")
    controller = app.controller(apps.Deployment, owns=[core.ConfigMap], **options)
    controller.reconcile(function)
    return app


# Applying.


def test_children_get_namespace_and_owner_and_belong_to_the_apps_manager():
    async def scenario(world):
        async with world.running(parts_app()) as manager:
            await manager.settle()
        web = await world.client.get(apps.Deployment, "web", "ns")
        child = await world.client.get(core.ConfigMap, "web-a", "ns")
        assert child.data == {"value": "1"}
        (owner,) = child.owners
        assert (owner.apiVersion, owner.kind, owner.name) == ("apps/v1", "Deployment", "web")
        assert (owner.uid, owner.controller, owner.blockOwnerDeletion) == (web.uid, True, True)
        raw = await world.client.get(core.ConfigMap.KIND, "web-a", "ns")
        assert [(one["manager"], one["operation"]) for one in raw["metadata"]["managedFields"]] == [
            ("parts", "Apply")
        ]

    run(scenario)


def test_a_run_that_changes_nothing_sends_nothing():
    async def scenario(world):
        async with world.running(parts_app()) as manager:
            await manager.settle()
            await annotate(world, other="x")
            await manager.settle()
            last = list(manager.trace)[-1]
            assert (last.requests, last.writes) == (0, [])
            assert last.skipped == 3

    run(scenario)


def test_a_second_start_sends_nothing_but_watches():
    async def scenario(world):
        async with world.running(parts_app()) as manager:
            await manager.settle()
        faults = Faults()
        async with world.running(parts_app(), faults=faults) as manager:
            await manager.settle()
            assert manager.trace.count >= 1
            assert faults.requests == 0

    run(scenario)


def test_what_others_add_is_left_alone_and_costs_nothing():
    async def scenario(world):
        async with world.running(parts_app()) as manager:
            await manager.settle()
            patch = {"data": {"theirs": "2"}, "metadata": {"labels": {"x": "y"}}}
            await world.client.patch(core.ConfigMap, "web-a", "ns", patch)
            await manager.settle()
            assert list(manager.trace)[-1].requests == 0
        child = await world.client.get(core.ConfigMap, "web-a", "ns")
        assert child.data == {"value": "1", "theirs": "2"}

    run(scenario)


@pytest.mark.parametrize(
    "patch",
    [{"data": {"value": "2"}}, {"data": {"value": None}}, {"metadata": {"ownerReferences": None}}],
    ids=["changed", "removed", "disowned"],
)
def test_what_others_do_to_our_fields_is_put_right(patch):
    async def scenario(world):
        async with world.running(parts_app()) as manager:
            await manager.settle()
            await world.client.patch(core.ConfigMap, "web-a", "ns", patch)
            if "metadata" in patch:
                await annotate(world, wake="1")  # nobody owns it now, so its change wakes nobody
            await manager.settle()
        child = await world.client.get(core.ConfigMap, "web-a", "ns")
        assert child.data == {"value": "1"}
        assert len(child.owners) == 1

    run(scenario)


def test_a_deleted_child_comes_back():
    async def scenario(world):
        async with world.running(parts_app()) as manager:
            await manager.settle()
            await world.client.delete(core.ConfigMap, "web-a", "ns")
            await manager.settle()
        assert await names(world) == ["web-a", "web-b"]

    run(scenario)


def test_an_unowned_object_has_no_owner_and_its_own_namespace():
    async def reconcile(web, ctx):
        if web.name == "web":
            free = core.ConfigMap(metadata=meta.ObjectMeta(name="free", namespace="other"))
            await ctx.apply(free, owned=False)

    async def scenario(world):
        await world.client.create(core.Namespace(metadata=meta.ObjectMeta(name="other")))
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        free = await world.client.get(core.ConfigMap, "free", "other")
        assert free.owners == ()

    run(scenario)


def test_owning_across_namespaces_is_refused_with_the_reason():
    async def reconcile(web, ctx):
        with pytest.raises(ConfigError, match="an owner must be in the same namespace"):
            await ctx.apply(core.ConfigMap(metadata=meta.ObjectMeta(name="x", namespace="other")))
        ctx.condition("Available", True)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        assert (await condition(world)).status == "True"

    run(scenario)


def test_who_applies_then_reads_reads_his_write():
    found = []

    async def reconcile(web, ctx):
        assert await ctx.get(core.ConfigMap, "web-a") is None or found
        await ctx.apply(part(web, "a", web.annotations["value"]))
        mine = await ctx.get(core.ConfigMap, "web-a")
        children = await ctx.children(core.ConfigMap)
        listed = await ctx.list(core.ConfigMap)
        found.append((mine.data["value"], len(children), len(listed)))

    async def scenario(world):
        await annotate(world, value="1")
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
            await annotate(world, value="2")
            await manager.settle()
        assert found[0] == ("1", 1, 1)
        assert found[-1] == ("2", 1, 1)

    run(scenario)


def test_creates_patches_and_deletes_are_read_at_once_too():
    seen = []

    async def reconcile(web, ctx):
        if seen:
            return
        made = await ctx.create(
            core.ConfigMap(metadata=meta.ObjectMeta(name="c", namespace="ns"), data={"k": "1"})
        )
        seen.append((await ctx.get(core.ConfigMap, "c")).data)
        await ctx.patch(core.ConfigMap, "c", "ns", patch={"data": {"k": "2"}})
        seen.append((await ctx.get(core.ConfigMap, "c")).data)
        assert await ctx.delete(made) is True
        seen.append(await ctx.get(core.ConfigMap, "c"))
        assert await ctx.delete(made) is False

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
            assert seen == [{"k": "1"}, {"k": "2"}, None]
            assert manager.informers.find(core.ConfigMap).list() == []

    run(scenario)


def test_kinds_that_are_not_watched_are_read_at_the_server():
    found = []

    async def reconcile(web, ctx):
        found.append(await ctx.get(core.Secret, "none"))
        found.append([one.name for one in await ctx.list(core.Namespace)])
        found.append(await ctx.get(core.ConfigMap, "none", live=True))

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
            assert list(manager.trace)[-1].requests == 3
        assert found[0] is None and "ns" in found[1] and found[2] is None

    run(scenario)


def test_children_are_those_it_controls():
    found = []

    async def reconcile(web, ctx):
        found.append([one.name for one in await ctx.children(core.ConfigMap)])

    async def scenario(world):
        web = await world.client.get(apps.Deployment, "web", "ns")
        for name, is_controller in (("mine", True), ("known", False)):
            reference = meta.OwnerReference(
                apiVersion="apps/v1",
                kind="Deployment",
                name="web",
                uid=web.uid,
                controller=is_controller,
            )
            await world.client.create(
                core.ConfigMap(
                    metadata=meta.ObjectMeta(
                        name=name, namespace="ns", ownerReferences=(reference,)
                    )
                )
            )
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        assert found[-1] == ["mine"]

    run(scenario)


def test_an_owner_that_the_object_names_already_is_kept_beside_ours():
    async def reconcile(web, ctx):
        other = meta.OwnerReference(apiVersion="v1", kind="ConfigMap", name="other", uid="o")
        named = core.ConfigMap(metadata=meta.ObjectMeta(name="named", ownerReferences=(other,)))
        await ctx.apply(named)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        named = await world.client.get(core.ConfigMap, "named", "ns")
        assert sorted(one.name for one in named.owners) == ["other", "web"]

    run(scenario)


# Pruning.


def test_a_child_that_is_not_applied_any_more_is_deleted():
    async def scenario(world):
        async with world.running(parts_app()) as manager:
            await manager.settle()
            await annotate(world, parts="b c")
            await manager.settle()
        assert await names(world) == ["web-b", "web-c"]

    run(scenario)


def test_nothing_is_pruned_that_we_did_not_apply():
    async def scenario(world):
        web = await world.client.get(apps.Deployment, "web", "ns")
        owner = meta.OwnerReference(
            apiVersion="apps/v1", kind="Deployment", name="web", uid=web.uid, controller=True
        )
        # Ours by owner, not by manager; and ours by manager, not by owner.
        await world.client.create(
            core.ConfigMap(
                metadata=meta.ObjectMeta(name="owned", namespace="ns", ownerReferences=(owner,))
            )
        )
        await world.client.apply(
            core.ConfigMap(metadata=meta.ObjectMeta(name="free", namespace="ns")), manager="parts"
        )
        # Ours by owner and by our name, but by an update: no intent of this controller.
        updater = world.client_of("parts")
        await updater.create(
            core.ConfigMap(
                metadata=meta.ObjectMeta(name="updated", namespace="ns", ownerReferences=(owner,))
            )
        )
        async with world.running(parts_app()) as manager:
            await manager.settle()
        assert await names(world) == ["free", "owned", "updated", "web-a", "web-b"]

    run(scenario)


def _unsteady(result):
    """Apply a; then, once told by the annotation, end in `result` without applying it."""

    async def reconcile(web, ctx):
        if "stop" not in web.annotations:
            await ctx.apply(part(web, "a"))
        elif isinstance(result, Exception):
            raise result
        elif result == "keep all":
            ctx.keep()
        elif result == "keep":
            ctx.keep(core.ConfigMap, "web-a")
        return result if isinstance(result, Again) else None

    return reconcile


@pytest.mark.parametrize(
    "result",
    [Again(after=60), Terminal("no"), ValueError("oops"), "keep all", "keep"],
    ids=["again", "terminal", "error", "keep-all", "keep"],
)
def test_nothing_is_pruned_after_a_run_that_was_not_through(result):
    async def scenario(world):
        async with world.running(reconciling(_unsteady(result))) as manager:
            await manager.settle()
            await annotate(world, stop="1")
            await asyncio.sleep(1)
            assert await names(world) == ["web-a"]

    run(scenario)


# Status.


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


# The whole.


def test_parts_come_out_the_same_whatever_goes_wrong():
    async def act(world, settle):
        await settle()
        await annotate(world, parts="b c")
        await settle()
        await world.client.delete(core.ConfigMap, "web-b", "ns")
        await settle()

    async def main():
        state, writes = await hold(lambda: [parts_app()], act, prepare=prepared)
        kinds = sorted((one["kind"], one["metadata"]["name"]) for one in state)
        assert ("ConfigMap", "web-b") in kinds and ("ConfigMap", "web-c") in kinds
        assert ("ConfigMap", "web-a") not in kinds
        assert writes == 6

    clock.run_virtual(main())


def test_a_stopped_manager_lets_the_run_end():
    ended = []

    async def reconcile(web, ctx):
        await asyncio.sleep(5)
        ended.append(web.name)

    async def scenario(world):
        manager = Manager(world.client, [reconciling(reconcile)])
        await manager.start()
        await asyncio.sleep(1)
        await manager.stop()
        assert ended == ["web"]

    run(scenario)
