"""A handler in the same process, reached as if it were elsewhere."""

import asyncio
import json

import pytest

from arubeki import clock
from arubeki.client.transport import InProcessTransport
from arubeki.errors import ConnectFailed, NotFound, WatchBroken
from arubeki.net.message import Chunk, Request, Response, Sink, Stream, User

ALICE = User("alice", ("dev",))


class Watch:
    """A handler whose streams are written to by the test."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self.closed = 0

    async def __call__(self, request: Request) -> Response | Stream:
        return Stream(self.sinks.append, self._closed, headers={"content-type": "text/plain"})

    def _closed(self) -> None:
        self.closed += 1


def test_the_handler_gets_the_request_under_the_given_identity() -> None:
    seen: list[Request] = []

    async def note(request: Request) -> Response:
        seen.append(request)
        return Response(201, {"a": "b"}, [b"x", b"y"])

    async def main() -> None:
        transport = InProcessTransport(note, ALICE)
        answer = await transport.request(
            "PATCH", "/a b", query="c=d", headers={"Content-Type": "x"}, body=b"body"
        )
        assert (answer.status, answer.headers, answer.content()) == (201, {"a": "b"}, b"xy")
        request = seen[0]
        assert (request.method, request.path, request.query) == ("PATCH", "/a b", "c=d")
        assert (request.headers, request.body) == ({"content-type": "x"}, b"body")
        assert request.user is ALICE

    clock.run_virtual(main())


def test_what_the_handler_raises_is_its_status() -> None:
    async def fail(request: Request) -> Response:
        raise NotFound("no") if request.path == "/api" else KeyError("secret")

    async def main() -> None:
        transport = InProcessTransport(fail, ALICE)
        answer = await transport.request("GET", "/api")
        assert (answer.status, json.loads(answer.content())["reason"]) == (404, "NotFound")
        answer = await transport.request("GET", "/bug")
        assert answer.status == 500
        assert b"secret" not in answer.content()

    clock.run_virtual(main())


def test_others_have_their_turn_between_two_requests() -> None:
    async def answer(request: Request) -> Response:
        return Response(200)

    async def main() -> None:
        transport = InProcessTransport(answer, ALICE)
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        await transport.request("GET", "/")
        assert turns == [1]

    clock.run_virtual(main())


def test_who_gives_up_cancels_the_handler() -> None:
    ended: list[str] = []

    async def endless(request: Request) -> Response:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")
        return Response(200)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await InProcessTransport(endless, ALICE).request("GET", "/")
        assert ended == ["cancelled"]

    clock.run_virtual(main())


def test_pieces_are_read_as_they_are_written() -> None:
    async def main() -> None:
        watch = Watch()
        async with InProcessTransport(watch, ALICE).stream("GET", "/") as streaming:
            assert (streaming.status, streaming.headers) == (200, {"content-type": "text/plain"})
            sink = watch.sinks[0]
            loop = asyncio.get_running_loop()
            loop.call_later(1, sink.write, Chunk(b"a"))
            loop.call_later(2, sink.write, Chunk(b""))
            loop.call_later(3, sink.write, Chunk(b"b"))
            loop.call_later(4, sink.close)
            loop.call_later(5, sink.write, Chunk(b"late"))
            read = [(loop.time(), piece) async for piece in streaming]
            assert read == [(1, b"a"), (3, b"b")]
        assert watch.closed == 1

    clock.run_virtual(main())


def test_a_request_for_a_stream_reads_it_to_its_end() -> None:
    async def main() -> None:
        watch = Watch()
        loop = asyncio.get_running_loop()
        loop.call_later(1, lambda: [watch.sinks[0].write(Chunk(b"ab")), watch.sinks[0].close()])
        assert (await InProcessTransport(watch, ALICE).request("GET", "/")).content() == b"ab"
        assert watch.closed == 1

    clock.run_virtual(main())


def test_an_answer_without_stream_can_be_read_as_one() -> None:
    async def answer(request: Request) -> Response:
        return Response(404, {"a": "b"}, [b"x", b"y"])

    async def main() -> None:
        async with InProcessTransport(answer, ALICE).stream("GET", "/") as streaming:
            assert streaming.status == 404
            assert b"".join([piece async for piece in streaming]) == b"xy"

    clock.run_virtual(main())


def test_a_reader_that_lags_is_felt_and_can_be_cut_off() -> None:
    async def main() -> None:
        watch = Watch()
        async with InProcessTransport(watch, ALICE).stream("GET", "/") as streaming:
            sink = watch.sinks[0]
            for _ in range(10):
                sink.write(Chunk(bytes(1000)))
            assert sink.pending_bytes() == 10_000
            assert len(await anext(aiter(streaming))) == 10_000
            assert sink.pending_bytes() == 0
            sink.write(Chunk(b"never read"))
            sink.abort()
            with pytest.raises(WatchBroken):
                await anext(aiter(streaming))
        assert watch.closed == 1

    clock.run_virtual(main())


def test_a_writer_that_waits_is_woken_by_the_reader() -> None:
    async def main() -> None:
        watch = Watch()
        for wake in ("read", "leave"):
            async with InProcessTransport(watch, ALICE).stream("GET", "/") as streaming:
                sink = watch.sinks[-1]
                sink.write(Chunk(b"small"))
                await sink.drain()
                sink.write(Chunk(bytes(100_000)))
                waiting = asyncio.create_task(sink.drain())
                await asyncio.sleep(1)
                assert not waiting.done()
                if wake == "read":
                    await anext(aiter(streaming))
                    await waiting
            await waiting
            await sink.drain()

    clock.run_virtual(main())


def test_who_leaves_closes_the_stream_though_something_is_raised() -> None:
    async def main() -> None:
        watch = Watch()
        with pytest.raises(KeyError):
            async with InProcessTransport(watch, ALICE).stream("GET", "/"):
                raise KeyError
        assert watch.closed == 1
        watch.sinks[0].write(Chunk(b"to nobody"))
        assert watch.sinks[0].pending_bytes() == 0

    clock.run_virtual(main())


def test_a_stream_that_cannot_be_opened_is_broken() -> None:
    closed: list[bool] = []

    def fail(sink: Sink) -> None:
        raise KeyError

    async def answer(request: Request) -> Stream:
        return Stream(fail, lambda: closed.append(True))

    async def main() -> None:
        async with InProcessTransport(answer, ALICE).stream("GET", "/") as streaming:
            with pytest.raises(WatchBroken):
                await anext(aiter(streaming))
        assert closed == [True]

    clock.run_virtual(main())


def test_a_closed_transport_ends_its_streams_and_refuses() -> None:
    async def main() -> None:
        watch = Watch()
        transport = InProcessTransport(watch, ALICE)
        async with transport.stream("GET", "/") as streaming:
            await transport.close()
            with pytest.raises(WatchBroken):
                await anext(aiter(streaming))
        with pytest.raises(ConnectFailed):
            await transport.request("GET", "/")

    clock.run_virtual(main())
