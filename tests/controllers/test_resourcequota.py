"""Quotas: what is used is what is there."""

import asyncio

from arubeki.controllers import resourcequota
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from tests.controllers.kit import run, set_status
from tests.controllers.test_garbage import define, gadget
from tests.support import play
from tests.support.play import NAMESPACE


def counted(scenario, **options):
    return run(scenario, resourcequota.controller(), **options)


async def make_quota(world, scopes=(), **hard):
    metadata = meta.ObjectMeta(name="q", namespace=NAMESPACE)
    spec = core.ResourceQuotaSpec(hard=hard, scopes=scopes)
    await world.client.create(core.ResourceQuota(metadata=metadata, spec=spec))


def secret(name):
    return core.Secret(metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE))


async def used(world, manager):
    await manager.settle()
    found = await world.client.get(core.ResourceQuota, "q", NAMESPACE)
    assert dict(found.status.hard) == dict(found.spec.hard)
    return dict(found.status.used)


def asking(name, cpu, **spec):
    made = play.pod(name, **spec)
    resources = core.ResourceRequirements(requests={"cpu": cpu})
    (box,) = made.spec.containers
    return made.evolve(spec=made.spec.evolve(containers=(box.evolve(resources=resources),)))


def test_what_was_there_before_is_counted():
    async def scenario(world, manager):
        await world.client.create(secret("a"))
        await world.client.create(asking("p", "100m"))
        await make_quota(world, secrets="5", pods="5", cpu="1", services="1")
        wanted = {"secrets": "1", "pods": "1", "cpu": "100m", "services": "0"}
        assert await used(world, manager) == wanted

    counted(scenario)


def test_what_goes_is_free_again():
    async def scenario(world, manager):
        await make_quota(world, pods="5", cpu="1")
        await manager.settle()
        await world.client.create(asking("p", "100m"))
        await world.client.create(asking("q", "200m"))
        assert await used(world, manager) == {"pods": "2", "cpu": "300m"}
        await world.client.delete(core.Pod, "p", NAMESPACE, grace_seconds=0)
        assert await used(world, manager) == {"pods": "1", "cpu": "200m"}
        pod = await world.client.get(core.Pod, "q", NAMESPACE)
        await set_status(world, pod, phase="Succeeded")
        assert await used(world, manager) == {"pods": "0", "cpu": "0"}

    counted(scenario)


def test_a_pod_that_should_have_ended_is_counted_no_more():
    async def scenario(world, manager):
        await make_quota(world, pods="5")
        await world.client.create(play.pod("p", nodeName="n1"))
        assert await used(world, manager) == {"pods": "1"}
        await world.client.delete(core.Pod, "p", NAMESPACE, grace_seconds=30)
        assert await used(world, manager) == {"pods": "1"}
        # Nobody ends it, and nobody tells: only time passes.
        await asyncio.sleep(resourcequota.RESYNC_SECONDS + 60)
        assert await used(world, manager) == {"pods": "0"}
        assert (await world.client.get(core.Pod, "p", NAMESPACE)).deleting

    counted(scenario)


def test_any_kind_may_be_counted_once_it_is_served():
    async def scenario(world, manager):
        name = "count/gadgets.example.com"
        await make_quota(world, **{name: "5"})
        assert await used(world, manager) == {name: "0"}
        await define(world)
        await manager.settle()
        await gadget(world, "g")
        await asyncio.sleep(resourcequota.UNSERVED_SECONDS + 1)
        assert await used(world, manager) == {name: "1"}
        await gadget(world, "h")
        assert await used(world, manager) == {name: "2"}

    counted(scenario)


def test_a_scope_counts_its_own_only():
    async def scenario(world, manager):
        await make_quota(world, scopes=("Terminating",), pods="5")
        await world.client.create(play.pod("a"))
        await world.client.create(play.pod("b", activeDeadlineSeconds=60))
        assert await used(world, manager) == {"pods": "1"}

    counted(scenario)


def test_kinds_that_no_quota_counts_are_not_watched():
    controller = resourcequota.controller()

    async def scenario(world, manager):
        await make_quota(world, secrets="1")
        await manager.settle()
        kinds = {one.kind.KIND.plural for one in controller.watchings}
        assert kinds == {"resourcequotas", "secrets"}

    run(scenario, controller)
