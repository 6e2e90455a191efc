"""The program of the design's first page, with a stand-in for the runtime."""

from collections.abc import Mapping
from typing import Annotated, Protocol, TypeVar

from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import Model, Object, Resource, decode, encode
from arubeki.kinds.crd import Conditions, crd, field, manifest

T = TypeVar("T", bound=Object)


class Context(Protocol):
    async def apply(self, obj: T) -> T: ...
    def condition(self, kind: str, status: bool, *, reason: str) -> None: ...


class Spec(Model):
    markdowns: Annotated[Mapping[str, str], field(min_properties=1)] = {}
    replicas: Annotated[int, field(format="int32")] = 1
    viewerImage: str | None = None


class Status(Model):
    conditions: Conditions = ()


@crd("view.example.com/v1", columns={"Replicas": ".spec.replicas"})
class MarkdownView(Resource[Spec, Status]): ...


def config_map(view: MarkdownView) -> core.ConfigMap:
    return core.ConfigMap(
        metadata=meta.ObjectMeta(name=f"files-{view.name}"), data=view.spec.markdowns
    )


def deployment_of(view: MarkdownView) -> apps.Deployment:
    labels = {"app": view.name, **view.labels}
    container = core.Container(
        name="viewer",
        image=view.spec.viewerImage or "viewer:1",
        ports=(core.ContainerPort(containerPort=8000, name="http"),),
        readinessProbe=core.Probe(httpGet=core.HTTPGetAction(port="http", path="/")),
    )
    return apps.Deployment(
        metadata=meta.ObjectMeta(name=f"viewer-{view.name}", labels=labels),
        spec=apps.DeploymentSpec(
            replicas=view.spec.replicas,
            selector=meta.LabelSelector(matchLabels=labels),
            template=core.PodTemplateSpec(
                metadata=meta.ObjectMeta(labels=labels),
                spec=core.PodSpec(containers=(container,)),
            ),
        ),
    )


async def reconcile(view: MarkdownView, ctx: Context) -> None:
    await ctx.apply(config_map(view))
    deployment = await ctx.apply(deployment_of(view))
    up = bool(deployment.status and deployment.status.availableReplicas)
    ctx.condition("Available", up, reason="OK" if up else "Unavailable")
    replicas: int = deployment.status.readyReplicas or 0
    for container in (
        deployment.spec.template.spec.containers if deployment.spec.template.spec else ()
    ):
        name: str = container.name
        print(name, replicas)
    for condition in view.status.conditions:
        print(condition.type, condition.message)
    changed: MarkdownView = view.evolve(spec=view.spec.evolve(replicas=2))
    data: bytes = encode(changed)
    again: MarkdownView = decode(MarkdownView, data)
    print(again.spec.replicas + 1, manifest(MarkdownView)["kind"], MarkdownView.KIND.plural)
    bare = MarkdownView(metadata=meta.ObjectMeta(name="a"))
    print(bare.spec.markdowns["a"].upper())
