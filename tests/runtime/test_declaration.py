"""What is declared wrongly is refused at once, and the message says what to write."""

import functools
from typing import Any

import pytest

from arubeki.api.objects import Kind
from arubeki.errors import ConfigError
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import Dynamic, Model, Resource
from arubeki.kinds.crd import crd, manifest
from arubeki.runtime.app import App
from tests.runtime.views import MarkdownView, Spec, Status


class Undecorated(Resource[Spec, Status]): ...


class Plain:
    size: int = 1


class Url(Model):
    url: str = ""


@crd("a.example.com/v1")
class Silent(Resource[Spec, None]): ...


@crd("a.example.com/v1")
class Unconditional(Resource[Spec, Url]): ...


@crd("a.example.com/v1")
class Free(Resource[Spec, dict[str, Any]]): ...


class Unmodelled(Resource[Plain, None]): ...


def views():
    return App("views").controller(MarkdownView)


def sync(view, ctx): ...


async def one(view): ...


async def two(view, ctx): ...


async def nothing():
    return None


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: App("views").build(), "app views has no controller\nhelp: "),
        (lambda: views().build(), "controller views has no reconcile function\nhelp: "),
        (lambda: views().reconcile(sync), "sync under @reconcile is not async\nhelp: async def "),
        (lambda: views().cleanup(sync), "sync under @cleanup is not async"),
        (lambda: views().reconcile(one), "one under @reconcile must take two arguments"),
        (lambda: views().source(nothing), "nothing under @source must be an async generator"),
        (lambda: views().watch(core.Secret)(two), "two under @watch must be a plain function"),
        (lambda: views().watch(core.Secret)(lambda obj: []), "under @watch must be a plain"),
        (lambda: views().index(core.Secret, "x")(sync), "sync under @index must be a plain"),
        (lambda: views().watch(core), "arubeki.kinds.core_v1 is no kind\nhelp: "),
        (lambda: App("a").controller(Undecorated), "Undecorated has no kind\nhelp: decorate it"),
        (lambda: App("a").controller("Pod"), "'Pod' is text\nhelp: give the class"),
        (
            lambda: App("a").controller(MarkdownView, owns=core.Pod),
            r"owns=Pod is no list\nhelp: owns=\[Pod\]",
        ),
        (lambda: App("a").controller(MarkdownView, owns="Pod"), "owns=Pod is no list"),
        (lambda: App("a").controller(MarkdownView, watches=["Pod"]), "'Pod' is text"),
        (lambda: App("a").controller(MarkdownView, labels="a in ("), r"labels='a in \('"),
        (lambda: App("a").controller(MarkdownView, fields="a>b"), "fields='a>b'"),
        (lambda: App("a").controller(MarkdownView, every=-1), "every=-1: seconds"),
        (lambda: App("a").controller(MarkdownView, timeout=-1), "timeout=-1: seconds"),
        (
            lambda: App("a").controller(core.ConfigMap, on_error="Degraded"),
            "ConfigMap has no status",
        ),
        (
            lambda: App("a").controller(Silent, on_error="Degraded"),
            r"Silent has no status\nhelp: class Silent\(Resource\[Spec, Status\]\)",
        ),
        (
            lambda: App("a").controller(Unconditional, on_error="Degraded"),
            "the status of Unconditional has no field conditions\nhelp: conditions: Conditions",
        ),
        (lambda: crd(Undecorated), "@crd on Undecorated without a version\nhelp: "),
        (
            lambda: manifest(crd("a.example.com/v1")(Unmodelled)),
            r"Unmodelled.spec: .*Plain has no schema\nhelp: class Plain\(Model\)",
        ),
    ],
)
def test_a_mistake_is_refused_where_it_is_made(declare, said):
    with pytest.raises(ConfigError, match=said):
        declare()


class Reconciling:
    async def __call__(self, view, ctx): ...


@functools.wraps(two)
def wrapped(*args):
    return two(*args)


@pytest.mark.parametrize(
    "function", [two, functools.partial(two), Reconciling(), Reconciling().__call__, wrapped]
)
def test_whatever_gives_a_coroutine_can_reconcile(function):
    controller = views()
    controller.reconcile(function)
    assert controller.build()


def test_any_collection_of_kinds_can_be_owned():
    for given in ((core.Pod,), [core.Pod], {core.Pod}, iter([core.Pod])):
        controller = App("a").controller(MarkdownView, owns=given)
        assert controller.plan.owns == (core.Pod,)


@pytest.mark.parametrize(
    "kind", [Free, Dynamic.of(Kind("a.io", "v1", "Any", "anys")), MarkdownView]
)
def test_a_status_that_nobody_described_may_hold_anything(kind):
    assert App("a").controller(kind, on_error="Degraded")
