"""The scheduler on a real server: Pods get nodes, or say why not, until there is room."""

import asyncio

import pytest

from arubeki import clock
from arubeki.errors import Conflict
from arubeki.kinds import core_v1 as core
from arubeki.runtime.change import Change
from arubeki.scheduler.scheduler import Scheduler
from tests.controllers.kit import events, pods
from tests.support import play
from tests.support.play import NAMESPACE, make_namespace, make_node
from tests.support.world import Disturbed, Faults, World


def run(scenario, *nodes):
    """Run `scenario(world, manager, scheduler)` with these nodes: (name, options)."""

    async def main():
        async with World() as world:
            await make_namespace(world)
            for name, options in nodes or (("n1", {}), ("n2", {})):
                await make_node(world, name, **options)
            scheduler = Scheduler()
            async with world.running(scheduler.controller) as manager:
                await manager.settle()
                await scenario(world, manager, scheduler)

    return clock.run_virtual(main())


async def where(world):
    return {one.name: one.spec.nodeName or "" for one in await pods(world)}


async def told(world, name):
    """Return (status, reason, message) of a Pod's PodScheduled condition."""
    one = await world.client.get(core.Pod, name, NAMESPACE)
    for each in one.status.conditions or ():
        if each.type == "PodScheduled":
            return each.status, each.reason or "", each.message or ""
    return None


def test_a_pod_is_bound_and_the_binding_told():
    async def scenario(world, manager, _):
        await world.client.create(play.pod("a"))
        await manager.settle()
        assert await where(world) == {"a": "n1"}
        assert await told(world, "a") == ("True", "", "")
        expected = ("Normal", "Scheduled", "Successfully assigned ns/a to n1")
        assert await events(world) == [expected]

    run(scenario)


def test_a_pod_without_a_place_says_why_once():
    async def scenario(world, manager, _):
        await world.client.create(play.pod("a", nodeSelector={"disk": "fast"}))
        await manager.settle()
        message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
        assert await told(world, "a") == ("False", "Unschedulable", message)
        assert await events(world) == [("Warning", "FailedScheduling", message)]
        await world.client.patch(core.Pod, "a", NAMESPACE, {"metadata": {"labels": {"x": "y"}}})
        await manager.settle()
        assert len(await events(world)) == 1

    run(scenario)


def test_without_nodes_it_says_so():
    async def scenario(world, manager, _):
        await world.client.delete(core.Node, "n1", "")
        await manager.settle()
        await world.client.create(play.pod("a"))
        await manager.settle()
        message = "no nodes available to schedule pods"
        assert await told(world, "a") == ("False", "Unschedulable", message)
        await make_node(world, "late")
        await manager.settle()
        assert await where(world) == {"a": "late"}
        assert await told(world, "a") == ("True", "", "")

    run(scenario, ("n1", {}))


def test_a_node_takes_no_more_pods_than_it_says():
    async def scenario(world, manager, _):
        for number in range(7):
            await world.client.create(play.pod(f"p{number}"))
        await manager.settle()
        places = list((await where(world)).values())
        assert sorted(places) == ["", "n1", "n1", "n1", "n2", "n2", "n2"]
        (late,) = [name for name, node in (await where(world)).items() if not node]
        message = "0/2 nodes are available: 2 Too many pods."
        assert await told(world, late) == ("False", "Unschedulable", message)

    run(scenario, ("n1", {"pods": 3}), ("n2", {"pods": 3}))


@pytest.mark.parametrize("way", ["delete", "end", "relabel", "uncordon", "resize"])
def test_a_waiting_pod_is_placed_when_there_is_room(way):
    async def scenario(world, manager, _):
        client = world.client
        await client.create(play.pod("a"))
        await manager.settle()
        spec = {"nodeSelector": {"disk": "fast"}} if way == "relabel" else {}
        if way == "uncordon":
            await client.delete(core.Pod, "a", NAMESPACE, grace_seconds=0)
            await client.patch(core.Node, "n1", "", {"spec": {"unschedulable": True}})
            await manager.settle()
        if way == "relabel":
            await client.delete(core.Pod, "a", NAMESPACE, grace_seconds=0)
        await client.create(play.pod("b", **spec))
        await manager.settle()
        assert (await where(world))["b"] == ""
        if way == "delete":
            await client.delete(core.Pod, "a", NAMESPACE, grace_seconds=0)
        elif way == "end":
            await play.say(world, await client.get(core.Pod, "a", NAMESPACE), phase="Succeeded")
        elif way == "relabel":
            await client.patch(core.Node, "n1", "", {"metadata": {"labels": {"disk": "fast"}}})
        elif way == "uncordon":
            await client.patch(core.Node, "n1", "", {"spec": {"unschedulable": None}})
        else:
            room = {"pods": "2", "cpu": "4", "memory": "8Gi"}
            await client.patch(
                core.Node, "n1", "", {"status": {"allocatable": room}}, subresource="status"
            )
        await manager.settle()
        assert (await where(world))["b"] == "n1"

    run(scenario, ("n1", {"pods": 1}))


