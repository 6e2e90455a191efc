"""The Services' traffic: listens where Services are, and carries connections to their endpoints.

For each connection two protocols hand each other what they receive. Three things are easy to get
wrong and are kept here: whoever cannot be written to stops the other side's reading; the end of one
direction (half-close) leaves the other open; what a client sends before an endpoint has answered the
call waits, in order, also its end.

A Service without endpoints refuses connections, as kube-proxy makes it, while its port stays taken.
Removing a Service or an endpoint leaves connections alone that are under way. TCP only: UDP ports
are not carried yet, and whoever asks for them is told by the agent.

Below the node agent: sockets on the event loop.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from arubeki import clock

Place: TypeAlias = tuple[str, int]
"""An address and a port."""

PRIVILEGED_PORTS = 1024
MOVED_BY = 10_000
"""Where a port below 1024 may not be bound, its Service listens this much higher."""

CONNECT_SECONDS = 3.0
_BACKLOG = 1024
_BUFFER_BYTES = 1 << 20
_AFFINITY_CLIENTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Backends:
    """Where connections to a Service's port go. With `affinity_seconds`, by client address."""

    endpoints: tuple[Place, ...] = ()
    affinity_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a Service's port is to be reached: `actual`, None if nowhere; `reason` if not as asked."""

    asked: Place
    actual: Place | None
    reason: str = ""


class ServiceProxy:
    """Listens for Services, after a table that may change at any time."""

    def __init__(self) -> None:
        self._listeners: dict[Place, _Listener] = {}

    async def update(self, desired: Mapping[Place, Backends]) -> dict[Place, Listening]:
        """Listen on exactly these places; return how each is reached.

        What could not be bound is tried again with every call.
        """
        for place in [one for one in self._listeners if one not in desired]:
            self._listeners.pop(place).close()
        for place, backends in desired.items():
            listener = self._listeners.get(place)
            if listener is None:
                listener = self._listeners[place] = _Listener(place)
            await listener.update(backends)
        return {place: self._listeners[place].listening for place in desired}

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        listeners = list(self._listeners.values())
        self._listeners.clear()
        for listener in listeners:
            listener.close()
            listener.cut()
        await asyncio.sleep(0)


