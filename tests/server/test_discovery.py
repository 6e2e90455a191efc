from typing import Any

import msgspec
import pytest

from arubeki.api.objects import GVK
from arubeki.net.message import Request, Response
from arubeki.server.builtin import built_in
from arubeki.server.discovery import Discovery
from arubeki.server.resources import Custom, Registry, Resource

# What kubectl 1.32 sends.
KUBECTL = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


def thing(version: str = "v1") -> Resource:
    return Resource(
        gvk=GVK("example.com", version, "Thing"),
        plural="things",
        short_names=("th",),
        custom=Custom("things.example.com"),
    )


@pytest.fixture
def registry() -> Registry:
    return Registry([*built_in(), thing()])


def asked(
    registry: Registry, path: str, accept: str = "application/json", **headers: str
) -> Response:
    response = Discovery(registry).answer(
        Request("GET", path, headers={"accept": accept, **headers})
    )
    assert response is not None
    return response


def document(response: Response) -> Any:
    return msgspec.json.decode(response.content())


def test_the_older_form_walks_group_by_group(registry: Registry) -> None:
    assert document(asked(registry, "/api"))["versions"] == ["v1"]
    groups = document(asked(registry, "/apis"))["groups"]
    assert {"apps", "example.com"} <= {one["name"] for one in groups}
    assert "" not in {one["name"] for one in groups}
    group = document(asked(registry, "/apis/apps"))
    assert group["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    listed = document(asked(registry, "/apis/apps/v1"))
    by_name = {one["name"]: one for one in listed["resources"]}
    assert by_name["deployments"]["shortNames"] == ["deploy"]
    assert by_name["deployments"]["singularName"] == "deployment"
    scale = by_name["deployments/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


def test_a_trailing_slash_makes_no_difference(registry: Registry) -> None:
    for path in ("/api", "/apis", "/api/v1", "/apis/apps/v1"):
        assert asked(registry, path + "/").content() == asked(registry, path).content()


def test_the_aggregated_form_says_so_in_its_type(registry: Registry) -> None:
    response = asked(registry, "/apis", KUBECTL)
    assert response.headers["Content-Type"] == (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    )
    found = document(response)
    assert (found["kind"], found["apiVersion"]) == (
        "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2",
    )  # fmt: skip
    apps = next(one for one in found["items"] if one["metadata"]["name"] == "apps")
    deployments = next(
        one for one in apps["versions"][0]["resources"] if one["resource"] == "deployments"
    )
    assert deployments["scope"] == "Namespaced"
    assert deployments["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert [one["subresource"] for one in deployments["subresources"]] == ["scale", "status"]


def test_core_is_the_one_group_of_api(registry: Registry) -> None:
    items = document(asked(registry, "/api", KUBECTL))["items"]
    assert [one["versions"][0]["version"] for one in items] == ["v1"]


def test_an_unknown_form_falls_back(registry: Registry) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json"
    assert document(asked(registry, "/apis", accept))["kind"] == "APIGroupList"
    assert document(asked(registry, "/apis", "*/*"))["kind"] == "APIGroupList"


def test_a_known_tag_is_not_sent_again(registry: Registry) -> None:
    discovery = Discovery(registry)
    request = Request("GET", "/apis", headers={"accept": KUBECTL})
    first = discovery.answer(request)
    assert first is not None
    again = Request(
        "GET", "/apis", headers={"accept": KUBECTL, "if-none-match": first.headers["ETag"]}
    )
    second = discovery.answer(again)
    assert second is not None
    assert (second.status, second.content()) == (304, b"")
    registry.add(thing("v2"))
    third = discovery.answer(again)
    assert third is not None
    assert third.status == 200


def test_a_new_definition_shows_at_once_and_goes_at_once(registry: Registry) -> None:
    discovery = Discovery(registry)
    request = Request("GET", "/apis/example.com/v2")
    assert discovery.answer(request) is None
    newer = thing("v2")
    registry.add(newer)
    assert discovery.answer(request) is not None
    group = discovery.answer(Request("GET", "/apis/example.com"))
    assert group is not None
    assert document(group)["preferredVersion"]["version"] == "v2"
    registry.remove(newer)
    assert discovery.answer(request) is None


@pytest.mark.parametrize(
    "path", ["/api/v2", "/apis/nothing", "/apis/apps/v9", "/api/v1/pods", "/apis/apps/v1/x", "/x"]
)
def test_other_paths_are_not_discoverys(registry: Registry, path: str) -> None:
    assert Discovery(registry).answer(Request("GET", path)) is None


def test_the_root_lists_paths(registry: Registry) -> None:
    paths = document(asked(registry, "/"))["paths"]
    assert "/apis/apps/v1" in paths
    assert paths == sorted(paths)
