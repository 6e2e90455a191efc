"""The chain: probes, credentials, permission, unknown paths, the unexpected."""

import json

import pytest

from arubeki.errors import StorageError, StorageFull
from arubeki.net.message import Request, Response, User
from arubeki.server.access import Access
from tests.server.support import ADMIN, CONFIG_MAPS, World, config_map, run


@pytest.mark.parametrize("path", ["/version", "/version/", "/livez", "/readyz", "/healthz"])
def test_probes_need_no_credential(path: str) -> None:
    async def test(world: World) -> None:
        assert (await world.ask("GET", path, user=None)).status == 200

    run(test)


def test_version_has_the_numbers_that_clients_compare() -> None:
    async def test(world: World) -> None:
        version = await world.json("GET", "/version")
        assert version["major"] == "1"
        assert version["gitVersion"].startswith(f"v1.{version['minor']}.")

    run(test)


def test_readiness_names_what_is_not_ready() -> None:
    async def test(world: World) -> None:
        world.app.readiness["nodes"] = lambda: "n1 is not Ready"
        answer = await world.ask("GET", "/readyz")
        assert answer.status == 500
        assert b"[-]nodes failed: n1 is not Ready" in answer.content()
        assert (await world.ask("GET", "/readyz/nodes")).status == 500
        assert (await world.ask("GET", "/readyz/storage")).status == 200
        assert (await world.ask("GET", "/readyz/nothing")).status == 404
        assert (await world.ask("GET", "/livez")).status == 200
        world.app.readiness["nodes"] = lambda: ""
        verbose = await world.ask("GET", "/readyz", verbose="")
        assert b"[+]nodes ok\nreadyz check passed\n" in verbose.content()

    run(test)


def test_everything_else_needs_a_credential() -> None:
    async def test(world: World) -> None:
        for path in (CONFIG_MAPS, "/api", "/apis", "/openapi/v3", "/nothing"):
            status = await world.fails(401, "GET", path, user=None)
            assert status["reason"] == "Unauthorized"

    run(test)


def test_a_token_and_a_certificate_say_who_asks() -> None:
    access = Access({"s3cret": User("jane", ("system:masters",))})

    async def test(world: World) -> None:
        good = {"authorization": "Bearer s3cret"}
        assert (await world.ask("GET", CONFIG_MAPS, user=None, headers=good)).status == 200
        for bad in ("Bearer s3cre", "Bearer", "Basic s3cret", "Bearer s3cret2"):
            await world.fails(401, "GET", CONFIG_MAPS, user=None, headers={"authorization": bad})
        subject = (
            (("organizationName", "system:masters"),),
            (("organizationName", "others"),),
            (("commonName", "joe"),),
        )
        request = Request("GET", CONFIG_MAPS, peer_certificate={"subject": subject})
        assert (await world.app(request)).status == 200
        request = Request("GET", CONFIG_MAPS, peer_certificate={"subject": subject[1:]})
        answer = await world.app(request)
        assert answer.status == 403
        message = json.loads(answer.content())["message"]
        assert 'User "joe" cannot list resource "configmaps"' in message

    run(test, access=access)