class _Listener:
    """One port of a Service."""

    def __init__(self, place: Place) -> None:
        self._asked = place
        self.listening = Listening(place, None)
        self._backends = Backends()
        self._next = 0
        self._clients: dict[str, tuple[Place, float]] = {}
        self._bound: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self.connections: set[_Front] = set()

    async def update(self, backends: Backends) -> None:
        """Carry new connections to these."""
        self._backends = backends
        if self.listening.actual is None:
            self._bound, self.listening = _bind(self._asked)
        if backends.endpoints and self._bound is not None:
            loop = asyncio.get_running_loop()
            bound, self._bound = self._bound, None
            self._server = await loop.create_server(
                lambda: _Front(self), sock=bound, backlog=_BACKLOG
            )
        elif not backends.endpoints and self._server is not None:
            # A socket that listens cannot stop to: another one, bound only, keeps the place.
            self.close()
            assert self.listening.actual is not None
            self._bound, moved = _bind(self.listening.actual, move=False)
            if moved.actual is None:
                self.listening = Listening(self._asked, None, moved.reason)

    def close(self) -> None:
        """Stop listening."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        if self._bound is not None:
            self._bound.close()
            self._bound = None

    def cut(self) -> None:
        """Cut all connections."""
        for front in list(self.connections):
            front.abort()

    def choices(self, client: str) -> Iterator[Place]:
        """Yield the endpoints in the order in which to try them for a connection."""
        endpoints = self._backends.endpoints
        if not endpoints:
            return
        kept = self._clients.get(client)
        if kept and kept[0] in endpoints and kept[1] > clock.monotonic():
            yield kept[0]
        start = self._next % len(endpoints)
        self._next = start + 1
        yield from endpoints[start:]
        yield from endpoints[:start]

    def chosen(self, client: str, endpoint: Place) -> None:
        """Remember who serves a client."""
        if self._backends.affinity_seconds:
            self._clients.pop(client, None)
            if len(self._clients) >= _AFFINITY_CLIENTS_MAX:
                del self._clients[next(iter(self._clients))]
            until = clock.monotonic() + self._backends.affinity_seconds
            self._clients[client] = (endpoint, until)


def _bind(place: Place, *, move: bool = True) -> tuple[socket.socket | None, Listening]:
    """Take a place without listening yet, a higher port where that is not allowed."""
    host, port = place
    try:
        return _bound(place), Listening(place, place)
    except OSError as error:
        reason = f"{host}:{port}: {error.strerror}"
        movable = error.errno in (errno.EACCES, errno.EPERM, errno.EADDRINUSE)
    if not (move and movable and port < PRIVILEGED_PORTS):
        return None, Listening(place, None, reason)
    other = (host, port + MOVED_BY)
    try:
        return _bound(other), Listening(place, other, f"{reason}; listening on {host}:{other[1]}")
    except OSError as error:
        return None, Listening(place, None, f"{reason}; {host}:{other[1]}: {error.strerror}")


def _bound(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(place)
        taken.setblocking(False)
    except OSError:
        taken.close()
        raise
    return taken


class _Half(asyncio.Protocol):
    """One side of a connection. `other` is the one who gets what this one receives."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Half | None = None
        self.ended = False  # the peer will send no more
        self.waiting = bytearray()  # received before `other` was there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        """Hand it over."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self.waiting += data

    def eof_received(self) -> bool:
        """Hand the end over; the other direction stays open."""
        self.ended = True
        self.hand_over_the_end()
        return True

    def hand_over_the_end(self) -> None:
        """Tell the other side that no more will come; when both have ended, close."""
        other = self.other
        if other is None or other.transport is None or self.transport is None:
            return
        if other.ended:
            other.transport.close()
            self.transport.close()
        elif other.transport.can_write_eof():
            other.transport.write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other side as this one was closed: in order, or not."""
        self.transport = None
        other, self.other = self.other, None
        if other is not None:
            other.other = None
            if other.transport is not None:
                if exc is None:
                    other.transport.close()
                else:
                    _reset(other.transport)

    def pause_writing(self) -> None:
        """Too much waits to be written here: let the other side read no more."""
        if self.other is not None:
            self.other.read_on(False)

    def resume_writing(self) -> None:
        """Let the other side read on."""
        if self.other is not None:
            self.other.read_on(True)

    def read_on(self, wanted: bool) -> None:
        """Read, or do not, where there is still something to be read."""
        if self.transport is None or self.transport.is_closing() or self.ended:
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()


class _Front(_Half):
    """The client's side, which calls an endpoint."""

    def __init__(self, listener: _Listener) -> None:
        super().__init__()
        self._listener = listener
        self._dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come: call an endpoint."""
        super().connection_made(transport)
        self._listener.connections.add(self)
        self.read_on(False)  # uvloop may deliver a first piece all the same
        self._dialling = asyncio.create_task(self._dial())

    async def _dial(self) -> None:
        assert self.transport is not None
        client = (self.transport.get_extra_info("peername") or ("",))[0]
        for endpoint in self._listener.choices(client):
            if await self._call(endpoint):
                self._listener.chosen(client, endpoint)
                return
        if self.transport is not None:
            _reset(self.transport)

    async def _call(self, endpoint: Place) -> bool:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: _Back(self), *endpoint)
        except (OSError, TimeoutError):
            return False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._listener.connections.discard(self)
        if self._dialling is not None:
            self._dialling.cancel()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Cut the connection."""
        if self.transport is not None:
            _reset(self.transport)


class _Back(_Half):
    """The endpoint's side."""

    def __init__(self, front: _Front) -> None:
        super().__init__()
        self._front = front

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The endpoint has answered: give it what the client sent meanwhile."""
        super().connection_made(transport)
        front = self._front
        if front.transport is None:
            transport.close()
            return
        self.other, front.other = front, self
        assert self.transport is not None
        if front.waiting:
            self.transport.write(bytes(front.waiting))
            front.waiting.clear()
        if front.ended:
            front.hand_over_the_end()
        else:
            front.read_on(True)


def _reset(transport: asyncio.Transport) -> None:
    """Close so that the peer sees a reset, not an orderly end."""
    held = transport.get_extra_info("socket")
    if held is not None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
