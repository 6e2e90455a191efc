"""Deployment: rollouts, revisions, pauses, deadlines; what people and kubectl read of it."""

import asyncio

from arubeki.controllers import deployment, replicaset
from arubeki.controllers.deployment import plan
from arubeki.errors import Forbidden, InternalError
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import to_dict
from tests.controllers.kit import events, pods, run
from tests.support import play
from tests.support.play import NAMESPACE
from tests.support.world import Disturbed, Faults

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"


def worked(scenario, **options):
    return run(scenario, deployment.controller(), replicaset.controller(), **options)


async def get(world):
    return await world.client.get(apps.Deployment, "web", NAMESPACE)


async def change(world, patch, type="merge"):
    return await world.client.patch(apps.Deployment, "web", NAMESPACE, patch, type=type)


async def set_image(world, image):
    spec = {"containers": [{"name": "main", "image": image}]}
    return await change(world, {"spec": {"template": {"spec": spec}}}, "strategic")


async def sets(world):
    """Return the ReplicaSets by the image of their template."""
    found = await world.client.list(apps.ReplicaSet, NAMESPACE)
    return {one.spec.template.spec.containers[0].image: one for one in found}


async def condition(world, kind):
    found = (await get(world)).status.conditions or ()
    return next((one for one in found if one.type == kind), None)


# Making.


def test_a_deployment_makes_a_replica_set_named_by_its_template():
    async def scenario(world, manager):
        made = play.deployment(replicas=3, minReadySeconds=5)
        noted = {"team": "a", "kubectl.kubernetes.io/last-applied-configuration": "x"}
        made = made.evolve(metadata=made.metadata.evolve(annotations=noted))
        made = await world.client.create(made)
        await manager.settle()
        (one,) = await world.client.list(apps.ReplicaSet, NAMESPACE)
        digest = one.labels[plan.HASH_LABEL]
        assert one.name == f"web-{digest}"
        assert one.labels == {"app": "web", plan.HASH_LABEL: digest}
        assert one.spec.selector.matchLabels == {"app": "web", plan.HASH_LABEL: digest}
        assert one.spec.template.metadata.labels == {"app": "web", plan.HASH_LABEL: digest}
        assert (one.spec.replicas, one.spec.minReadySeconds) == (3, 5)
        assert one.annotations == {
            "team": "a",
            REVISION: "1",
            "deployment.kubernetes.io/desired-replicas": "3",
            "deployment.kubernetes.io/max-replicas": "4",
        }
        assert one.controller.uid == made.uid
        assert (await get(world)).annotations[REVISION] == "1"
        told = f"Scaled up replica set {one.name} from 0 to 3"
        assert ("Normal", "ScalingReplicaSet", told) in await events(world)

    worked(scenario)


def test_the_status_goes_from_created_over_updated_to_available():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=2))
        await manager.settle()
        (one,) = await world.client.list(apps.ReplicaSet, NAMESPACE)
        said = await condition(world, "Progressing")
        assert (said.status, said.reason) == ("True", "ReplicaSetUpdated")
        assert said.message == f'ReplicaSet "{one.name}" is progressing.'
        said = await condition(world, "Available")
        assert (said.status, said.reason) == ("False", "MinimumReplicasUnavailable")
        assert said.message == "Deployment does not have minimum availability."
        status = (await get(world)).status
        assert (status.replicas, status.updatedReplicas, status.unavailableReplicas) == (2, 2, 2)
        await play.roll(world, manager.settle)
        said = await condition(world, "Progressing")
        assert (said.status, said.reason) == ("True", "NewReplicaSetAvailable")
        assert said.message == f'ReplicaSet "{one.name}" has successfully progressed.'
        said = await condition(world, "Available")
        assert (said.status, said.reason) == ("True", "MinimumReplicasAvailable")
        assert said.message == "Deployment has minimum availability."
        status = (await get(world)).status
        assert (status.readyReplicas, status.availableReplicas) == (2, 2)
        assert (status.observedGeneration, status.terminatingReplicas) == (1, 0)
        assert not status.unavailableReplicas

    worked(scenario)


# Rolling.


