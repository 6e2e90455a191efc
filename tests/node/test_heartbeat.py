"""The Node object and its Lease, in virtual time."""

import asyncio
import platform

import pytest

from arubeki import clock
from arubeki.client.client import Client
from arubeki.errors import NotFound
from arubeki.kinds import coordination_v1 as coordination
from arubeki.kinds import core_v1 as core
from arubeki.node.heartbeat import LEASES, Capacity
from tests.node.kit import NODE, settle


async def node_of(world):
    return await world.client.get(core.Node, NODE)


async def lease_of(world):
    return await world.client.get(coordination.Lease, NODE, LEASES)


def ready(node):
    return next(one for one in node.status.conditions if one.type == "Ready")


def test_a_node_says_what_it_is(run):
    async def scenario(world):
        await settle(world)
        node = await node_of(world)
        assert {one.type: one.status for one in node.status.conditions} == {
            "MemoryPressure": "False",
            "DiskPressure": "False",
            "PIDPressure": "False",
            "Ready": "True",
        }
        assert ready(node).reason == "KubeletReady"
        assert node.status.capacity == node.status.allocatable == {
            "cpu": "4", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "110",
        }  # fmt: skip
        addresses = {one.type: one.address for one in node.status.addresses}
        assert addresses == {"InternalIP": "127.7.0.1", "Hostname": NODE}
        assert node.labels["kubernetes.io/hostname"] == NODE
        assert node.labels["kubernetes.io/os"] == platform.system().lower()
        assert node.annotations["arubeki.dev/pod-addresses"] == "127.7.0.0/16"
        assert node.status.nodeInfo.containerRuntimeVersion == "arubeki://fake"
        assert world.node.is_ready

    run(scenario)


def test_a_node_is_not_ready_before_it_says_so(run):
    async def scenario(world):
        await world.start_node()
        assert not world.node.is_ready
        await settle(world)
        assert world.node.is_ready

    run(scenario, start=False)


def test_the_lease_is_renewed_every_ten_seconds(run):
    async def scenario(world):
        await settle(world)
        first = await lease_of(world)
        assert first.spec.holderIdentity == NODE
        assert first.spec.leaseDurationSeconds == 40
        owner = first.metadata.ownerReferences[0]
        assert (owner.kind, owner.name, owner.uid) == ("Node", NODE, (await node_of(world)).uid)
        await asyncio.sleep(25)
        renewed = (await lease_of(world)).spec.renewTime
        passed = clock.parse_timestamp(renewed) - clock.parse_timestamp(first.spec.renewTime)
        assert passed == pytest.approx(20, abs=0.1)

    run(scenario)


def test_another_period_may_be_asked_for(run):
    async def scenario(world):
        await settle(world)
        first = (await lease_of(world)).spec.renewTime
        await asyncio.sleep(1.1)
        renewed = (await lease_of(world)).spec.renewTime
        assert clock.parse_timestamp(renewed) - clock.parse_timestamp(first) == pytest.approx(1)

    run(scenario, heartbeat_seconds=0.5)


def test_an_unchanged_status_is_written_every_five_minutes_only(run):
    async def scenario(world):
        await settle(world)
        revisions = set()
        for _ in range(360):
            revisions.add((await node_of(world)).metadata.resourceVersion)
            await asyncio.sleep(10)
        assert len(revisions) == 12
        found = ready(await node_of(world))
        assert clock.now() - clock.parse_timestamp(found.lastHeartbeatTime) <= 310
        assert found.lastTransitionTime == "2026-01-01T00:00:00Z"

    run(scenario)


def test_a_node_that_was_given_up_says_at_once_that_it_lives(run):
    async def scenario(world):
        await settle(world)
        await asyncio.sleep(33)
        given_up = {
            "type": "Ready",
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
        }
        patch = {"status": {"conditions": [given_up]}}
        await world.client.patch(core.Node, NODE, "", patch, type="strategic", subresource="status")
        await settle(world)
        found = ready(await node_of(world))
        assert (found.status, found.reason) == ("True", "KubeletReady")
        assert found.lastTransitionTime == "2026-01-01T00:00:33Z"

    run(scenario)


def test_what_others_say_of_a_node_stays(run):
    async def scenario(world):
        await settle(world)
        taint = {"key": "a", "effect": "NoSchedule"}
        patch = {
            "metadata": {"labels": {"zone": "x"}},
            "spec": {"unschedulable": True, "taints": [taint]},
            "status": {"conditions": [{"type": "Mine", "status": "True"}]},
        }
        await world.client.patch(core.Node, NODE, "", patch, type="strategic")
        await world.client.patch(core.Node, NODE, "", patch, type="strategic", subresource="status")
        await asyncio.sleep(1000)
        node = await node_of(world)
        assert node.labels["zone"] == "x"
        assert node.spec.unschedulable
        assert {one.key for one in node.spec.taints} >= {"a"}
        assert "Mine" in {one.type for one in node.status.conditions}

    run(scenario)


def test_a_deleted_node_comes_back(run):
    async def scenario(world):
        await settle(world)
        first = await node_of(world)
        await world.client.delete(core.Node, NODE)
        await settle(world)
        second = await node_of(world)
        assert first.uid != second.uid
        assert ready(second).status == "True"

    run(scenario)


def test_a_node_whose_writes_fail_goes_on_trying(run):
    async def scenario(world):
        await settle(world)
        request = Client.request

        async def failing(self, method, path, **options):
            if "leases" in path and method == "PATCH":
                raise NotFound("no such namespace")
            return await request(self, method, path, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Client, "request", failing)
            await asyncio.sleep(1200)
        before = clock.now()
        await asyncio.sleep(10)
        assert clock.parse_timestamp((await lease_of(world)).spec.renewTime) > before

    run(scenario)


def test_a_stopped_node_renews_nothing(run):
    async def scenario(world):
        await settle(world)
        await world.stop_node()
        revision = (await lease_of(world)).metadata.resourceVersion
        await asyncio.sleep(100)
        assert (await lease_of(world)).metadata.resourceVersion == revision
        assert ready(await node_of(world)).status == "True"  # others have to find out

    run(scenario)


def test_this_machine_has_something_to_give():
    found = Capacity.of_machine()
    assert found.cores >= 1
    assert found.memory_bytes > 1 << 20
    assert found.allocatable()["pods"] == "110"
