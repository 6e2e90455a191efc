"""A user's program: mypy, strict, finds the mistakes marked with E and no others."""

from collections.abc import AsyncIterator, Hashable, Iterable, Mapping
from typing import Annotated, assert_type

from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as m
from arubeki.kinds.base import Model, Resource
from arubeki.kinds.crd import Conditions, crd, field
from arubeki.runtime.app import App
from arubeki.runtime.cache import Key
from arubeki.runtime.context import Context
from arubeki.runtime.controller import Lookup
from arubeki.runtime.results import Again


class Spec(Model):
    markdowns: Annotated[Mapping[str, str], field(min_properties=1)] = {}
    replicas: Annotated[int, field(format="int32")] = 1
    viewerImage: str | None = None


class Status(Model):
    conditions: Conditions = ()


@crd("view.example.com/v1", columns={"Replicas": ".spec.replicas"})
class MarkdownView(Resource[Spec, Status]): ...


app = App("markdown-view")
views = app.controller(MarkdownView, owns=[core.ConfigMap, apps.Deployment, core.Service])


@views.reconcile
async def reconcile(view: MarkdownView, ctx: Context[MarkdownView]) -> None:
    deployment = await ctx.apply(apps.Deployment(metadata=m.ObjectMeta(name="x")))
    assert_type(deployment, apps.Deployment)
    assert_type(await ctx.get(core.Secret, "x"), core.Secret | None)
    assert_type(await ctx.list(core.Secret), list[core.Secret])
    assert_type(await ctx.children(core.Service), list[core.Service])
    await ctx.apply("no object")  # E: type-var
    ctx.condition("Available", "True")  # E: arg-type
    up = bool(deployment.status and deployment.status.availableReplicas)
    ctx.condition("Available", up, reason="OK" if up else "Unavailable")


@views.cleanup
async def cleanup(view: MarkdownView, ctx: Context[MarkdownView]) -> Again | None:
    return Again(after=3)


@views.watch(core.Secret)
def by_secret(secret: core.Secret, caches: Lookup) -> Iterable[MarkdownView]:
    return caches.index(MarkdownView, "secret", secret.name)


@views.index(MarkdownView, "secret")
def secrets(view: MarkdownView) -> Iterable[Hashable]:
    return [view.spec.viewerImage]


@views.source
async def ticks() -> AsyncIterator[Key]:
    yield Key("a", "b")


@views.reconcile  # E: arg-type
async def another_kind(view: core.Pod, ctx: Context[core.Pod]) -> None: ...


@views.reconcile  # E: arg-type
def not_async(view: MarkdownView, ctx: Context[MarkdownView]) -> None: ...


@views.reconcile  # E: arg-type
async def no_result(view: MarkdownView, ctx: Context[MarkdownView]) -> float:
    return 3.0


@views.watch(core.Secret)  # E: arg-type
def by_pod(pod: core.Pod, caches: Lookup) -> Iterable[MarkdownView]:
    return []


app.controller(int)  # E: type-var
