"""delete and deletecollection: graces, finalizers, preconditions, policies."""

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


def test_an_object_is_gone_at_once_and_told_so() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", DEPLOYMENTS, deployment("d"))
        status = await world.json("DELETE", f"{DEPLOYMENTS}/d")
        assert status["status"] == "Success"
        assert status["details"] == {
            "name": "d",
            "group": "apps",
            "kind": "deployments",
            "uid": made["metadata"]["uid"],
        }
        await world.fails(404, "DELETE", f"{DEPLOYMENTS}/d")

    run(test)


def test_finalizers_keep_an_object_until_the_last_is_gone() -> None:
    async def test(world: World) -> None:
        body = deployment("d")
        body["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
        await world.json("POST", DEPLOYMENTS, body)
        watch = await world.watch(DEPLOYMENTS)
        going = await world.json("DELETE", f"{DEPLOYMENTS}/d")
        assert going["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
        assert going["metadata"]["generation"] == 2
        status = await world.fails(409, "POST", DEPLOYMENTS, deployment("d"))
        assert status["message"].startswith("object is being deleted: ")
        revision = world.storage.revision
        await world.json("DELETE", f"{DEPLOYMENTS}/d")
        assert world.storage.revision == revision
        headers = {"content-type": "application/merge-patch+json"}
        added = {"metadata": {"finalizers": ["example.com/a", "example.com/new"]}}
        status = await world.fails(422, "PATCH", f"{DEPLOYMENTS}/d", added, headers=headers)
        assert status["message"].endswith(
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
            'deleted, found new finalizers []string{"example.com/new"}'
        )
        await world.patch(f"{DEPLOYMENTS}/d", {"metadata": {"finalizers": ["example.com/b"]}})
        last = await world.patch(f"{DEPLOYMENTS}/d", {"metadata": {"finalizers": None}})
        assert "finalizers" not in last["metadata"]
        await world.fails(404, "GET", f"{DEPLOYMENTS}/d")
        kinds = [kind for kind, _ in await watch.seen()]
        assert kinds == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
        deleted = (await watch.events())[-1]["object"]["metadata"]
        assert deleted["resourceVersion"] == str(world.storage.revision)

    run(test)


def test_a_pods_deletion_waits_for_its_node() -> None:
    async def test(world: World) -> None:
        made = await world.json(
            "POST", PODS, pod("p", nodeName="n1", terminationGracePeriodSeconds=40)
        )
        going = await world.json("DELETE", f"{PODS}/p")
        assert going["metadata"]["deletionGracePeriodSeconds"] == 40
        assert going["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:40Z"
        assert going["metadata"]["generation"] == made["metadata"]["generation"] + 1
        sooner = await world.json("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 10})
        assert sooner["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:10Z"
        later = await world.json("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 90})
        assert later == sooner
        gone = await world.json(
            "DELETE",
            f"{PODS}/p",
            {"gracePeriodSeconds": 0, "preconditions": {"uid": made["metadata"]["uid"]}},
        )
        assert gone["kind"] == "Pod"
        await world.fails(404, "GET", f"{PODS}/p")

    run(test)


@pytest.mark.parametrize("asked", [None, 0, -5])
def test_a_pod_that_no_node_runs_goes_at_once(asked: int | None) -> None:
    async def test(world: World) -> None:
        await world.json("POST", PODS, pod("p"))
        watch = await world.watch(PODS)
        body = {"gracePeriodSeconds": asked} if asked is not None else None
        await world.json("DELETE", f"{PODS}/p", body)
        await world.fails(404, "GET", f"{PODS}/p")
        last = (await watch.events())[-1]
        assert last["type"] == "DELETED"
        assert last["object"]["metadata"]["deletionGracePeriodSeconds"] == 0

    run(test)


def test_a_finished_pod_goes_at_once() -> None:
    async def test(world: World) -> None:
        await world.json("POST", PODS, pod("p", nodeName="n1"))
        await world.patch(f"{PODS}/p/status", {"status": {"phase": "Succeeded"}})
        await world.json("DELETE", f"{PODS}/p")
        await world.fails(404, "GET", f"{PODS}/p")

    run(test)


def test_preconditions_protect_what_was_not_meant() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", CONFIG_MAPS, config_map("a"))
        path = f"{CONFIG_MAPS}/a"
        status = await world.fails(409, "DELETE", path, {"preconditions": {"uid": "other"}})
        assert "the UID in the precondition (other) does not match" in status["message"]
        await world.fails(409, "DELETE", path, {"preconditions": {"resourceVersion": "1"}})
        exact = {key: made["metadata"][key] for key in ("uid", "resourceVersion")}
        await world.json("DELETE", path, {"preconditions": exact})

    run(test)


def test_policies_become_finalizers() -> None:
    async def test(world: World) -> None:
        for index, (options, finalizers) in enumerate(
            [
                ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
                ({"propagationPolicy": "Orphan"}, ["orphan"]),
                ({"orphanDependents": True}, ["orphan"]),
            ]
        ):
            name = f"d{index}"
            await world.json("POST", DEPLOYMENTS, deployment(name))
            going = await world.json("DELETE", f"{DEPLOYMENTS}/{name}", options)
            assert going["metadata"]["finalizers"] == finalizers
            await world.json("DELETE", f"{DEPLOYMENTS}/{name}", {"propagationPolicy": "Background"})
            await world.fails(404, "GET", f"{DEPLOYMENTS}/{name}")

    run(test)


def test_a_deletion_that_waits_may_be_an_accepted_one() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a", finalizers=["example.com/a"]))
        answer = await world.ask("DELETE", f"{CONFIG_MAPS}/a", {"orphanDependents": False})
        assert answer.status == 202

    run(test)


def test_options_come_in_the_query_too() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEPLOYMENTS, deployment("d"))
        going = await world.json("DELETE", f"{DEPLOYMENTS}/d", propagationPolicy="Foreground")
        assert going["metadata"]["finalizers"] == ["foregroundDeletion"]

    run(test)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"propagationPolicy": "Odd"}, 422),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422),
        ({"dryRun": ["Some"]}, 422),
        ({"gracePeriodSeconds": "soon"}, 400),
        ({"gracePeriodSeconds": True}, 400),
        ({"gracePeriodSeconds": 1 << 70}, 400),
        ({"preconditions": []}, 400),
        ({"kind": "Pod"}, 400),
        ([], 400),
        (b"{", 400),
    ],
)
def test_bad_options_delete_nothing(body: object, code: int) -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        await world.fails(code, "DELETE", f"{CONFIG_MAPS}/a", body)
        await world.json("GET", f"{CONFIG_MAPS}/a")

    run(test)


