"""Garbage collection, on built-in and custom kinds."""

import asyncio

import pytest

from arubeki.api.objects import Kind
from arubeki.controllers import garbage
from arubeki.errors import NotFound
from arubeki.kinds import apiextensions_v1 as apiextensions
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.shape import reference_to
from tests.controllers.kit import events, run
from tests.support import play
from tests.support.play import NAMESPACE

GADGET = Kind("example.com", "v1", "Gadget", "gadgets", namespaced=True)


def worked(scenario, **options):
    return run(scenario, garbage.controller(), **options)


def config_map(name, *owners, blocks=False, namespace=NAMESPACE, **metadata):
    references = tuple(
        one
        if isinstance(one, meta.OwnerReference)
        else reference_to(one).evolve(controller=False, blockOwnerDeletion=blocks)
        for one in owners
    )
    return core.ConfigMap(
        metadata=meta.ObjectMeta(
            name=name, namespace=namespace, ownerReferences=references, **metadata
        )
    )


async def names(world):
    return sorted(one.name for one in await world.client.list(core.ConfigMap, NAMESPACE))


async def owners(world, name):
    found = await world.client.get(core.ConfigMap, name, NAMESPACE)
    return [one.name for one in found.owners]


def reference(name, uid, kind="ConfigMap", api_version="v1"):
    return meta.OwnerReference(apiVersion=api_version, kind=kind, name=name, uid=uid)


async def delete(world, name, way):
    await world.client.delete(core.ConfigMap, name, NAMESPACE, propagation=way)


# The three ways.


def test_in_the_background_dependents_go_after_their_owner():
    async def scenario(world, manager):
        owner = await world.client.create(config_map("owner"))
        child = await world.client.create(config_map("child", owner))
        await world.client.create(config_map("grandchild", child))
        await manager.settle()
        await delete(world, "owner", "Background")
        assert "owner" not in await names(world)
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


def test_in_the_foreground_the_owner_waits_for_those_that_block():
    async def scenario(world, manager):
        owner = await world.client.create(config_map("owner"))
        hold = {"finalizers": ("example.com/hold",)}
        await world.client.create(config_map("blocks", owner, blocks=True, **hold))
        await world.client.create(config_map("does-not", owner, **hold))
        await manager.settle()
        await delete(world, "owner", "Foreground")
        await manager.settle()
        found = await world.client.get(core.ConfigMap, "owner", NAMESPACE)
        assert found.deleting
        assert found.finalizers == ("foregroundDeletion",)
        for name in ("blocks", "does-not"):
            assert (await world.client.get(core.ConfigMap, name, NAMESPACE)).deleting
        release = {"metadata": {"finalizers": None}}
        await world.client.patch(core.ConfigMap, "blocks", NAMESPACE, release)
        await manager.settle()
        assert await names(world) == ["does-not"]

    worked(scenario)


def test_in_the_foreground_a_chain_goes_from_its_end():
    async def scenario(world, manager):
        owner = await world.client.create(config_map("owner"))
        child = await world.client.create(config_map("child", owner, blocks=True))
        hold = {"finalizers": ("example.com/hold",)}
        await world.client.create(config_map("grandchild", child, blocks=True, **hold))
        await manager.settle()
        await delete(world, "owner", "Foreground")
        await manager.settle()
        child = await world.client.get(core.ConfigMap, "child", NAMESPACE)
        assert child.finalizers == ("foregroundDeletion",)
        release = {"metadata": {"finalizers": None}}
        await world.client.patch(core.ConfigMap, "grandchild", NAMESPACE, release)
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


def test_a_dependent_that_no_longer_blocks_lets_its_owner_go():
    async def scenario(world, manager):
        owner = await world.client.create(config_map("owner"))
        hold = {"finalizers": ("example.com/hold",)}
        await world.client.create(config_map("child", owner, blocks=True, **hold))
        await manager.settle()
        await delete(world, "owner", "Foreground")
        await manager.settle()
        assert "owner" in await names(world)
        release = {"metadata": {"ownerReferences": None}}
        await world.client.patch(core.ConfigMap, "child", NAMESPACE, release)
        await manager.settle()
        assert await names(world) == ["child"]

    worked(scenario)


