"""create, update, patch and apply."""

import asyncio
import json

import pytest

from tests.server.support import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    World,
    config_map,
    deployment,
    pod,
    run,
)

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


def test_create_sets_what_the_server_alone_sets() -> None:
    async def test(world: World) -> None:
        body = config_map("a", uid="mine", creationTimestamp="2001-01-01T00:00:00Z", selfLink="/x")
        answer = await world.ask("POST", CONFIG_MAPS, body)
        assert answer.status == 201
        metadata = json.loads(answer.content())["metadata"]
        assert metadata["uid"] != "mine"
        assert metadata["creationTimestamp"] == "2026-01-01T00:00:00Z"
        assert "selfLink" not in metadata
        assert "generation" not in metadata
        status = await world.fails(409, "POST", CONFIG_MAPS, config_map("a"))
        assert status["reason"] == "AlreadyExists"
        assert status["message"] == 'configmaps "a" already exists'

    run(test)


def test_a_new_object_has_an_empty_status_that_nobody_owns() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", DEPLOYMENTS, deployment("a"))
        assert made["status"] == {}
        assert "f:status" not in made["metadata"]["managedFields"][0]["fieldsV1"]

    run(test)


def test_create_refuses_a_resource_version() -> None:
    async def test(world: World) -> None:
        status = await world.fails(500, "POST", CONFIG_MAPS, config_map("a", resourceVersion="5"))
        assert status["message"] == "resourceVersion should not be set on objects to be created"

    run(test)


def test_create_draws_a_name_and_draws_again_when_it_is_taken() -> None:
    async def test(world: World) -> None:
        body = {"metadata": {"generateName": "x" * 70 + "-"}}
        name = (await world.json("POST", CONFIG_MAPS, body))["metadata"]["name"]
        assert len(name) == 63
        drawn = [name, name, name[:58] + "bbbbb"]
        from arubeki.server.admission import metadata

        kept = metadata.generate_name
        metadata.generate_name = lambda base: drawn.pop(0)
        try:
            second = await world.json("POST", CONFIG_MAPS, body)
            assert second["metadata"]["name"].endswith("bbbbb")
            metadata.generate_name = lambda base: name
            await world.fails(409, "POST", CONFIG_MAPS, body)
        finally:
            metadata.generate_name = kept

    run(test)


def test_create_fills_in_kind_and_namespace_from_the_url() -> None:
    async def test(world: World) -> None:
        created = await world.json("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
        assert (created["apiVersion"], created["kind"]) == ("v1", "ConfigMap")
        assert created["metadata"]["namespace"] == "default"

    run(test)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Secret"}, 'Secret in version "v1" cannot be handled as a ConfigMap'),
        (
            {"apiVersion": "v2"},
            'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind',
        ),
        ({"metadata": {"name": "a", "namespace": "other"}}, "the namespace of the provided object"),
    ],
)
def test_a_body_that_contradicts_the_url_is_refused(change: dict, message: str) -> None:
    async def test(world: World) -> None:
        status = await world.fails(400, "POST", CONFIG_MAPS, {**config_map("a"), **change})
        assert status["message"].startswith(message)

    run(test)


def test_nothing_comes_into_a_namespace_that_is_not_there_or_goes() -> None:
    async def test(world: World) -> None:
        nowhere = "/api/v1/namespaces/nowhere/configmaps"
        status = await world.fails(404, "POST", nowhere, config_map("a"))
        assert status["message"] == 'namespaces "nowhere" not found'
        await world.json("POST", "/api/v1/namespaces", {"metadata": {"name": "nowhere"}})
        await world.json("POST", nowhere, config_map("a"))
        going = await world.json("DELETE", "/api/v1/namespaces/nowhere")
        assert going["status"]["phase"] == "Terminating"
        status = await world.fails(403, "POST", nowhere, config_map("b"))
        assert status["details"]["causes"] == [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace nowhere is being terminated",
                "field": "metadata.namespace",
            }
        ]
        await world.patch(f"{nowhere}/a", {"data": {"still": "possible"}})

    run(test)


