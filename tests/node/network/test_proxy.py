"""The Services' traffic."""

import asyncio
import errno
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from arubeki.node.network import Backends, ServiceProxy

HOST = "127.0.0.1"
Run = Callable[[Coroutine[Any, Any, None]], None]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def bounded(main: Coroutine[Any, Any, None]) -> None:
        async def outer() -> None:
            async with asyncio.timeout(20):
                await main

        request.param(outer())

    return bounded


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def endpoint(talk: Talk, port: int = 0) -> AsyncIterator[tuple[str, int]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, HOST, port)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


def says(text: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)

    return talk


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def ask(place: tuple[str, int], text: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection(*place)
    try:
        writer.write(text)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


@asynccontextmanager
async def proxied(*endpoints: tuple[str, int], **fields: Any) -> AsyncIterator[tuple[str, int]]:
    proxy = ServiceProxy()
    place = (HOST, free_port())
    try:
        listening = await proxy.update({place: Backends(tuple(endpoints), **fields)})
        assert listening[place].actual == place
        yield place
    finally:
        await proxy.close()


def test_what_is_sent_arrives_and_comes_back(run: Run) -> None:
    async def main() -> None:
        async with endpoint(echo) as one, proxied(one) as place:
            assert await ask(place, b"hello") == b"hello"

    run(main())


def test_much_data_arrives_whole_in_both_directions(run: Run) -> None:
    async def main() -> None:
        data = os.urandom(1 << 16) * 200

        async with endpoint(echo) as one, proxied(one) as place:
            reader, writer = await asyncio.open_connection(*place)

            async def send() -> None:
                writer.write(data)
                await writer.drain()
                writer.write_eof()

            _, back = await asyncio.gather(send(), reader.read())
            assert back == data
            writer.close()

    run(main())


def test_a_reader_that_does_not_read_stops_the_writer(run: Run) -> None:
    async def main() -> None:
        sent = 0

        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16

        async with endpoint(pour) as one, proxied(one) as place:
            reader, writer = await asyncio.open_connection(*place)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.2)
            assert 0 < sent < 64 << 20
            await reader.readexactly(sent + (1 << 20))  # and it goes on when it is read
            writer.close()

    run(main())


def test_the_end_of_one_direction_leaves_the_other_open(run: Run) -> None:
    async def main() -> None:
        async def answer_at_the_end(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            writer.write(b"%d bytes" % len(await reader.read()))

        async with endpoint(answer_at_the_end) as one, proxied(one) as place:
            assert await ask(place, b"x" * 1000) == b"1000 bytes"

        async def talk_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"go")
            writer.write_eof()
            heard.set_result(await reader.read())

        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        async with endpoint(talk_first) as one, proxied(one) as place:
            reader, writer = await asyncio.open_connection(*place)
            assert await reader.read() == b"go"
            writer.write(b"still here")
            writer.write_eof()
            assert await heard == b"still here"
            writer.close()

    run(main())


def test_what_comes_before_the_endpoint_answers_is_kept(run: Run) -> None:
    async def main() -> None:
        # The first endpoint refuses, so that dialling takes a few turns of the loop.
        dead = [(HOST, free_port()) for _ in range(5)]
        async with endpoint(echo) as one, proxied(*dead, one) as place:
            loop = asyncio.get_running_loop()

            def at_once(text: bytes) -> bytes:
                with socket.create_connection(place) as client:
                    client.sendall(text)
                    client.shutdown(socket.SHUT_WR)
                    return b"".join(iter(lambda: client.recv(65536), b""))

            for size in (1, 70_000, 1_000_000):
                text = os.urandom(size)
                assert await loop.run_in_executor(None, at_once, text) == text

    run(main())


def test_connections_go_round_the_endpoints(run: Run) -> None:
    async def main() -> None:
        async with endpoint(says(b"a")) as a, endpoint(says(b"b")) as b, proxied(a, b) as place:
            assert Counter([await ask(place) for _ in range(10)]) == {b"a": 5, b"b": 5}

    run(main())


def test_with_affinity_a_client_stays_where_it_is(run: Run) -> None:
    async def main() -> None:
        async with (
            endpoint(says(b"a")) as a,
            endpoint(says(b"b")) as b,
            proxied(a, b, affinity_seconds=60) as place,
        ):
            assert len({await ask(place) for _ in range(6)}) == 1

    run(main())


