"""Requests on a connection: read, handled in order, answered."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from arubeki.errors import NotFound, TooManyRequests
from arubeki.net.message import Request, Response, Stream
from tests.net.support import Stack, client_pair, on_each_stack, on_plain_stacks, request, until


async def echo(request: Request) -> Response:
    """Tell what was asked."""
    told = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": dict(request.headers),
        "body": request.body.decode("latin-1"),
        "address": request.peer_address,
    }
    return Response(200, {"content-type": "application/json"}, json.dumps(told).encode())


async def size(request: Request) -> Response:
    return Response(200, {}, str(len(request.body)).encode())


@on_each_stack
def test_a_request_arrives_as_it_was_sent(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(echo) as served:
            peer = await served.connect()
            reply = await peer.ask(
                "/api/v1/a%20b%2Fc?x=%20y&z",
                method="PATCH",
                head="X-One: 1\r\nx-ONE: 2\r\n",
                body=b"hi",
            )
            assert json.loads(reply.body) == {
                "method": "PATCH",
                "path": "/api/v1/a b/c",
                "query": "x=%20y&z",
                "headers": {"host": "here", "x-one": "1, 2", "content-length": "2"},
                "body": "hi",
                "address": "127.0.0.1",
            }

    stack.run(main())


@on_each_stack
def test_a_connection_serves_many_requests(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(echo) as served:
            peer = await served.connect()
            for number in range(5):
                reply = await peer.ask(f"/{number}")
                assert json.loads(reply.body)["path"] == f"/{number}"
                assert "connection" not in reply.headers
            assert served.server.connections == 1

    stack.run(main())


@on_each_stack
def test_an_answer_has_a_date_and_a_length(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            reply = await (await served.connect()).ask()
            assert reply.headers["content-length"] == "1"
            assert reply.headers["date"].endswith(" GMT")

    stack.run(main())


@on_each_stack
def test_pipelined_requests_are_answered_in_order_though_the_first_takes_longest(
    stack: Stack,
) -> None:
    async def slow_first(request: Request) -> Response:
        if request.path == "/0":
            await asyncio.sleep(0.02)
        elif int(request.path[1:]) % 2:
            await asyncio.sleep(0)
        return Response(200, {}, request.path.encode())

    async def main() -> None:
        async with stack.serving(slow_first) as served:
            peer = await served.connect()
            peer.send(b"".join(request(f"/{number}") for number in range(100)))
            for number in range(100):
                assert (await peer.reply()).body == f"/{number}".encode()

    stack.run(main())


@on_each_stack
def test_a_head_and_a_body_may_come_byte_by_byte(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(echo) as served:
            peer = await served.connect()
            for byte in request("/slow?q", method="POST", head="x-a: b\r\n", body=b"body"):
                peer.send(bytes([byte]))
                await asyncio.sleep(0)
            told = json.loads((await peer.reply()).body)
            assert (told["path"], told["query"], told["body"]) == ("/slow", "q", "body")
            assert told["headers"]["x-a"] == "b"

    stack.run(main())


@on_each_stack
def test_a_chunked_body_arrives_whole_without_its_trailers(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(echo) as served:
            peer = await served.connect()
            peer.send(request(method="POST", head="transfer-encoding: chunked\r\n"))
            peer.send(b"4\r\nwith\r\n5;ext=1\r\n some\r\n0\r\nx-trailer: no\r\n\r\n")
            told = json.loads((await peer.reply()).body)
            assert told["body"] == "with some"
            assert "x-trailer" not in told["headers"]
            assert (await peer.ask("/next")).status == 200

    stack.run(main())


@on_each_stack
def test_who_expects_it_is_told_to_continue(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            peer = await served.connect()
            peer.send(request(method="POST", head="expect: 100-continue\r\ncontent-length: 3\r\n"))
            assert await peer.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            peer.send(b"abc")
            assert (await peer.reply()).body == b"3"
            # Who does not wait for it is not told.
            assert (
                await peer.ask(method="POST", head="expect: 100-continue\r\n", body=b"x")
            ).body == b"1"

    stack.run(main())


@on_each_stack
def test_head_gets_no_body_and_the_length_of_it(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(echo) as served:
            peer = await served.connect()
            reply = await peer.ask(method="HEAD")
            assert int(reply.headers["content-length"]) > 10
            assert (await peer.ask("/next")).status == 200

    stack.run(main())


@on_each_stack
def test_204_has_neither_body_nor_length(stack: Stack) -> None:
    async def nothing(request: Request) -> Response:
        return Response(204, {}, b"not to be sent")

    async def main() -> None:
        async with stack.serving(nothing) as served:
            peer = await served.connect()
            assert "content-length" not in (await peer.ask()).headers
            assert (await peer.ask()).status == 204

    stack.run(main())


@on_each_stack
def test_connection_close_is_respected(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            peer = await served.connect()
            reply = await peer.ask(head="connection: close\r\n")
            assert reply.headers["connection"] == "close"
            assert await peer.is_closed()

    stack.run(main())


@on_plain_stacks
def test_http_1_0_closes_unless_asked_to_stay(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            peer = await served.connect()
            peer.send(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            assert (await peer.reply()).headers["connection"] == "keep-alive"
            peer.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await peer.reply()).body == b"0"
            assert await peer.is_closed()

    stack.run(main())


@on_each_stack
def test_an_upgrade_is_an_ordinary_request(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(echo) as served:
            peer = await served.connect()
            upgrade = "connection: upgrade\r\nupgrade: h2c\r\n"
            peer.send(request("/a", head=upgrade) + request("/b"))
            first, second = await peer.reply(), await peer.reply()
            assert json.loads(first.body)["headers"]["upgrade"] == "h2c"
            assert json.loads(second.body)["path"] == "/b"

    stack.run(main())


@on_each_stack
def test_what_a_handler_raises_becomes_a_status(stack: Stack) -> None:
    async def failing(request: Request) -> Response:
        if request.path == "/later":
            await asyncio.sleep(0)
        raise NotFound('pods "x" not found', details={"name": "x"})

    async def main() -> None:
        async with stack.serving(failing) as served:
            peer = await served.connect()
            for path in ("/now", "/later"):
                reply = await peer.ask(path)
                assert reply.status == 404
                assert json.loads(reply.body)["message"] == 'pods "x" not found'
                assert json.loads(reply.body)["details"] == {"name": "x"}

    stack.run(main())


@on_plain_stacks
def test_patience_that_is_asked_for_stands_in_the_head(stack: Stack) -> None:
    async def busy(request: Request) -> Response:
        raise TooManyRequests("later", details={"retryAfterSeconds": 7})

    async def main() -> None:
        async with stack.serving(busy) as served:
            reply = await (await served.connect()).ask()
            assert (reply.status, reply.headers["retry-after"]) == (429, "7")

    stack.run(main())


@on_each_stack
def test_a_mistake_of_ours_is_logged_and_not_told(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    async def mistaken(request: Request) -> Any:
        if request.path == "/none":
            return None
        if request.path == "/split":
            return Response(200, {"x-name": "a\r\nset-cookie: b"}, b"")
        raise KeyError("a secret")

    async def main() -> None:
        async with stack.serving(mistaken) as served:
            peer = await served.connect()
            for path in ("/raise", "/none", "/split"):
                reply = await peer.ask(path)
                assert reply.status == 500
                assert b"secret" not in reply.body
                assert json.loads(reply.body)["reason"] == "InternalError"
                assert "set-cookie" not in reply.headers

    with caplog.at_level(logging.CRITICAL, "arubeki.net"):
        stack.run(main())


@on_each_stack
def test_a_handler_may_use_timeouts_and_task_groups_from_its_first_step(stack: Stack) -> None:
    async def grouped(request: Request) -> Response:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            first = group.create_task(asyncio.sleep(0.001, b"ok"))
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            return Response(200, {}, first.result())
        return Response(500)

    async def main() -> None:
        async with stack.serving(grouped) as served:
            assert (await (await served.connect()).ask()).body == b"ok"

    stack.run(main())


@on_each_stack
def test_who_goes_away_cancels_what_is_done_for_it(stack: Stack) -> None:
    seen: list[str] = []

    async def endless(request: Request) -> Response:
        seen.append("begun")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # cleaning up may take time
            seen.append("cleaned up")
            raise
        return Response(200)

    async def main() -> None:
        async with stack.serving(endless) as served:
            peer = await served.connect()
            peer.send(request())
            await until(lambda: bool(seen))
            peer.cut()
            await until(lambda: served.server.connections == 0)
            await until(lambda: len(seen) == 2)
            assert seen == ["begun", "cleaned up"]

    stack.run(main())


@on_each_stack
def test_who_goes_away_amid_a_head_or_body_leaves_nothing(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            for part in (
                b"GET / HT",
                request(method="POST", head="content-length: 9\r\n") + b"abc",
            ):
                peer = await served.connect()
                peer.send(part)
                await until(lambda: served.server.connections == 1)
                await asyncio.sleep(0.005)
                peer.cut()
                await until(lambda: served.server.connections == 0)
            assert (await (await served.connect()).ask()).status == 200

    stack.run(main())


@on_each_stack
def test_a_stream_that_comes_too_late_is_closed_unopened(stack: Stack) -> None:
    gone = asyncio.Event()
    closed: list[bool] = []

    def never(sink: object) -> None:
        raise AssertionError

    async def stubborn(request: Request) -> Stream:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
        return Stream(never, lambda: closed.append(True))

    async def main() -> None:
        async with stack.serving(stubborn) as served:
            peer = await served.connect()
            peer.send(request())
            await asyncio.sleep(0.01)
            peer.cut()
            await until(lambda: closed == [True])

    del gone
    stack.run(main())


def test_a_client_certificate_is_known_to_every_request() -> None:
    found: list[Mapping[str, object] | None] = []

    async def note(request: Request) -> Response:
        found.append(request.peer_certificate)
        return Response(200)

    async def main(stack: Stack) -> None:
        async with stack.serving(note) as served:
            for pair in (client_pair(), None):
                peer = await served.connect(pair)
                await peer.ask()
                await peer.ask()

    from tests.net.support import STACKS

    for stack in STACKS:
        if stack.is_tls:
            found.clear()
            stack.run(main(stack))
            assert found[2:] == [None, None]
            assert found[0] is found[1] is not None
            subject = dict(part[0] for part in reversed(found[0]["subject"]))  # type: ignore[call-overload]
            assert subject["commonName"] == "alice"
