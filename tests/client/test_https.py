"""The way over HTTPS, to a real server on loopback."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from arubeki.client.config import Config, Impersonation
from arubeki.client.https import HttpsTransport, _proxy
from arubeki.errors import ConfigError, ConnectFailed, TimedOut, TransportError, WatchBroken
from arubeki.net.message import Chunk, Request, Response, Sink, Stream
from tests.net.support import STACKS, Served, authority, client_pair, until

UVLOOP_TLS = next(stack for stack in STACKS if stack.name == "uvloop-tls")
UVLOOP = next(stack for stack in STACKS if stack.name == "uvloop")

both = pytest.mark.parametrize("stack", [UVLOOP, UVLOOP_TLS], ids=lambda stack: stack.name)


class Api:
    """Remembers requests; answers, streams, hangs or fails as its paths say."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.sinks: list[Sink] = []
        self.closed = 0
        self.token = ""

    async def __call__(self, request: Request) -> Response | Stream:
        self.requests.append(request)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return Response(401)
        match request.path:
            case "/stream":
                return Stream(self.sinks.append, self._closed, headers={"X-Kind": "watch"})
            case "/hang":
                await asyncio.sleep(3600)
        return Response(200, {"X-Kind": "plain"}, request.path.encode())

    def _closed(self) -> None:
        self.closed += 1


def run(
    stack: Any,
    test: Callable[[Api, HttpsTransport, Served], Coroutine[Any, Any, None]],
    **fields: Any,
) -> None:
    async def main() -> None:
        api = Api()
        async with stack.serving(api) as served:
            scheme = "https" if stack.is_tls else "http"
            config = Config(
                f"{scheme}://127.0.0.1:{served.server.port}",
                authority=authority().certificate,
                **fields,
            )
            transport = HttpsTransport(config)
            try:
                await test(api, transport, served)
            finally:
                await transport.close()

    stack.run(main())


@both
def test_a_request_arrives_as_it_was_meant(stack: Any) -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        path = "/api/v1/a b/é%2F+:@"
        answer = await transport.request(
            "PUT", path, query="a=%2F&b", headers={"Content-Type": "x/y"}, body=b"body"
        )
        assert (answer.status, answer.headers["x-kind"]) == (200, "plain")
        assert answer.content().decode() == path
        request = api.requests[0]
        assert (request.method, request.path, request.query) == ("PUT", path, "a=%2F&b")
        assert (request.headers["content-type"], request.body) == ("x/y", b"body")
        assert request.headers["user-agent"].startswith("arubeki")

    run(stack, test)


@both
def test_connections_are_kept_and_shared(stack: Any) -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        for _ in range(5):
            await transport.request("GET", "/a")
        assert served.server.connections == 1
        await asyncio.gather(*[transport.request("GET", "/a") for _ in range(20)])
        assert served.server.connections <= 20

    run(stack, test)


def test_a_client_shows_its_certificate() -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        await transport.request("GET", "/")
        assert api.requests[0].peer_certificate is not None

    run(UVLOOP_TLS, test, pair=client_pair())


def test_a_server_may_go_by_another_name() -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        assert (await transport.request("GET", "/")).status == 200

    run(UVLOOP_TLS, test, tls_server_name="kubernetes.default.svc")

    async def refused(api: Api, transport: HttpsTransport, served: Served) -> None:
        with pytest.raises(ConnectFailed, match="certificate"):
            await transport.request("GET", "/")

    run(UVLOOP_TLS, refused, tls_server_name="elsewhere.example")


def test_a_path_in_the_servers_url_comes_first() -> None:
    async def main() -> None:
        api = Api()
        async with UVLOOP.serving(api) as served:
            transport = HttpsTransport(Config(f"http://127.0.0.1:{served.server.port}/k8s/c-1"))
            await transport.request("GET", "/api")
            await transport.close()
            assert api.requests[0].path == "/k8s/c-1/api"

    UVLOOP.run(main())


def test_who_to_be_seen_as_is_told_with_one_header_for_each_group() -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        await transport.request("GET", "/")
        headers = api.requests[0].headers
        assert headers["impersonate-user"] == "bob"
        assert headers["impersonate-group"] == "a, b"

    run(UVLOOP, test, impersonation=Impersonation("bob", groups=("a", "b")))


