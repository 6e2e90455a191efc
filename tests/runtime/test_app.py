"""What one declares with an app, and what comes of it."""

import asyncio

import pytest

from arubeki import clock
from arubeki.errors import ConfigError
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import Dynamic
from arubeki.runtime.app import App
from arubeki.runtime.cache import Key
from arubeki.runtime.predicates import any_of, generation_changed, labels_changed
from tests.runtime.views import (
    MarkdownView,
    available,
    config_map,
    define,
    define_kind,
    play_deployment,
    view,
    view_app,
)
from tests.support.world import Faults, World, hold


def run(scenario):
    async def main():
        async with World() as world:
            await define(world)
            await scenario(world)

    return clock.run_virtual(main())


def noting(**options):
    """An app that only notes which views it saw."""
    app, seen = App("noting"), []
    controller = app.controller(MarkdownView, **options)

    @controller.reconcile
    async def reconcile(one, ctx):
        seen.append(one.name)

    return app, controller, seen


# The design's example.


def test_a_view_brings_its_three_children_and_says_when_it_is_available():
    async def scenario(world):
        async with world.running(view_app()) as manager:
            await world.client.create(view())
            await manager.settle()
            one = await world.client.get(core.ConfigMap, "markdowns-hello", "ns")
            assert one.data == {"SUMMARY.md": "# Hello"}
            assert (await world.client.get(core.Service, "viewer-hello", "ns")).spec.ports[0].port
            said = await available(world)
            assert (said.status, said.reason, said.observedGeneration) == (
                "False",
                "Unavailable",
                1,
            )
            await play_deployment(world)
            await manager.settle()
            said = await available(world)
            assert (said.status, said.reason) == ("True", "OK")

    run(scenario)


def test_a_changed_view_changes_its_children():
    async def scenario(world):
        async with world.running(view_app()) as manager:
            await world.client.create(view())
            await manager.settle()
            spec = {"spec": {"replicas": 3, "markdowns": {"SUMMARY.md": None, "a.md": "a"}}}
            await world.client.patch(MarkdownView, "hello", "ns", spec)
            await manager.settle()
            one = await world.client.get(apps.Deployment, "viewer-hello", "ns")
            assert one.spec.replicas == 3
            one = await world.client.get(core.ConfigMap, "markdowns-hello", "ns")
            assert one.data == {"a.md": "a"}
            assert (await available(world)).observedGeneration == 2

    run(scenario)


def test_the_view_ends_the_same_whatever_goes_wrong_and_stays_without_a_write():
    async def act(world, settle):
        await world.client.create(view())
        await settle()
        await play_deployment(world)
        await settle()
        await world.client.patch(MarkdownView, "hello", "ns", {"spec": {"replicas": 2}})
        await world.client.delete(core.ConfigMap, "markdowns-hello", "ns")
        await settle()

    async def main():
        state, writes = await hold(lambda: [view_app()], act, prepare=define)
        (one,) = [each for each in state if each["kind"] == "MarkdownView"]
        assert one["status"]["conditions"][0]["status"] == "True"
        assert writes >= 7

    clock.run_virtual(main())


def test_a_view_with_a_cleanup_ends_the_same_whatever_goes_wrong():
    def build():
        app = view_app()

        @app.controllers[0].cleanup
        async def cleanup(one, ctx):
            note = core.ConfigMap(metadata=meta.ObjectMeta(name="note"), data={"was": one.name})
            await ctx.apply(note, owned=False)

        return [app]

    async def act(world, settle):
        await world.client.create(view())
        await settle()
        await world.client.delete(MarkdownView, "hello", "ns")
        await settle()

    async def main():
        state, _ = await hold(build, act, prepare=define)
        assert [one for one in state if one["kind"] == "MarkdownView"] == []
        assert "note" in [one["metadata"]["name"] for one in state]

    clock.run_virtual(main())


# Waking.


def test_a_mapper_wakes_those_that_an_object_concerns():
    app, controller, seen = noting()

    @controller.index(MarkdownView, "image")
    def by_image(one):
        return [one.spec.viewerImage]

    @controller.watch(core.Secret)
    def of_secret(secret, caches):
        return caches.index(MarkdownView, "image", secret.name)

    async def scenario(world):
        await world.client.create(view("a", viewerImage="one"))
        await world.client.create(view("b", viewerImage="two"))
        async with world.running(app) as manager:
            await manager.settle()
            seen.clear()
            secret = core.Secret(metadata=meta.ObjectMeta(name="two", namespace="ns"))
            await world.client.create(secret)
            await manager.settle()
            assert seen == ["b"]
            record = list(manager.trace)[-1]
            assert "Secret ns/two ADDED" in str(record.causes[0])

    run(scenario)


def test_an_object_that_changes_owner_wakes_the_old_one_too():
    app, _, seen = noting(owns=[core.ConfigMap])

    async def scenario(world):
        owners = {}
        for name in "ab":
            made = await world.client.create(view(name))
            owners[name] = {
                "apiVersion": "view.example.com/v1",
                "kind": "MarkdownView",
                "name": name,
                "uid": made.uid,
                "controller": True,
            }
        await world.client.create(
            core.ConfigMap(metadata=meta.ObjectMeta(name="child", namespace="ns"))
        )
        async with world.running(app) as manager:
            await manager.settle()
            for owner in ("a", "b"):
                seen.clear()
                patch = {"metadata": {"ownerReferences": [owners[owner]]}}
                await world.client.patch(core.ConfigMap, "child", "ns", patch)
                await manager.settle()
            assert sorted(seen) == ["a", "b"]

    run(scenario)


