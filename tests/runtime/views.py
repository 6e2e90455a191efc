"""The example of the design: a MarkdownView brings a ConfigMap, a Deployment and a Service."""

from collections.abc import Mapping
from typing import Annotated

from arubeki.kinds import apiextensions_v1 as apiextensions
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import Model, Resource
from arubeki.kinds.crd import Conditions, crd, field, manifest
from arubeki.runtime.app import App
from arubeki.runtime.context import Context


class Spec(Model):
    markdowns: Annotated[Mapping[str, str], field(min_properties=1)] = {}
    replicas: Annotated[int, field(format="int32")] = 1
    viewerImage: str | None = None


class Status(Model):
    conditions: Conditions = ()


@crd("view.example.com/v1", columns={"Replicas": ".spec.replicas"})
class MarkdownView(Resource[Spec, Status]): ...


def view(name="hello", **spec):
    spec = {"markdowns": {"SUMMARY.md": "# Hello"}, **spec}
    return MarkdownView(metadata=meta.ObjectMeta(name=name, namespace="ns"), spec=Spec(**spec))


def config_map(one):
    return core.ConfigMap(
        metadata=meta.ObjectMeta(name=f"markdowns-{one.name}"), data=one.spec.markdowns
    )


def deployment(one):
    labels = {"app": one.name}
    box = core.Container(name="viewer", image=one.spec.viewerImage or "viewer:1")
    return apps.Deployment(
        metadata=meta.ObjectMeta(name=f"viewer-{one.name}", labels=labels),
        spec=apps.DeploymentSpec(
            replicas=one.spec.replicas,
            selector=meta.LabelSelector(matchLabels=labels),
            template=core.PodTemplateSpec(
                metadata=meta.ObjectMeta(labels=labels), spec=core.PodSpec(containers=(box,))
            ),
        ),
    )


def service(one):
    return core.Service(
        metadata=meta.ObjectMeta(name=f"viewer-{one.name}"),
        spec=core.ServiceSpec(
            selector={"app": one.name}, ports=(core.ServicePort(port=80, targetPort=3000),)
        ),
    )


def view_app(**options):
    app = App("markdown-view")
    views = app.controller(
        MarkdownView, owns=[core.ConfigMap, apps.Deployment, core.Service], **options
    )

    @views.reconcile
    async def reconcile(one: MarkdownView, ctx: Context[MarkdownView]) -> None:
        await ctx.apply(config_map(one))
        made = await ctx.apply(deployment(one))
        await ctx.apply(service(one))
        up = bool(made.status and made.status.availableReplicas)
        ctx.condition("Available", up, reason="OK" if up else "Unavailable")

    return app


async def define(world):
    """Make the namespace and the kind."""
    await world.client.create(core.Namespace(metadata=meta.ObjectMeta(name="ns")))
    await define_kind(world)


async def define_kind(world):
    kind = apiextensions.CustomResourceDefinition.KIND
    await world.client.create(manifest(MarkdownView), kind=kind)


async def play_deployment(world, available=1):
    """Say what the Deployment controller would."""
    counts = ("replicas", "readyReplicas", "availableReplicas")
    status = {"status": dict.fromkeys(counts, available)}
    await world.client.patch(apps.Deployment, "viewer-hello", "ns", status, subresource="status")


async def available(world):
    one = await world.client.get(MarkdownView, "hello", "ns")
    return next((each for each in one.status.conditions if each.type == "Available"), None)
