"""ReplicaSet: the number of Pods, which go first, what the status says."""

import asyncio
from collections import Counter

import pytest

from arubeki import clock
from arubeki.controllers import replicaset
from arubeki.controllers.replicaset import ranked
from arubeki.errors import InternalError
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from tests.controllers.kit import events, pods, run
from tests.support import play
from tests.support.play import NAMESPACE
from tests.support.world import Disturbed, Faults

NOW = 1_767_225_600.0


def worked(scenario, **options):
    return run(scenario, replicaset.controller(), **options)


async def status(world, name="web"):
    return (await world.client.get(apps.ReplicaSet, name, NAMESPACE)).status


# The number.


def test_pods_are_made_of_the_template_and_owned():
    async def scenario(world, manager):
        template = play.template()
        noted = template.evolve(
            metadata=template.metadata.evolve(
                annotations={"a": "b"}, finalizers=("example.com/hold",)
            )
        )
        made = await world.client.create(
            play.replica_set(replicas=2).evolve(
                spec=play.replica_set(replicas=2).spec.evolve(template=noted)
            )
        )
        await manager.settle()
        found = await pods(world)
        assert len(found) == 2
        for one in found:
            assert one.metadata.generateName == "web-"
            assert one.labels == {"app": "web"}
            assert one.annotations == {"a": "b"}
            assert one.finalizers == ("example.com/hold",)
            assert one.controller == meta.OwnerReference(
                apiVersion="apps/v1",
                kind="ReplicaSet",
                name="web",
                uid=made.uid,
                controller=True,
                blockOwnerDeletion=True,
            )
            assert one.spec.containers[0].image == "one"
        told = await events(world, "SuccessfulCreate")
        assert sorted(told) == sorted(
            ("Normal", "SuccessfulCreate", f"Created pod: {one.name}") for one in found
        )

    worked(scenario)


def test_the_surplus_is_removed_and_told():
    async def scenario(world, manager):
        await world.client.create(play.replica_set(replicas=3))
        await play.roll(world, manager.settle)
        before = {one.name for one in await pods(world)}
        await world.client.patch(apps.ReplicaSet, "web", NAMESPACE, {"spec": {"replicas": 1}})
        await play.roll(world, manager.settle)
        gone = before - {one.name for one in await pods(world)}
        assert len(gone) == 2
        told = {message for _, _, message in await events(world, "SuccessfulDelete")}
        assert told == {f"Deleted pod: {name}" for name in gone}

    worked(scenario)


def test_a_pod_that_has_ended_is_replaced_and_stays():
    async def scenario(world, manager):
        await world.client.create(play.replica_set(replicas=1))
        await play.roll(world, manager.settle)
        (first,) = await pods(world)
        await play.say(world, first, phase="Failed")
        await play.roll(world, manager.settle)
        assert len(await pods(world)) == 2
        assert (await status(world)).replicas == 1

    worked(scenario)


def test_a_deleted_replica_set_makes_no_pods_any_more():
    async def scenario(world, manager):
        held = play.replica_set(replicas=1)
        held = held.evolve(metadata=held.metadata.evolve(finalizers=("example.com/hold",)))
        await world.client.create(held)
        await manager.settle()
        await world.client.delete(apps.ReplicaSet, "web", NAMESPACE, propagation="Background")
        (one,) = await pods(world)
        await world.client.delete(core.Pod, one.name, NAMESPACE, grace_seconds=0)
        await manager.settle()
        assert await pods(world) == []
        assert (await status(world)).replicas == 0

    worked(scenario)


# Failures.


class Refusing(Disturbed):
    """Refuses to create Pods after the first `allowed`."""

    def __init__(self, transport, allowed):
        super().__init__(transport, Faults())
        self.allowed = allowed
        self.asked = 0

    async def request(self, method, path, **options):
        if method == "POST" and path.endswith("/pods"):
            self.asked += 1
            if self.asked > self.allowed:
                raise InternalError("no more room")
        return await super().request(method, path, **options)


def refusing(manager, allowed):
    """Let the controllers' client refuse."""
    client = manager.controllers[0]._env.client
    client.transport = Refusing(client.transport, allowed)
    return client.transport


@pytest.mark.parametrize(("allowed", "asked"), [(0, 1), (1, 3), (3, 7), (6, 7), (7, 15)])
def test_pods_are_made_in_growing_batches_and_the_first_failure_ends_it(allowed, asked):
    async def scenario(world, manager):
        transport = refusing(manager, allowed)
        runs = []
        manager.trace.subscribe(lambda record: runs.append((transport.asked, record.error)))
        await world.client.create(play.replica_set(replicas=100))
        await asyncio.sleep(1)
        first_asked, first_error = runs[0]
        assert first_asked == asked
        assert first_error == "InternalError: no more room"

    worked(scenario)


def test_a_failure_is_a_condition_and_an_event_until_it_is_over():
    async def scenario(world, manager):
        transport = refusing(manager, 1)
        await world.client.create(play.replica_set(replicas=2))
        await asyncio.sleep(1)
        (failure,) = (await status(world)).conditions
        assert (failure.type, failure.status) == ("ReplicaFailure", "True")
        assert (failure.reason, failure.message) == ("FailedCreate", "no more room")
        assert ("Warning", "FailedCreate", "Error creating: no more room") in await events(world)
        since = failure.lastTransitionTime
        await asyncio.sleep(10)
        assert (await status(world)).conditions[0].lastTransitionTime == since
        transport.allowed = 1000
        await asyncio.sleep(60)
        found = await status(world)
        assert found.replicas == 2
        assert not found.conditions

    worked(scenario)


