"""Small controllers for the tests: a Deployment "brings" one ConfigMap per line of an annotation."""

from arubeki import clock
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.app import App
from arubeki.runtime.context import Context
from tests.support.world import World

TEMPLATE = core.PodTemplateSpec(
    metadata=meta.ObjectMeta(labels={"app": "x"}),
    spec=core.PodSpec(containers=(core.Container(name="c", image="i"),)),
)


def deployment(name="web", parts="a b", **annotations):
    return apps.Deployment(
        metadata=meta.ObjectMeta(
            name=name, namespace="ns", annotations={"parts": parts, **annotations}
        ),
        spec=apps.DeploymentSpec(
            selector=meta.LabelSelector(matchLabels={"app": "x"}), template=TEMPLATE
        ),
    )


def part(owner, name, value="1"):
    return core.ConfigMap(
        metadata=meta.ObjectMeta(name=f"{owner.name}-{name}"), data={"value": value}
    )


def parts_app(**options):
    """An app that applies the parts and says so in a condition; options go to its controller."""
    app = App("parts")
    parts = app.controller(apps.Deployment, owns=[core.ConfigMap], **options)

    @parts.reconcile
    async def reconcile(web: apps.Deployment, ctx: Context[apps.Deployment]) -> None:
        names = web.annotations.get("parts", "").split()
        for name in names:
            await ctx.apply(part(web, name))
        ctx.condition("Available", bool(names), reason="Counted", message=f"{len(names)} parts")

    return app


async def prepared(world):
    """Make the namespace and one Deployment."""
    await world.client.create(core.Namespace(metadata=meta.ObjectMeta(name="ns")))
    await world.client.create(deployment())


async def annotate(world, **annotations):
    patch = {"metadata": {"annotations": annotations}}
    return await world.client.patch(apps.Deployment, "web", "ns", patch)


async def names(world, kind=core.ConfigMap):
    return sorted(one.name for one in await world.client.list(kind, "ns"))


async def condition(world, type_="Available"):
    web = await world.client.get(apps.Deployment, "web", "ns")
    return next((one for one in web.status.conditions or () if one.type == type_), None)


def run(scenario):
    """Run `scenario(world)` in virtual time, on a world with the Deployment ns/web."""

    async def main():
        async with World() as world:
            await prepared(world)
            await scenario(world)

    return clock.run_virtual(main())


def reconciling(function, **options):
    """An app whose reconcile function is `function`."""
    app = App("tested")
    controller = app.controller(apps.Deployment, owns=[core.ConfigMap], **options)
    controller.reconcile(function)
    return app
