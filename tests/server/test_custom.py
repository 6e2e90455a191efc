"""Custom resources: served as soon as they are defined, gone when they are not."""

import asyncio
import json

import pytest

from arubeki.server.access import Access
from arubeki.server.app import App
from tests.server.support import (
    ADMIN,
    DEFINITIONS,
    WIDGETS,
    Request,
    World,
    definition,
    run,
    widget,
)


def test_a_definition_is_served_from_its_creation_on() -> None:
    async def test(world: World) -> None:
        await world.fails(404, "GET", WIDGETS)
        made = await world.json("POST", DEFINITIONS, definition())
        conditions = {one["type"]: one["status"] for one in made["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}
        assert made["status"]["storedVersions"] == ["v1"]
        assert made["status"]["acceptedNames"]["listKind"] == "WidgetList"
        assert made["spec"]["names"]["singular"] == "widget"
        found = await world.json("GET", WIDGETS)
        assert (found["kind"], found["apiVersion"]) == ("WidgetList", "example.com/v1")
        listed = await world.json("GET", "/apis/example.com/v1")
        assert {"widgets", "widgets/status", "widgets/scale"} <= {
            one["name"] for one in listed["resources"]
        }

    run(test)


def test_custom_objects_are_pruned_defaulted_and_validated() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        answer = await world.ask("POST", WIDGETS, widget("w", color="red", odd=1))
        made = json.loads(answer.content())
        assert answer.status == 201
        assert made["spec"] == {"color": "red", "replicas": 1}
        assert answer.headers["Warning"] == '299 - "unknown field \\"spec.odd\\""'
        assert made["metadata"]["generation"] == 1
        status = await world.fails(
            400, "POST", WIDGETS, widget("v", odd=1), fieldValidation="Strict"
        )
        assert 'unknown field "spec.odd"' in status["message"]
        revision = world.storage.revision
        status = await world.fails(422, "POST", WIDGETS, widget("v", replicas=-1, color=3))
        fields = {cause["field"] for cause in status["details"]["causes"]}
        assert fields == {"spec.replicas", ".spec.replicas", "spec.color"}
        body = widget("v")
        body["metadata"]["labels"] = ["not", "a", "map"]
        await world.fails(400, "POST", WIDGETS, body)
        assert world.storage.revision == revision

    run(test)


def test_custom_objects_count_generations_and_keep_status_apart() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        made = await world.json("POST", WIDGETS, {**widget("w"), "status": {"replicas": 5}})
        assert "status" not in made
        path = f"{WIDGETS}/w"
        labelled = await world.patch(path, {"metadata": {"labels": {"a": "b"}}})
        assert labelled["metadata"]["generation"] == 1
        changed = await world.patch(path, {"spec": {"replicas": 2}, "status": {"replicas": 9}})
        assert changed["metadata"]["generation"] == 2
        assert "status" not in changed
        body = {"status": {"replicas": 2}, "spec": {"replicas": 7}, "metadata": {"labels": {}}}
        status = await world.patch(f"{path}/status", body)
        assert status["status"] == {"replicas": 2}
        assert status["spec"]["replicas"] == 2
        assert status["metadata"]["labels"] == {"a": "b"}
        assert status["metadata"]["generation"] == 2
        await world.fails(422, "PUT", path, widget("w", replicas=3))

    run(test)


def test_custom_objects_scale() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        await world.json("POST", WIDGETS, widget("w", replicas=2))
        await world.patch(f"{WIDGETS}/w/status", {"status": {"replicas": 1, "selector": "a=b"}})
        scale = await world.json("GET", f"{WIDGETS}/w/scale")
        assert scale["spec"] == {"replicas": 2}
        assert scale["status"] == {"replicas": 1, "selector": "a=b"}
        await world.patch(f"{WIDGETS}/w/scale", {"spec": {"replicas": 5}})
        assert (await world.json("GET", f"{WIDGETS}/w"))["spec"]["replicas"] == 5

    run(test)


def test_custom_objects_take_json_and_yaml_and_three_patches() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        await world.apply(f"{WIDGETS}/w", widget("w", color="red"))
        kinds = {"content-type": "application/vnd.kubernetes.protobuf"}
        await world.fails(415, "POST", WIDGETS, b"k8s\0", headers=kinds)
        kinds = {"content-type": "application/strategic-merge-patch+json"}
        await world.fails(415, "PATCH", f"{WIDGETS}/w", {}, headers=kinds)
        only = {"accept": "application/vnd.kubernetes.protobuf"}
        await world.fails(406, "GET", WIDGETS, headers=only)
        kinds = {"content-type": "application/yaml"}
        text = (
            b"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: y}\nspec: {color: blue}\n"
        )
        await world.json("POST", WIDGETS, text, headers=kinds)

    run(test)


def test_several_versions_show_the_same_objects() -> None:
    async def test(world: World) -> None:
        body = definition()
        first = body["spec"]["versions"][0]
        body["spec"]["versions"] = [
            first,
            {**first, "name": "v2", "storage": False},
            {**first, "name": "v3", "storage": False, "served": False},
        ]
        await world.json("POST", DEFINITIONS, body)
        second = WIDGETS.replace("/v1/", "/v2/")
        watch = await world.watch(second)
        made = await world.json(
            "POST", second, {**widget("w", color="red"), "apiVersion": "example.com/v2"}
        )
        assert made["apiVersion"] == "example.com/v2"
        assert (await world.json("GET", f"{WIDGETS}/w"))["apiVersion"] == "example.com/v1"
        assert (await world.json("GET", second))["items"] == [made]
        assert [event["object"] for event in await watch.events()] == [made]
        await world.fails(404, "GET", WIDGETS.replace("/v1/", "/v3/"))
        current = await world.json("GET", f"{DEFINITIONS}/widgets.example.com")
        current["spec"]["versions"][0]["storage"] = False
        current["spec"]["versions"][1]["storage"] = True
        moved = await world.json("PUT", f"{DEFINITIONS}/widgets.example.com", current)
        assert moved["status"]["storedVersions"] == ["v1", "v2"]
        await world.patch(f"{WIDGETS}/w", {"spec": {"color": "blue"}})
        assert (await world.json("GET", f"{WIDGETS}/w"))["apiVersion"] == "example.com/v1"
        assert (await world.json("GET", f"{second}/w"))["apiVersion"] == "example.com/v2"

    run(test)


def test_selectable_fields_select() -> None:
    async def test(world: World) -> None:
        body = definition(selectableFields=[{"jsonPath": ".spec.color"}])
        await world.json("POST", DEFINITIONS, body)
        for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
            await world.json("POST", WIDGETS, widget(name, color=color))
        found = await world.json("GET", WIDGETS, fieldSelector="spec.color=red")
        assert [item["metadata"]["name"] for item in found["items"]] == ["a", "c"]
        await world.fails(400, "GET", WIDGETS, fieldSelector="spec.replicas=1")

    run(test)


def test_a_deleted_definition_takes_its_objects_along() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        await world.json("POST", WIDGETS, widget("w"))
        held = widget("held")
        held["metadata"]["finalizers"] = ["example.com/a"]
        await world.json("POST", WIDGETS, held)
        watch = await world.watch(WIDGETS, resourceVersion=world.storage.revision)
        going = await world.json("DELETE", f"{DEFINITIONS}/widgets.example.com")
        assert going["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        status = await world.fails(403, "POST", WIDGETS, widget("new"))
        assert status["message"].endswith("while custom resource definition is terminating")
        await asyncio.sleep(1)
        await world.fails(404, "GET", f"{WIDGETS}/w")
        assert (await world.json("GET", f"{WIDGETS}/held"))["metadata"]["deletionTimestamp"]
        await world.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
        await asyncio.sleep(1)
        await world.fails(404, "GET", f"{DEFINITIONS}/widgets.example.com")
        await world.fails(404, "GET", WIDGETS)
        assert await watch.seen() == [
            ("MODIFIED", "held"),
            ("DELETED", "w"),
            ("DELETED", "held"),
        ]
        assert watch.reader.is_closed
        await world.json("POST", DEFINITIONS, definition())
        assert (await world.json("GET", WIDGETS))["items"] == []

    run(test)


def test_definitions_are_served_again_after_a_restart() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        await world.json("POST", WIDGETS, widget("w"))
        again = App(world.storage, access=Access())
        await again.start()
        answer = await again(Request("GET", f"{WIDGETS}/w", user=ADMIN))
        assert answer.status == 200
        await again.stop()

    run(test)


def test_a_second_definition_of_a_kind_waits_for_its_name() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        rival = definition()
        rival["metadata"]["name"] = "gadgets.example.com"
        rival["spec"]["names"] = {"plural": "gadgets", "kind": "Widget"}
        made = await world.json("POST", DEFINITIONS, rival)
        conditions = {one["type"]: one for one in made["status"]["conditions"]}
        assert conditions["NamesAccepted"]["reason"] == "ListKindConflict"
        assert conditions["Established"]["status"] == "False"
        await world.fails(404, "GET", WIDGETS.replace("widgets", "gadgets"))
        await world.json("DELETE", f"{DEFINITIONS}/widgets.example.com")
        await asyncio.sleep(10)
        await world.json("GET", WIDGETS.replace("widgets", "gadgets"))

    run(test)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"group": "other.com"}, "metadata.name"),
        ({"scope": "Odd"}, "spec.scope"),
        ({"versions": []}, "spec.versions"),
        ({"names": {"plural": "widgets"}}, "spec.names.kind"),
        ({"preserveUnknownFields": True}, "spec.preserveUnknownFields"),
        ({"conversion": {"strategy": "Webhook"}}, "spec.conversion.strategy"),
    ],
)
def test_a_definition_that_cannot_be_served_is_refused(change: dict, field: str) -> None:
    async def test(world: World) -> None:
        body = definition()
        body["spec"] = {**body["spec"], **change}
        status = await world.fails(422, "POST", DEFINITIONS, body)
        assert field in {cause["field"] for cause in status["details"]["causes"]}
        await world.fails(404, "GET", f"{DEFINITIONS}/widgets.example.com")

    run(test)


def test_a_version_needs_a_schema_and_one_is_stored() -> None:
    async def test(world: World) -> None:
        status = await world.fails(422, "POST", DEFINITIONS, definition(schema=None))
        fields = {cause["field"] for cause in status["details"]["causes"]}
        assert "spec.versions[0].schema.openAPIV3Schema" in fields
        await world.fails(422, "POST", DEFINITIONS, definition(storage=False))

    run(test)


def test_what_a_definition_is_about_does_not_change() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", DEFINITIONS, definition())
        path = f"{DEFINITIONS}/widgets.example.com"
        made["spec"]["scope"] = "Cluster"
        status = await world.fails(422, "PUT", path, made)
        assert 'spec.scope: Invalid value: "Cluster": field is immutable' in status["message"]

    run(test)


def test_a_deprecated_version_warns() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition(deprecated=True))
        answer = await world.ask("GET", WIDGETS)
        assert answer.headers["Warning"] == '299 - "example.com/v1 Widget is deprecated"'
        await world.apply(f"{WIDGETS}/w", widget("w"))

    run(test)
