"""The MarkdownView controller ends in one state, whatever happens to it on the way."""

from arubeki import clock
from arubeki.controllers import garbage
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.install import install
from arubeki.runtime.shape import reference_to
from tests.support.play import NAMESPACE, make_namespace
from tests.support.world import hold


def view(controller, name, **spec):
    return controller.MarkdownView(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE),
        spec=controller.Spec(markdowns={"a.md": "# A\n"}, **spec),
    )


async def available(world, name, count):
    """Say what the controllers of Deployments and ReplicaSets would say."""
    counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), count)
    status = {"status": counts}
    await world.client.patch(
        apps.Deployment, f"viewer-{name}", NAMESPACE, status, subresource="status"
    )


def test_lost_repeated_and_late_events_and_a_death_at_every_write_change_nothing(controller):
    async def prepare(world):
        await make_namespace(world)
        await install(world.client, [controller.app])

    async def act(world, settle):
        client = world.client
        await client.create(view(controller, "one"))
        await client.create(view(controller, "two"))
        await settle()
        await available(world, "one", 1)
        await settle()
        patch = {"spec": {"replicas": 2, "markdowns": {"a.md": None, "b.md": "# B\n"}}}
        await client.patch(controller.MarkdownView, "one", NAMESPACE, patch)
        await client.delete(core.ConfigMap, "markdowns-two", NAMESPACE)
        await settle()
        await client.delete(core.Service, "viewer-one", NAMESPACE)
        spoil = {"data": {"b.md": "spoiled"}}
        await client.patch(core.ConfigMap, "markdowns-one", NAMESPACE, spoil)
        owner = reference_to(await client.get(controller.MarkdownView, "one", NAMESPACE))
        left = meta.ObjectMeta(name="left", namespace=NAMESPACE, ownerReferences=(owner,))
        await client.apply(core.ConfigMap(metadata=left), manager="markdown-view")
        await settle()
        await available(world, "one", 0)
        await settle()

    ended, writes = clock.run_virtual(hold(lambda: [controller.app], act, prepare=prepare))
    found = {(one["kind"], one["metadata"]["name"]): one for one in ended}
    assert writes > 12
    assert found["ConfigMap", "markdowns-one"]["data"] == {"b.md": "# B\n"}
    assert found["ConfigMap", "markdowns-two"]["data"] == {"a.md": "# A\n"}
    assert found["Deployment", "viewer-one"]["spec"]["replicas"] == 2
    assert ("Service", "viewer-one") in found
    assert ("ConfigMap", "left") not in found
    conditions = found["MarkdownView", "one"]["status"]["conditions"]
    assert {one["type"]: one["status"] for one in conditions} == {
        "Available": "False",
        "Degraded": "False",
    }


def test_a_view_that_is_deleted_leaves_nothing_whatever_happens(controller):
    async def prepare(world):
        await make_namespace(world)
        await install(world.client, [controller.app])

    async def act(world, settle):
        await world.client.create(view(controller, "one"))
        await world.client.create(view(controller, "two"))
        await settle()
        await world.client.delete(controller.MarkdownView, "one", NAMESPACE)
        await settle()

    def build():
        return [controller.app, garbage.controller()]

    ended, _ = clock.run_virtual(hold(build, act, prepare=prepare))
    names = {(one["kind"], one["metadata"]["name"]) for one in ended}
    assert ("Deployment", "viewer-two") in names
    assert [name for name in names if "one" in name[1]] == []