def test_all_faults_are_told_at_once() -> None:
    async def test(world: World) -> None:
        body = config_map("Bad_Name", labels={"-x": "y", "ok": "not ok!"}, finalizers=["odd"])
        revision = world.storage.revision
        status = await world.fails(422, "POST", CONFIG_MAPS, body)
        fields = [cause["field"] for cause in status["details"]["causes"]]
        assert fields[0] == "metadata.name"
        assert fields.count("metadata.labels") == 2
        assert "metadata.finalizers[0]" in fields
        assert world.storage.revision == revision

    run(test)


def test_update_needs_the_revision_that_was_read() -> None:
    async def test(world: World) -> None:
        first = await world.json("POST", CONFIG_MAPS, config_map("a"))
        second = await world.json("PUT", f"{CONFIG_MAPS}/a", {**first, "data": {"x": "1"}})
        assert second["data"] == {"x": "1"}
        assert second["metadata"]["uid"] == first["metadata"]["uid"]
        status = await world.fails(409, "PUT", f"{CONFIG_MAPS}/a", {**first, "data": {"x": "2"}})
        assert status["reason"] == "Conflict"
        assert status["message"] == (
            'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )
        assert (await world.json("GET", f"{CONFIG_MAPS}/a"))["data"] == {"x": "1"}

    run(test)


def test_update_without_a_revision_wins_where_the_kind_allows_it() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        updated = await world.json("PUT", f"{CONFIG_MAPS}/a", config_map("a", {"new": "1"}))
        assert updated["data"] == {"new": "1"}
        lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}
        made = await world.ask("PUT", f"{LEASES}/l", lease)
        assert made.status == 201
        status = await world.fails(422, "PUT", f"{LEASES}/l", lease)
        assert "metadata.resourceVersion: Invalid value: 0: must be specified" in status["message"]

    run(test)


def test_update_of_an_absent_object_is_refused() -> None:
    async def test(world: World) -> None:
        await world.fails(404, "PUT", f"{CONFIG_MAPS}/a", config_map("a"))

    run(test)


def test_update_cannot_change_who_an_object_is() -> None:
    async def test(world: World) -> None:
        first = await world.json("POST", CONFIG_MAPS, config_map("a"))
        status = await world.fails(400, "PUT", f"{CONFIG_MAPS}/a", config_map("b"))
        assert "does not match the name on the URL" in status["message"]
        status = await world.fails(409, "PUT", f"{CONFIG_MAPS}/a", config_map("a", uid="other"))
        assert "Precondition failed: UID in precondition: other" in status["message"]
        body = config_map("a", {"z": "1"}, creationTimestamp="2001-01-01T00:00:00Z", generation=9)
        updated = await world.json("PUT", f"{CONFIG_MAPS}/a", body)
        assert updated["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]
        assert "generation" not in updated["metadata"]

    run(test)


def test_an_equal_object_is_not_written() -> None:
    async def test(world: World) -> None:
        first = await world.json("POST", CONFIG_MAPS, config_map("a"))
        watch = await world.watch(CONFIG_MAPS, resourceVersion=world.storage.revision)
        revision = world.storage.revision
        await asyncio.sleep(5)
        assert await world.json("PUT", f"{CONFIG_MAPS}/a", first) == first
        assert await world.patch(f"{CONFIG_MAPS}/a", {"data": {"key": "value"}}) == first
        await world.apply(f"{CONFIG_MAPS}/b", config_map("b"))
        await asyncio.sleep(5)
        await world.apply(f"{CONFIG_MAPS}/b", config_map("b"))
        assert world.storage.revision == revision + 1
        assert await watch.seen() == [("ADDED", "b")]

    run(test)


def test_dry_run_stores_nothing_and_validates_all() -> None:
    async def test(world: World) -> None:
        revision = world.storage.revision
        made = await world.json("POST", CONFIG_MAPS, config_map("a"), dryRun="All")
        assert made["metadata"]["uid"]
        assert "resourceVersion" not in made["metadata"]
        await world.fails(422, "POST", CONFIG_MAPS, config_map("A_"), dryRun="All")
        await world.fails(422, "POST", CONFIG_MAPS, config_map("a"), dryRun="Some")
        await world.fails(404, "GET", f"{CONFIG_MAPS}/a")
        assert world.storage.revision == revision
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        revision = world.storage.revision
        await world.fails(409, "POST", CONFIG_MAPS, config_map("a"), dryRun="All")
        changed = await world.patch(f"{CONFIG_MAPS}/a", {"data": {"n": "1"}}, dryRun="All")
        assert changed["data"]["n"] == "1"
        await world.apply(f"{CONFIG_MAPS}/c", config_map("c"), dryRun="All")
        await world.json("DELETE", f"{CONFIG_MAPS}/a", dryRun="All")
        assert world.storage.revision == revision

    run(test)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("merge-patch+json", {"data": {"key": None, "new": "1"}}),
        ("strategic-merge-patch+json", {"data": {"key": None, "new": "1"}}),
        (
            "json-patch+json",
            [
                {"op": "test", "path": "/data/key", "value": "value"},
                {"op": "remove", "path": "/data/key"},
                {"op": "add", "path": "/data/new", "value": "1"},
            ],
        ),
    ],
)
def test_every_patch_language_changes_the_object(kind: str, body: object) -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        patched = await world.patch(f"{CONFIG_MAPS}/a", body, kind)
        assert patched["data"] == {"new": "1"}
        assert await world.json("GET", f"{CONFIG_MAPS}/a") == patched
        headers = {"content-type": f"application/{kind}"}
        await world.fails(404, "PATCH", f"{CONFIG_MAPS}/absent", body, headers=headers)
        await world.fails(400, "PATCH", f"{CONFIG_MAPS}/a", b"{broken", headers=headers)
        await world.fails(400, "PATCH", f"{CONFIG_MAPS}/a", b'"text"', headers=headers)

    run(test)