def test_an_endpoint_that_refuses_is_passed_over(run: Run) -> None:
    async def main() -> None:
        async with endpoint(says(b"a")) as a, proxied((HOST, free_port()), a) as place:
            assert {await ask(place) for _ in range(6)} == {b"a"}

    run(main())


def test_when_all_refuse_the_connection_is_reset(run: Run) -> None:
    async def main() -> None:
        async with proxied((HOST, free_port())) as place:
            with pytest.raises(ConnectionResetError):
                await ask(place)

    run(main())


def test_without_endpoints_connections_are_refused_until_there_is_one(run: Run) -> None:
    async def main() -> None:
        proxy, place = ServiceProxy(), (HOST, free_port())
        async with endpoint(says(b"a")) as a:
            for _ in range(3):
                listening = await proxy.update({place: Backends()})
                assert listening[place].actual == place
                with pytest.raises(ConnectionRefusedError):
                    await ask(place)
                listening = await proxy.update({place: Backends((a,))})
                assert listening[place].actual == place
                assert await ask(place) == b"a"
            await proxy.update({})
            with pytest.raises(ConnectionRefusedError):
                await ask(place)
            await proxy.update({place: Backends((a,))})
            assert await ask(place) == b"a"
        await proxy.close()

    run(main())


def test_the_table_may_change_under_open_connections(run: Run) -> None:
    async def main() -> None:
        proxy, place = ServiceProxy(), (HOST, free_port())
        async with endpoint(echo) as one, endpoint(says(b"b")) as two:
            await proxy.update({place: Backends((one,))})
            reader, writer = await asyncio.open_connection(*place)
            writer.write(b"1")
            assert await reader.readexactly(1) == b"1"
            await proxy.update({place: Backends((two,))})
            assert await ask(place) == b"b"
            await proxy.update({place: Backends()})
            await proxy.update({})
            writer.write(b"2")
            assert await reader.readexactly(1) == b"2"
            await proxy.update({place: Backends((one,))})
            writer.close()
            await proxy.close()

    run(main())


def test_closing_cuts_connections(run: Run) -> None:
    async def main() -> None:
        proxy, place = ServiceProxy(), (HOST, free_port())
        async with endpoint(echo) as one:
            await proxy.update({place: Backends((one,))})
            reader, writer = await asyncio.open_connection(*place)
            writer.write(b"1")
            await reader.readexactly(1)
            await proxy.close()
            with pytest.raises(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()

    run(main())


def test_a_broken_endpoint_breaks_the_clients_connection(run: Run) -> None:
    async def main() -> None:
        async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            held = writer.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()

        async with endpoint(break_off) as one, proxied(one) as place:
            reader, writer = await asyncio.open_connection(*place)
            writer.write(b"x")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    run(main())


def test_a_client_that_goes_while_dialling_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        async with endpoint(echo) as one, proxied(one) as place:
            for _ in range(50):
                _, writer = await asyncio.open_connection(*place)
                writer.transport.abort()
            assert await ask(place, b"x") == b"x"
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_a_port_that_is_taken_is_said_and_tried_again(run: Run) -> None:
    async def main() -> None:
        proxy, place = ServiceProxy(), (HOST, free_port())
        with socket.socket() as other:
            other.bind(place)
            other.listen()
            listening = (await proxy.update({place: Backends()}))[place]
            assert listening.actual is None
            assert listening.reason == f"{HOST}:{place[1]}: {os.strerror(errno.EADDRINUSE)}"
        assert (await proxy.update({place: Backends()}))[place].actual == place
        await proxy.close()

    run(main())


PRIVILEGED = """
import asyncio, sys
from arubeki.node.network import Backends, ServiceProxy

async def main():
    proxy = ServiceProxy()
    place = ("127.231.0.9", 80)
    listening = (await proxy.update({place: Backends((("127.0.0.1", 1),))}))[place]
    print(listening.actual)
    print(listening.reason)
    await proxy.close()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127/8")
def test_a_port_that_may_not_be_bound_is_moved(tmp_path) -> None:
    """In a process without rights: this one, or one that gives them up."""
    code = PRIVILEGED
    if os.geteuid() == 0:
        # Everything that is needed is imported before.
        give_up = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        code = code.replace("\nasync def", f"\n{give_up}\nasync def", 1)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "('127.231.0.9', 10080)",
        "127.231.0.9:80: Permission denied; listening on 127.231.0.9:10080",
    ]
