"""Streams: heads at once, pieces as they are written, an end in good order or not."""

import asyncio
from collections.abc import Callable

from arubeki.net.message import Chunk, Request, Response, Sink, Stream
from tests.net.support import Stack, on_each_stack, on_plain_stacks, request, until


class Watch:
    """A handler whose streams are written to by the test."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self.closed = 0
        self.on_open: Callable[[Sink], None] = lambda sink: None

    async def __call__(self, request: Request) -> Response | Stream:
        if request.path == "/plain":
            return Response(200, {}, b"plain")
        return Stream(self._opened, self._closed, headers={"content-type": "application/json"})

    def _opened(self, sink: Sink) -> None:
        self.sinks.append(sink)
        self.on_open(sink)

    def _closed(self) -> None:
        self.closed += 1


@on_each_stack
def test_the_head_is_there_before_the_first_piece(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(request())
            head = await peer.head()
            assert head.status == 200
            assert head.headers["content-type"] == "application/json"
            assert head.headers["transfer-encoding"] == "chunked"
            assert watch.closed == 0

    stack.run(main())


@on_each_stack
def test_each_piece_arrives_when_it_is_written(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            for piece in (b"a", b"", b"bc" * 70_000):
                watch.sinks[0].write(Chunk(piece))
                if piece:
                    assert await peer.chunk() == piece
            watch.sinks[0].close()
            assert await peer.chunk() == b""

    stack.run(main())


@on_each_stack
def test_one_piece_goes_to_many_with_one_frame(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peers = [await served.connect() for _ in range(5)]
            for peer in peers:
                peer.send(request())
                await peer.head()
            chunk = Chunk(b'{"type":"ADDED"}\n')
            frame = chunk.framed
            for sink in watch.sinks:
                sink.write(chunk)
            assert chunk.framed is frame
            assert [await peer.chunk() for peer in peers] == [chunk.data] * 5

    stack.run(main())


@on_each_stack
def test_after_a_stream_the_connection_goes_on_and_the_old_sink_is_dead(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            sink = watch.sinks[0]
            sink.close()
            sink.close()
            assert await peer.chunk() == b""
            await until(lambda: watch.closed == 1)
            sink.write(Chunk(b"late"))
            sink.abort()
            assert sink.pending_bytes() == 0
            assert (await peer.ask("/plain")).body == b"plain"
            assert watch.closed == 1

    stack.run(main())


@on_each_stack
def test_a_stream_may_end_as_soon_as_it_is_opened(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()

        def once(sink: Sink) -> None:
            sink.write(Chunk(b"all"))
            sink.close()

        watch.on_open = once
        async with stack.serving(watch) as served:
            peer = await served.connect()
            assert (await peer.ask()).body == b"all"
            assert (await peer.ask()).body == b"all"
            assert watch.closed == 2

    stack.run(main())


@on_each_stack
def test_closed_is_not_called_while_its_writer_closes_it(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            watch.sinks[0].close()
            assert watch.closed == 0
            await until(lambda: watch.closed == 1)

    stack.run(main())


@on_each_stack
def test_a_cut_stream_is_seen_broken(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            watch.sinks[0].abort()
            assert await peer.is_closed()  # and no last chunk
            await until(lambda: watch.closed == 1)

    stack.run(main())


@on_each_stack
def test_who_goes_away_closes_its_stream_once(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            for leave in ("cut", "close"):
                peer = await served.connect()
                peer.send(request())
                await peer.head()
                before = watch.closed
                getattr(peer, leave)()
                await until(lambda before=before: watch.closed == before + 1)  # type: ignore[misc]
                watch.sinks[-1].write(Chunk(b"to nobody"))
                watch.sinks[-1].close()
            await until(lambda: served.server.connections == 0)
            assert watch.closed == 2

    stack.run(main())


@on_each_stack
def test_a_writer_that_waits_is_woken_when_the_reader_catches_up(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            peer.stop_reading()
            sink = watch.sinks[0]
            chunk = Chunk(bytes(65_536))
            for _ in range(400):
                sink.write(chunk)
            await asyncio.sleep(0.01)
            assert sink.pending_bytes() > 1_000_000
            waiting = asyncio.create_task(sink.drain())
            await asyncio.sleep(0.01)
            assert not waiting.done()
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            for _ in range(400):
                assert await peer.chunk() == chunk.data
            await waiting
            await sink.drain()
            assert sink.pending_bytes() == 0

    stack.run(main())


@on_each_stack
def test_a_writer_that_waits_is_woken_when_the_reader_is_gone(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            peer.stop_reading()
            for _ in range(400):
                watch.sinks[0].write(Chunk(bytes(65_536)))
            await asyncio.sleep(0.01)
            waiting = asyncio.create_task(watch.sinks[0].drain())
            await asyncio.sleep(0)
            watch.sinks[0].abort()
            await waiting
            await watch.sinks[0].drain()
            assert watch.closed == 1

    stack.run(main())


@on_each_stack
def test_what_comes_behind_a_stream_ends_the_connection_with_it(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            for together in (True, False):
                peer = await served.connect()
                if together:
                    peer.send(request() + request("/plain") + request("/plain"))
                    await peer.head()
                else:
                    peer.send(request())
                    await peer.head()
                    peer.send(request("/plain"))
                    await asyncio.sleep(0.02)
                watch.sinks[-1].write(Chunk(b"still"))
                assert await peer.chunk() == b"still"
                watch.sinks[-1].close()
                assert await peer.chunk() == b""
                assert await peer.is_closed()
            assert watch.closed == 2

    stack.run(main())


@on_plain_stacks
def test_http_1_0_gets_the_pieces_bare(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            head = await peer.head()
            assert "transfer-encoding" not in head.headers
            assert head.headers["connection"] == "close"
            watch.sinks[0].write(Chunk(b"ab"))
            watch.sinks[0].write(Chunk(b"c"))
            watch.sinks[0].close()
            assert await peer.reader.read() == b"abc"
            await until(lambda: watch.closed == 1)

    stack.run(main())


@on_each_stack
def test_head_of_a_stream_does_not_open_it(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        async with stack.serving(watch) as served:
            peer = await served.connect()
            assert (await peer.ask(method="HEAD")).headers["transfer-encoding"] == "chunked"
            assert watch.sinks == []
            assert watch.closed == 1
            assert (await peer.ask("/plain")).body == b"plain"

    stack.run(main())


@on_each_stack
def test_a_stream_that_cannot_be_opened_is_cut(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()

        def fail(sink: Sink) -> None:
            raise KeyError

        watch.on_open = fail
        async with stack.serving(watch) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            assert await peer.is_closed()
            await until(lambda: watch.closed == 1)

    stack.run(main())


@on_plain_stacks
def test_a_stream_outlives_every_deadline(stack: Stack) -> None:
    async def main() -> None:
        watch = Watch()
        times = {"idle_seconds": 0.02, "head_seconds": 0.02, "write_seconds": 0.02}
        async with stack.serving(watch, **times) as served:
            peer = await served.connect()
            peer.send(request())
            await peer.head()
            peer.stop_reading()
            for _ in range(200):
                watch.sinks[0].write(Chunk(bytes(65_536)))
            await asyncio.sleep(0.1)
            assert watch.closed == 0

    stack.run(main())
