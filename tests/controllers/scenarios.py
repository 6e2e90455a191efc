"""Scenarios of what users do: workloads, Services, namespaces, owners."""

import asyncio

from arubeki.controllers import (
    deployment,
    disruption,
    endpoints,
    endpointslice,
    garbage,
    namespace,
    replicaset,
    serviceaccount,
)
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import policy_v1 as policy
from tests.controllers.scenario import (
    Scenario,
    list_pods,
    owned_map,
    set_image,
    slices,
)
from tests.support import play
from tests.support.play import NAMESPACE


class ReplicaSets(Scenario):
    """Pods are made, die, are adopted, let go, and taken away."""

    @staticmethod
    def build():
        return [replicaset.controller()]

    @staticmethod
    async def act(world, settle):
        client = world.client
        await client.create(play.replica_set(replicas=3))
        # It matches and has no owner, so it is one of the three; and it is the last to be removed.
        cost = {"controller.kubernetes.io/pod-deletion-cost": "100"}
        await client.create(play.pod("stray", annotations=cost))
        await play.roll(world, settle)
        pods = await list_pods(world)
        assert len(pods) == 3
        first, second = [one for one in pods if one.name != "stray"]
        await client.delete(core.Pod, first.name, NAMESPACE, grace_seconds=0)
        await client.patch(core.Pod, second.name, NAMESPACE, {"metadata": {"labels": {"app": "x"}}})
        await play.roll(world, settle)
        await client.patch(apps.ReplicaSet, "web", NAMESPACE, {"spec": {"replicas": 2}})
        await play.roll(world, settle)

    @staticmethod
    def check(state):
        pods = [one for one in state if one["kind"] == "Pod"]
        mine = [one for one in pods if one["metadata"].get("ownerReferences")]
        assert (len(pods), len(mine)) == (3, 2)
        (one,) = [one for one in state if one["kind"] == "ReplicaSet"]
        assert one["status"]["readyReplicas"] == 2


class Deployments(Scenario):
    """A rollout, a change of the number amid it, and the way back."""

    sides = ("after",)  # it is long

    @staticmethod
    def build():
        return [deployment.controller(), replicaset.controller()]

    @staticmethod
    async def act(world, settle):
        client = world.client
        await client.create(play.deployment(replicas=1))
        await play.roll(world, settle)
        await set_image(world, "two")
        await settle()
        await client.patch(apps.Deployment, "web", NAMESPACE, {"spec": {"replicas": 2}})
        await play.roll(world, settle)
        await set_image(world, "one")
        await play.roll(world, settle)

    @staticmethod
    def check(state):
        (one,) = [one for one in state if one["kind"] == "Deployment"]
        assert one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
        assert one["status"]["updatedReplicas"] == one["status"]["availableReplicas"] == 2
        sizes = sorted(one["spec"]["replicas"] for one in state if one["kind"] == "ReplicaSet")
        assert sizes == [0, 2]


class Recreated(Scenario):
    """All old Pods go before the new ones come."""

    @staticmethod
    def build():
        return [deployment.controller(), replicaset.controller()]

    @staticmethod
    async def act(world, settle):
        strategy = apps.DeploymentStrategy(type="Recreate")
        await world.client.create(play.deployment(replicas=2, strategy=strategy))
        await play.roll(world, settle)
        await set_image(world, "two")
        await play.roll(world, settle)

    @staticmethod
    def check(state):
        images = [one["spec"]["containers"][0]["image"] for one in state if one["kind"] == "Pod"]
        assert images == ["two", "two"]


class EndpointSlices(Scenario):
    """Pods come, become ready, end, and a Service is changed and deleted."""

    @staticmethod
    def build():
        return [endpointslice.controller()]

    @staticmethod
    async def act(world, settle):
        client = world.client
        await client.create(play.service())
        await client.create(play.service("other", app="x"))
        await settle()
        await client.create(play.pod("a"))
        await client.create(play.pod("b"))
        await settle()
        await play.play(world, ready=lambda one: one.name == "a")
        await settle()
        await play.play(world)
        await settle()
        await client.delete(core.Pod, "a", NAMESPACE)
        await settle()
        patch = {"metadata": {"labels": {"tier": "front"}}}
        await client.patch(core.Service, "web", NAMESPACE, patch)
        await settle()

    @staticmethod
    def check(state):
        (one,) = slices(state, "web")
        assert one["metadata"]["labels"]["tier"] == "front"
        ready = {each["targetRef"]["name"]: each["conditions"] for each in one["endpoints"]}
        assert ready == {
            "a": {"ready": False, "serving": True, "terminating": True},
            "b": {"ready": True, "serving": True, "terminating": False},
        }
        (other,) = slices(state, "other")
        assert other["endpoints"] == []