def test_a_patch_with_a_stale_revision_is_refused_and_one_without_is_not() -> None:
    async def test(world: World) -> None:
        first = await world.json("POST", CONFIG_MAPS, config_map("a"))
        await world.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "1"}})
        stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}}
        headers = {"content-type": "application/merge-patch+json"}
        await world.fails(
            409, "PATCH", f"{CONFIG_MAPS}/a", {**stale, "data": {"x": "2"}}, headers=headers
        )
        await asyncio.gather(
            *(world.patch(f"{CONFIG_MAPS}/a", {"data": {f"k{i}": "1"}}) for i in range(20))
        )
        assert len((await world.json("GET", f"{CONFIG_MAPS}/a"))["data"]) == 22

    run(test)


def test_a_failed_test_of_a_json_patch_is_invalid() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        headers = {"content-type": "application/json-patch+json"}
        body = [{"op": "test", "path": "/data/key", "value": "other"}]
        await world.fails(422, "PATCH", f"{CONFIG_MAPS}/a", body, headers=headers)

    run(test)


def test_an_unknown_patch_type_is_refused() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        headers = {"content-type": "application/json"}
        status = await world.fails(415, "PATCH", f"{CONFIG_MAPS}/a", {}, headers=headers)
        assert status["reason"] == "UnsupportedMediaType"

    run(test)


def test_apply_creates_owns_and_gives_up() -> None:
    async def test(world: World) -> None:
        path = f"{CONFIG_MAPS}/a"
        headers = {"content-type": "application/apply-patch+yaml"}
        body = {**config_map("a"), "data": {"x": "1", "y": "1"}}
        answer = await world.ask("PATCH", path, body, headers=headers, fieldManager="me")
        assert answer.status == 201
        status = await world.fails(422, "PATCH", path, body, headers=headers)
        assert "fieldManager: Required value: is required for apply patch" in status["message"]
        other = {**body, "data": {"x": "2"}}
        status = await world.fails(409, "PATCH", path, other, headers=headers, fieldManager="you")
        assert status["details"]["causes"][0]["reason"] == "FieldManagerConflict"
        assert status["details"]["causes"][0]["field"] == ".data.x"
        forced = await world.apply(path, other, "you", force="true")
        assert forced["data"] == {"x": "2", "y": "1"}
        gone = await world.apply(path, {**body, "data": {}}, "me")
        assert gone["data"] == {"x": "2"}

    run(test)


