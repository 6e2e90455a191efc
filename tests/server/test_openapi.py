from typing import Any

import msgspec
import pytest

from arubeki.api.objects import GVK
from arubeki.net.message import Request, Response
from arubeki.server.builtin import built_in
from arubeki.server.openapi import OpenApi
from arubeki.server.resources import Custom, Registry, Resource

SCHEMA = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    thing = Resource(
        gvk=GVK("example.com", "v1", "Thing"),
        plural="things",
        custom=Custom("things.example.com", schema=SCHEMA),
    )
    return Registry([*built_in(), thing])


@pytest.fixture(scope="module")
def openapi(registry: Registry) -> OpenApi:
    return OpenApi(registry)


def asked(openapi: OpenApi, url: str, **headers: str) -> Response:
    path, _, query = url.partition("?")
    response = openapi.answer(Request("GET", path, query, headers))
    assert response is not None
    return response


def document(openapi: OpenApi, key: str) -> Any:
    index = msgspec.json.decode(asked(openapi, "/openapi/v3").content())
    return msgspec.json.decode(asked(openapi, index["paths"][key]["serverRelativeURL"]).content())


def test_the_index_names_every_group_and_version(openapi: OpenApi) -> None:
    index = msgspec.json.decode(asked(openapi, "/openapi/v3").content())
    assert {"api/v1", "apis/apps/v1", "apis/example.com/v1"} <= set(index["paths"])


def test_patch_says_that_the_server_validates(openapi: OpenApi) -> None:
    # What kubectl looks for before it sends `fieldValidation` and `dryRun`.
    paths = document(openapi, "apis/apps/v1")["paths"]
    patch = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps", "version": "v1", "kind": "Deployment",
    }  # fmt: skip
    assert {"fieldValidation", "dryRun"} <= {one["name"] for one in patch["parameters"]}
    assert "application/apply-patch+yaml" in patch["requestBody"]["content"]


def test_only_built_in_kinds_take_strategic_patches(openapi: OpenApi) -> None:
    # Where kubectl apply finds it, it sends one, and a custom kind answers 415.
    strategic = "application/strategic-merge-patch+json"
    for key, path, takes in (
        ("apis/apps/v1", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", True),
        ("apis/example.com/v1", "/apis/example.com/v1/namespaces/{namespace}/things/{name}", False),
    ):
        patch = document(openapi, key)["paths"][path]["patch"]
        assert (strategic in patch["requestBody"]["content"]) is takes


def test_lists_say_how_they_merge(openapi: OpenApi) -> None:
    schemas = document(openapi, "api/v1")["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert containers["items"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}
    ]


@pytest.mark.parametrize("key", ["api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1"])
def test_every_reference_leads_somewhere(openapi: OpenApi, key: str) -> None:
    found = document(openapi, key)
    schemas = found["components"]["schemas"]

    def references(value: Any) -> list[str]:
        if isinstance(value, list):
            return [one for item in value for one in references(item)]
        if not isinstance(value, dict):
            return []
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for item in value.values() for one in references(item)]

    missing = {
        one for one in references(found) if one.removeprefix("#/components/schemas/") not in schemas
    }
    assert missing == set()


def test_a_kind_is_found_by_group_version_and_kind(openapi: OpenApi) -> None:
    schemas = document(openapi, "apis/apps/v1")["components"]["schemas"]
    gvk = [{"group": "apps", "version": "v1", "kind": "Deployment"}]
    assert schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"] == gvk


def test_a_custom_resource_shows_its_own_schema(openapi: OpenApi) -> None:
    schemas = document(openapi, "apis/example.com/v1")["components"]["schemas"]
    thing = schemas["com.example.v1.Thing"]
    assert thing["properties"]["spec"] == SCHEMA["properties"]["spec"]  # type: ignore[index]
    assert "allOf" in thing["properties"]["metadata"]


def test_an_old_hash_is_led_to_the_new_one(openapi: OpenApi) -> None:
    response = asked(openapi, "/openapi/v3/api/v1?hash=OLD")
    assert response.status == 301
    assert asked(openapi, response.headers["Location"]).status == 200


def test_a_known_tag_is_not_sent_again(openapi: OpenApi) -> None:
    tag = asked(openapi, "/openapi/v3/api/v1").headers["ETag"]
    assert asked(openapi, "/openapi/v3/api/v1", **{"if-none-match": tag}).status == 304


def test_a_new_definition_changes_its_group_alone() -> None:
    registry = Registry(built_in())
    openapi = OpenApi(registry)
    before = msgspec.json.decode(asked(openapi, "/openapi/v3").content())["paths"]
    registry.add(Resource(gvk=GVK("example.com", "v1", "Thing"), plural="things",
                          custom=Custom("things.example.com", schema=SCHEMA)))  # fmt: skip
    after = msgspec.json.decode(asked(openapi, "/openapi/v3").content())["paths"]
    assert set(after) - set(before) == {"apis/example.com/v1"}
    assert {key: after[key] for key in before} == before


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/api/v9", "/api"])
def test_other_paths_are_not_its_own(openapi: OpenApi, path: str) -> None:
    assert openapi.answer(Request("GET", path)) is None