class Endpoints(Scenario):
    """The older form follows the slices, and goes with its Service."""

    @staticmethod
    def build():
        return [endpoints.controller(), endpointslice.controller()]

    @staticmethod
    async def act(world, settle):
        client = world.client
        await client.create(play.service())
        await client.create(play.service("other", app="x"))
        await client.create(play.pod("a"))
        await client.create(play.pod("b"))
        await settle()
        await play.play(world, ready=lambda one: one.name == "a")
        await settle()
        await play.play(world)
        await settle()
        await client.delete(core.Service, "other", NAMESPACE)
        await settle()

    @staticmethod
    def check(state):
        found = {
            one["metadata"]["name"]: one
            for one in state
            if one["kind"] == "Endpoints" and one["metadata"]["namespace"] == NAMESPACE
        }
        assert list(found) == ["web"]
        (subset,) = found["web"]["subsets"]
        assert [each["targetRef"]["name"] for each in subset["addresses"]] == ["a", "b"]


class Namespaces(Scenario):
    """A namespace with Pods that take their time, and an object that is held."""

    @staticmethod
    def build():
        return [namespace.controller()]

    @staticmethod
    async def act(world, settle):
        client = world.client
        await client.create(play.pod("a", nodeName="n1"))
        for name in ("free", "held"):
            held = ("example.com/hold",) if name == "held" else ()
            metadata = meta.ObjectMeta(name=name, namespace=NAMESPACE, finalizers=held)
            await client.create(core.ConfigMap(metadata=metadata))
        await settle()
        await client.delete(core.Namespace, NAMESPACE)
        await settle()
        await asyncio.sleep(3)
        await settle()
        assert (await client.get(core.ConfigMap, "free", NAMESPACE)).name  # Pods go first
        await play.play(world)
        await asyncio.sleep(3)
        await settle()
        patch = {"metadata": {"finalizers": None}}
        await client.patch(core.ConfigMap, "held", NAMESPACE, patch)
        await asyncio.sleep(3)
        await settle()

    @staticmethod
    def check(state):
        assert NAMESPACE not in [one["metadata"]["name"] for one in state]
        assert not [one for one in state if one["metadata"].get("namespace") == NAMESPACE]


class ServiceAccounts(Scenario):
    """Namespaces come, one loses its account, one goes."""

    @staticmethod
    def build():
        return [serviceaccount.controller()]

    @staticmethod
    async def act(world, settle):
        await world.client.create(play.namespace("more"))
        await settle()
        await world.client.delete(core.ServiceAccount, "default", "more")
        await settle()
        await world.client.delete(core.Namespace, NAMESPACE)
        await world.client.delete(core.ServiceAccount, "default", NAMESPACE)
        await settle()

    @staticmethod
    def check(state):
        where = [one["metadata"]["namespace"] for one in state if one["kind"] == "ServiceAccount"]
        assert "more" in where
        assert NAMESPACE not in where


class Garbage(Scenario):
    """Owners go in each of the three ways."""

    @staticmethod
    def build():
        return [garbage.controller()]

    @staticmethod
    async def act(world, settle):
        client = world.client
        for way in ("Background", "Foreground", "Orphan"):
            name = way.lower()
            owner = await client.create(owned_map(name))
            other = await client.create(owned_map(f"{name}-other"))
            child = await client.create(owned_map(f"{name}-child", owner))
            await client.create(owned_map(f"{name}-grandchild", child))
            await client.create(owned_map(f"{name}-shared", owner, other))
            await settle()
            await client.delete(core.ConfigMap, name, NAMESPACE, propagation=way)
            await settle()
        await client.create(owned_map("late", meta.OwnerReference(
            apiVersion="v1", kind="ConfigMap", name="never", uid="no-such", controller=True
        )))  # fmt: skip
        await settle()

    @staticmethod
    def check(state):
        maps = {
            one["metadata"]["name"]: [
                ref["name"] for ref in one["metadata"].get("ownerReferences", ())
            ]
            for one in state
            if one["kind"] == "ConfigMap"
        }
        assert maps == {
            "background-other": [],
            "background-shared": ["background-other"],
            "foreground-other": [],
            "foreground-shared": ["foreground-other"],
            "orphan-child": [],
            "orphan-grandchild": ["orphan-child"],
            "orphan-other": [],
            "orphan-shared": ["orphan-other"],
        }


class Budgets(Scenario):
    """Pods come, get ready and go; the budget knows how many may be disrupted."""

    @staticmethod
    def build():
        return [replicaset.controller(), disruption.controller()]

    @staticmethod
    async def act(world, settle):
        budget = policy.PodDisruptionBudget(
            metadata=meta.ObjectMeta(name="b", namespace=NAMESPACE),
            spec=policy.PodDisruptionBudgetSpec(selector=play.selector(), maxUnavailable="50%"),
        )
        await world.client.create(budget)
        await world.client.create(play.replica_set(replicas=3))
        await play.roll(world, settle)
        await world.client.patch(apps.ReplicaSet, "web", NAMESPACE, {"spec": {"replicas": 4}})
        await play.roll(world, settle)

    @staticmethod
    def check(state):
        (one,) = [one for one in state if one["kind"] == "PodDisruptionBudget"]
        status = one["status"]
        assert (status["expectedPods"], status["currentHealthy"]) == (4, 4)
        assert (status["desiredHealthy"], status["disruptionsAllowed"]) == (2, 2)
