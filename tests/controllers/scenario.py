"""What a scenario is, and what scenarios are made of."""

import asyncio

from arubeki import clock
from arubeki.errors import NotFound
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.shape import reference_to
from tests.support import play
from tests.support.play import NAMESPACE, make_namespace, make_node


class Scenario:
    """`build()` makes the controllers, `prepare` the world, `act` lets things happen."""

    sides = ("before", "after")

    @staticmethod
    async def prepare(world):
        await make_namespace(world)
        await make_node(world, "n1")


async def list_pods(world):
    return sorted(await world.client.list(core.Pod, NAMESPACE), key=lambda one: one.name)


async def set_image(world, image):
    spec = {"containers": [{"name": "main", "image": image}]}
    patch = {"spec": {"template": {"spec": spec}}}
    await world.client.patch(apps.Deployment, "web", NAMESPACE, patch, type="strategic")


def slices(state, service):
    return [
        one
        for one in state
        if one["kind"] == "EndpointSlice"
        and one["metadata"]["labels"].get("kubernetes.io/service-name") == service
    ]


def owned_map(name, *owners):
    references = [
        one
        if isinstance(one, meta.OwnerReference)
        else reference_to(one).evolve(controller=number == 0)
        for number, one in enumerate(owners)
    ]
    return core.ConfigMap(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE, ownerReferences=tuple(references))
    )


async def beats(world, settle, seconds, *nodes):
    for _ in range(seconds // 10):
        for name in nodes:
            try:
                await play.beat(world, name)
            except NotFound:
                continue
        await settle()
        await asyncio.sleep(10)
    await settle()


def ready_condition():
    now = clock.timestamp()
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
