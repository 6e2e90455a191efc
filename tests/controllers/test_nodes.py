"""Nodes that fall silent: their condition and taints, their Pods' readiness, eviction and garbage."""

import asyncio

import pytest

from arubeki import clock
from arubeki.controllers import (
    built_in,
    node_lifecycle,
    pod_garbage,
    taint_eviction,
)
from arubeki.controllers.taint_eviction import seconds_left
from arubeki.kinds import coordination_v1 as coordination
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.scheduler import controller as scheduler
from tests.controllers.kit import events, pods, run
from tests.support import play
from tests.support.play import NAMESPACE, make_node

UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
NOW = 1_767_225_600.0


async def node(world, name="n1"):
    return await world.client.get(core.Node, name, "")


async def taints(world, name="n1"):
    return {(one.key, one.effect) for one in (await node(world, name)).spec.taints or ()}


async def condition(world, kind="Ready", name="n1"):
    found = (await node(world, name)).status.conditions or ()
    return next(one for one in found if one.type == kind)


async def say(world, name="n1", **conditions):
    """Write conditions as the node's agent would."""
    now = clock.timestamp()
    told = [
        {"type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now}
        for kind, status in conditions.items()
    ]
    patch = {"status": {"conditions": told}}
    await world.client.patch(core.Node, name, "", patch, type="strategic", subresource="status")


async def live(world, manager, seconds, *names):
    """Let time pass, while some nodes beat."""
    for _ in range(int(seconds // 10)):
        for name in names:
            await play.beat(world, name)
        await manager.settle()
        await asyncio.sleep(10)
    await manager.settle()


# Falling silent and coming back.


def worked(scenario, **options):
    return run(scenario, node_lifecycle.controller(), **options)


def test_a_node_that_beats_is_left_alone():
    async def scenario(world, manager):
        await live(world, manager, 200, "n1")
        assert (await condition(world)).status == "True"
        assert await taints(world) == set()
        assert [one.writes for one in manager.trace if one.writes] == []

    worked(scenario)


def test_status_alone_is_a_sign_of_life_too():
    async def scenario(world, manager):
        for _ in range(10):
            await say(world, Ready="True")
            await asyncio.sleep(30)
        assert (await condition(world)).status == "True"

    worked(scenario)


def test_a_silent_node_becomes_unknown_after_the_grace():
    async def scenario(world, manager):
        await make_node(world, "n2")
        await say(world, MemoryPressure="False")
        await live(world, manager, 40, "n2")
        assert (await condition(world)).status == "True"
        await live(world, manager, 20, "n2")
        for kind in ("Ready", "MemoryPressure"):
            found = await condition(world, kind)
            assert (found.status, found.reason) == ("Unknown", "NodeStatusUnknown")
            assert found.message == "Kubelet stopped posting node status."
        never = await condition(world, "DiskPressure")
        assert (never.status, never.reason) == ("Unknown", "NodeStatusNeverUpdated")
        assert never.message == "Kubelet never posted node status."
        assert await taints(world) == {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")}
        told = ("Normal", "NodeNotReady", "Node n1 status is now: NodeNotReady")
        assert (await events(world, "NodeNotReady")).count(told) == 1
        assert (await condition(world, name="n2")).status == "True"

    worked(scenario)


def test_its_pods_count_as_not_ready():
    async def scenario(world, manager):
        await make_node(world, "n2")
        for name, where in (("a", "n1"), ("b", "n2")):
            await world.client.create(play.pod(name, nodeName=where))
        await play.play(world)
        await live(world, manager, 60, "n2")
        ready = {
            one.name: next(each.status for each in one.status.conditions if each.type == "Ready")
            for one in await pods(world)
        }
        assert ready == {"a": "False", "b": "True"}
        assert ("Warning", "NodeNotReady", "Node is not ready") in await events(world)

    worked(scenario)


def test_a_pod_that_comes_to_a_lost_node_counts_as_not_ready_as_well():
    async def scenario(world, manager):
        await make_node(world, "n2")
        await live(world, manager, 60, "n2")
        made = await world.client.create(play.pod("a"))
        now = clock.timestamp()
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        await play.say(world, made, conditions=[ready])
        await play.bind(world, made, "n1")
        await manager.settle()
        (one,) = await pods(world)
        assert [each.status for each in one.status.conditions if each.type == "Ready"] == ["False"]

    worked(scenario)


def test_a_node_that_is_heard_of_again_loses_its_taints():
    async def scenario(world, manager):
        await make_node(world, "n2")
        other = {"key": "mine", "effect": "NoSchedule", "value": "x"}
        await world.client.patch(core.Node, "n1", "", {"spec": {"taints": [other]}})
        await live(world, manager, 60, "n2")
        assert len(await taints(world)) == 3
        await play.beat(world, "n1")
        await say(world, Ready="True", MemoryPressure="False")
        await live(world, manager, 10, "n1", "n2")
        assert await taints(world) == {("mine", "NoSchedule")}

    worked(scenario)


def test_a_node_that_says_that_it_is_not_ready_is_tainted_so():
    async def scenario(world, manager):
        await make_node(world, "n2")
        await say(world, Ready="False", DiskPressure="True", NetworkUnavailable="True")
        await manager.settle()
        assert await taints(world) == {
            (NOT_READY, "NoSchedule"),
            (NOT_READY, "NoExecute"),
            ("node.kubernetes.io/disk-pressure", "NoSchedule"),
            ("node.kubernetes.io/network-unavailable", "NoSchedule"),
        }

    worked(scenario)


def test_a_cordoned_node_is_tainted_until_it_is_uncordoned():
    async def scenario(world, manager):
        await world.client.patch(core.Node, "n1", "", {"spec": {"unschedulable": True}})
        await manager.settle()
        assert await taints(world) == {("node.kubernetes.io/unschedulable", "NoSchedule")}
        await world.client.patch(core.Node, "n1", "", {"spec": {"unschedulable": None}})
        await manager.settle()
        assert await taints(world) == set()

    worked(scenario)


def test_where_no_node_is_ready_nobody_is_driven_out():
    async def scenario(world, manager):
        await make_node(world, "n2")
        await live(world, manager, 60, "n2")
        assert (UNREACHABLE, "NoExecute") in await taints(world)
        await live(world, manager, 60)
        for name in ("n1", "n2"):
            assert await taints(world, name) == {(UNREACHABLE, "NoSchedule")}
        await play.beat(world, "n2")
        await say(world, "n2", Ready="True", MemoryPressure="False")
        await manager.settle()
        assert (UNREACHABLE, "NoExecute") in await taints(world)

    worked(scenario)


def test_the_server_is_asked_before_a_node_is_given_up():
    async def scenario(world, manager):
        """The watch of Leases hangs, while the node beats."""
        leases = manager.informers.of(coordination.Lease, namespace=node_lifecycle.LEASES)
        await play.beat(world, "n1")
        await manager.settle()
        await leases.stop()
        for _ in range(20):
            await play.beat(world, "n1")
            await asyncio.sleep(10)
        assert (await condition(world)).status == "True"

    worked(scenario)


# Eviction.


def tolerating(*tolerations, placed="n1"):
    return core.Pod(spec=core.PodSpec(containers=(), nodeName=placed, tolerations=tolerations))


def tainted(*effects, seconds_ago=0.0):
    since = clock.timestamp(NOW - seconds_ago)
    return core.Node(
        spec=core.NodeSpec(
            taints=tuple(
                core.Taint(key=f"k{number}", value="v", effect=effect, timeAdded=since)
                for number, effect in enumerate(effects)
            )
        )
    )


def exists(key="", seconds=None, effect=""):
    options = {} if seconds is None else {"tolerationSeconds": seconds}
    return core.Toleration(key=key, operator="Exists", effect=effect, **options)


@pytest.mark.parametrize(
    ("pod", "node", "expected"),
    [
        (tolerating(), tainted(), None),
        (tolerating(), tainted("NoSchedule", "PreferNoSchedule"), None),
        (tolerating(), tainted("NoExecute"), 0),
        (tolerating(exists()), tainted("NoExecute"), None),
        (tolerating(exists("k0")), tainted("NoExecute"), None),
        (tolerating(exists("k1")), tainted("NoExecute"), 0),
        (tolerating(exists("k0", effect="NoSchedule")), tainted("NoExecute"), 0),
        (tolerating(exists("k0", 30)), tainted("NoExecute"), 30),
        (tolerating(exists("k0", 30)), tainted("NoExecute", seconds_ago=20), 10),
        (tolerating(exists("k0", 30)), tainted("NoExecute", seconds_ago=90), 0),
        (tolerating(exists("k0", 0)), tainted("NoExecute"), 0),
        (tolerating(exists("k0", -5)), tainted("NoExecute"), 0),
        (tolerating(exists("k0", 30), exists("k1", 10)), tainted("NoExecute", "NoExecute"), 10),
        (tolerating(exists("k0", 30)), tainted("NoExecute", "NoExecute"), 0),
        # Of several for one taint, the first counts.
        (tolerating(exists("k0", 30), exists("k0", 10)), tainted("NoExecute"), 30),
        (tolerating(exists("k0"), exists("k0", 10)), tainted("NoExecute"), None),
        (
            tolerating(core.Toleration(key="k0", value="v", effect="NoExecute")),
            tainted("NoExecute"),
            None,
        ),
        (tolerating(core.Toleration(key="k0", value="x")), tainted("NoExecute"), 0),
        (tolerating(core.Toleration(operator="Equal", value="v")), tainted("NoExecute"), 0),
    ],
)
def test_how_long_a_pod_may_stay(pod, node, expected):
    assert seconds_left(pod, node, NOW) == expected


async def drive_out(world, key="bad"):
    taint = {"key": key, "effect": "NoExecute", "timeAdded": clock.timestamp()}
    await world.client.patch(core.Node, "n1", "", {"spec": {"taints": [taint]}})


def test_who_does_not_tolerate_a_taint_leaves_and_says_why():
    async def scenario(world, manager):
        await world.client.create(play.pod("a", nodeName="n1"))
        await manager.settle()
        await drive_out(world)
        await manager.settle()
        (one,) = await pods(world)
        assert one.deleting
        (said,) = [each for each in one.status.conditions if each.type == "DisruptionTarget"]
        assert (said.status, said.reason) == ("True", "DeletionByTaintManager")
        assert said.message == "Taint manager: deleting due to NoExecute taint"
        told = ("Normal", "TaintManagerEviction", "Marking for deletion Pod ns/a")
        assert await events(world, "TaintManagerEviction") == [told]

    run(scenario, taint_eviction.controller())


def test_a_pod_that_is_leaving_already_is_left_alone():
    async def scenario(world, manager):
        await world.client.create(play.pod("a", nodeName="n1"))
        await world.client.delete(core.Pod, "a", NAMESPACE)
        await drive_out(world)
        await manager.settle()
        assert await events(world) == []

    run(scenario, taint_eviction.controller())


def test_a_taint_that_goes_in_time_costs_nothing():
    async def scenario(world, manager):
        patient = exists("bad", 60, effect="NoExecute")
        await world.client.create(play.pod("a", nodeName="n1", tolerations=(patient,)))
        await drive_out(world)
        await asyncio.sleep(50)
        await world.client.patch(core.Node, "n1", "", {"spec": {"taints": None}})
        await asyncio.sleep(50)
        await manager.settle()
        assert not (await pods(world))[0].deleting
        await drive_out(world)  # it counts from anew
        await asyncio.sleep(50)
        assert not (await pods(world))[0].deleting
        await asyncio.sleep(20)
        assert (await pods(world))[0].deleting

    run(scenario, taint_eviction.controller())


def test_a_pod_that_comes_to_a_tainted_node_is_judged_as_well():
    async def scenario(world, manager):
        await drive_out(world)
        await manager.settle()
        await world.client.create(play.pod("a"))
        await manager.settle()
        await play.bind(world, (await pods(world))[0], "n1")
        await manager.settle()
        assert (await pods(world))[0].deleting

    run(scenario, taint_eviction.controller())


# Garbage.


def test_pods_of_a_node_that_does_not_exist_fail_and_go_after_a_while():
    async def scenario(world, manager):
        held = play.pod("a", nodeName="never")
        held = held.evolve(metadata=held.metadata.evolve(finalizers=("example.com/hold",)))
        await world.client.create(held)
        await world.client.create(play.pod("b", nodeName="n1"))
        await asyncio.sleep(30)
        assert not (await pods(world))[0].deleting
        await asyncio.sleep(15)
        await manager.settle()
        first, second = await pods(world)
        assert first.status.phase == "Failed"
        (said,) = [each for each in first.status.conditions if each.type == "DisruptionTarget"]
        assert (said.reason, said.message) == ("DeletionByPodGC", "PodGC: node no longer exists")
        assert first.metadata.deletionGracePeriodSeconds == 0
        assert not second.deleting

    run(scenario, pod_garbage.controller())


def test_a_node_that_comes_in_time_keeps_its_pods():
    async def scenario(world, manager):
        await world.client.create(play.pod("a", nodeName="late"))
        await asyncio.sleep(30)
        await make_node(world, "late")
        await asyncio.sleep(60)
        await manager.settle()
        assert not (await pods(world))[0].deleting

    run(scenario, pod_garbage.controller())


# All together.


def test_a_lost_nodes_pods_are_replaced_elsewhere_and_end_when_it_is_back():
    async def scenario(world, manager):
        await make_node(world, "n2")
        soon = exists(UNREACHABLE, 20, effect="NoExecute")
        template = play.template(tolerations=(soon,))
        made = play.deployment(replicas=2)
        await world.client.create(made.evolve(spec=made.spec.evolve(template=template)))
        await world.client.create(play.service())
        for name in ("n1", "n2"):
            await play.beat(world, name)
        await play.roll(world, manager.settle)
        assert sorted(one.spec.nodeName for one in await pods(world)) == ["n1", "n2"]
        (lost,) = [one for one in await pods(world) if one.spec.nodeName == "n1"]
        await live(world, manager, 60, "n2")
        assert not (await world.client.get(core.Pod, lost.name, NAMESPACE)).deleting
        await live(world, manager, 30, "n2")
        assert (await world.client.get(core.Pod, lost.name, NAMESPACE)).deleting
        fresh = [one for one in await pods(world) if not one.deleting]
        assert [one.spec.nodeName for one in fresh] == ["n2", "n2"]
        await say(world, Ready="True", MemoryPressure="False", DiskPressure="False")
        await play.beat(world, "n1")
        await play.roll(world, manager.settle)  # its agent ends what is to end
        assert len(await pods(world)) == 2
        assert await taints(world) == set()
        await world.client.create(play.pod("more", app="more"))
        await manager.settle()
        assert (await world.client.get(core.Pod, "more", NAMESPACE)).spec.nodeName == "n1"

    run(scenario, *built_in(), scheduler())


def test_a_node_that_never_said_anything_is_not_tainted_yet():
    async def scenario(world, manager):
        await world.client.create(core.Node(metadata=meta.ObjectMeta(name="dumb")))
        await world.client.create(play.pod("a", nodeName="dumb"))
        await play.play(world)
        await manager.settle()
        assert await taints(world, "dumb") == set()
        (one,) = await pods(world)
        assert [each.status for each in one.status.conditions if each.type == "Ready"] == ["True"]

    worked(scenario)
