"""The typed run, on a server in the same process: what the world looks like afterwards."""

import asyncio

import pytest

from arubeki import clock
from arubeki.errors import ConfigError, Terminal
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.manager import Manager
from arubeki.runtime.results import Again
from tests.runtime.kit import (
    annotate,
    condition,
    names,
    part,
    parts_app,
    prepared,
    reconciling,
    run,
)
from tests.support.world import Faults, hold

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


@pytest.mark.parametrize(
    ("child", "said"),
    [
        (core.Secret(metadata=meta.ObjectMeta(name="x")), "applies a Secret, which is not among"),
        (apps.Deployment(metadata=meta.ObjectMeta(name="web")), "web cannot own itself\nhelp: "),
        (apps.Deployment(metadata=meta.ObjectMeta(name="x")), "Deployment, which is not among"),
    ],
)
def test_what_could_not_be_watched_or_pruned_is_not_owned(child, said):
    faults = []

    async def reconcile(web, ctx):
        with pytest.raises(ConfigError, match=said) as fault:
            await ctx.apply(child)
        faults.append(fault.value)

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await manager.settle()
        assert faults

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