def test_a_rollout_never_leaves_its_bounds():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=4, surge=1, unavailable=1))
        await play.roll(world, manager.settle)
        await set_image(world, "two")
        for _ in range(50):
            await manager.settle()
            found = [one for one in await pods(world) if not one.deleting]
            ready = [
                one
                for one in found
                for each in one.status.conditions or ()
                if (each.type, each.status) == ("Ready", "True")
            ]
            assert len(found) <= 5
            assert len(ready) >= 3
            # One Pod at a time gets on.
            waiting = {one.name for one in found if not one.status.podIP}
            late = sorted(waiting)[1:]
            if not await play.play(world, ready=lambda one, late=late: one.name not in late):
                break
        assert {one.spec.containers[0].image for one in await pods(world)} == {"two"}
        assert len(await pods(world)) == 4

    worked(scenario)


def test_with_neither_surge_nor_unavailability_left_one_may_miss():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=2, surge=0, unavailable="1%"))
        await play.roll(world, manager.settle)
        await set_image(world, "two")
        await play.roll(world, manager.settle)
        assert (await condition(world, "Progressing")).reason == "NewReplicaSetAvailable"
        assert {one.spec.containers[0].image for one in await pods(world)} == {"two"}

    worked(scenario)


def test_a_bad_template_stops_the_rollout_and_going_back_ends_it():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=4, surge=1, unavailable=1))
        await play.roll(world, manager.settle)
        await set_image(world, "bad")
        fine = lambda one: one.spec.containers[0].image != "bad"  # noqa: E731
        await play.roll(world, manager.settle, ready=fine)
        found = await sets(world)
        assert (found["one"].spec.replicas, found["bad"].spec.replicas) == (3, 2)
        await set_image(world, "one")
        await play.roll(world, manager.settle, ready=fine)
        found = await sets(world)
        assert (found["one"].spec.replicas, found["bad"].spec.replicas) == (4, 0)

    worked(scenario)


def test_a_change_of_the_number_amid_a_rollout_is_shared():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=10, surge=2, unavailable=2))
        await play.roll(world, manager.settle)
        await set_image(world, "two")
        await manager.settle()
        found = await sets(world)
        assert (found["one"].spec.replicas, found["two"].spec.replicas) == (8, 4)
        await change(world, {"spec": {"replicas": 20}})
        await manager.settle()
        found = await sets(world)
        # 22 may be: 10 more in proportion to 8 and 4.
        assert (found["one"].spec.replicas, found["two"].spec.replicas) == (15, 7)
        for one in found.values():
            assert one.annotations["deployment.kubernetes.io/max-replicas"] == "22"

    worked(scenario)


def test_recreate_waits_until_the_old_pods_are_gone():
    async def scenario(world, manager):
        recreate = apps.DeploymentStrategy(type="Recreate")
        await world.client.create(play.deployment(replicas=2, strategy=recreate))
        await play.roll(world, manager.settle)
        await set_image(world, "two")
        await manager.settle()
        assert [one.deleting for one in await pods(world)] == [True, True]
        assert set(await sets(world)) == {"one"}
        first, _ = await pods(world)
        await world.client.delete(core.Pod, first.name, NAMESPACE, grace_seconds=0)
        await manager.settle()
        assert set(await sets(world)) == {"one"}
        (last,) = await pods(world)
        await play.say(world, last, phase="Failed")  # it will not run again: enough
        await manager.settle()
        assert set(await sets(world)) == {"one", "two"}

    worked(scenario)


def test_it_is_available_while_no_more_are_missing_than_may():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=4, surge=0, unavailable=1))
        await manager.settle()
        found = [one.name for one in await pods(world)]
        for count, expected in ((2, "False"), (3, "True"), (4, "True")):
            ready = found[:count]
            await play.play(world, ready=lambda one, ready=ready: one.name in ready)
            await manager.settle()
            assert (await condition(world, "Available")).status == expected

    worked(scenario)


def test_a_change_of_the_number_alone_is_no_rollout():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=1, progressDeadlineSeconds=30))
        await play.roll(world, manager.settle)
        before = await condition(world, "Progressing")
        await change(world, {"spec": {"replicas": 3}})
        await manager.settle()
        await asyncio.sleep(100)
        await manager.settle()
        assert (await get(world)).status.unavailableReplicas == 2
        assert await condition(world, "Progressing") == before

    worked(scenario)


# Revisions.