def test_apply_reads_yaml() -> None:
    async def test(world: World) -> None:
        text = b"# mine\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata: {x: 'yes'}\n"
        headers = {"content-type": "application/apply-patch+yaml"}
        made = await world.json(
            "PATCH", f"{CONFIG_MAPS}/a", text, headers=headers, fieldManager="me"
        )
        assert made["data"] == {"x": "yes"}
        for bad in (b"- a\n", b"a: [", b"", b"kind: ConfigMap\n", b"\xff\xfe"):
            await world.fails(
                400, "PATCH", f"{CONFIG_MAPS}/b", bad, headers=headers, fieldManager="me"
            )

    run(test)


def test_who_writes_is_noted_field_by_field() -> None:
    async def test(world: World) -> None:
        agent = {"user-agent": "kubectl/v1.32 (linux/amd64)"}
        made = await world.json("POST", CONFIG_MAPS, config_map("a"), headers=agent)
        (entry,) = made["metadata"]["managedFields"]
        assert (entry["manager"], entry["operation"]) == ("kubectl", "Update")
        assert entry["fieldsV1"] == {"f:data": {".": {}, "f:key": {}}}
        patched = await world.patch(f"{CONFIG_MAPS}/a", {"data": {"n": "1"}}, fieldManager="two")
        managers = {one["manager"]: one["fieldsV1"] for one in patched["metadata"]["managedFields"]}
        assert managers["two"] == {"f:data": {"f:n": {}}}

    run(test)


def test_main_and_status_are_written_apart() -> None:
    async def test(world: World) -> None:
        body = {**deployment("d"), "status": {"replicas": 7}}
        made = await world.json("POST", DEPLOYMENTS, body)
        assert made.get("status", {}).get("replicas") is None
        status = {"replicas": 1, "observedGeneration": 1}
        changed = await world.json(
            "PUT",
            f"{DEPLOYMENTS}/d/status",
            {**made, "status": status, "spec": {**made["spec"], "replicas": 9}},
        )
        assert changed["status"] == status
        assert changed["spec"]["replicas"] == 1
        assert changed["metadata"]["generation"] == 1
        entries = changed["metadata"]["managedFields"]
        assert [one.get("subresource", "") for one in entries] == ["", "status"]
        again = await world.json(
            "PUT",
            f"{DEPLOYMENTS}/d",
            {**changed, "status": {}, "spec": {**made["spec"], "replicas": 3}},
        )
        assert again["status"] == status
        assert again["spec"]["replicas"] == 3
        assert again["metadata"]["generation"] == 2
        assert await world.json("GET", f"{DEPLOYMENTS}/d/status") == again

    run(test)


def test_scale_shows_and_sets_replicas() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEPLOYMENTS, deployment("d", 2))
        await world.patch(f"{DEPLOYMENTS}/d/status", {"status": {"replicas": 1}})
        scale = await world.json("GET", f"{DEPLOYMENTS}/d/scale")
        assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
        assert scale["spec"] == {"replicas": 2}
        assert scale["status"] == {"replicas": 1, "selector": "app=d"}
        scale["spec"]["replicas"] = 4
        assert (await world.json("PUT", f"{DEPLOYMENTS}/d/scale", scale))["spec"]["replicas"] == 4
        await world.fails(409, "PUT", f"{DEPLOYMENTS}/d/scale", scale)
        patched = await world.patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 0}})
        assert patched["spec"] == {}  # as Go writes none at all
        found = await world.json("GET", f"{DEPLOYMENTS}/d")
        assert found["spec"]["replicas"] == 0
        assert found["metadata"]["generation"] == 3
        headers = {"content-type": "application/merge-patch+json"}
        body = {"spec": {"replicas": -1}}
        status = await world.fails(422, "PATCH", f"{DEPLOYMENTS}/d/scale", body, headers=headers)
        assert status["message"] == (
            'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: '
            "must be greater than or equal to 0"
        )
        body = {"spec": {"replicas": "many"}}
        await world.fails(422, "PATCH", f"{DEPLOYMENTS}/d/scale", body, headers=headers)
        await world.fails(404, "GET", f"{DEPLOYMENTS}/e/scale")

    run(test)