def test_a_collection_goes_as_far_as_it_is_selected() -> None:
    async def test(world: World) -> None:
        for index in range(4):
            labels = {"half": str(index % 2)}
            await world.json("POST", CONFIG_MAPS, config_map(f"c{index}", labels=labels))
        gone = await world.json("DELETE", CONFIG_MAPS, labelSelector="half=1")
        assert gone["kind"] == "ConfigMapList"
        assert [item["metadata"]["name"] for item in gone["items"]] == ["c1", "c3"]
        left = await world.json("GET", CONFIG_MAPS)
        assert [item["metadata"]["name"] for item in left["items"]] == ["c0", "c2"]
        await world.json("DELETE", CONFIG_MAPS, dryRun="All")
        assert len((await world.json("GET", CONFIG_MAPS))["items"]) == 2
        await world.json("DELETE", CONFIG_MAPS)
        assert (await world.json("GET", CONFIG_MAPS))["items"] == []

    run(test)


def test_a_namespace_goes_when_it_is_finalized() -> None:
    async def test(world: World) -> None:
        path = "/api/v1/namespaces/n"
        made = await world.json("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
        assert made["spec"] == {"finalizers": ["kubernetes"]}
        assert made["status"] == {"phase": "Active"}
        assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n"}
        going = await world.json("DELETE", path)
        assert going["status"]["phase"] == "Terminating"
        await world.json("PUT", path, {**going, "spec": {}})
        assert (await world.json("GET", path))["spec"] == {"finalizers": ["kubernetes"]}
        current = await world.json("GET", path)
        await world.json("PUT", f"{path}/finalize", {**current, "spec": {}})
        await world.fails(404, "GET", path)

    run(test)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_the_clusters_own_namespaces_stay(name: str) -> None:
    async def test(world: World) -> None:
        status = await world.fails(403, "DELETE", f"/api/v1/namespaces/{name}")
        assert status["message"] == (
            f'namespaces "{name}" is forbidden: this namespace may not be deleted'
        )

    run(test)


def test_a_deletion_and_an_update_at_once_both_hold() -> None:
    async def test(world: World) -> None:
        for _ in range(20):
            await world.json("POST", CONFIG_MAPS, config_map("a", finalizers=["example.com/a"]))
            answers = await asyncio.gather(
                world.ask("DELETE", f"{CONFIG_MAPS}/a"),
                world.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "1"}}),
            )
            assert json.loads(answers[0].content())["metadata"]["deletionTimestamp"]
            found = await world.json("GET", f"{CONFIG_MAPS}/a")
            assert found["data"]["x"] == "1"
            assert found["metadata"]["deletionTimestamp"]
            await world.patch(f"{CONFIG_MAPS}/a", {"metadata": {"finalizers": []}})

    run(test)


def test_options_may_be_protobuf() -> None:
    # DeleteOptions{gracePeriodSeconds: 5} of a typed Go client for apps/v1.
    kind = b"\x0a\x07apps/v1\x12\x0dDeleteOptions"
    body = b"k8s\0\x0a" + bytes([len(kind)]) + kind + b"\x12\x02\x08\x05"
    headers = {"content-type": "application/vnd.kubernetes.protobuf"}

    async def test(world: World) -> None:
        await world.json("POST", PODS, pod("p", nodeName="n1"))
        going = await world.json("DELETE", f"{PODS}/p", body, headers=headers)
        assert going["metadata"]["deletionGracePeriodSeconds"] == 5

    run(test)
