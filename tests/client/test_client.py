"""The verbs, typed and plain, against a small API in the same process."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from arubeki import clock
from arubeki.client.client import Client
from arubeki.client.requests import PATIENCE_TRIES
from arubeki.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    ConfigError,
    Conflict,
    Expired,
    InternalError,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    WatchBroken,
)
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import Dynamic, ObjectMeta
from arubeki.net.message import Response
from tests.client.server import CONFIG_MAP, Small


def run(test: Callable[[Small, Client], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        small = Small()
        await test(small, small.client())

    clock.run_virtual(main())


def config_map(name: str = "a", **data: str) -> core.ConfigMap:
    return core.ConfigMap(metadata=ObjectMeta(name=name, namespace="x"), data=data)


def refusal(code: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Response:
    return Response(code, headers or {}, body)


def test_an_object_is_got_in_the_form_that_is_asked_for() -> None:
    async def test(small: Small, client: Client) -> None:
        stored = small.put("x", "a", data={"k": "v"})
        assert await client.get(CONFIG_MAP, "a", "x") == stored
        typed = await client.get(core.ConfigMap, "a", "x")
        assert isinstance(typed, core.ConfigMap)
        assert (typed.name, typed.data) == ("a", {"k": "v"})
        dynamic = await client.get(Dynamic.of(CONFIG_MAP), "a", "x")
        assert isinstance(dynamic, Dynamic)
        assert dynamic.name == "a"
        assert small.last.headers["accept"] == "application/json"

    run(test)


def test_absence_is_raised_with_its_details() -> None:
    async def test(small: Small, client: Client) -> None:
        with pytest.raises(NotFound, match='"a" not found') as caught:
            await client.get(CONFIG_MAP, "a", "x")
        assert caught.value.details == {"name": "a"}

    run(test)


def test_a_name_is_needed_where_all_would_be_meant() -> None:
    async def test(small: Small, client: Client) -> None:
        for deed in (
            client.get(CONFIG_MAP, "", "x"),
            client.delete(CONFIG_MAP, "", "x"),
            client.patch(CONFIG_MAP, "", "x", {}),
            client.apply({"metadata": {"namespace": "x"}}, kind=CONFIG_MAP),
        ):
            with pytest.raises(BadRequest, match="name is missing"):
                await deed
        assert small.requests == []

    run(test)


def test_a_list_is_read_in_pages_and_its_items_know_their_kind() -> None:
    async def test(small: Small, client: Client) -> None:
        for number in range(7):
            small.put("x", f"a{number}")
        small.put("y", "b")
        found = await client.list(CONFIG_MAP, "x", limit=3)
        assert [each["metadata"]["name"] for each in found] == [f"a{n}" for n in range(7)]
        assert {(each["apiVersion"], each["kind"]) for each in found} == {("v1", "ConfigMap")}
        assert len(small.requests) == 3
        typed = await client.list(core.ConfigMap, labels="a=b", fields="metadata.name=c")
        assert len(typed) == 8
        assert small.said() == {
            "limit": "500",
            "labelSelector": "a=b",
            "fieldSelector": "metadata.name=c",
        }

    run(test)


def test_pages_that_expire_are_read_again_in_one_piece() -> None:
    async def test(small: Small, client: Client) -> None:
        for number in range(7):
            small.put("x", f"a{number}")
        small.expired_pages = 1
        items, resource_version = await client.list_raw(CONFIG_MAP, "x", limit=3)
        assert len(items) == 7
        assert resource_version == "7"
        assert "limit" not in small.said()

    run(test)


def test_a_list_that_leads_nowhere_is_an_error() -> None:
    async def test(small: Small, client: Client) -> None:
        page = b'{"metadata":{"continue":"again"},"items":[]}'
        small.refusals = [refusal(200, {}, page) for _ in range(3)]
        with pytest.raises(ApiError, match="same page"):
            await client.list(CONFIG_MAP)
        assert len(small.requests) == 2

    run(test)


def test_a_first_page_that_is_expired_is_an_error() -> None:
    async def test(small: Small, client: Client) -> None:
        small.refusals = [refusal(410, {}, b'{"kind":"Status","reason":"Expired","code":410}')]
        with pytest.raises(Expired):
            await client.list(CONFIG_MAP, "x")

    run(test)


def test_an_object_is_created_under_the_managers_name() -> None:
    async def test(small: Small, client: Client) -> None:
        made = await client.create(config_map(k="v"))
        assert (made.data, made.resource_version) == ({"k": "v"}, "1")
        assert (small.last.method, small.said()) == ("POST", {"fieldManager": "tester"})
        with pytest.raises(AlreadyExists):
            await client.create(config_map())
        document = {"metadata": {"name": "b"}, "data": {"k": "v"}}
        plain = await client.create(document, kind=CONFIG_MAP, namespace="x", dry_run=True)
        assert plain["metadata"]["name"] == "b"
        assert json.loads(small.last.body)["kind"] == "ConfigMap"
        assert small.said()["dryRun"] == "All"
        assert document == {"metadata": {"name": "b"}, "data": {"k": "v"}}

    run(test)


def test_a_namespaced_object_without_namespace_is_not_sent() -> None:
    async def test(small: Small, client: Client) -> None:
        with pytest.raises(BadRequest, match="namespace is missing"):
            await client.create({"metadata": {"name": "a"}}, kind=CONFIG_MAP)
        assert small.requests == []

    run(test)


def test_apply_sends_a_patch_that_is_forced_unless_told_otherwise() -> None:
    async def test(small: Small, client: Client) -> None:
        live = await client.apply(config_map(k="v"))
        assert live.data == {"k": "v"}
        assert small.last.method == "PATCH"
        assert small.last.headers["content-type"] == "application/apply-patch+yaml"
        assert small.said() == {"fieldManager": "tester", "force": "true"}
        await client.apply(config_map(), force=False, manager="other", subresource="status")
        assert small.last.path.endswith("/configmaps/a/status")
        assert small.said() == {"fieldManager": "other"}

    run(test)


def test_update_needs_the_current_version_and_a_plain_object() -> None:
    async def test(small: Small, client: Client) -> None:
        old = small.put("x", "a")
        new = await client.update({**old, "data": {"k": "v"}}, kind=CONFIG_MAP)
        assert new["data"] == {"k": "v"}
        with pytest.raises(Conflict):
            await client.update(old, kind=CONFIG_MAP)
        with pytest.raises(TypeError):
            await client.update(config_map())  # type: ignore[arg-type]

    run(test)


@pytest.mark.parametrize(
    ("type_", "patch", "media_type"),
    [
        ("merge", {"data": {}}, "application/merge-patch+json"),
        ("json", [{"op": "remove", "path": "/data"}], "application/json-patch+json"),
        ("strategic", {"data": {}}, "application/strategic-merge-patch+json"),
    ],
)
def test_a_patch_says_what_it_is(type_: str, patch: Any, media_type: str) -> None:
    async def test(small: Small, client: Client) -> None:
        small.put("x", "a")
        patched = await client.patch(core.ConfigMap, "a", "x", patch, type=type_)
        assert isinstance(patched, core.ConfigMap)
        assert small.last.headers["content-type"] == media_type
        assert json.loads(small.last.body) == patch

    run(test)


def test_delete_tells_whether_the_object_stays() -> None:
    async def test(small: Small, client: Client) -> None:
        small.put("x", "a")
        small.put("x", "b")["metadata"]["finalizers"] = ["f"]
        deleted = await client.delete(
            CONFIG_MAP,
            "a",
            "x",
            uid="u",
            resource_version="5",
            grace_seconds=0,
            propagation="Orphan",
        )
        assert deleted is None
        assert json.loads(small.last.body) == {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": "u", "resourceVersion": "5"},
            "propagationPolicy": "Orphan",
        }
        stays = await client.delete(core.ConfigMap, "b", "x")
        assert stays is not None
        assert stays.finalizers == ("f",)
        with pytest.raises(NotFound):
            await client.delete(CONFIG_MAP, "a", "x")

    run(test)


def test_a_collection_is_deleted_by_its_selectors() -> None:
    async def test(small: Small, client: Client) -> None:
        small.put("x", "a")
        small.put("y", "a")
        await client.delete_collection(CONFIG_MAP, "x", labels="a=b")
        assert list(small.objects) == [("y", "a")]
        assert small.said() == {"labelSelector": "a=b"}

    run(test)


def test_a_watch_asks_for_bookmarks_and_what_else_is_said() -> None:
    async def test(small: Small, client: Client) -> None:
        small.lines = [b'{"type":"ADDED","object":{"a":1}}\n{"type":"DEL', b'ETED","object":{}}\n']
        watch = client.watch_raw(
            CONFIG_MAP, "x", send_initial_events=True, labels="a=b", timeout_seconds=9
        )
        found = [(type_, bytes(raw)) async for type_, raw in watch]
        assert found == [("ADDED", b'{"a":1}'), ("DELETED", b"{}")]
        assert small.said() == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "labelSelector": "a=b",
            "timeoutSeconds": "9",
        }
        _ = [each async for each in client.watch_raw(core.ConfigMap, resource_version="7")]
        assert small.said()["resourceVersion"] == "7"
        assert small.last.path == "/api/v1/configmaps"

    run(test)


GONE = b'{"kind":"Status","code":410,"reason":"%b","message":"too old resource version"}'


@pytest.mark.parametrize("reason", [b"Expired", b"Gone"])
def test_a_version_that_is_too_old_is_expired_in_either_form(reason: bytes) -> None:
    async def test(small: Small, client: Client) -> None:
        small.lines = [b'{"type":"ERROR","object":' + GONE % reason + b"}\n"]
        with pytest.raises(Expired, match="too old"):
            await anext(client.watch_raw(CONFIG_MAP))
        small.refusals = [refusal(410, {}, GONE % reason)]
        with pytest.raises(Expired, match="too old"):
            await anext(client.watch_raw(CONFIG_MAP))

    run(test)


def test_other_errors_of_a_watch_are_raised_as_they_are() -> None:
    async def test(small: Small, client: Client) -> None:
        status = b'{"kind":"Status","code":500,"reason":"InternalError","message":"sorry"}'
        small.lines = [b'{"type":"ERROR","object":' + status + b"}\n"]
        with pytest.raises(InternalError, match="sorry"):
            await anext(client.watch_raw(CONFIG_MAP))

    run(test)


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"type":1}\n', b'{"type":"ADDED","obj'])
def test_a_watch_that_is_none_is_broken(line: bytes) -> None:
    async def test(small: Small, client: Client) -> None:
        small.lines = [line]
        with pytest.raises(WatchBroken):
            await anext(client.watch_raw(CONFIG_MAP))

    run(test)


def test_a_watch_that_is_cut_off_is_broken() -> None:
    async def test(small: Small, client: Client) -> None:
        small.is_cut = True
        with pytest.raises(WatchBroken):
            await anext(client.watch_raw(CONFIG_MAP))

    run(test)


def test_logs_come_in_pieces() -> None:
    async def test(small: Small, client: Client) -> None:
        logs = client.logs("p", "x", container="c", follow=True, tail_lines=0)
        assert b"".join([piece async for piece in logs]) == b"one\ntwo\n"
        assert small.last.path == "/api/v1/namespaces/x/pods/p/log"
        assert small.said() == {"container": "c", "follow": "true", "tailLines": "0"}
        small.refusals = [refusal(400, {}, b'{"kind":"Status","reason":"BadRequest","code":400}')]
        with pytest.raises(BadRequest):
            await anext(client.logs("p", "x"))

    run(test)


def test_a_subresource_that_is_a_deed_is_posted() -> None:
    async def test(small: Small, client: Client) -> None:
        small.refusals = [refusal(201, {}, b'{"status":"Success"}')]
        answer = await client.post(core.Pod, "p", "x", "binding", {"target": {"name": "n"}})
        assert answer == {"status": "Success"}
        assert small.last.path == "/api/v1/namespaces/x/pods/p/binding"

    run(test)


def test_who_is_asked_for_patience_waits_and_tries_again() -> None:
    async def test(small: Small, client: Client) -> None:
        small.put("x", "a")
        small.refusals = [refusal(429, {"retry-after": "3"}), refusal(503, {"retry-after": "4"})]
        assert await client.get(CONFIG_MAP, "a", "x")
        assert asyncio.get_running_loop().time() == 7
        assert len(small.requests) == 3

    run(test)


def test_patience_has_an_end() -> None:
    async def test(small: Small, client: Client) -> None:
        small.refusals = [refusal(429, {"retry-after": "1"}) for _ in range(100)]
        with pytest.raises(TooManyRequests) as caught:
            await client.get(CONFIG_MAP, "a", "x")
        assert len(small.requests) == PATIENCE_TRIES + 1
        assert caught.value.retry_after_seconds == 1
        small.refusals = [refusal(429, {"retry-after": "3600"})]
        with pytest.raises(TooManyRequests):
            await client.get(CONFIG_MAP, "a", "x")
        small.refusals = [refusal(429, {"retry-after": "Mon, 23 Nov 2026 07:28:17 GMT"})]
        with pytest.raises(TooManyRequests):
            await client.get(CONFIG_MAP, "a", "x")
        assert asyncio.get_running_loop().time() == PATIENCE_TRIES

    run(test)


def test_an_answer_without_status_is_still_an_error() -> None:
    async def test(small: Small, client: Client) -> None:
        small.refusals = [refusal(503, {}, b"<html>bad gateway</html>"), refusal(418, {}, b"[1]")]
        with pytest.raises(ServiceUnavailable, match="bad gateway"):
            await client.get(CONFIG_MAP, "a", "x")
        with pytest.raises(ApiError) as caught:
            await client.get(CONFIG_MAP, "a", "x")
        assert caught.value.code == 418

    run(test)


def test_an_answer_that_is_no_list_is_an_error() -> None:
    async def test(small: Small, client: Client) -> None:
        small.refusals = [refusal(200, {}, b"[]")]
        with pytest.raises(ApiError, match="no list"):
            await client.list(CONFIG_MAP)

    run(test)


def test_a_class_without_kind_is_none() -> None:
    async def test(small: Small, client: Client) -> None:
        with pytest.raises(ConfigError, match="no kind"):
            await client.list(msgspec.Struct)  # type: ignore[type-var]

    run(test)
