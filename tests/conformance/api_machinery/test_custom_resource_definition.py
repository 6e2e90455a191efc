"""CustomResourceDefinitions themselves.

Source: kubernetes test/e2e/apimachinery/custom_resource_definition.go.
"""

import pytest

from tests.conformance.kit import conformance, discovered, eventually, named
from tests.conformance.kit.custom import (
    create,
    defined,
    definition,
    definitions,
    objects_of,
    version,
)
from tests.conformance.kit.lifecycle import contains, is_newer

FAMILY = "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] "
SIMPLE = f"{FAMILY}Simple CustomResourceDefinition "


@conformance(f"{SIMPLE}creating/deleting custom resource definition objects works [Conformance]")
def test_a_definition_is_created_and_deleted(api):
    made = create(api, definition())
    name = made["metadata"]["name"]
    assert objects_of(api, made).items() == []
    definitions(api).delete(name)
    definitions(api).wait_gone(name)
    path = f"/apis/{made['spec']['group']}/v1beta1/{made['spec']['names']['plural']}"
    eventually(lambda: api.send("GET", path).status == 404)


@conformance(f"{SIMPLE}listing custom resource definition objects works [Conformance]")
def test_definitions_are_listed_and_deleted_by_label(api, unique):
    select = {"labelSelector": f"list-test={unique}"}
    wanted = [definition(labels={"list-test": unique}) for _ in range(10)]
    made = {one["metadata"]["name"]: create(api, one)["spec"] for one in wanted}
    with defined(api, definition()) as other:
        found = definitions(api).items(**select)
        assert {one["metadata"]["name"]: one["spec"] for one in found} == made
        assert len(found) == 10
        definitions(api).delete_collection(**select)
        eventually(lambda: not definitions(api).items(**select))
        assert definitions(api).get(other["metadata"]["name"])["spec"] == other["spec"]


@conformance(
    f"{SIMPLE}getting/updating/patching custom resource definition status sub-resource works "
    "[Conformance]"
)
def test_the_status_of_a_definition_is_written_apart(api):
    with defined(api, definition()) as made:
        name = made["metadata"]["name"]
        assert definitions(api).get(name, "status")["spec"] == made["spec"]
        condition = {"type": "", "status": "", "message": "updated"}

        def append(obj):
            obj.setdefault("status", {}).setdefault("conditions", []).append(dict(condition))

        updated = definitions(api).change(name, append, "status")
        assert any(contains(one, condition) for one in updated["status"]["conditions"])
        found = definitions(api).get(name, "status")
        assert any(contains(one, condition) for one in found["status"]["conditions"])
        patch = [{"op": "add", "path": "/status/conditions", "value": [{"message": "patched"}]}]
        patched = definitions(api).patch(name, patch, "status", form="json")
        assert [one for one in patched["status"]["conditions"] if one["message"] == "patched"]
        found = definitions(api).get(name, "status")
        assert [one for one in found["status"]["conditions"] if one["message"] == "patched"]


@conformance(
    f"{FAMILY}should include custom resource definition resources in discovery documents "
    "[Conformance]"
)
def test_definitions_are_in_discovery(api):
    discovered(api, "apiextensions.k8s.io/v1", "customresourcedefinitions")
    assert api.get("/apis/apiextensions.k8s.io")["name"] == "apiextensions.k8s.io"
    found = api.get("/apis/apiextensions.k8s.io/v1")
    assert found["groupVersion"] == "apiextensions.k8s.io/v1"


@conformance(
    f"{FAMILY}custom resource defaulting for requests and from storage works [Conformance]"
)
def test_defaults_come_with_requests_and_from_the_storage(api):
    text = {"type": "string"}
    schema = {"type": "object", "properties": {"a": text, "b": text}}
    with defined(api, definition(version("v1beta1", schema))) as made:
        objects = objects_of(api, made)
        first = objects.create(named("cr-1"))
        assert "a" not in first
        place = "/spec/versions/0/schema/openAPIV3Schema/properties"
        name = made["metadata"]["name"]
        patch = [{"op": "add", "path": f"{place}/a/default", "value": "A"}]
        definitions(api).patch(name, patch, form="json")
        assert objects.wait("cr-1", lambda obj: "a" in obj)["a"] == "A"
        second = objects.create(named("cr-2"))
        assert second["a"] == "A"
        patch = [
            {"op": "remove", "path": f"{place}/a/default"},
            {"op": "add", "path": f"{place}/b/default", "value": "B"},
        ]
        definitions(api).patch(name, patch, form="json")
        found = objects.wait("cr-2", lambda obj: "b" in obj)
        assert (found["a"], found["b"]) == ("A", "B")
        assert is_newer(second, first)


@pytest.fixture(autouse=True)
def tidied(api, unique):
    yield
    definitions(api).delete_collection(labelSelector=f"list-test={unique}")
