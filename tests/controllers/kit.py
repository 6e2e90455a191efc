"""A world with controllers at work, in virtual time, for tests of one controller."""

from arubeki import clock
from arubeki.kinds import core_v1 as core
from tests.support.play import NAMESPACE, make_namespace, make_node
from tests.support.world import World


def run(scenario, *controllers, seed=0):
    """Run `scenario(world, manager)` with a namespace, a node and these controllers."""

    async def main():
        async with World() as world:
            await make_namespace(world)
            await make_node(world, "n1")
            async with world.running(*controllers) as manager:
                await manager.settle()
                await scenario(world, manager)
                # What a scenario plays may fail; a mistake in a controller may not.
                assert [one.name for one in manager.controllers if one.panics] == []

    return clock.run_virtual(main(), seed=seed)


async def pods(world, **labels):
    """Return the Pods that have these labels, by name."""
    found = await world.client.list(core.Pod, NAMESPACE)
    chosen = [one for one in found if labels.items() <= dict(one.labels).items()]
    return sorted(chosen, key=lambda one: one.name)


async def events(world, reason=""):
    """Return what was reported, oldest first: (type, reason, message), without generated suffixes."""
    found = await world.client.list(core.Event, "")
    found.sort(key=lambda one: int(one.resource_version))
    told = [(one.type, one.reason, one.message) for one in found]
    return [one for one in told if not reason or one[1] == reason]


async def set_status(world, obj, **status):
    """Write into an object's status as its controller would."""
    return await world.client.patch(
        type(obj), obj.name, obj.namespace, {"status": status}, subresource="status"
    )
