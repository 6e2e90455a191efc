"""The agent that stops, crashes and comes again, in virtual time."""

import pytest

from arubeki.client.client import Client
from arubeki.errors import NotFound
from arubeki.kinds import core_v1 as core
from arubeki.node.network.addresses import Block
from tests.node.kit import NODE, condition, main_status, pod, settle

# The agent comes and goes.


def test_a_stopped_agent_leaves_the_objects_and_starts_anew_with_them(run):
    async def scenario(world):
        await world.create(pod(), pod(name="once", restartPolicy="Never"))
        await world.phase("Running")
        await world.phase("Running", "once")
        await world.stop_node()
        assert world.runtime.containers() == []
        assert (await world.pod()).status.phase == "Running"
        await world.start_node()
        found = await world.until(lambda one: main_status(one).restartCount == 1)
        assert found.status.phase == "Running"
        assert found.status.podIP == "127.7.0.2"
        assert condition(found, "Ready").status == "True"
        found = await world.phase("Failed", "once")
        assert main_status(found).state.terminated.reason == "ContainerStatusUnknown"
        assert world.runtime.running() == ["main"]

    run(scenario)


def test_after_a_crash_it_is_the_same(run):
    async def scenario(world):
        await world.create(pod())
        await world.phase("Running")
        await world.stop_node(crash=True)
        assert world.runtime.containers() == []
        await world.start_node()
        await world.until(lambda one: main_status(one).restartCount == 1)

    run(scenario)


def test_where_the_addresses_are_others_the_pods_follow(run):
    async def scenario(world):
        await world.create(pod())
        await world.phase("Running")
        await world.stop_node()
        await world.start_node(Block(9))
        found = await world.until(lambda one: one.status.podIP == "127.9.0.2")
        assert [one.ip for one in found.status.podIPs] == ["127.9.0.2"]
        assert found.status.hostIP == "127.9.0.1"
        await settle(world)
        node = await world.client.get(core.Node, NODE)
        assert node.status.addresses[0].address == "127.9.0.1"
        assert node.annotations["arubeki.dev/pod-addresses"] == "127.9.0.0/16"

    run(scenario)


def test_what_was_deleted_while_the_agent_was_away_is_cleared_away(run):
    async def scenario(world):
        volume = core.Volume(name="v", emptyDir=core.EmptyDirVolumeSource())
        made = await world.create(pod(volumes=(volume,)))
        kept = await world.create(pod(name="q", volumes=(volume,)))
        await world.phase("Running")
        await world.phase("Running", "q")
        await world.stop_node()
        await world.delete(grace=0)
        places = world.directory / NODE / "pods"
        assert (places / made.uid).exists()
        await world.start_node()
        await settle(world)
        assert [one.name for one in places.iterdir()] == [kept.uid]
        assert world.runtime.running() == ["main"]

    run(scenario)


def test_what_began_to_end_while_the_agent_was_away_ends(run):
    async def scenario(world):
        await world.create(pod(), pod(name="done", restartPolicy="Never"))
        await world.phase("Running")
        await world.stop_node()
        await world.delete()
        await world.start_node()
        await world.gone()

    run(scenario)


def test_what_had_ended_costs_nothing_when_the_agent_comes_again(run):
    async def scenario(world):
        world.runtime.runs["main"] = [(5, 0)]
        await world.create(pod(restartPolicy="Never"))
        await world.phase("Succeeded")
        await settle(world)
        await world.stop_node()
        revision = (await world.pod()).metadata.resourceVersion
        await world.start_node()
        await settle(world)
        assert (await world.pod()).metadata.resourceVersion == revision

    run(scenario)


def test_a_write_that_fails_is_made_up_for(run):
    async def scenario(world):
        request = Client.request
        failures = [ConnectionError("the server is away")] * 3

        async def failing(self, method, path, **options):
            if path.endswith("/status") and failures:
                raise failures.pop()
            return await request(self, method, path, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Client, "request", failing)
            await world.create(pod())
            await world.phase("Running")

    run(scenario)


def test_a_node_without_addresses_left_says_so(run):
    async def scenario(world):
        addresses = world.node._addresses
        addresses._taken |= {f"127.7.{a}.{b}" for a in range(255) for b in range(1, 255)}
        await world.create(pod())
        await settle(world)
        message = (await world.events("FailedCreatePodSandBox"))[0].message
        assert message == "Failed to create pod sandbox: all addresses of 127.7.0.0/16 are taken"
        addresses._taken.clear()
        await world.phase("Running")

    run(scenario)


def test_logs_of_who_is_not_here_are_refused(run):
    async def scenario(world):
        await world.create(pod())
        await world.phase("Running")
        assert await world.logs() == ""
        with pytest.raises(NotFound):
            await world.logs("other")

    run(scenario)
