"""A listening server: accepts connections, watches their deadlines, closes in good order.

Between the halves: [client > **sockets** > server].
"""

import asyncio
import contextlib
import socket
import ssl

from arubeki.net.http1.connection import Connection
from arubeki.net.http1.limits import Limits
from arubeki.net.http1.shared import Shared
from arubeki.net.message import Handler

_BACKLOG = 4096
_SHUTDOWN_SECONDS = 2.0
# A peer whose machine vanished sends no end; the kernel finds out in about a minute and a half.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class Server:
    """A handler that listens. Made by `serve`."""

    def __init__(self, shared: Shared, listener: asyncio.Server) -> None:
        self._shared = shared
        self._listener = listener
        limits = shared.limits
        shortest = min(
            limits.head_seconds, limits.body_seconds, limits.idle_seconds, limits.linger_seconds
        )
        self._sweep_seconds = min(1.0, shortest / 4)
        shared.tick()
        self._timer = shared.loop.call_later(self._sweep_seconds, self._sweep)
        self.port: int = listener.sockets[0].getsockname()[1]
        """The port, also when 0 was asked for."""

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._shared.connections)

    async def close(self, grace_seconds: float = 5.0) -> None:
        """Accept nothing more, end the streams, let running requests finish, then cut the rest."""
        shared = self._shared
        shared.is_closing = True
        self._listener.close()
        for connection in list(shared.connections):
            connection.finish()
        await self._emptied(grace_seconds)
        tasks = [task for each in shared.connections if (task := each.task) is not None]
        for connection in list(shared.connections):
            connection.transport.abort()
        await self._emptied(_SHUTDOWN_SECONDS)
        if tasks:
            await asyncio.wait(tasks, timeout=_SHUTDOWN_SECONDS)
        self._timer.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SHUTDOWN_SECONDS):
                await self._listener.wait_closed()

    async def _emptied(self, seconds: float) -> None:
        """Wait until no connection is left, for as long as `seconds`."""
        loop = self._shared.loop
        end = loop.time() + seconds
        while self._shared.connections and loop.time() < end:
            await asyncio.sleep(min(0.01, seconds))

    def _sweep(self) -> None:
        """Look at every connection's deadline."""
        shared = self._shared
        shared.tick()
        now = shared.loop.time()
        for connection in [each for each in shared.connections if each.deadline <= now]:
            connection.expire()
        self._timer = shared.loop.call_later(self._sweep_seconds, self._sweep)


async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
) -> Server:
    """Listen on `host` and `port` (0: any that is free) and answer with `handler`.

    The handler's errors become `Status` objects. When a peer goes away, the handler working for it
    is cancelled and its stream is closed.

    Raises: OSError if the address cannot be had.
    """
    loop = asyncio.get_running_loop()
    limits = limits or Limits()
    shared = Shared(handler, limits, loop, tls is not None)
    listener = await loop.create_server(
        lambda: Connection(shared),
        host,
        port,
        ssl=tls,
        backlog=_BACKLOG,
        reuse_address=True,
        ssl_handshake_timeout=limits.handshake_seconds if tls is not None else None,
        ssl_shutdown_timeout=_SHUTDOWN_SECONDS if tls is not None else None,
    )
    for listening in listener.sockets:
        # Accepted sockets inherit these, which saves four calls for each.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return Server(shared, listener)
