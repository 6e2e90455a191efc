"""From a kind to its URL."""

import asyncio
import json
from typing import Any

import pytest

from arubeki import clock
from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.client.discovery import Served
from arubeki.client.transport import InProcessTransport
from arubeki.errors import NotFound, ServiceUnavailable
from arubeki.net.message import Request, Response, User


def resource(kind: str, plural: str, *, scope: str = "Namespaced", **more: Any) -> dict[str, Any]:
    response_kind = {"group": "", "version": "", "kind": kind}
    return {
        "resource": plural,
        "responseKind": response_kind,
        "scope": scope,
        "verbs": ["get"],
        **more,
    }


AGGREGATED = {
    "/api": {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {},
                "versions": [
                    {
                        "version": "v1",
                        "resources": [
                            resource(
                                "Pod",
                                "pods",
                                singularResource="pod",
                                shortNames=["po"],
                                categories=["all"],
                                subresources=[{"subresource": "status"}],
                            ),
                            resource("Node", "nodes", scope="Cluster"),
                        ],
                    }
                ],
            }
        ],
    },
    "/apis": {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {"name": "autoscaling"},
                "versions": [
                    {"version": "v2", "resources": [resource("HPA", "hpas")]},
                    {"version": "v1", "resources": [resource("HPA", "hpas")]},
                ],
            }
        ],
    },
}

LEGACY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": "autoscaling",
                "versions": [
                    {"groupVersion": "autoscaling/v2", "version": "v2"},
                    {"groupVersion": "autoscaling/v1", "version": "v1"},
                ],
                "preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"},
            }
        ],
    },
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "pods",
                "singularName": "pod",
                "namespaced": True,
                "kind": "Pod",
                "verbs": ["get"],
                "shortNames": ["po"],
                "categories": ["all"],
            },
            {"name": "pods/status", "namespaced": True, "kind": "Pod", "verbs": ["get"]},
            {"name": "nodes", "namespaced": False, "kind": "Node", "verbs": ["get"]},
        ],
    },
    "/apis/autoscaling/v1": {
        "resources": [{"name": "hpas", "namespaced": True, "kind": "HPA", "verbs": ["get"]}]
    },
    "/apis/autoscaling/v2": {
        "resources": [{"name": "hpas", "namespaced": True, "kind": "HPA", "verbs": ["get"]}]
    },
}


class Serving:
    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.paths: list[str] = []

    async def __call__(self, request: Request) -> Response:
        self.paths.append(request.path)
        await asyncio.sleep(0.1)
        if request.path not in self.answers:
            raise ServiceUnavailable("not yet")
        return Response(200, {}, json.dumps(self.answers[request.path]).encode())

    def client(self) -> Client:
        return Client(InProcessTransport(self, User("tester")))


@pytest.mark.parametrize("answers", [AGGREGATED, LEGACY], ids=["aggregated", "legacy"])
def test_kinds_are_found_in_either_form(answers: dict[str, Any]) -> None:
    async def main() -> None:
        client = Serving(answers).client()
        assert await client.kind_of("v1", "Pod") == Kind("", "v1", "Pod", "pods", True)
        assert await client.kind_of("v1", "Node") == Kind("", "v1", "Node", "nodes", False)
        hpa = await client.kind_of("autoscaling/v1", "HPA")
        assert hpa.path("x", "a") == "/apis/autoscaling/v1/namespaces/x/hpas/a"
        pod, _, preferred, other = await client.discovery.served()
        assert pod.singular == "pod"
        assert (pod.short_names, pod.categories, pod.subresources) == (
            ("po",),
            ("all",),
            ("status",),
        )
        assert pod.verbs == {"get"}
        assert (preferred.kind.version, preferred.is_preferred) == ("v2", True)
        assert (other.kind.version, other.is_preferred) == ("v1", False)

    clock.run_virtual(main())


def test_what_was_learned_is_not_asked_for_again() -> None:
    async def main() -> None:
        serving = Serving(AGGREGATED)
        client = serving.client()
        await asyncio.gather(*[client.kind_of("v1", "Pod") for _ in range(5)])
        await client.kind_of("autoscaling/v2", "HPA")
        assert serving.paths == ["/api", "/apis"]

    clock.run_virtual(main())


def test_a_kind_that_is_missing_is_asked_for_each_time() -> None:
    async def main() -> None:
        serving = Serving(json.loads(json.dumps(AGGREGATED)))
        client = serving.client()
        with pytest.raises(NotFound, match='no kind "View"'):
            await client.kind_of("v1", "View")
        versions = serving.answers["/api"]["items"][0]["versions"]
        versions[0]["resources"].append(resource("View", "views"))
        assert (await client.kind_of("v1", "View")).plural == "views"
        assert len(serving.paths) == 4

    clock.run_virtual(main())


def test_an_object_finds_its_own_way() -> None:
    async def main() -> None:
        serving = Serving({**AGGREGATED, "/api/v1/nodes": {"made": True}})
        client = serving.client()
        made = await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
        assert made["made"] is True
        assert serving.paths[-1] == "/api/v1/nodes"

    clock.run_virtual(main())


def test_a_server_that_cannot_tell_raises() -> None:
    async def main() -> None:
        with pytest.raises(ServiceUnavailable):
            await Serving({}).client().kind_of("v1", "Pod")

    clock.run_virtual(main())


DEPLOYMENT = Served(
    Kind("apps", "v1", "Deployment", "deployments"),
    singular="deployment",
    short_names=("deploy",),
)
INGRESS = Served(Kind("networking.k8s.io", "v1", "Ingress", "ingresses"), singular="ingress")
POD = Served(Kind("", "v1", "Pod", "pods"), singular="pod", short_names=("po",))


@pytest.mark.parametrize(
    ("served", "words"),
    [
        (
            DEPLOYMENT,
            "deployments deployment deploy Deployment DEPLOY deploy.apps deployments.apps",
        ),
        (DEPLOYMENT, "deployments.v1.apps deploy.v1.apps Deployment.app"),
        (INGRESS, "ingress.networking.k8s.io ingresses.networking ingresses.v1.networking.k8s.io"),
        (POD, "pods po Pod pods.v1"),
    ],
)
def test_a_kind_answers_to_its_names_with_or_without_its_group(served: Served, words: str) -> None:
    for word in words.split():
        assert served.answers_to(word), word


@pytest.mark.parametrize(
    ("served", "words"),
    [
        (DEPLOYMENT, "deploys dep deployments.batch deployments.v2.apps apps .apps pods"),
        (POD, "pods.apps pods.v2 p"),
    ],
)
def test_a_kind_does_not_answer_to_others(served: Served, words: str) -> None:
    for word in words.split():
        assert not served.answers_to(word), word


def test_names_are_told_as_kubectl_tells_them() -> None:
    assert (DEPLOYMENT.qualified, DEPLOYMENT.label) == ("deployments.apps", "deployment.apps")
    assert (POD.qualified, POD.label) == ("pods", "pod")