@both
def test_pieces_are_read_as_they_are_written(stack: Any) -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        async with transport.stream("GET", "/stream") as streaming:
            assert (streaming.status, streaming.headers["x-kind"]) == (200, "watch")
            pieces = aiter(streaming)
            for piece in (b"a", b"bc" * 50_000):
                api.sinks[0].write(Chunk(piece))
                got = b""
                while len(got) < len(piece):
                    got += await anext(pieces)
                assert got == piece
            api.sinks[0].close()
            assert [piece async for piece in pieces] == []
        await until(lambda: api.closed == 1)

    run(stack, test)


@both
def test_a_cut_stream_is_broken(stack: Any) -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        async with transport.stream("GET", "/stream") as streaming:
            api.sinks[0].abort()
            with pytest.raises(WatchBroken):
                await anext(aiter(streaming))

    run(stack, test)


@both
def test_who_leaves_a_stream_ends_it(stack: Any) -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        async with transport.stream("GET", "/stream"):
            pass
        await until(lambda: api.closed == 1)
        with pytest.raises(KeyError):
            async with transport.stream("GET", "/stream"):
                raise KeyError
        await until(lambda: api.closed == 2)

    run(stack, test)


def test_a_stream_outlives_the_time_of_a_request() -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        async with transport.stream("GET", "/stream") as streaming:
            await asyncio.sleep(0.3)
            api.sinks[0].write(Chunk(b"late"))
            assert await anext(aiter(streaming)) == b"late"

    run(UVLOOP, test, timeout_seconds=0.2)


def test_no_answer_in_time_is_told_apart_from_no_connection() -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        with pytest.raises(TimedOut):
            await transport.request("GET", "/hang")
        with pytest.raises(TimedOut):
            async with transport.stream("GET", "/hang"):
                raise AssertionError
        await served.server.close(0)
        with pytest.raises(ConnectFailed):
            await transport.request("GET", "/")

    run(UVLOOP, test, timeout_seconds=0.2)


@pytest.mark.parametrize(("method", "tries"), [("GET", 2), ("POST", 1), ("PUT", 1), ("DELETE", 1)])
def test_only_what_changes_nothing_is_sent_again_when_a_connection_breaks(
    method: str, tries: int
) -> None:
    async def main() -> None:
        asked = 0

        async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            writer.transport.abort()

        server = await asyncio.start_server(rude, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport = HttpsTransport(Config(f"http://127.0.0.1:{port}"))
        try:
            with pytest.raises(TransportError):
                await transport.request(method, "/")
        finally:
            await transport.close()
            server.close()
            await server.wait_closed()
        assert asked == tries

    UVLOOP.run(main())


def test_a_request_is_sent_again_with_the_token_that_has_come_since(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")

    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        api.token = "old"
        assert (await transport.request("POST", "/")).status == 200
        path.write_text("new")
        api.token = "new"
        assert (await transport.request("POST", "/")).status == 200
        api.token = "newest"
        assert (await transport.request("POST", "/")).status == 401
        assert len(api.requests) == 5
        async with transport.stream("GET", "/stream") as streaming:
            assert streaming.status == 401

    run(UVLOOP, test, token_file=str(path))


def test_redirects_are_not_followed() -> None:
    async def main() -> None:
        async def away(request: Request) -> Response:
            return Response(302, {"location": "http://elsewhere.example/"})

        async with UVLOOP.serving(away) as served:
            transport = HttpsTransport(Config(f"http://127.0.0.1:{served.server.port}"))
            assert (await transport.request("GET", "/")).status == 302
            await transport.close()

    UVLOOP.run(main())


def test_a_closed_transport_refuses() -> None:
    async def test(api: Api, transport: HttpsTransport, served: Served) -> None:
        await transport.request("GET", "/")
        await transport.close()
        await transport.close()
        with pytest.raises(ConnectFailed):
            await transport.request("GET", "/")

    run(UVLOOP, test)


def test_proxies_are_those_of_the_kubeconfig_else_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    assert _proxy(Config("https://far.example")) == "http://proxy:1"
    assert _proxy(Config("http://far.example")) is None
    assert _proxy(Config("https://127.0.0.1:6443")) is None
    assert _proxy(Config("https://far.example", proxy="http://other:2")) == "http://other:2"
    monkeypatch.setenv("NO_PROXY", ".example")
    assert _proxy(Config("https://far.example")) is None
    with pytest.raises(ConfigError, match="only http"):
        _proxy(Config("https://far.example", proxy="socks5://other"))