def test_going_back_gives_the_old_replica_set_a_new_number():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=1))
        await play.roll(world, manager.settle)
        await set_image(world, "two")
        await play.roll(world, manager.settle)
        first = (await sets(world))["one"]
        # As kubectl rollout undo does: the template of the ReplicaSet, without its hash.
        template = to_dict(first.spec.template)
        del template["metadata"]["labels"][plan.HASH_LABEL]
        template["metadata"]["creationTimestamp"] = None
        await change(
            world, [{"op": "replace", "path": "/spec/template", "value": template}], "json"
        )
        await play.roll(world, manager.settle)
        found = await sets(world)
        assert set(found) == {"one", "two"}
        assert found["one"].uid == first.uid
        assert found["one"].annotations[REVISION] == "3"
        assert found["one"].annotations[HISTORY] == "1"
        assert found["two"].annotations[REVISION] == "2"
        assert (await get(world)).annotations[REVISION] == "3"
        await set_image(world, "two")
        await play.roll(world, manager.settle)
        await set_image(world, "one")
        await play.roll(world, manager.settle)
        assert (await sets(world))["one"].annotations[HISTORY] == "1,3"

    worked(scenario)


def test_a_restart_is_another_template():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=1))
        await play.roll(world, manager.settle)
        (before,) = await pods(world)
        annotation = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
        await change(world, {"spec": {"template": {"metadata": {"annotations": annotation}}}})
        await play.roll(world, manager.settle)
        (after,) = await pods(world)
        assert after.name != before.name
        assert after.annotations == annotation

    worked(scenario)


def test_the_oldest_empty_replica_sets_are_forgotten():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=1, revisionHistoryLimit=1))
        for image in ("one", "two", "three", "four"):
            await set_image(world, image)
            await play.roll(world, manager.settle)
        assert set(await sets(world)) == {"three", "four"}

    worked(scenario)


def test_annotations_follow_and_min_ready_seconds_too():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=1))
        await play.roll(world, manager.settle)
        await change(
            world, {"metadata": {"annotations": {"x": "y"}}, "spec": {"minReadySeconds": 9}}
        )
        await manager.settle()
        one = (await sets(world))["one"]
        assert (one.annotations["x"], one.spec.minReadySeconds) == ("y", 9)
        assert one.annotations[REVISION] == "1"

    worked(scenario)


# Adoption and collisions.


def test_an_orphan_of_the_same_template_is_adopted():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=2))
        await play.roll(world, manager.settle)
        (before,) = (await sets(world)).values()
        names = [one.name for one in await pods(world)]
        await world.client.delete(apps.Deployment, "web", NAMESPACE, propagation="Orphan")
        patch = {"metadata": {"ownerReferences": None}}
        await world.client.patch(apps.ReplicaSet, before.name, NAMESPACE, patch)
        await world.client.patch(
            apps.Deployment, "web", NAMESPACE, {"metadata": {"finalizers": None}}
        )
        await manager.settle()
        made = await world.client.create(play.deployment(replicas=2))
        await play.roll(world, manager.settle)
        (after,) = (await sets(world)).values()
        assert (after.uid, after.controller.uid) == (before.uid, made.uid)
        assert [one.name for one in await pods(world)] == names
        assert not (await get(world)).status.collisionCount

    worked(scenario)


def test_a_taken_name_makes_the_hash_another():
    async def scenario(world, manager):
        wanted = play.deployment(replicas=1)
        other = meta.OwnerReference(
            apiVersion="v1", kind="ConfigMap", name="other", uid="other", controller=True
        )
        # What the template will be once the server has filled it in.
        dry = await world.client.create(wanted, dry_run=True)
        taken = plan.name_of(dry, plan.hash_of(dry.spec.template, 0))
        squatter = play.replica_set(taken, 0, app="other")
        await world.client.create(
            squatter.evolve(metadata=squatter.metadata.evolve(ownerReferences=(other,)))
        )
        await world.client.create(wanted)
        await play.roll(world, manager.settle)
        assert (await get(world)).status.collisionCount == 1
        assert (await get(world)).status.availableReplicas == 1
        names = [one.name for one in await world.client.list(apps.ReplicaSet, NAMESPACE)]
        assert len(names) == 2

    worked(scenario)


# Pausing.