def test_orphans_lose_the_reference_and_stay():
    async def scenario(world, manager):
        owner = await world.client.create(config_map("owner"))
        other = await world.client.create(config_map("other"))
        await world.client.create(config_map("child", owner))
        await world.client.create(config_map("shared", owner, other))
        await manager.settle()
        await delete(world, "owner", "Orphan")
        await manager.settle()
        assert await names(world) == ["child", "other", "shared"]
        assert await owners(world, "child") == []
        assert await owners(world, "shared") == ["other"]

    worked(scenario)


# Several owners, absent owners, circles.


def test_with_a_living_owner_only_the_dead_references_go():
    async def scenario(world, manager):
        first, second = [await world.client.create(config_map(name)) for name in "ab"]
        never = reference("never", "no-such-uid")
        await world.client.create(config_map("child", first, second, never))
        await manager.settle()
        assert await owners(world, "child") == ["a", "b"]
        await delete(world, "a", "Background")
        await manager.settle()
        assert await owners(world, "child") == ["b"]
        await delete(world, "b", "Background")
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


@pytest.mark.parametrize("blocks", [True, False])
def test_an_owner_that_waits_is_let_go_by_a_dependent_with_another_owner(blocks):
    async def scenario(world, manager):
        first, second = [await world.client.create(config_map(name)) for name in "ab"]
        await world.client.create(config_map("child", first, second, blocks=blocks))
        await manager.settle()
        await delete(world, "a", "Foreground")
        await manager.settle()
        assert await names(world) == ["b", "child"]
        assert await owners(world, "child") == ["b"]

    worked(scenario)


def test_an_owner_of_the_same_name_but_another_uid_is_none():
    async def scenario(world, manager):
        await world.client.create(config_map("owner"))
        await world.client.create(config_map("child", reference("owner", "another-uid")))
        await manager.settle()
        assert await names(world) == ["owner"]

    worked(scenario)


def test_an_owner_is_looked_for_in_the_dependents_namespace():
    async def scenario(world, manager):
        owner = await world.client.create(config_map("owner", namespace="default"))
        await world.client.create(config_map("child", owner))
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


def test_a_circle_does_not_hold_itself():
    async def scenario(world, manager):
        await world.client.create(config_map("a"))
        first = await world.client.get(core.ConfigMap, "a", NAMESPACE)
        second = await world.client.create(config_map("b", first, blocks=True))
        back = {
            "apiVersion": "v1", "kind": "ConfigMap", "name": "b", "uid": second.uid,
            "blockOwnerDeletion": True,
        }  # fmt: skip
        patch = {"metadata": {"ownerReferences": [back]}}
        await world.client.patch(core.ConfigMap, "a", NAMESPACE, patch)
        await manager.settle()
        assert await names(world) == ["a", "b"]
        await delete(world, "a", "Foreground")
        await manager.settle()
        await asyncio.sleep(5)
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


def test_an_object_that_owns_itself_stays_until_it_is_deleted():
    async def scenario(world, manager):
        made = await world.client.create(config_map("self"))
        itself = {"apiVersion": "v1", "kind": "ConfigMap", "name": "self", "uid": made.uid}
        patch = {"metadata": {"ownerReferences": [{**itself, "blockOwnerDeletion": True}]}}
        await world.client.patch(core.ConfigMap, "self", NAMESPACE, patch)
        await manager.settle()
        assert await names(world) == ["self"]
        await delete(world, "self", "Foreground")
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


def test_a_cluster_scoped_object_cannot_have_an_owner_in_a_namespace():
    async def scenario(world, manager):
        owner = await world.client.create(config_map("owner"))
        bad = core.Namespace(
            metadata=meta.ObjectMeta(name="bad", ownerReferences=(reference("owner", owner.uid),))
        )
        await world.client.create(bad)
        await manager.settle()
        assert (await world.client.get(core.Namespace, "bad")).name == "bad"
        (told,) = await events(world, "OwnerRefInvalidNamespace")
        assert told[0] == "Warning"
        assert told[2].endswith('does not exist in namespace ""')
        assert f"[v1/ConfigMap, namespace: , name: owner, uid: {owner.uid}]" in told[2]

    worked(scenario)