def test_heartbeats_do_not_wake_who_waits():
    async def scenario(world, manager, _):
        await world.client.create(play.pod("a", nodeSelector={"disk": "fast"}))
        await manager.settle()
        before = manager.trace.count
        now = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": None}]}
        now["conditions"][0]["lastHeartbeatTime"] = clock.timestamp()
        await world.client.patch(
            core.Node, "n1", "", {"status": now}, type="strategic", subresource="status"
        )
        await manager.settle()
        assert manager.trace.count == before

    run(scenario)


def test_what_is_not_for_this_scheduler_is_left_alone():
    async def scenario(world, manager, _):
        await world.client.create(play.pod("other", schedulerName="mine"))
        gate = core.PodSchedulingGate(name="example.com/wait")
        await world.client.create(play.pod("gated", schedulingGates=(gate,)))
        await manager.settle()
        assert set((await where(world)).values()) == {""}
        assert await told(world, "other") is None
        await world.client.patch(core.Pod, "gated", NAMESPACE, {"spec": {"schedulingGates": None}})
        await manager.settle()
        assert (await where(world))["gated"]

    run(scenario)


# The picture of what is free.


def used(scheduler):
    return {name: len(one.pods) for name, one in scheduler.nodes.items()}


def test_the_picture_follows_what_happens():
    async def scenario(world, manager, scheduler):
        client = world.client
        for name in "abc":
            await client.create(play.pod(name))
        await client.create(play.pod("placed", nodeName="n2"))
        await client.create(play.pod("early", nodeName="n3"))
        await manager.settle()
        assert used(scheduler) == {"n1": 2, "n2": 2}
        await make_node(world, "n3")
        await manager.settle()
        assert used(scheduler) == {"n1": 2, "n2": 2, "n3": 1}
        await client.delete(core.Node, "n3", "")
        await client.delete(core.Pod, "early", NAMESPACE, grace_seconds=0)
        await make_node(world, "n3")
        await manager.settle()
        assert used(scheduler)["n3"] == 0
        for name in ("a", "b", "c", "placed"):
            await client.delete(core.Pod, name, NAMESPACE, grace_seconds=0)
        await manager.settle()
        assert used(scheduler) == {"n1": 0, "n2": 0, "n3": 0}
        assert (scheduler._where, scheduler._homeless) == ({}, {})

    run(scenario)


class Conflicting(Disturbed):
    """Another scheduler is quicker: it takes the Pod to n2 first."""

    async def request(self, method, path, **options):
        if path.endswith("/binding"):
            other = options["body"].replace(b'"name":"n1"', b'"name":"n2"')
            await super().request(method, path, **{**options, "body": other})
            raise Conflict("it is bound already")
        return await super().request(method, path, **options)


def test_a_pod_that_another_took_counts_where_it_is():
    async def scenario(world, manager, scheduler):
        client = manager.controllers[0]._env.client
        client.transport = Conflicting(client.transport, Faults())
        await world.client.create(play.pod("a"))
        await asyncio.sleep(1)
        assert await where(world) == {"a": "n2"}
        assert used(scheduler) == {"n1": 0, "n2": 1}

    run(scenario)


class Late(Disturbed):
    """A binding whose Pod is gone by the time it comes."""

    client = None

    async def request(self, method, path, **options):
        if path.endswith("/binding"):
            await self.client.delete(core.Pod, "a", NAMESPACE, grace_seconds=0)
        return await super().request(method, path, **options)


def test_a_pod_that_is_gone_when_it_is_bound_takes_no_room():
    async def scenario(world, manager, scheduler):
        client = manager.controllers[0]._env.client
        client.transport = Late(client.transport, Faults())
        client.transport.client = world.client
        await world.client.create(play.pod("a"))
        await manager.settle()
        assert used(scheduler) == {"n1": 0, "n2": 0}
        assert [one for one in manager.trace if one.error] == []

    run(scenario)


def test_a_pod_that_came_and_went_unseen_takes_no_room():
    async def scenario(world, manager, scheduler):
        """All that the scheduler hears of it is that it waited, and that it is gone."""
        await world.client.create(play.pod("a"))
        await manager.settle()
        informer = manager.informers.of(core.Pod)
        (key,) = informer.cache.told_keys()
        assert sum(used(scheduler).values()) == 1
        waiting = informer.get("a", NAMESPACE)
        waiting = waiting.evolve(spec=waiting.spec.evolve(nodeName=""))

        scheduler._pod_changed(Change(key, waiting, None))
        assert sum(used(scheduler).values()) == 0

    run(scenario)