def test_a_paused_deployment_keeps_its_number_and_makes_nothing_new():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=1))
        await play.roll(world, manager.settle)
        await change(world, {"spec": {"paused": True}})
        await set_image(world, "two")
        await change(world, {"spec": {"replicas": 3}})
        await play.roll(world, manager.settle)
        found = await sets(world)
        assert set(found) == {"one"}
        assert found["one"].spec.replicas == 3
        said = await condition(world, "Progressing")
        assert (said.status, said.reason) == ("Unknown", "DeploymentPaused")
        assert said.message == "Deployment is paused"
        await asyncio.sleep(10_000)  # and no deadline passes
        await manager.settle()
        assert (await condition(world, "Progressing")).reason == "DeploymentPaused"
        await change(world, {"spec": {"paused": False}})
        await play.roll(world, manager.settle)
        assert (await condition(world, "Progressing")).reason == "NewReplicaSetAvailable"
        assert {one.spec.containers[0].image for one in await pods(world)} == {"two"}

    worked(scenario)


# Failing.


def test_a_rollout_that_does_not_get_on_passes_its_deadline():
    async def scenario(world, manager):
        await world.client.create(play.deployment(replicas=1, progressDeadlineSeconds=30))
        await manager.settle()
        await asyncio.sleep(20)
        assert (await condition(world, "Progressing")).reason == "ReplicaSetUpdated"
        await asyncio.sleep(15)
        await manager.settle()
        said = await condition(world, "Progressing")
        assert (said.status, said.reason) == ("False", "ProgressDeadlineExceeded")
        (one,) = await world.client.list(apps.ReplicaSet, NAMESPACE)
        assert said.message == f'ReplicaSet "{one.name}" has timed out progressing.'
        await play.roll(world, manager.settle)
        said = await condition(world, "Progressing")
        assert (said.status, said.reason) == ("True", "NewReplicaSetAvailable")

    worked(scenario)


def test_without_a_deadline_there_is_no_progressing_condition():
    async def scenario(world, manager):
        endless = 2**31 - 1
        await world.client.create(play.deployment(replicas=1, progressDeadlineSeconds=endless))
        await play.roll(world, manager.settle)
        assert [one.type for one in (await get(world)).status.conditions] == ["Available"]

    worked(scenario)


class Refusing(Disturbed):
    """Refuses to create what `path` ends with, with `error`."""

    def __init__(self, transport, path, error):
        super().__init__(transport, Faults())
        self.path = path
        self.error = error

    async def request(self, method, path, **options):
        if self.error and method == "POST" and path.endswith(self.path):
            raise self.error
        return await super().request(method, path, **options)


def refusing(manager, path, error):
    client = manager.controllers[0]._env.client
    client.transport = Refusing(client.transport, path, error)
    return client.transport


def test_a_replica_set_that_cannot_be_made_is_told_in_condition_and_event():
    async def scenario(world, manager):
        transport = refusing(manager, "/replicasets", InternalError("no more room"))
        await world.client.create(play.deployment(replicas=1))
        await asyncio.sleep(1)
        said = await condition(world, "Progressing")
        assert (said.status, said.reason) == ("False", "ReplicaSetCreateError")
        assert said.message.startswith('Failed to create new replica set "web-')
        assert said.message.endswith('": no more room')
        assert ("Warning", "ReplicaSetCreateError", said.message) in await events(world)
        transport.error = None
        await asyncio.sleep(60)
        await play.roll(world, manager.settle)
        assert (await condition(world, "Progressing")).reason == "NewReplicaSetAvailable"

    worked(scenario)


def test_in_a_namespace_that_ends_nothing_is_said_or_tried_again():
    async def scenario(world, manager):
        cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace"}
        error = Forbidden("it is being terminated", details={"causes": [cause]})
        refusing(manager, "/replicasets", error)
        await world.client.create(play.deployment(replicas=1))
        await manager.settle()
        assert [one for one in manager.trace if one.error] == []
        assert await events(world) == []

    worked(scenario)


def test_pods_that_cannot_be_made_show_as_replica_failure():
    async def scenario(world, manager):
        transport = refusing(manager, "/pods", InternalError("no more room"))
        await world.client.create(play.deployment(replicas=1))
        await asyncio.sleep(1)
        said = await condition(world, "ReplicaFailure")
        assert (said.status, said.reason, said.message) == ("True", "FailedCreate", "no more room")
        transport.error = None
        await asyncio.sleep(60)
        await play.roll(world, manager.settle)
        assert await condition(world, "ReplicaFailure") is None

    worked(scenario)
