"""Adopting what matches, letting go of what no longer does: a ReplicaSet and its Pods."""

import asyncio

from arubeki import clock
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.claim import claimed, selector_of, watch_claims
from arubeki.runtime.controller import Controller
from tests.support import play
from tests.support.play import NAMESPACE, make_namespace
from tests.support.world import World


def worked(scenario, **options):
    """Run `scenario(world, manager, seen)`; `seen` has the names claimed in each run, by owner."""
    seen = {}

    async def reconcile(key, session):
        owner = await session.get(apps.ReplicaSet, key.name, key.namespace)
        if owner is not None:
            found = await claimed(session, owner, core.Pod, **options)
            seen[key.name] = sorted(one.name for one in found)

    async def main():
        async with World() as world:
            await make_namespace(world)
            controller = Controller[Key]("claiming", reconcile)
            controller.watch(apps.ReplicaSet)
            watch_claims(controller, apps.ReplicaSet, core.Pod)
            async with world.running(controller) as manager:
                await scenario(world, manager, seen)

    clock.run_virtual(main())


async def owner_of(world, name):
    return (await world.client.get(core.Pod, name, NAMESPACE)).controller


def reference(name="web", uid="u", *, controls=True):
    return meta.OwnerReference(
        apiVersion="apps/v1", kind="ReplicaSet", name=name, uid=uid, controller=controls
    )


def test_a_pod_that_matches_and_has_no_controller_is_adopted():
    async def scenario(world, manager, seen):
        made = await world.client.create(play.replica_set())
        await world.client.create(play.pod("a"))
        await world.client.create(play.pod("b", app="other"))
        await manager.settle()
        assert seen == {"web": ["a"]}
        expected = reference(uid=made.uid).evolve(blockOwnerDeletion=True)
        assert await owner_of(world, "a") == expected
        assert await owner_of(world, "b") is None

    worked(scenario)


def test_other_owners_stay_beside_the_new_controller():
    async def scenario(world, manager, seen):
        made = await world.client.create(play.replica_set())
        other = reference("other", "o", controls=False)
        await world.client.create(play.pod("a", owner=other))
        await manager.settle()
        found = await world.client.get(core.Pod, "a", NAMESPACE)
        assert {one.uid: bool(one.controller) for one in found.owners} == {
            "o": False,
            made.uid: True,
        }
        assert seen == {"web": ["a"]}

    worked(scenario)


def test_a_pod_of_another_is_not_touched():
    async def scenario(world, manager, seen):
        await world.client.create(play.replica_set())
        await world.client.create(play.pod("a", owner=reference("other", "o")))
        await manager.settle()
        assert seen == {"web": []}
        assert (await owner_of(world, "a")).uid == "o"

    worked(scenario)


def test_a_pod_that_matches_no_more_is_let_go_and_taken_by_who_matches():
    async def scenario(world, manager, seen):
        await world.client.create(play.replica_set())
        other = await world.client.create(play.replica_set("other", app="other"))
        await world.client.create(play.pod("a"))
        await manager.settle()
        assert seen == {"web": ["a"], "other": []}
        patch = {"metadata": {"labels": {"app": "other"}}}
        await world.client.patch(core.Pod, "a", NAMESPACE, patch)
        await manager.settle()
        assert seen == {"web": [], "other": ["a"]}
        assert (await owner_of(world, "a")).uid == other.uid

    worked(scenario)


def test_what_is_being_deleted_stays_with_its_owner_and_is_not_adopted():
    async def scenario(world, manager, seen):
        await world.client.create(play.replica_set())
        held = play.pod("mine")
        held = held.evolve(metadata=held.metadata.evolve(finalizers=("example.com/hold",)))
        await world.client.create(held)
        await manager.settle()
        await world.client.delete(core.Pod, "mine", NAMESPACE)
        patch = {"metadata": {"labels": {"app": "x"}}}
        await world.client.patch(core.Pod, "mine", NAMESPACE, patch)
        stray = held.evolve(metadata=held.metadata.evolve(name="stray", labels={"app": "x"}))
        await world.client.create(stray)
        await world.client.delete(core.Pod, "stray", NAMESPACE)
        patch = {"metadata": {"labels": {"app": "web"}}}
        await world.client.patch(core.Pod, "stray", NAMESPACE, patch)
        await manager.settle()
        assert seen == {"web": ["mine"]}
        assert await owner_of(world, "stray") is None

    worked(scenario)


def test_may_adopt_says_which_orphans_are_wanted():
    async def scenario(world, manager, seen):
        await world.client.create(play.replica_set())
        await world.client.create(play.pod("a"))
        await world.client.create(play.pod("b"))
        await manager.settle()
        assert seen == {"web": ["b"]}

    worked(scenario, may_adopt=lambda one: one.name == "b")


def test_an_owner_that_is_being_deleted_adopts_nothing_and_lets_nothing_go():
    async def scenario(world, manager, seen):
        held = play.replica_set()
        held = held.evolve(metadata=held.metadata.evolve(finalizers=("example.com/hold",)))
        await world.client.create(held)
        await world.client.create(play.pod("a"))
        await manager.settle()
        await world.client.delete(apps.ReplicaSet, "web", NAMESPACE, propagation="Background")
        await world.client.create(play.pod("b"))
        patch = {"metadata": {"labels": {"app": "x"}}}
        await world.client.patch(core.Pod, "a", NAMESPACE, patch)
        await manager.settle()
        assert await owner_of(world, "a") is not None
        assert await owner_of(world, "b") is None

    worked(scenario)


def test_who_is_deleted_at_the_server_adopts_nothing_though_the_cache_does_not_know():
    async def scenario(world, manager, seen):
        await world.client.create(play.replica_set())
        await manager.settle()
        await manager.informers.of(apps.ReplicaSet).stop()
        await world.client.delete(apps.ReplicaSet, "web", NAMESPACE)
        await world.client.create(play.pod("a"))
        await manager.controllers[0].queue.idle()
        await asyncio.sleep(1)
        assert seen == {"web": []}
        assert await owner_of(world, "a") is None

    worked(scenario)


def test_pods_of_other_namespaces_are_not_adopted():
    async def scenario(world, manager, seen):
        await world.client.create(play.replica_set())
        one = play.pod("a")
        await world.client.create(one.evolve(metadata=one.metadata.evolve(namespace="default")))
        await manager.settle()
        assert seen == {"web": []}

    worked(scenario)


def test_the_selector_may_have_expressions():
    one = play.replica_set()
    expression = meta.LabelSelectorRequirement(key="tier", operator="In", values=("a", "b"))
    selector = one.spec.selector.evolve(matchExpressions=(expression,))
    found = selector_of(one.evolve(spec=one.spec.evolve(selector=selector)))
    assert found.matches({"app": "web", "tier": "a"})
    assert not found.matches({"app": "web", "tier": "c"})
    assert not found.matches({"tier": "a"})