def test_the_same_event_is_there_in_both_groups() -> None:
    async def test(world: World) -> None:
        body = {
            "metadata": {"name": "e", "namespace": "default"},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
            "reason": "Started",
            "message": "it runs",
            "type": "Normal",
            "source": {"component": "kubelet"},
        }
        await world.json("POST", "/api/v1/namespaces/default/events", body)
        path = "/apis/events.k8s.io/v1/namespaces/default/events"
        found = await world.json("GET", f"{path}/e")
        assert found["apiVersion"] == "events.k8s.io/v1"
        assert found["note"] == "it runs"
        assert found["regarding"]["name"] == "p"
        assert "message" not in found
        headers = {"content-type": "application/merge-patch+json"}
        note = {"note": "it runs well"}  # the newer group's Events are about what has been
        await world.fails(422, "PATCH", f"{path}/e", note, headers=headers)
        await world.patch("/api/v1/namespaces/default/events/e", {"message": "it runs well"})
        assert (await world.json("GET", f"{path}/e"))["note"] == "it runs well"
        for selector in ("regarding.name=p", "type=Normal", "reason=Started"):
            listed = await world.json("GET", path, fieldSelector=selector)
            assert [item["note"] for item in listed["items"]] == ["it runs well"]
        core = "/api/v1/namespaces/default/events"
        listed = await world.json("GET", core, fieldSelector="involvedObject.name=p")
        assert len(listed["items"]) == 1
        await world.fails(400, "GET", core, fieldSelector="regarding.name=p")

    run(test)


def test_field_validation_is_as_strict_as_asked() -> None:
    async def test(world: World) -> None:
        body = b'{"metadata":{"name":"a","name":"b"},"data":{},"odd":1}'
        status = await world.fails(400, "POST", CONFIG_MAPS, body, fieldValidation="Strict")
        assert status["message"].endswith(
            'strict decoding error: duplicate field "metadata.name", unknown field "odd"'
        )
        status = await world.fails(422, "POST", CONFIG_MAPS, body, fieldValidation="Odd")
        assert 'supported values: "", "Ignore", "Strict", "Warn"' in status["message"]
        answer = await world.ask("POST", CONFIG_MAPS, body)
        assert answer.status == 201
        assert answer.headers["Warning"] == (
            '299 - "duplicate field \\"metadata.name\\"", 299 - "unknown field \\"odd\\""'
        )
        assert "odd" not in json.loads(answer.content())
        quiet = await world.ask(
            "POST", CONFIG_MAPS, body.replace(b'"b"', b'"c"'), fieldValidation="Ignore"
        )
        assert "Warning" not in quiet.headers
        headers = {"content-type": "application/merge-patch+json"}
        await world.fails(
            422, "PATCH", f"{CONFIG_MAPS}/b", {"odd": 1}, headers=headers, fieldValidation="Strict"
        )

    run(test)


def test_a_new_pod_is_filled_in() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", PODS, {**pod("p"), "status": {"phase": "Running"}})
        assert made["status"]["phase"] == "Pending"
        assert made["status"]["qosClass"] == "BestEffort"
        assert made["spec"]["serviceAccountName"] == "default"
        assert made["spec"]["priority"] == 0
        assert {one["key"]: one["tolerationSeconds"] for one in made["spec"]["tolerations"]} == {
            "node.kubernetes.io/not-ready": 300,
            "node.kubernetes.io/unreachable": 300,
        }
        assert made["metadata"]["generation"] == 1
        await world.fails(403, "POST", PODS, pod("q", priorityClassName="unknown"))

    run(test)


def test_stringdata_becomes_data() -> None:
    async def test(world: World) -> None:
        secrets = "/api/v1/namespaces/default/secrets"
        body = {"metadata": {"name": "s"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}}
        made = await world.json("POST", secrets, body)
        assert made["data"] == {"a": "Yg==", "c": "ZA=="}
        assert "stringData" not in made

    run(test)
