"""Every built-in controller ends in the same state, whatever goes wrong on the way.

One scenario each: what users and nodes do, with pauses in which the controllers work. `hold` plays
it undisturbed, with every event lost, told twice, told late, and with the controllers killed before
and after each of their writes; and it starts them once more on the end state, which must not write.
"""

import asyncio

import pytest

from arubeki import clock
from arubeki.controllers import (
    built_in,
    deployment,
    endpoints,
    endpointslice,
    garbage,
    namespace,
    node_lifecycle,
    pod_garbage,
    replicaset,
    serviceaccount,
    taint_eviction,
)
from arubeki.errors import NotFound
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.shape import reference_to
from arubeki.scheduler import controller as scheduler
from tests.support import play
from tests.support.play import NAMESPACE, make_namespace, make_node
from tests.support.world import hold


class Scenario:
    """`build()` makes the controllers, `prepare` the world, `act` lets things happen."""

    sides = ("before", "after")

    @staticmethod
    async def prepare(world):
        await make_namespace(world)
        await make_node(world, "n1")


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
        pods = await _pods(world)
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
        await _set_image(world, "two")
        await settle()
        await client.patch(apps.Deployment, "web", NAMESPACE, {"spec": {"replicas": 2}})
        await play.roll(world, settle)
        await _set_image(world, "one")
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
        await _set_image(world, "two")
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
        (one,) = _slices(state, "web")
        assert one["metadata"]["labels"]["tier"] == "front"
        ready = {each["targetRef"]["name"]: each["conditions"] for each in one["endpoints"]}
        assert ready == {
            "a": {"ready": False, "serving": True, "terminating": True},
            "b": {"ready": True, "serving": True, "terminating": False},
        }
        (other,) = _slices(state, "other")
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
            owner = await client.create(_map(name))
            other = await client.create(_map(f"{name}-other"))
            child = await client.create(_map(f"{name}-child", owner))
            await client.create(_map(f"{name}-grandchild", child))
            await client.create(_map(f"{name}-shared", owner, other))
            await settle()
            await client.delete(core.ConfigMap, name, NAMESPACE, propagation=way)
            await settle()
        await client.create(_map("late", meta.OwnerReference(
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


class LostNode(Scenario):
    """A node falls silent, and comes back."""

    @staticmethod
    def build():
        return [node_lifecycle.controller(60)]

    @staticmethod
    async def prepare(world):
        await make_namespace(world)
        for name in ("n1", "n2", "n3"):
            await make_node(world, name)
            await play.beat(world, name)
        await world.client.create(play.pod("a", nodeName="n1"))
        await play.play(world)

    @staticmethod
    async def act(world, settle):
        await _beats(world, settle, 120, "n2", "n3")  # n1 is silent for good
        await _beats(world, settle, 120, "n2")
        ready = {"conditions": [_ready_condition()]}
        await play.beat(world, "n3")
        await world.client.patch(
            core.Node, "n3", "", {"status": ready}, type="strategic", subresource="status"
        )
        await _beats(world, settle, 10, "n2", "n3")

    @staticmethod
    def check(state):
        taints = {
            one["metadata"]["name"]: [
                (each["key"], each["effect"]) for each in one["spec"].get("taints", ())
            ]
            for one in state
            if one["kind"] == "Node"
        }
        lost = "node.kubernetes.io/unreachable"
        assert taints == {"n1": [(lost, "NoExecute"), (lost, "NoSchedule")], "n2": [], "n3": []}
        (pod,) = [one for one in state if one["kind"] == "Pod"]
        (condition,) = [one for one in pod["status"]["conditions"] if one["type"] == "Ready"]
        assert condition["status"] == "False"


class Evictions(Scenario):
    """A node is tainted: some leave at once, some later, some stay."""

    @staticmethod
    def build():
        return [taint_eviction.controller()]

    @staticmethod
    async def act(world, settle):
        patient = core.Toleration(
            key="bad", operator="Exists", effect="NoExecute", tolerationSeconds=30
        )
        stays = core.Toleration(operator="Exists")
        await world.client.create(play.pod("leaves", nodeName="n1"))
        await world.client.create(play.pod("later", nodeName="n1", tolerations=(patient,)))
        await world.client.create(play.pod("stays", nodeName="n1", tolerations=(stays,)))
        await settle()
        taint = {"key": "bad", "effect": "NoExecute", "timeAdded": clock.timestamp()}
        await world.client.patch(core.Node, "n1", "", {"spec": {"taints": [taint]}})
        await settle()
        await asyncio.sleep(40)
        await settle()

    @staticmethod
    def check(state):
        leaving = [
            one["metadata"]["name"]
            for one in state
            if one["kind"] == "Pod"
            and [
                each for each in one["status"].get("conditions", ()) if "Disruption" in each["type"]
            ]
        ]
        assert sorted(leaving) == ["later", "leaves"]


class PodGarbage(Scenario):
    """A node is removed from the cluster with a Pod on it."""

    @staticmethod
    def build():
        return [pod_garbage.controller()]

    @staticmethod
    async def act(world, settle):
        await make_node(world, "n2")
        for name, where in (("a", "n1"), ("b", "n2"), ("c", "n2")):
            await world.client.create(play.pod(name, nodeName=where))
        await settle()
        await world.client.delete(core.Node, "n2")
        for _ in range(2):  # who is started anew waits anew
            await settle()
            await asyncio.sleep(50)
        await settle()

    @staticmethod
    def check(state):
        assert [one["metadata"]["name"] for one in state if one["kind"] == "Pod"] == ["a"]


class Scheduling(Scenario):
    """More Pods than fit; then room is made."""

    @staticmethod
    def build():
        return [scheduler()]

    @staticmethod
    async def prepare(world):
        await make_namespace(world)
        await make_node(world, "n1", pods=2)
        await make_node(world, "n2", pods=2)

    @staticmethod
    async def act(world, settle):
        for name in "abcde":
            await world.client.create(play.pod(name))
            await settle()
        await world.client.delete(core.Pod, "a", NAMESPACE, grace_seconds=0)
        await settle()
        await world.client.create(play.pod("f", nodeSelector={"disk": "fast"}))
        await settle()
        await world.client.patch(core.Node, "n1", "", {"metadata": {"labels": {"disk": "fast"}}})
        await world.client.delete(core.Pod, "c", NAMESPACE, grace_seconds=0)
        await settle()

    @staticmethod
    def check(state):
        where = {
            one["metadata"]["name"]: one["spec"].get("nodeName")
            for one in state
            if one["kind"] == "Pod"
        }
        assert where == {"b": "n2", "d": "n2", "e": "n1", "f": "n1"}


class Everything(Scenario):
    """All of them at once: an application comes, is served, loses a node, and goes."""

    sides = ("after",)  # it is long

    @staticmethod
    def build():
        return [*built_in(node_grace_seconds=1e6), scheduler()]  # nobody plays the heartbeats

    @staticmethod
    async def prepare(world):
        await make_namespace(world)
        for name in ("n1", "n2"):
            await make_node(world, name)

    @staticmethod
    async def act(world, settle):
        await world.client.create(play.service())
        await world.client.create(play.deployment(replicas=2))
        await play.roll(world, settle)
        await _set_image(world, "two")
        await play.roll(world, settle)
        await world.client.delete(apps.Deployment, "web", NAMESPACE, propagation="Foreground")
        await play.roll(world, settle)

    @staticmethod
    def check(state):
        kinds = [one["kind"] for one in state]
        assert not {"Deployment", "ReplicaSet", "Pod"} & set(kinds)
        (one,) = _slices(state, "web")
        assert one["endpoints"] == []


SCENARIOS = Scenario.__subclasses__()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_it_ends_the_same_whatever_goes_wrong_and_then_stays_without_a_write(scenario):
    async def main():
        state, writes = await hold(
            scenario.build, scenario.act, prepare=scenario.prepare, sides=scenario.sides
        )
        scenario.check(state)
        assert writes > 0

    clock.run_virtual(main())


# What scenarios are made of.


async def _pods(world):
    return sorted(await world.client.list(core.Pod, NAMESPACE), key=lambda one: one.name)


async def _set_image(world, image):
    spec = {"containers": [{"name": "main", "image": image}]}
    patch = {"spec": {"template": {"spec": spec}}}
    await world.client.patch(apps.Deployment, "web", NAMESPACE, patch, type="strategic")


def _slices(state, service):
    return [
        one
        for one in state
        if one["kind"] == "EndpointSlice"
        and one["metadata"]["labels"].get("kubernetes.io/service-name") == service
    ]


def _map(name, *owners):
    references = [
        one
        if isinstance(one, meta.OwnerReference)
        else reference_to(one).evolve(controller=number == 0)
        for number, one in enumerate(owners)
    ]
    return core.ConfigMap(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE, ownerReferences=tuple(references))
    )


async def _beats(world, settle, seconds, *nodes):
    for _ in range(seconds // 10):
        for name in nodes:
            try:
                await play.beat(world, name)
            except NotFound:
                continue
        await settle()
        await asyncio.sleep(10)
    await settle()


def _ready_condition():
    now = clock.timestamp()
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
