"""Big answers, fairness, and the end of a server."""

import asyncio

from arubeki.net.message import Chunk, Request, Response, Sink, Stream
from tests.net.support import Stack, on_each_stack, on_plain_stacks, request, until

PARTS = [b"%06d" % number * 200 for number in range(10_000)]  # 12 MB


async def listing(request: Request) -> Response:
    if request.path == "/list":
        return Response(200, {"content-type": "application/json"}, PARTS)
    if request.path == "/whole":
        return Response(200, {}, b"x" * 5_000_000)
    return Response(200, {}, b"small")


@on_each_stack
def test_a_big_answer_arrives_whole_in_order_and_the_connection_goes_on(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(listing) as served:
            peer = await served.connect()
            assert (await peer.ask("/list")).body == b"".join(PARTS)
            assert (await peer.ask("/whole")).body == b"x" * 5_000_000
            assert (await peer.ask("/small")).body == b"small"

    stack.run(main())


@on_each_stack
def test_answers_behind_a_big_one_wait_for_it(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(listing) as served:
            peer = await served.connect()
            peer.send(request("/whole") + request("/small") + request("/whole"))
            assert [len((await peer.reply()).body) for _ in range(3)] == [5_000_000, 5, 5_000_000]

    stack.run(main())


@on_each_stack
def test_others_are_served_while_one_does_not_read_its_big_answer(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(listing) as served:
            slow, other = await served.connect(), await served.connect()
            slow.send(request("/list"))
            assert (await slow.head()).headers["content-length"] == "12000000"
            for _ in range(10):
                assert (await other.ask("/small")).body == b"small"
            assert await slow.reader.readexactly(12_000_000) == b"".join(PARTS)

    stack.run(main())


@on_each_stack
def test_who_never_reads_its_big_answer_is_cut(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(listing, write_seconds=0.1) as served:
            peer = await served.connect()
            peer.stop_reading()
            peer.send(request("/list"))
            await until(lambda: served.server.connections == 0)

    stack.run(main())


@on_plain_stacks
def test_who_has_said_all_still_gets_its_big_answer(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(listing) as served:
            peer = await served.connect()
            peer.send(request("/list"))
            await peer.head()
            peer.writer.write_eof()
            assert await peer.reader.read() == b"".join(PARTS)

    stack.run(main())


@on_each_stack
def test_a_body_that_breaks_off_cuts_the_connection(stack: Stack) -> None:
    async def broken(request: Request) -> Response:
        return Response(200, {}, [b"x" * 70_000, b"x" * 300_000, 5])  # type: ignore[list-item]

    class Parts(list[bytes]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield from super().__iter__()
            if self.begun:
                raise KeyError
            self.begun = True

        begun = False

    async def breaking(request: Request) -> Response:
        return Response(200, {}, Parts([b"x" * 600_000] * 3))

    async def main() -> None:
        async with stack.serving(broken) as served:
            assert (await (await served.connect()).ask()).status == 500
        async with stack.serving(breaking) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            rest = await peer.reader.read()
            assert len(rest) <= 1_800_000

    stack.run(main())


@on_each_stack
def test_closing_ends_streams_in_good_order_and_idle_connections_at_once(stack: Stack) -> None:
    closed: list[bool] = []

    def opened(sink: Sink) -> None:
        sink.write(Chunk(b"first"))

    async def watch(request: Request) -> Stream | Response:
        if request.path == "/small":
            return Response(200)
        return Stream(opened, lambda: closed.append(True))

    async def main() -> None:
        async with stack.serving(watch) as served:
            streaming, idle = await served.connect(), await served.connect()
            streaming.send(request())
            await streaming.head()
            await idle.ask("/small")
            closing = asyncio.create_task(served.server.close(10))
            assert [piece async for piece in streaming.chunks()] == [b"first"]
            assert await streaming.is_closed()
            assert await idle.is_closed()
            await closing
            assert closed == [True]
            assert served.server.connections == 0

    stack.run(main())


@on_each_stack
def test_closing_lets_running_requests_finish(stack: Stack) -> None:
    begun = []

    async def slow(request: Request) -> Response:
        begun.append(True)
        await asyncio.sleep(0.05)
        return Response(200, {}, b"done")

    async def main() -> None:
        async with stack.serving(slow) as served:
            peer = await served.connect()
            peer.send(request())
            await until(lambda: bool(begun))
            closing = asyncio.create_task(served.server.close(10))
            reply = await peer.reply()
            assert (reply.body, reply.headers["connection"]) == (b"done", "close")
            assert await peer.is_closed()
            await closing

    stack.run(main())


@on_each_stack
def test_closing_cuts_what_outlasts_the_grace(stack: Stack) -> None:
    ended: list[str] = []

    async def endless(request: Request) -> Response:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")
        return Response(200)

    async def main() -> None:
        async with stack.serving(endless) as served:
            peer = await served.connect()
            peer.send(request())
            await asyncio.sleep(0.01)
            await served.server.close(0.02)
            assert ended == ["cancelled"]
            assert await peer.is_closed()

    stack.run(main())


@on_each_stack
def test_a_closed_server_can_be_closed_again_and_its_port_is_free(stack: Stack) -> None:
    async def main() -> None:
        async with stack.serving(listing) as served:
            await served.server.close(1)
            await served.server.close(1)
            listener = await asyncio.get_running_loop().create_server(
                asyncio.Protocol, "127.0.0.1", served.server.port
            )
            listener.close()
            await listener.wait_closed()

    stack.run(main())