# What is.


def test_the_status_counts_what_is_full_ready_available_and_ending():
    async def scenario(world, manager):
        await world.client.create(play.replica_set(replicas=3, minReadySeconds=30))
        await manager.settle()
        first, second, third = await pods(world)
        await play.play(world, ready=lambda one: one.name != third.name)
        await manager.settle()
        found = await status(world)
        assert (found.replicas, found.fullyLabeledReplicas, found.readyReplicas) == (3, 3, 2)
        assert not found.availableReplicas
        await asyncio.sleep(31)
        await manager.settle()
        assert (await status(world)).availableReplicas == 2
        await world.client.delete(core.Pod, first.name, NAMESPACE)  # graceful: it runs on n1
        await manager.settle()
        found = await status(world)
        assert (found.replicas, found.terminatingReplicas, found.availableReplicas) == (3, 1, 1)
        assert found.observedGeneration == 1
        del second

    worked(scenario)


# Which go first. Source: controller_utils_test.go TestSortingActivePodsWithRanks.


def pod(
    name,
    *,
    node="n1",
    phase="Running",
    ready=True,
    ready_seconds=100.0,
    age_seconds=1000.0,
    restarts=0,
    sidecar_restarts=0,
    cost="",
):
    conditions = ()
    if ready:
        since = clock.timestamp(NOW - ready_seconds)
        conditions = (core.PodCondition(type="Ready", status="True", lastTransitionTime=since),)
    sidecar = core.Container(name="side", restartPolicy="Always")
    return core.Pod(
        metadata=meta.ObjectMeta(
            name=name,
            uid=name,
            creationTimestamp=clock.timestamp(NOW - age_seconds),
            annotations={replicaset.COST: cost} if cost else {},
        ),
        spec=core.PodSpec(nodeName=node, containers=(), initContainers=(sidecar,)),
        status=core.PodStatus(
            phase=phase,
            conditions=conditions,
            containerStatuses=(core.ContainerStatus(name="main", restartCount=restarts),),
            initContainerStatuses=(
                core.ContainerStatus(name="side", restartCount=sidecar_restarts),
                core.ContainerStatus(name="once", restartCount=1),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        ({"node": ""}, {"phase": "Pending", "ready": False}),
        ({"phase": "Pending"}, {"phase": "Unknown"}),
        ({"phase": "Unknown"}, {}),
        ({"ready": False}, {"cost": "-10"}),
        ({"cost": "-1"}, {}),
        ({}, {"cost": "1"}),
        ({"cost": "2"}, {"cost": "10"}),
        ({"ready_seconds": 10}, {"ready_seconds": 1000}),
        ({"restarts": 3}, {"restarts": 1}),
        ({"sidecar_restarts": 3}, {"sidecar_restarts": 1}),
        ({"restarts": 1}, {"sidecar_restarts": 5}),
        ({"age_seconds": 200}, {"age_seconds": 3000}),
        ({"ready_seconds": 0}, {"ready_seconds": 1}),
    ],
)
def test_of_two_pods_the_less_missed_goes_first(goes, stays):
    one, other = pod("z", **goes), pod("a", **stays)  # the uids would have it the other way
    assert [each.name for each in ranked([other, one], Counter(), NOW)] == ["z", "a"]


@pytest.mark.parametrize("time", ["ready_seconds", "age_seconds"])
def test_of_two_times_of_one_order_of_magnitude_the_uid_decides(time):
    found = [pod("b", **{time: 1000}), pod("a", **{time: 1050})]
    assert [each.name for each in ranked(found, Counter(), NOW)] == ["a", "b"]
    found = [pod("b", **{time: 1050}), pod("a", **{time: 1000})]
    assert [each.name for each in ranked(found, Counter(), NOW)] == ["a", "b"]


@pytest.mark.parametrize("cost", ["+1", "01", "1.5", "x", "2147483648", " 1"])
def test_a_cost_that_is_none_counts_as_zero(cost):
    found = ranked([pod("a", cost=cost), pod("b", cost="-1"), pod("c", cost="1")], Counter(), NOW)
    assert [one.name for one in found] == ["b", "a", "c"]


def test_the_more_crowded_node_loses_first():
    found = ranked(
        [pod("a", node="n1"), pod("b", node="n2"), pod("c", node="n2")],
        Counter({"n1": 1, "n2": 2}),
        NOW,
    )
    assert [one.name for one in found] == ["b", "c", "a"]


def test_siblings_of_the_same_deployment_count_towards_the_crowd():
    async def scenario(world, manager):
        owner = meta.OwnerReference(
            apiVersion="apps/v1", kind="Deployment", name="d", uid="d", controller=True
        )
        for name, app in (("old", "a"), ("new", "b")):
            made = play.replica_set(name, 2 if name == "new" else 1, app=app)
            await world.client.create(
                made.evolve(metadata=made.metadata.evolve(ownerReferences=(owner,)))
            )
        await manager.settle()
        (old,) = await pods(world, app="a")
        first, second = await pods(world, app="b")
        for one, node in ((old, "n1"), (first, "n2"), (second, "n1")):
            await play.bind(world, one, node)
        await play.play(world)
        await manager.settle()
        await world.client.patch(apps.ReplicaSet, "new", NAMESPACE, {"spec": {"replicas": 1}})
        await manager.settle()
        assert (await world.client.get(core.Pod, second.name, NAMESPACE)).deleting

    worked(scenario)