def test_who_may_not_is_told_so_in_kubernetes_words() -> None:
    async def test(world: World) -> None:
        user = User("x", ("system:authenticated",))
        status = await world.fails(403, "GET", "/apis/apps/v1/namespaces/y/deployments", user=user)
        assert status["message"] == (
            'deployments.apps is forbidden: User "x" cannot list resource "deployments" '
            'in API group "apps" in the namespace "y"'
        )
        status = await world.fails(403, "GET", "/api/v1/nodes/n1", user=user)
        assert status["message"] == (
            'nodes "n1" is forbidden: User "x" cannot get resource "nodes" '
            'in API group "" at the cluster scope'
        )
        status = await world.fails(403, "GET", "/openid/v1/jwks", user=user)
        assert status["message"] == 'forbidden: User "x" cannot get path "/openid/v1/jwks"'
        status = await world.fails(403, "POST", CONFIG_MAPS, config_map("a"), user=user)
        await world.fails(404, "GET", f"{CONFIG_MAPS}/a")

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/v2/pods", 404),
        ("GET", "/apis/nothing/v1/pods", 404),
        ("GET", "/api/v1/things", 404),
        ("GET", "/api/v1/pods/p", 404),
        ("GET", "/api/v1//pods", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/namespaces/default/pods/p/nothing", 404),
        ("GET", "/api/v1/namespaces/default/pods/p/status/more", 404),
        ("POST", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("PUT", "/api/v1/namespaces/default/pods", 405),
        ("POST", "/api/v1/namespaces/default/pods/p", 405),
        ("BREW", "/api/v1/namespaces/default/pods/p", 405),
        ("POST", "/apis", 405),
        ("GET", "/api/v1/namespaces/default/pods/p/exec", 501),
        ("POST", "/api/v1/namespaces/default/pods/p/attach", 501),
        ("POST", "/api/v1/namespaces/default/pods/p/portforward", 501),
    ],
)
def test_what_is_not_served_says_so(method: str, path: str, code: int) -> None:
    async def test(world: World) -> None:
        await world.fails(code, method, path)

    run(test)


def test_a_path_may_end_in_a_slash() -> None:
    async def test(world: World) -> None:
        assert (await world.json("GET", f"{CONFIG_MAPS}/"))["kind"] == "ConfigMapList"

    run(test)


def test_every_answer_has_an_id_of_its_own() -> None:
    async def test(world: World) -> None:
        first = await world.ask("GET", CONFIG_MAPS)
        second = await world.ask("GET", f"{CONFIG_MAPS}/nothing")
        assert first.headers["Audit-Id"] != second.headers["Audit-Id"]
        given = await world.ask("GET", CONFIG_MAPS, headers={"audit-id": "mine"})
        assert given.headers["Audit-Id"] == "mine"

    run(test)


def test_the_unexpected_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        async def broken(key: str) -> None:
            raise ZeroDivisionError("inner secret")

        working, world.storage.get = world.storage.get, broken  # type: ignore[method-assign]
        status = await world.fails(500, "GET", f"{CONFIG_MAPS}/a")
        assert status["reason"] == "InternalError"
        assert "inner secret" not in json.dumps(status)
        world.storage.get = working  # type: ignore[method-assign]
        assert (await world.ask("GET", CONFIG_MAPS)).status == 200

    run(test)
    assert "inner secret" in caplog.text


def test_a_storage_that_refuses_is_not_the_clients_fault() -> None:
    async def test(world: World) -> None:
        async def full(*args: object, **more: object) -> None:
            raise StorageFull("no space left in /data")

        world.storage.commit = full  # type: ignore[method-assign, assignment]
        status = await world.fails(500, "POST", CONFIG_MAPS, config_map("a"))
        assert status["message"] == "no space left in /data"

        async def gone(*args: object, **more: object) -> None:
            raise StorageError("closed")

        world.storage.commit = gone  # type: ignore[method-assign, assignment]
        await world.fails(503, "POST", CONFIG_MAPS, config_map("a"))
        await world.fails(404, "GET", f"{CONFIG_MAPS}/a")

    run(test)


def test_a_stopped_server_refuses() -> None:
    async def test(world: World) -> None:
        watch = await world.watch(CONFIG_MAPS)
        await world.app.stop()
        assert watch.reader.is_closed
        status = await world.fails(503, "GET", CONFIG_MAPS)
        assert status["details"]["retryAfterSeconds"] == 1
        answer = await world.app(Request("GET", CONFIG_MAPS, user=ADMIN))
        assert isinstance(answer, Response)
        assert answer.headers["Retry-After"] == "1"
        assert (await world.ask("GET", "/readyz")).status == 500

    run(test)
