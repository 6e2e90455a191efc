"""The sink of a stream that goes to a socket.

Writing a piece is one call on the transport with bytes that were framed once for all watchers.
There is no queue and no task per stream: what the peer has not taken lies in the transport's
buffer, whose size `pending_bytes` tells, and whoever writes decides how much lag to bear.

Between the halves: [client > **sockets** > server].
"""

import asyncio
from typing import Protocol

from arubeki.net.message import Chunk

TLS_WRITE_BYTES = 6 * 1024
"""The most that a stream writes at once under TLS."""


class Line(Protocol):
    """What a sink needs of its connection."""

    transport: asyncio.Transport

    def end_stream(self) -> None:
        """End the stream in good order."""

    async def drained(self) -> None:
        """Wait until the peer has caught up, or is gone."""


class SocketSink:
    """Pieces to one connection, in chunks. After its end it swallows what is written."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Line) -> None:
        self._connection: Line | None = connection

    def write(self, chunk: Chunk) -> None:
        """Send a piece. An empty one is dropped: as a chunk it would end the stream."""
        connection = self._connection
        if connection is not None and chunk.data:
            connection.transport.write(chunk.framed)

    def pending_bytes(self) -> int:
        """How much the peer has not taken."""
        connection = self._connection
        return 0 if connection is None else connection.transport.get_write_buffer_size()

    def close(self) -> None:
        """End the stream in good order; the connection goes on if the peer wishes."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end_stream()

    def abort(self) -> None:
        """Cut the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.transport.abort()

    async def drain(self) -> None:
        """Wait until the transport's buffer is low again, or the peer is gone."""
        connection = self._connection
        if connection is not None:
            await connection.drained()

    def detach(self) -> None:
        """Write nowhere from now on."""
        self._connection = None


class TlsSink(SocketSink):
    """Pieces to one connection under TLS.

    What is written at once passes through memory of the connection's own, which stays as large as
    the largest write: with a thousand watches a few bursts would cost as much as the watches.
    """

    __slots__ = ()

    def write(self, chunk: Chunk) -> None:
        """Send a piece, a large one in parts."""
        connection = self._connection
        if connection is None or not chunk.data:
            return
        framed, write = chunk.framed, connection.transport.write
        if len(framed) <= TLS_WRITE_BYTES:
            write(framed)
            return
        view = memoryview(framed)
        for start in range(0, len(view), TLS_WRITE_BYTES):
            write(view[start : start + TLS_WRITE_BYTES])


class PlainSink(SocketSink):
    """Pieces to a peer that speaks HTTP/1.0: without chunks, ended by closing."""

    __slots__ = ()

    def write(self, chunk: Chunk) -> None:
        """Send a piece as it is."""
        connection = self._connection
        if connection is not None:
            connection.transport.write(chunk.data)
