"""Namespace: emptied, told about, and let go; and its service account."""

import asyncio

import msgspec
import pytest

from arubeki.controllers import namespace, serviceaccount
from arubeki.errors import InternalError, NotFound
from arubeki.kinds import apiextensions_v1 as apiextensions
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from tests.controllers.kit import run
from tests.controllers.test_garbage import GADGET, define, gadget
from tests.support import play
from tests.support.play import NAMESPACE
from tests.support.world import Disturbed, Faults


def worked(scenario, **options):
    return run(scenario, namespace.controller(), **options)


async def conditions(world):
    found = await world.client.get(core.Namespace, NAMESPACE)
    return {one.type: one for one in found.status.conditions or ()}


async def is_gone(world):
    try:
        await world.client.get(core.Namespace, NAMESPACE)
    except NotFound:
        return True
    return False


def held(name, *finalizers):
    return core.ConfigMap(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE, finalizers=finalizers)
    )


def test_a_namespace_that_lives_is_left_alone():
    async def scenario(world, manager):
        await world.client.create(held("a"))
        await manager.settle()
        assert [one.writes for one in manager.trace if one.writes] == []

    worked(scenario)


def test_everything_in_it_goes_custom_objects_too_then_itself():
    async def scenario(world, manager):
        await define(world)
        await gadget(world, "a")
        await world.client.create(held("a"))
        await world.client.create(play.deployment())
        await world.client.create(play.service())
        await world.client.delete(core.Namespace, NAMESPACE)
        await manager.settle()
        assert await is_gone(world)
        inside = [
            one for one in await world.objects() if one["metadata"].get("namespace") == NAMESPACE
        ]
        assert inside == []
        assert await world.client.list(GADGET, NAMESPACE) == []

    worked(scenario)


def test_pods_go_before_everything_else():
    async def scenario(world, manager):
        await world.client.create(play.pod("a", nodeName="n1"))
        await world.client.create(held("config"))
        await world.client.delete(core.Namespace, NAMESPACE)
        await manager.settle()
        await asyncio.sleep(2)
        found = await world.client.get(core.Namespace, NAMESPACE)
        assert found.status.phase == "Terminating"
        assert (await world.client.get(core.Pod, "a", NAMESPACE)).deleting
        assert not (await world.client.get(core.ConfigMap, "config", NAMESPACE)).deleting
        said = (await conditions(world))["NamespaceContentRemaining"]
        assert (said.status, said.reason) == ("True", "SomeResourcesRemain")
        assert said.message == "Some resources are remaining: pods. has 1 resource instances"
        await play.play(world)
        await asyncio.sleep(2)
        await manager.settle()
        assert await is_gone(world)

    worked(scenario)


def test_what_is_held_by_finalizers_is_told():
    async def scenario(world, manager):
        await world.client.create(held("a", "example.com/x", "example.com/y"))
        await world.client.create(held("b", "example.com/x"))
        await world.client.delete(core.Namespace, NAMESPACE)
        await asyncio.sleep(2)
        said = {kind: (one.status, one.reason) for kind, one in (await conditions(world)).items()}
        assert said == {
            "NamespaceDeletionDiscoveryFailure": ("False", "ResourcesDiscovered"),
            "NamespaceDeletionGroupVersionParsingFailure": ("False", "ParsedGroupVersions"),
            "NamespaceDeletionContentFailure": ("False", "ContentDeleted"),
            "NamespaceContentRemaining": ("True", "SomeResourcesRemain"),
            "NamespaceFinalizersRemaining": ("True", "SomeFinalizersRemain"),
        }
        message = (await conditions(world))["NamespaceFinalizersRemaining"].message
        assert message == (
            "Some content in the namespace has finalizers remaining: "
            "example.com/x in 2 resource instances, example.com/y in 1 resource instances"
        )
        since = (await conditions(world))["NamespaceFinalizersRemaining"].lastTransitionTime
        release = {"metadata": {"finalizers": None}}
        await world.client.patch(core.ConfigMap, "b", NAMESPACE, release)
        await asyncio.sleep(2)
        said = (await conditions(world))["NamespaceFinalizersRemaining"]
        assert said.message.endswith(
            "example.com/x in 1 resource instances, example.com/y in 1 resource instances"
        )
        assert said.lastTransitionTime == since
        await world.client.patch(core.ConfigMap, "a", NAMESPACE, release)
        await asyncio.sleep(2)
        assert await is_gone(world)

    worked(scenario)


def test_a_kind_that_came_since_the_last_namespace_went_is_known():
    async def scenario(world, manager):
        await world.client.create(play.namespace("first"))
        await world.client.delete(core.Namespace, "first")
        await manager.settle()
        await define(world)
        await gadget(world, "a")
        await world.client.delete(core.Namespace, NAMESPACE)
        await manager.settle()
        assert await is_gone(world)
        assert await world.client.list(GADGET, NAMESPACE) == []

    worked(scenario)


