"""Pods: binding, eviction, logs, quality of service."""

import pytest

from arubeki.net.message import Request, Response
from arubeki.server.admission.pods import qos_class
from tests.server.support import PODS, World, pod, run


def test_a_binding_puts_a_pod_on_a_node_once() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", PODS, pod("p"))
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "p", "annotations": {"a": "b"}},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
        }
        answer = await world.ask("POST", f"{PODS}/p/binding", body)
        assert answer.status == 201
        found = await world.json("GET", f"{PODS}/p")
        assert found["spec"]["nodeName"] == "n1"
        assert found["metadata"]["annotations"] == {"a": "b"}
        assert found["metadata"]["generation"] >= made["metadata"]["generation"]
        (condition,) = found["status"]["conditions"]
        assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
        status = await world.fails(409, "POST", f"{PODS}/p/binding", body)
        assert status["message"].endswith('pod p is already assigned to node "n1"')

    run(test)


def test_bindings_is_another_way_to_bind() -> None:
    async def test(world: World) -> None:
        await world.json("POST", PODS, pod("p"))
        body = {"metadata": {"name": "p"}, "target": {"name": "n1"}}
        path = "/api/v1/namespaces/default/bindings"
        assert (await world.ask("POST", path, body)).status == 201
        assert (await world.json("GET", f"{PODS}/p"))["spec"]["nodeName"] == "n1"
        await world.fails(404, "POST", path, {**body, "metadata": {"name": "q"}})
        await world.fails(405, "GET", path)

    run(test)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"target": {}}, 500),
        ({"target": {"kind": "Pod", "name": "x"}}, 500),
        ({"target": None}, 500),
        ({"target": []}, 400),
        ({"metadata": {"name": "other"}}, 400),
        ({"metadata": {"name": "p", "uid": "other"}}, 409),
        ({"kind": "Node"}, 400),
    ],
)
def test_a_bad_binding_binds_nothing(change: dict, code: int) -> None:
    async def test(world: World) -> None:
        await world.json("POST", PODS, pod("p"))
        body = {"metadata": {"name": "p"}, "target": {"name": "n1"}, **change}
        await world.fails(code, "POST", f"{PODS}/p/binding", body)
        assert "nodeName" not in (await world.json("GET", f"{PODS}/p"))["spec"]

    run(test)


def test_a_deleting_pod_is_not_bound() -> None:
    async def test(world: World) -> None:
        body = pod("p")
        body["metadata"]["finalizers"] = ["example.com/a"]
        await world.json("POST", PODS, body)
        await world.json("DELETE", f"{PODS}/p")
        binding = {"metadata": {"name": "p"}, "target": {"name": "n1"}}
        status = await world.fails(409, "POST", f"{PODS}/p/binding", binding)
        assert "is being deleted, cannot be assigned to a host" in status["message"]

    run(test)


def test_an_eviction_is_a_deletion() -> None:
    async def test(world: World) -> None:
        await world.json("POST", PODS, pod("p", nodeName="n1"))
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": "p"},
            "deleteOptions": {"gracePeriodSeconds": 7},
        }
        answer = await world.ask("POST", f"{PODS}/p/eviction", body)
        assert answer.status == 201
        found = await world.json("GET", f"{PODS}/p")
        assert found["metadata"]["deletionGracePeriodSeconds"] == 7

    run(test)


class _Node:
    """A node that answers with what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        return Response(200, {"Content-Type": "text/plain"}, b"hello\n")


def test_logs_come_from_the_node() -> None:
    node = _Node()

    async def test(world: World) -> None:
        await world.json("POST", PODS, pod("p"))
        assert (await world.ask("GET", f"{PODS}/p/log")).status == 204
        binding = {"metadata": {"name": "p"}, "target": {"name": "n1"}}
        await world.ask("POST", f"{PODS}/p/binding", binding)
        answer = await world.ask("GET", f"{PODS}/p/log", follow="true", tailLines=5)
        assert answer.content() == b"hello\n"
        (asked,) = node.asked
        assert asked.path == "/containerLogs/default/p/main"
        assert asked.parameters() == {"follow": ["true"], "tailLines": ["5"]}
        status = await world.fails(400, "GET", f"{PODS}/p/log", container="other")
        assert status["message"] == "container other is not valid for pod p"
        await world.fails(422, "GET", f"{PODS}/p/log", tailLines=-1)
        await world.fails(422, "GET", f"{PODS}/p/log", stream="Odd")
        await world.fails(400, "GET", f"{PODS}/p/log", sinceTime="soon")
        await world.fails(404, "GET", f"{PODS}/q/log")
        two = pod("two", containers=[{"name": n, "image": "none"} for n in ("a", "b")])
        await world.json("POST", PODS, two)
        status = await world.fails(400, "GET", f"{PODS}/two/log")
        assert status["message"] == (
            "a container name must be specified for pod two, choose one of: [a b]"
        )
        await world.json("POST", PODS, pod("lost", nodeName="n2"))
        await world.fails(500, "GET", f"{PODS}/lost/log")

    run(test, nodes={"n1": node}.get)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        (
            [{"requests": {"cpu": "1000m"}, "limits": {"cpu": "1", "memory": "1Gi"}}],
            "Guaranteed",
        ),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "1Gi"}}], "Burstable"),
        ([{"requests": {"example.com/gpu": "1"}}], "BestEffort"),
    ],
)
def test_quality_of_service_follows_from_what_is_asked_for(
    resources: list[dict], expected: str
) -> None:
    assert qos_class({"containers": [{"resources": one} for one in resources]}) == expected
