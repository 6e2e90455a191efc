"""Budgets: how many Pods may go at once, and what an eviction takes from that."""

import asyncio

import pytest

from arubeki.controllers import disruption
from arubeki.errors import TooManyRequests
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import policy_v1 as policy
from arubeki.runtime.shape import reference_to
from tests.controllers.kit import run
from tests.support import play
from tests.support.play import NAMESPACE

READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}


async def make_pods(world, *names, owner=None, ready=True, **more):
    for name in names:
        await world.client.create(play.pod(name, owner=owner, nodeName="n1", **more))
        status = {"phase": "Running", "conditions": [READY] if ready else []}
        await world.client.patch(
            core.Pod, name, NAMESPACE, {"status": status}, subresource="status"
        )


async def make_budget(world, app="web", **spec):
    metadata = meta.ObjectMeta(name="b", namespace=NAMESPACE)
    wanted = policy.PodDisruptionBudgetSpec(selector=play.selector(app), **spec)
    await world.client.create(policy.PodDisruptionBudget(metadata=metadata, spec=wanted))


async def counted(world, manager):
    await manager.settle()
    found = await world.client.get(policy.PodDisruptionBudget, "b", NAMESPACE)
    status = found.status
    assert status.observedGeneration == found.generation
    return (
        status.expectedPods,
        status.currentHealthy,
        status.desiredHealthy,
        status.disruptionsAllowed,
    )


async def condition(world):
    found = await world.client.get(policy.PodDisruptionBudget, "b", NAMESPACE)
    (one,) = found.status.conditions
    return one.status, one.reason, one.message


async def evict(world, name):
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
    body = f'{{"metadata": {{"name": "{name}"}}}}'.encode()
    await world.client.request("POST", path, body=body)


def test_a_number_that_must_stay_leaves_the_rest_to_go():
    async def scenario(world, manager):
        await make_budget(world, minAvailable=2)
        assert await counted(world, manager) == (0, 0, 2, 0)
        await make_pods(world, "a", "b", "c")
        await make_pods(world, "d", ready=False)
        await make_pods(world, "other", labels={"app": "other"})
        assert await counted(world, manager) == (4, 3, 2, 1)
        assert await condition(world) == ("True", "SufficientPods", "")

    run(scenario, disruption.controller())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": "50%"}, (5, 3, 3, 0)),
        ({"minAvailable": "20%"}, (5, 3, 1, 2)),
        ({"maxUnavailable": "30%"}, (5, 3, 3, 0)),
        ({"maxUnavailable": 3}, (5, 3, 2, 1)),
        ({"maxUnavailable": 9}, (5, 3, 0, 3)),
        ({}, (3, 3, 0, 3)),
    ],
)
def test_a_share_is_one_of_what_the_owner_wants(spec, expected):
    async def scenario(world, manager):
        made = await world.client.create(play.replica_set(replicas=5))
        await make_pods(world, "a", "b", "c", owner=reference_to(made))
        await make_budget(world, **spec)
        assert await counted(world, manager) == expected

    run(scenario, disruption.controller())


def test_nothing_goes_where_the_owner_is_unknown():
    async def scenario(world, manager):
        owner = meta.OwnerReference(
            apiVersion="example.com/v1", kind="Thing", name="x", uid="u", controller=True
        )
        await make_pods(world, "a", owner=owner)
        await make_budget(world, maxUnavailable=1)
        await manager.settle()
        why = 'found no controllers for pod "a"'
        assert await condition(world) == ("False", "SyncFailed", why)
        with pytest.raises(TooManyRequests):
            await evict(world, "a")

    run(scenario, disruption.controller())


def test_each_eviction_takes_a_share_and_the_last_one_is_refused():
    async def scenario(world, manager):
        await make_pods(world, "a", "b", "c")
        await make_budget(world, minAvailable=2)
        assert await counted(world, manager) == (3, 3, 2, 1)
        await evict(world, "a")
        # Before the controller has had a look, and after.
        with pytest.raises(TooManyRequests) as refused:
            await evict(world, "b")
        (cause,) = refused.value.causes
        assert cause["reason"] == "DisruptionBudget"
        gone = await world.client.get(core.Pod, "a", NAMESPACE)
        assert gone.deleting
        (mark,) = [one for one in gone.status.conditions if one.type == "DisruptionTarget"]
        assert mark.reason == "EvictionByEvictionAPI"
        assert await counted(world, manager) == (3, 2, 2, 0)
        with pytest.raises(TooManyRequests):
            await evict(world, "b")
        await world.client.delete(core.Pod, "a", NAMESPACE, grace_seconds=0)
        await make_pods(world, "d")
        assert await counted(world, manager) == (3, 3, 2, 1)
        await evict(world, "b")

    run(scenario, disruption.controller())


def test_a_pod_that_is_not_ready_goes_as_its_budget_says():
    async def scenario(world, manager):
        await make_pods(world, "sick", "sick2", ready=False)
        await make_budget(world, minAvailable=1)
        assert await counted(world, manager) == (2, 0, 1, 0)
        with pytest.raises(TooManyRequests):
            await evict(world, "sick")
        await make_pods(world, "well")
        assert await counted(world, manager) == (3, 1, 1, 0)
        await evict(world, "sick")  # as many are healthy as must be
        patch = {"spec": {"minAvailable": 5, "unhealthyPodEvictionPolicy": "AlwaysAllow"}}
        await world.client.patch(policy.PodDisruptionBudget, "b", NAMESPACE, patch)
        await manager.settle()
        await evict(world, "sick2")
        with pytest.raises(TooManyRequests):
            await evict(world, "well")

    run(scenario, disruption.controller())


def test_a_share_whose_pod_does_not_go_is_given_back():
    async def scenario(world, manager):
        await make_pods(world, "a", "b")
        await make_budget(world, minAvailable=1)
        await manager.settle()
        from arubeki import clock

        status = {"disruptionsAllowed": 0, "disruptedPods": {"a": clock.timestamp()}}
        await world.client.patch(
            policy.PodDisruptionBudget, "b", NAMESPACE, {"status": status}, subresource="status"
        )
        assert await counted(world, manager) == (2, 1, 1, 0)
        await asyncio.sleep(130)
        assert await counted(world, manager) == (2, 2, 1, 1)
        found = await world.client.get(policy.PodDisruptionBudget, "b", NAMESPACE)
        assert not found.status.disruptedPods

    run(scenario, disruption.controller())


def test_a_mark_on_a_pod_that_stays_is_taken_back():
    async def scenario(world, manager):
        from arubeki import clock

        await make_pods(world, "a")
        mark = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "lastTransitionTime": clock.timestamp(),
        }
        await world.client.patch(
            core.Pod,
            "a",
            NAMESPACE,
            {"status": {"conditions": [READY, mark]}},
            subresource="status",
        )
        await asyncio.sleep(100)
        await manager.settle()
        found = await world.client.get(core.Pod, "a", NAMESPACE)
        assert found.status.conditions[1].status == "True"
        await asyncio.sleep(30)
        await manager.settle()
        found = await world.client.get(core.Pod, "a", NAMESPACE)
        assert found.status.conditions[1].status == "False"

    run(scenario, disruption.stale_mark_controller())
