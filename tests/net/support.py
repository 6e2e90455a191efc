"""A server and a bare client on loopback, on each event loop, with and without TLS."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from arubeki.net import tls
from arubeki.net.http1 import Limits, Server, serve
from arubeki.net.message import Handler

DEADLINE_SECONDS = 20.0


@dataclass(frozen=True)
class Stack:
    """An event loop and a way of transport."""

    name: str
    loop_factory: Callable[[], asyncio.AbstractEventLoop]
    is_tls: bool

    def run(self, main: Coroutine[Any, Any, Any]) -> None:
        """Run a test to its end; an error that a callback swallowed fails it."""
        swallowed: list[dict[str, Any]] = []

        async def watched() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: swallowed.append(context))
            async with asyncio.timeout(DEADLINE_SECONDS):
                await main

        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            runner.run(watched())
        assert swallowed == []

    @contextlib.asynccontextmanager
    async def serving(self, handler: Handler, **limits: Any) -> AsyncIterator["Served"]:
        context = (
            tls.server_context(server_pair(), authority().certificate) if self.is_tls else None
        )
        limits.setdefault("linger_seconds", 0.1)
        server = await serve(handler, "127.0.0.1", 0, tls=context, limits=Limits(**limits))
        served = Served(server, self.is_tls)
        try:
            yield served
        finally:
            for peer in served.peers:
                peer.close()
            await server.close(0)


STACKS = [
    Stack("stdlib", asyncio.SelectorEventLoop, False),
    Stack("stdlib-tls", asyncio.SelectorEventLoop, True),
    Stack("uvloop", uvloop.new_event_loop, False),
    Stack("uvloop-tls", uvloop.new_event_loop, True),
]
PLAIN = [stack for stack in STACKS if not stack.is_tls]

on_each_stack = pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
on_plain_stacks = pytest.mark.parametrize("stack", PLAIN, ids=lambda stack: stack.name)


@functools.cache
def authority() -> tls.Pair:
    return tls.make_authority()


@functools.cache
def server_pair() -> tls.Pair:
    return tls.issue_server(authority())


@functools.cache
def client_pair() -> tls.Pair:
    return tls.issue_client(authority(), "alice", ["dev", "ops"])


@dataclass
class Served:
    server: Server
    is_tls: bool
    peers: list["Peer"] = field(default_factory=list)

    async def connect(self, pair: tls.Pair | None = None) -> "Peer":
        context = tls.client_context(authority().certificate, pair) if self.is_tls else None
        # Little is read ahead, so that a peer that does not read is soon felt by the server.
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.server.port,
            ssl=context,
            server_hostname="localhost" if self.is_tls else None,
            limit=64 * 1024,
        )
        peer = Peer(reader, writer)
        self.peers.append(peer)
        return peer


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes = b""


class Peer:
    """The other end of a connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def stop_reading(self) -> None:
        """Read no more; nor does the kernel, which may else take in tens of megabytes."""
        connected = self.writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def ask(
        self, target: str = "/", *, method: str = "GET", head: str = "", body: bytes = b""
    ) -> Reply:
        self.send(request(target, method=method, head=head, body=body))
        return await self.reply(has_body=method != "HEAD")

    async def head(self) -> Reply:
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = text.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        return Reply(
            int(first.split(" ")[1]), {name.lower(): value for name, value in headers.items()}
        )

    async def reply(self, *, has_body: bool = True) -> Reply:
        head = await self.head()
        if not has_body or head.status in (204, 304):
            return head
        if head.headers.get("transfer-encoding") == "chunked":
            body = b"".join([piece async for piece in self.chunks()])
        elif "content-length" in head.headers:
            body = await self.reader.readexactly(int(head.headers["content-length"]))
        else:
            body = await self.reader.read()
        return Reply(head.status, head.headers, body)

    async def chunk(self) -> bytes:
        size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
        data = await self.reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    async def chunks(self) -> AsyncIterator[bytes]:
        while piece := await self.chunk():
            yield piece

    async def is_closed(self) -> bool:
        """Wait for the end of the connection; False when more comes."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.close()

    def cut(self) -> None:
        """Go away without a word."""
        self.writer.transport.abort()


def request(target: str = "/", *, method: str = "GET", head: str = "", body: bytes = b"") -> bytes:
    length = f"content-length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nhost: here\r\n{head}{length}\r\n".encode() + body


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the test's deadline ends a wait in vain."""
    while not condition():
        await asyncio.sleep(0.001)
