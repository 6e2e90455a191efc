"""What a server bears from its peers, and what it says when it is too much."""

import asyncio
import json

import pytest

from arubeki.net.message import Request, Response
from tests.net.support import Peer, Reply, Stack, on_each_stack, on_plain_stacks, request, until


async def size(request: Request) -> Response:
    return Response(200, {}, str(len(request.body)).encode())


async def refused(peer: Peer, code: int, reason: str) -> Reply:
    """Expect a Status and the end of the connection."""
    reply = await peer.reply()
    status = json.loads(reply.body)
    assert (reply.status, status["code"], status["reason"]) == (code, code, reason)
    assert (status["kind"], status["status"]) == ("Status", "Failure")
    assert reply.headers["connection"] == "close"
    assert await peer.is_closed()
    return reply


@on_each_stack
def test_a_body_of_exactly_the_limit_is_taken(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            peer = await served.connect()
            limit = 3 * 1024 * 1024
            assert (await peer.ask(method="POST", body=bytes(limit))).body == b"3145728"

    stack.run(main())


@on_each_stack
def test_a_body_that_is_announced_too_long_is_refused_before_it_comes(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            peer = await served.connect()
            head = "expect: 100-continue\r\ncontent-length: 3145729\r\n"
            peer.send(request(method="POST", head=head))
            reply = await refused(peer, 413, "RequestEntityTooLarge")
            assert b"limit is 3145728" in reply.body

    stack.run(main())


@on_each_stack
def test_a_chunked_body_is_refused_when_it_gets_too_long(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size, body_bytes=10_000) as served:
            peer = await served.connect()
            peer.send(request(method="POST", head="transfer-encoding: chunked\r\n"))
            for _ in range(50):
                peer.send(b"400\r\n" + bytes(1024) + b"\r\n")
            await refused(peer, 413, "RequestEntityTooLarge")
            assert (await (await served.connect()).ask()).status == 200

    stack.run(main())


@on_each_stack
def test_who_is_still_sending_gets_to_read_the_refusal(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            peer = await served.connect()
            peer.send(request(method="POST", body=bytes(4_000_000)))
            await refused(peer, 413, "RequestEntityTooLarge")

    stack.run(main())


@on_plain_stacks
def test_framing_without_end_is_no_body(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size, body_bytes=100, head_bytes=1000) as served:
            peer = await served.connect()
            peer.send(request(method="POST", head="transfer-encoding: chunked\r\n"))
            peer.send(b"1;" + b"x" * 3000)
            await refused(peer, 413, "RequestEntityTooLarge")

    stack.run(main())


@pytest.mark.parametrize(
    "text",
    [
        b"NONSENSE / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # without a host
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nauthorization: a\r\nauthorization: b\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /%ff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET ftp://a/b HTTP/1.1\r\nhost: a\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
        b"GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        b"GET / HTTP/1.1\nhost: a\n\n\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS, where none is spoken
    ],
)
@on_plain_stacks
def test_malformed_requests_are_refused_and_the_connection_closed(
    stack: Stack, text: bytes
) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            peer = await served.connect()
            peer.send(text)
            await refused(peer, 400, "BadRequest")
            assert (await (await served.connect()).ask()).status == 200

    stack.run(main())


@on_each_stack
def test_what_came_before_a_fault_is_answered_first(stack: Stack) -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.01)
        return Response(200)

    async def main() -> None:
        async with stack.serving(slow) as served:
            peer = await served.connect()
            peer.send(request() + request() + b"nonsense\r\n\r\n")
            assert (await peer.reply()).status == 200
            assert (await peer.reply()).status == 200
            await refused(peer, 400, "BadRequest")

    stack.run(main())


@on_plain_stacks
def test_long_urls_and_heads_are_refused(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            for text, code, reason in (
                (request("/" + "a" * 40_000), 414, "RequestURITooLong"),
                (request(head=f"x: {'a' * 70_000}\r\n"), 431, "RequestHeaderFieldsTooLarge"),
                (request(head="a: b\r\n" * 200), 431, "RequestHeaderFieldsTooLarge"),
                (
                    request(head="".join(f"a{n}: b\r\n" for n in range(200))),
                    431,
                    "RequestHeaderFieldsTooLarge",
                ),
                (b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000, 431, "RequestHeaderFieldsTooLarge"),
                (request(head="expect: a miracle\r\n"), 417, "ExpectationFailed"),
            ):
                peer = await served.connect()
                peer.send(text)
                await refused(peer, code, reason)

    stack.run(main())


@on_plain_stacks
def test_a_head_within_the_limits_is_taken_along_with_a_big_body(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size) as served:
            peer = await served.connect()
            text = request(method="PUT", head=f"x: {'a' * 60_000}\r\n", body=bytes(2_000_000))
            peer.send(text)
            assert (await peer.reply()).body == b"2000000"

    stack.run(main())


@on_each_stack
def test_a_slow_head_and_a_slow_body_run_out_of_time(stack: Stack) -> None:
    async def main() -> None:
        times = {"head_seconds": 0.05, "body_seconds": 0.05}
        async with stack.serving(size, **times) as served:
            body = request(method="POST", head="content-length: 9999\r\n")
            for part in (b"GET / HTTP/1.1\r\nhost: a", body):
                peer = await served.connect()
                peer.send(part)
                drip = asyncio.create_task(_drip(peer))
                await refused(peer, 408, "Timeout")
                drip.cancel()

    async def _drip(peer: Peer) -> None:
        while True:
            peer.send(b"a")
            await asyncio.sleep(0.01)

    stack.run(main())


@on_each_stack
def test_a_slow_head_on_a_used_connection_runs_out_of_time_too(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size, head_seconds=0.05) as served:
            peer = await served.connect()
            await peer.ask()
            peer.send(b"GET / HTTP")
            await refused(peer, 408, "Timeout")

    stack.run(main())


@on_each_stack
def test_an_idle_connection_is_closed_without_a_word(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size, idle_seconds=0.05, head_seconds=0.05) as served:
            silent, used = await served.connect(), await served.connect()
            await used.ask()
            assert await silent.is_closed()
            assert await used.is_closed()
            await until(lambda: served.server.connections == 0)

    stack.run(main())


@on_each_stack
def test_a_request_that_takes_long_is_not_idle(stack: Stack) -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.2)
        return Response(200)

    async def main() -> None:
        times = {"idle_seconds": 0.02, "head_seconds": 0.02, "body_seconds": 0.02}
        async with stack.serving(slow, **times, write_seconds=0.02) as served:
            assert (await (await served.connect()).ask()).status == 200

    stack.run(main())


@on_each_stack
def test_connections_beyond_the_limit_are_told_so(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(size, connections=2) as served:
            first, second = await served.connect(), await served.connect()
            await first.ask()
            await second.ask()
            third = await served.connect()
            await refused(third, 503, "ServiceUnavailable")
            first.cut()
            await until(lambda: served.server.connections == 1)
            assert (await (await served.connect()).ask()).status == 200
            assert (await second.ask()).status == 200

    stack.run(main())


@on_each_stack
def test_who_does_not_read_small_answers_is_not_handled_further(stack: Stack) -> None:
    handled = 0

    async def answer(request: Request) -> Response:
        nonlocal handled
        handled += 1
        return Response(200, {}, bytes(10_000))

    async def main() -> None:
        async with stack.serving(answer, write_seconds=0.3) as served:
            peer = await served.connect()
            peer.stop_reading()
            for _ in range(5_000):
                peer.send(request())
            await until(lambda: handled > 0)
            # 50 MB of answers: far more than the socket's buffers hold.
            await until(lambda: served.server.connections == 0)
            assert 0 < handled < 5_000

    stack.run(main())
