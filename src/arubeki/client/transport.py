"""How a client reaches a server: over HTTPS, or by calling a handler in the same process.

`Transport` is the one interface that every client stands on. `client.https` has the version for a
server elsewhere. The version for a server in the same process is here: its handler gets the request
that it would get from a socket, and what it answers is what a client on a socket would read: the
same bytes, the same `Status` for what it raises, a stream whose reader may lag, be cut off, or
leave. What differs is the caller's identity, which is taken as given.

On the ring: [informer > client > **transport** > HTTP].
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from arubeki.errors import ConnectFailed, WatchBroken
from arubeki.net.message import Answer, Chunk, Handler, Request, Response, User
from arubeki.net.status import status_response

_LOG = logging.getLogger("arubeki.client")
_ADDRESS = "127.0.0.1"
# Below this a writer that waits (`drain`) goes on, as with a socket's buffer.
_LOW_WATER_BYTES = 64 * 1024


class Transport(Protocol):
    """A way to one API server, under one identity."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Send a request and return the whole answer, whatever its status.

        `path` is not percent-encoded. Raises: ConnectFailed, TimedOut.
        """

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> "AbstractAsyncContextManager[Streaming]":
        """Send a request whose answer is read as it comes; leaving the context ends it."""

    async def close(self) -> None:
        """Let go of every connection."""


class Streaming(Protocol):
    """An answer that is still coming."""

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces of the body as they arrive. Raises: WatchBroken when it was cut off."""


class InProcessTransport:
    """Calls `handler` as `user`. Implements `client.transport.Transport`."""

    def __init__(self, handler: Handler, user: User) -> None:
        self._handler = handler
        self._user = user
        self._open: set[_Pipe] = set()
        self._is_closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Call the handler and return its whole answer; a stream is read to its end."""
        answer = await self._call(method, path, query, headers, body)
        if isinstance(answer, Response):
            return answer
        async with self._streaming(answer) as streaming:
            pieces = [piece async for piece in streaming]
        return Response(answer.status, answer.headers, pieces)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> AsyncIterator["InProcessStreaming"]:
        """Call the handler and read its answer as it comes; leaving the context ends it."""
        answer = await self._call(method, path, query, headers, body)
        async with self._streaming(answer) as streaming:
            yield streaming

    async def close(self) -> None:
        """End every stream; requests are refused from now on."""
        self._is_closed = True
        for pipe in list(self._open):
            pipe.abort()

    async def _call(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str] | None,
        body: bytes,
    ) -> Answer:
        if self._is_closed:
            raise ConnectFailed("the transport is closed")
        lower = {name.lower(): value for name, value in headers.items()} if headers else {}
        request = Request(method, path, query, lower, body, user=self._user, peer_address=_ADDRESS)
        # Others get their turn between two requests, as they would while a socket is waited for;
        # else a client that asks in a loop would keep the server from ever changing.
        await asyncio.sleep(0)
        try:
            return await self._handler(request)
        except Exception as error:
            return status_response(error)

    @asynccontextmanager
    async def _streaming(self, answer: Answer) -> AsyncIterator["InProcessStreaming"]:
        pipe = _Pipe()
        streaming = InProcessStreaming(answer.status, answer.headers, pipe)
        if isinstance(answer, Response):
            body = answer.body
            for part in (body,) if isinstance(body, bytes) else body:
                pipe.write(Chunk(part))
            pipe.close()
            yield streaming
            return
        self._open.add(pipe)
        try:
            try:
                answer.opened(pipe)
            except Exception:
                _LOG.exception("a stream could not be opened")
                pipe.abort()
            yield streaming
        finally:
            self._open.discard(pipe)
            pipe.leave()
            answer.closed()


class InProcessStreaming:
    """An answer that is still coming. Implements `client.transport.Streaming`."""

    def __init__(self, status: int, headers: Mapping[str, str], pipe: "_Pipe") -> None:
        self.status = status
        self.headers = headers
        self._pipe = pipe

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces of the body as they arrive. Raises: WatchBroken when it was cut off."""
        while True:
            piece = await self._pipe.read()
            if piece is None:
                return
            yield piece


class _Pipe:
    """A sink whose other end is a reader in the same process.

    It has no bound of its own, as a socket's buffer has none: the server looks at `pending_bytes`
    and cuts a reader off that lags too far.
    """

    __slots__ = ("_drained", "_is_aborted", "_is_ended", "_pieces", "_size", "_waiter")

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_ended = False
        self._is_aborted = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    def write(self, chunk: Chunk) -> None:
        """Hand a piece to the reader."""
        if self._is_ended or not chunk.data:
            return
        self._pieces.append(chunk.data)
        self._size += len(chunk.data)
        self._wake()

    def pending_bytes(self) -> int:
        """How much the reader has not read."""
        return self._size

    def close(self) -> None:
        """End in good order: the reader reads what is there, then the end."""
        self._is_ended = True
        self._wake()

    def abort(self) -> None:
        """Cut off: the reader sees the stream broken at once."""
        self._is_ended = self._is_aborted = True
        self._pieces.clear()
        self._size = 0
        self._wake()
        self._wake_writer()

    async def drain(self) -> None:
        """Wait until the reader has caught up, or has left."""
        if self._is_aborted or self._size <= _LOW_WATER_BYTES:
            return
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._drained)

    async def read(self) -> bytes | None:
        """Return all that is there, or None at the end. Raises: WatchBroken after `abort`."""
        while not self._pieces:
            if self._is_aborted:
                raise WatchBroken("the stream was cut off")
            if self._is_ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        pieces = self._pieces
        data = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        self._wake_writer()
        return data

    def leave(self) -> None:
        """The reader reads no more; what is written is dropped."""
        self.abort()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _wake_writer(self) -> None:
        waiter, self._drained = self._drained, None
        if waiter is not None:
            waiter.set_result(None)