def test_a_cluster_scoped_owner_may_have_dependents_anywhere():
    async def scenario(world, manager):
        node = await world.client.get(core.Node, "n1", "")
        await world.client.create(config_map("child", node))
        await manager.settle()
        assert await names(world) == ["child"]
        await world.client.delete(core.Node, "n1", "")
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


def test_dependents_that_are_there_before_it_starts_are_judged():
    async def scenario(world, manager):
        await manager.stop()
        owner = await world.client.create(config_map("owner"))
        await world.client.create(config_map("child", owner))
        await world.client.create(config_map("stray", reference("never", "no-such-uid")))
        await delete(world, "owner", "Background")
        async with world.running(garbage.controller()) as fresh:
            await fresh.settle()
            assert await names(world) == []

    worked(scenario)


# Custom kinds, as they come and go.


def definition():
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


async def define(world):
    await world.client.create(definition(), kind=apiextensions.CustomResourceDefinition.KIND)


async def gadget(world, name, *references):
    return await world.client.create(
        {
            "apiVersion": "example.com/v1",
            "kind": "Gadget",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "ownerReferences": list(references),
            },
        },
        kind=GADGET,
    )


def test_custom_objects_own_and_are_owned():
    async def scenario(world, manager):
        await define(world)
        await manager.settle()
        made = await gadget(world, "owner")
        await world.client.create(
            config_map(
                "child", reference("owner", made["metadata"]["uid"], "Gadget", "example.com/v1")
            )
        )
        plain = await world.client.create(config_map("plain"))
        back = {"apiVersion": "v1", "kind": "ConfigMap", "name": "plain", "uid": plain.uid}
        await gadget(world, "owned", back)
        await manager.settle()
        await world.client.delete(GADGET, "owner", NAMESPACE)
        await delete(world, "plain", "Background")
        await manager.settle()
        assert await names(world) == []
        assert await world.client.list(GADGET, NAMESPACE) == []

    worked(scenario)


def test_an_owner_of_a_kind_that_is_not_served_counts_as_living_until_it_is():
    async def scenario(world, manager):
        unknown = reference("owner", "no-such-uid", "Gadget", "example.com/v1")
        await world.client.create(config_map("child", unknown))
        await manager.settle()
        await asyncio.sleep(3600)
        assert await names(world) == ["child"]
        assert [one for one in manager.trace if one.error] == []
        await define(world)
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


def test_with_its_definition_a_kind_goes_and_so_do_its_dependents():
    async def scenario(world, manager):
        await define(world)
        await manager.settle()
        made = await gadget(world, "owner")
        await world.client.create(
            config_map(
                "child", reference("owner", made["metadata"]["uid"], "Gadget", "example.com/v1")
            )
        )
        await manager.settle()
        await world.client.delete(apiextensions.CustomResourceDefinition, "gadgets.example.com")
        await manager.settle()
        assert await names(world) == []
        with pytest.raises(NotFound):
            await world.client.list(GADGET, NAMESPACE)
        await define(world)  # and it may come again
        await manager.settle()
        made = await gadget(world, "again")
        await world.client.create(
            config_map(
                "child", reference("again", made["metadata"]["uid"], "Gadget", "example.com/v1")
            )
        )
        await manager.settle()
        await world.client.delete(GADGET, "again", NAMESPACE)
        await manager.settle()
        assert await names(world) == []

    worked(scenario)


def test_a_pod_of_a_deleted_owner_goes_gracefully():
    async def scenario(world, manager):
        owner = await world.client.create(config_map("owner"))
        owned = reference_to(owner).evolve(controller=True)
        await world.client.create(play.pod("a", owner=owned, nodeName="n1"))
        await manager.settle()
        await delete(world, "owner", "Background")
        await manager.settle()
        found = await world.client.get(core.Pod, "a", NAMESPACE)
        assert found.deleting
        assert found.metadata.deletionGracePeriodSeconds == 30

    worked(scenario)
