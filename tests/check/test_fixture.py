"""The fixture `cluster`, as a user's test has it."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from arubeki import App, Context, Lookup, Model, Resource, crd
from arubeki.check.local import LocalCluster
from arubeki.errors import ConfigError, NotFound
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
"""


def test_a_deployment_becomes_pods(cluster: LocalCluster) -> None:
    cluster.apply(DEPLOYMENT)
    cluster.settle()
    assert cluster.get("deployment/web").status.readyReplicas == 3
    pods = cluster.list("pods", labels="app=web")
    assert [pod.status.phase for pod in pods] == ["Running"] * 3


def test_objects_are_said_in_many_ways(cluster: LocalCluster) -> None:
    cluster.apply(core.ConfigMap(metadata=meta.ObjectMeta(name="typed"), data={"a": "b"}))
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}})
    assert cluster.get(core.ConfigMap, "typed").data == {"a": "b"}
    assert cluster.exists("cm/plain")
    cluster.delete("configmap/plain")
    assert not cluster.exists("cm/plain")
    with pytest.raises(NotFound):
        cluster.get("cm/plain")
    with pytest.raises(NotFound):
        cluster.get("nonsense/x")
    with pytest.raises(ConfigError):
        cluster.get("cm")


def test_time_is_virtual(cluster: LocalCluster) -> None:
    before = cluster.cluster.unready()
    cluster.advance(3_600)
    assert before == cluster.cluster.unready() == ""
    assert cluster.get("node/node-1").status.conditions


def test_garbage_goes(cluster: LocalCluster) -> None:
    cluster.apply(DEPLOYMENT)
    cluster.settle()
    cluster.delete("deployment/web")
    cluster.wait(lambda: not cluster.list("pods") and not cluster.list(apps.ReplicaSet))


@pytest.mark.cluster(serve=True)
def test_other_programs_reach_it_by_its_kubeconfig(cluster: LocalCluster) -> None:
    cluster.apply(DEPLOYMENT)
    done = subprocess.run(
        [sys.executable, "-m", "arubeki", "get", "deployments", "-o", "name",
         "--kubeconfig", cluster.kubeconfig],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "deployment.apps/web\n"


@pytest.mark.cluster(nodes=2, node_grace_seconds=5, eviction_seconds=1)
def test_the_pods_of_a_lost_node_run_elsewhere(cluster: LocalCluster) -> None:
    cluster.apply(DEPLOYMENT)
    cluster.settle()
    assert {pod.spec.nodeName for pod in cluster.list("pods")} == {"node-1", "node-2"}
    cluster.stop_node("node-1")

    def elsewhere() -> bool:
        return cluster.get("deployment/web").status.readyReplicas == 3 and all(
            pod.spec.nodeName == "node-2" for pod in cluster.list("pods") if not pod.deleting
        )

    cluster.wait(elsewhere)
    ready: Any = {one.type: one.status for one in cluster.get("node/node-1").status.conditions}
    assert ready["Ready"] == "Unknown"


def test_the_plugin_costs_next_to_nothing() -> None:
    code = "import sys; import arubeki.check.plugin; print('asyncio' in sys.modules, 'msgspec' in sys.modules)"
    program = f"import pytest\nbefore = set(__import__('sys').modules)\n{code}\nnew = set(sys.modules) - before\nprint(len(new))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) < 10


class Spec(Model):
    secret: str = ""


class Status(Model):
    found: bool = False


@crd("check.example.com/v1")
class Wish(Resource[Spec, Status]): ...


@crd("check.example.com/v1")
class Hint(Resource[Spec, None]): ...


def test_the_kinds_of_an_app_come_typed_by_word(cluster: LocalCluster) -> None:
    app = App("wishes")
    wishes = app.controller(Wish)

    @wishes.watch(Hint)  # installed too, though it is neither reconciled nor owned
    def wished(hint: Hint, caches: Lookup) -> list[Wish]:
        return [one for one in caches.list(Wish) if one.name == hint.name]

    @wishes.reconcile
    async def reconcile(wish: Wish, ctx: Context[Wish]) -> None:
        ctx.status(found=await ctx.get(Hint, wish.name) is not None)

    cluster.run(app)
    cluster.apply(Wish(metadata=meta.ObjectMeta(name="a")))
    cluster.settle()
    assert cluster.get("wish/a") == cluster.get(Wish, "a")
    assert not cluster.get("wish/a").status.found
    cluster.apply(Hint(metadata=meta.ObjectMeta(name="a")))
    cluster.settle()
    assert cluster.get("wish/a").status.found
    assert isinstance(cluster.list("hints")[0], Hint)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda cluster: cluster.apply("nonsense"), "this is no object: 'nonsense'\nhelp: give"),
        (lambda cluster: cluster.apply({"metadata": {"name": "a"}}), "this is no object: {'meta"),
        (lambda cluster: cluster.apply("missing.yaml"), "there is no file missing.yaml in /"),
        (lambda cluster: LocalCluster(rntime="x"), "a cluster has no option rntime\nhelp: it has"),
        (lambda cluster: LocalCluster().get("pod/x"), "used outside its `with` block"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(
    cluster: LocalCluster, act: Callable[[LocalCluster], Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        act(cluster)


def test_what_never_comes_true_is_told_with_what_fails(cluster: LocalCluster) -> None:
    app = App("maps")
    maps = app.controller(core.ConfigMap)

    @maps.reconcile
    async def reconcile(one: core.ConfigMap, ctx: Context[core.ConfigMap]) -> None:
        raise ValueError("always")

    cluster.run(app)
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    with pytest.raises(TimeoutError, match=r"1 failing \(default/a: ValueError: always\)"):
        cluster.settle(5)
    with pytest.raises(
        TimeoutError, match=r"did not come true in 2 s; still at work: maps: .*always"
    ):
        cluster.wait(lambda: False, 2)
