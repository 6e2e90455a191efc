"""Scenarios of what nodes do: they fall silent, are tainted, are full, and go."""

import asyncio

from arubeki import clock
from arubeki.controllers import (
    built_in,
    node_lifecycle,
    pod_garbage,
    taint_eviction,
)
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.scheduler import controller as scheduler
from tests.controllers.scenario import (
    Scenario,
    beats,
    ready_condition,
    set_image,
    slices,
)
from tests.support import play
from tests.support.play import NAMESPACE, make_namespace, make_node


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
        await beats(world, settle, 120, "n2", "n3")  # n1 is silent for good
        await beats(world, settle, 120, "n2")
        ready = {"conditions": [ready_condition()]}
        await play.beat(world, "n3")
        await world.client.patch(
            core.Node, "n3", "", {"status": ready}, type="strategic", subresource="status"
        )
        await beats(world, settle, 10, "n2", "n3")

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
        await set_image(world, "two")
        await play.roll(world, settle)
        await world.client.delete(apps.Deployment, "web", NAMESPACE, propagation="Foreground")
        await play.roll(world, settle)

    @staticmethod
    def check(state):
        kinds = [one["kind"] for one in state]
        assert not {"Deployment", "ReplicaSet", "Pod"} & set(kinds)
        (one,) = slices(state, "web")
        assert one["endpoints"] == []