def test_another_finalizer_of_the_namespace_itself_is_respected():
    async def scenario(world, manager):
        spec = core.NamespaceSpec(finalizers=("kubernetes", "example.com/mine"))
        other = core.Namespace(metadata=meta.ObjectMeta(name="other"), spec=spec)
        await world.client.create(other)
        await world.client.delete(core.Namespace, "other")
        await asyncio.sleep(2)
        found = await world.client.get(core.Namespace, "other")
        assert found.spec.finalizers == ("example.com/mine",)

    worked(scenario)


class Failing(Disturbed):
    """Fails to delete ConfigMaps."""

    is_failing = True

    async def request(self, method, path, **options):
        if self.is_failing and method == "DELETE" and path.endswith("/configmaps"):
            raise InternalError("the disk is on fire")
        return await super().request(method, path, **options)


def test_what_cannot_be_deleted_is_told_and_tried_again():
    async def scenario(world, manager):
        client = manager.controllers[0]._env.client
        client.transport = Failing(client.transport, Faults())
        await world.client.create(held("a"))
        await world.client.create(play.service())
        await world.client.delete(core.Namespace, NAMESPACE)
        await asyncio.sleep(2)
        said = (await conditions(world))["NamespaceDeletionContentFailure"]
        assert (said.status, said.reason) == ("True", "ContentDeletionFailed")
        assert said.message == (
            "Failed to delete all resource types, 1 remaining: the disk is on fire"
        )
        assert await world.client.list(core.Service, NAMESPACE) == []  # others go nonetheless
        client.transport.is_failing = False
        await asyncio.sleep(2)
        assert await is_gone(world)

    worked(scenario)


def test_a_kind_that_is_defined_while_it_empties_is_emptied_too():
    async def scenario(world, manager):
        await world.client.create(held("a", "example.com/hold"))
        await define(world)
        await gadget(world, "late")
        await world.client.delete(core.Namespace, NAMESPACE)
        await asyncio.sleep(2)
        assert await world.client.list(GADGET, NAMESPACE) == []
        await world.client.delete(apiextensions.CustomResourceDefinition, "gadgets.example.com")
        release = {"metadata": {"finalizers": None}}
        await world.client.patch(core.ConfigMap, "a", NAMESPACE, release)
        await asyncio.sleep(2)
        assert await is_gone(world)

    worked(scenario)


# The service account.


async def accounts(world, where=NAMESPACE):
    return [one.name for one in await world.client.list(core.ServiceAccount, where)]


def test_every_namespace_has_its_account_and_gets_it_back():
    async def scenario(world, manager):
        for where in ("default", "kube-system", NAMESPACE):
            assert await accounts(world, where) == ["default"]
        await world.client.delete(core.ServiceAccount, "default", NAMESPACE)
        await manager.settle()
        assert await accounts(world) == ["default"]
        other = core.ServiceAccount(metadata=meta.ObjectMeta(name="other", namespace=NAMESPACE))
        await world.client.create(other)
        await world.client.delete(core.ServiceAccount, "other", NAMESPACE)
        await manager.settle()
        assert await accounts(world) == ["default"]

    run(scenario, serviceaccount.controller())


def test_a_namespace_that_ends_gets_none():
    async def scenario(world, manager):
        await world.client.create(held("a", "example.com/hold"))
        await world.client.delete(core.Namespace, NAMESPACE)
        await asyncio.sleep(2)
        await manager.settle()
        assert await accounts(world) == []
        assert [one for one in manager.trace if one.error] == []

    run(scenario, serviceaccount.controller(), namespace.controller())


@pytest.mark.parametrize("gone", [True, False])
def test_a_namespace_that_ended_unseen_makes_no_noise(gone):
    async def scenario(world, manager):
        """The cache still shows the namespace as living."""
        controller = manager.controllers[0]
        for remove in controller._removers:
            remove()
        await manager.informers.stop()
        if not gone:
            await world.client.create(held("a", "example.com/hold"))
        await world.client.delete(core.ServiceAccount, "default", NAMESPACE)
        await world.client.delete(core.Namespace, NAMESPACE)
        if gone:
            patch = {"spec": {"finalizers": []}, "metadata": {"name": NAMESPACE}}
            await world.client.request(
                "PUT",
                core.Namespace.KIND.path("", NAMESPACE, "finalize"),
                body=msgspec.json.encode({"apiVersion": "v1", "kind": "Namespace", **patch}),
            )
        accounts_cache = manager.informers.of(
            core.ServiceAccount, fields="metadata.name=default"
        ).cache
        for key in accounts_cache.told_keys():
            accounts_cache.tell_gone(key)
        controller.enqueue(Key("", NAMESPACE))
        await controller.queue.idle()
        assert [one for one in manager.trace if one.error] == []

    run(scenario, serviceaccount.controller())