def test_a_source_wakes_what_it_yields_and_is_started_again_when_it_fails(caplog):
    app, controller, seen = noting()
    starts = []

    @controller.source
    async def ticks():
        starts.append(asyncio.get_running_loop().time())
        yield Key("ns", "hello")
        if len(starts) == 1:
            raise ValueError("broken")
        while True:
            await asyncio.sleep(30)
            yield Key("ns", "hello")

    async def scenario(world):
        await world.client.create(view())
        async with world.running(app) as manager:
            await manager.settle()
            await asyncio.sleep(70)
            assert len(starts) == 2
            assert starts[1] - starts[0] == pytest.approx(1)
            assert len(seen) >= 4
            assert str(list(manager.trace)[-1].causes[0]) == "source: ticks"

    run(scenario)
    assert "source of noting failed" in caplog.text


def test_predicates_spare_runs():
    app, _, seen = noting(predicates=[any_of(generation_changed, labels_changed)])

    async def scenario(world):
        await world.client.create(view())
        async with world.running(app) as manager:
            await manager.settle()
            for patch, runs in (
                ({"metadata": {"annotations": {"a": "b"}}}, 1),
                ({"metadata": {"labels": {"a": "b"}}}, 2),
                ({"spec": {"replicas": 2}}, 3),
            ):
                await world.client.patch(MarkdownView, "hello", "ns", patch)
                await manager.settle()
                assert len(seen) == runs

    run(scenario)


def test_only_the_chosen_objects_are_reconciled():
    app, _, seen = noting(namespace="ns", labels="team=x")

    async def scenario(world):
        await world.client.create(core.Namespace(metadata=meta.ObjectMeta(name="other")))
        chosen = view("chosen")
        await world.client.create(
            chosen.evolve(metadata=chosen.metadata.evolve(labels={"team": "x"}))
        )
        elsewhere = chosen.metadata.evolve(namespace="other", labels={"team": "x"})
        await world.client.create(chosen.evolve(metadata=elsewhere))
        await world.client.create(view("unlabelled"))
        async with world.running(app) as manager:
            await manager.settle()
            assert seen == ["chosen"]

    run(scenario)


def test_an_object_without_a_class_is_reconciled_as_a_dict():
    kind = Dynamic.of(MarkdownView.KIND)
    app, seen = App("dynamic"), []
    controller = app.controller(kind, owns=[core.ConfigMap])

    @controller.reconcile
    async def reconcile(one, ctx):
        seen.append((one["spec"]["replicas"], one.name))
        await ctx.apply(core.ConfigMap(metadata=meta.ObjectMeta(name="child"), data={"a": "b"}))
        ctx.condition("Available", True)

    async def scenario(world):
        await world.client.create(view())
        async with world.running(app) as manager:
            await manager.settle()
            assert seen[0] == (1, "hello")
            assert list(manager.trace)[-1].requests == 0
        assert (await available(world)).status == "True"
        child = await world.client.get(core.ConfigMap, "child", "ns")
        assert child.controller.kind == "MarkdownView"

    run(scenario)


def test_two_controllers_of_an_app_share_their_caches():
    app = view_app()
    seen = []
    deployments = app.controller(apps.Deployment)

    @deployments.reconcile
    async def reconcile(one, ctx):
        seen.append(one.name)

    async def scenario(world):
        faults = Faults()
        await world.client.create(view())
        async with world.running(app, faults=faults) as manager:
            await manager.settle()
            assert [one.name for one in manager.controllers] == [
                "markdown-view",
                "markdown-view-deployments",
            ]
            assert set(seen) == {"viewer-hello"}
            assert len(list(manager.informers)) == 4

    run(scenario)


# What cannot be declared.


def test_a_second_controller_of_a_kind_needs_a_name():
    app = view_app()
    with pytest.raises(ConfigError, match=r"two controllers of markdownviews\nhelp: give"):
        app.controller(MarkdownView)
    assert app.controller(MarkdownView, name="second").manager == "second"


def test_a_controller_without_reconcile_is_refused():
    app = App("empty")
    app.controller(MarkdownView)
    with pytest.raises(ConfigError, match="controller empty has no reconcile function"):
        app.build()


@pytest.mark.parametrize("name", ["", "Big", "with space", "a" * 64])
def test_a_bad_name_is_refused(name):
    with pytest.raises(ConfigError, match="app"):
        App(name)


def test_a_live_object_cannot_be_applied_again():
    app = App("wrong")
    controller = app.controller(MarkdownView, owns=[core.ConfigMap])
    errors = []

    @controller.reconcile
    async def reconcile(one, ctx):
        live = await ctx.apply(config_map(one))
        try:
            await ctx.apply(live.evolve(data={"x": "y"}))
        except ConfigError as error:
            errors.append(str(error))

    async def scenario(world):
        await world.client.create(view())
        async with world.running(app) as manager:
            await manager.settle()
        assert "is a live object" in errors[0]

    run(scenario)


def test_a_missing_kind_holds_up_its_own_controller_alone():
    async def main():
        async with World() as world:
            await world.client.create(core.Namespace(metadata=meta.ObjectMeta(name="ns")))
            seen = []
            other = App("other")
            maps = other.controller(core.ConfigMap)

            @maps.reconcile
            async def reconcile(one, ctx):
                seen.append(one.name)

            async with world.running(view_app(), other) as manager:
                await world.client.create(
                    core.ConfigMap(metadata=meta.ObjectMeta(name="x", namespace="ns"))
                )
                await asyncio.sleep(5)
                assert seen == ["x"]
                assert not manager.synced()
                assert "markdownviews (NotFound" in manager.unsynced()
                with pytest.raises(TimeoutError, match="markdownviews"):
                    await manager.wait_synced(1)
                await define_kind(world)
                await manager.wait_synced(10)

    clock.run_virtual(main())
