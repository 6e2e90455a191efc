"""Connections that are let go of are closed when the transport is, on either loop."""

import asyncio
import contextlib
import gc
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from arubeki.client.config import Config
from arubeki.client.https import HttpsTransport
from arubeki.net import tls

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
AUTHORITY = tls.make_authority()
PAIR = tls.issue_server(AUTHORITY)


def sockets() -> int:
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(entry).startswith("socket:")
        except OSError:
            continue
    return found


def run(loop: Any, main: Callable[[], Awaitable[None]]) -> None:
    """Run `main` on such a loop; what it leaves open is a warning, and so an error."""

    async def all_of_it() -> None:
        await main()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(all_of_it())
    gc.collect()


def transport_to(port: int) -> HttpsTransport:
    config = Config(f"https://127.0.0.1:{port}", authority=AUTHORITY.certificate)
    return HttpsTransport(config)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server in threads: slow to shake hands, endless to answer, and it never takes leave."""
    context = tls.server_context(PAIR, AUTHORITY.certificate)

    def answer(plain: socket.socket) -> None:
        threading.Event().wait(0.01)
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                peer.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
        plain.close()

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listening.accept()
                threading.Thread(target=answer, args=[peer], daemon=True).start()

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        threading.Thread(target=serve, args=[listening], daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stream_that_is_left_is_closed_with_the_transport(loop: Any, port: int) -> None:
    async def main() -> None:
        transport = transport_to(port)
        async with transport.stream("GET", "/") as streaming:
            async for _ in streaming:
                break
        await transport.close()

    run(loop, main)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("milliseconds", [0, 2, 5, 8, 10, 11, 12, 13, 15, 20])
def test_a_request_that_is_cut_short_while_it_connects_leaves_nothing(
    loop: Any, milliseconds: int, port: int
) -> None:
    async def main() -> None:
        transport = transport_to(port)
        asking = [asyncio.ensure_future(transport.request("GET", "/")) for _ in range(4)]
        await asyncio.wait(asking, timeout=milliseconds / 1000)
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await transport.close()

    run(loop, main)


def test_a_server_that_never_shakes_hands_does_not_hold_up_the_end() -> None:
    async def main() -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            before = sockets()
            transport = transport_to(silent.getsockname()[1])
            asking = asyncio.ensure_future(transport.request("GET", "/"))
            while sockets() == before:
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            async with asyncio.timeout(5):
                await transport.close()
            await asyncio.sleep(0)
            assert sockets() == before

    run(asyncio.new_event_loop, main)
