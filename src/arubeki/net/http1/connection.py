"""One connection: requests read, handled in order, answered.

A connection handles one request at a time. Requests that come early wait, and reading stops while
any waits, so that what a peer can pile up is bounded by one read. The handler is stepped by hand
(`early`); a small answer is one write; a big one is written batch by batch while the peer takes
them; a stream is a sink, and costs neither a task nor a parser while it lasts.

No timer belongs to a connection. It has a `deadline`, and the server looks at all of them from
time to time: a request then costs no timer, and the times are right to a second.

Between the halves: [client > **sockets** > server].
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterator
from math import inf
from types import CoroutineType
from typing import cast

from arubeki.errors import ApiError, ServiceUnavailable
from arubeki.net.http1.body import Batch, plain_batches, tls_batches
from arubeki.net.http1.early import run_early
from arubeki.net.http1.head import head_bytes
from arubeki.net.http1.reader import HEAD, IDLE, Incoming, Peer, Reader
from arubeki.net.http1.shared import Shared
from arubeki.net.http1.sink import PlainSink, SocketSink, TlsSink
from arubeki.net.message import Answer, Request, Response, Stream
from arubeki.net.status import status_response

_LOG = logging.getLogger("arubeki.net")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_NO_BODY = frozenset({204, 304})
# A smaller body is copied behind its head: one write is cheaper than the copy.
_JOINED_BYTES = 16 * 1024
# How far the peer may lag behind before writing pauses.
_HIGH_WATER_BYTES = 256 * 1024
# Beyond the limit of connections some are told so; beyond this many more they are cut.
_REFUSED_POLITELY = 64


class Connection(asyncio.BufferedProtocol):
    """A peer, from its first byte to its last."""

    __slots__ = (
        "_batches",
        "_drained",
        "_incoming",
        "_is_busy",
        "_is_lingering",
        "_is_paused",
        "_is_pumping",
        "_is_reading_paused",
        "_peer",
        "_reader",
        "_shared",
        "_sink",
        "_stage",
        "_stream",
        "_waiting",
        "deadline",
        "task",
        "transport",
    )

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._peer: Peer
        self._reader: Reader | None = None  # none while a stream lasts, and near the end
        self._stage = IDLE  # the reader's, when the deadline was set
        self._waiting: list[Incoming] = []  # requests behind the one being answered
        self._incoming: Incoming | None = None  # the request being answered
        self._is_busy = False
        self._batches: Iterator[Batch] | None = None  # what is left of a big body
        self._is_pumping = False  # its next batch is due in the loop's next turn
        self._stream: Stream | None = None
        self._sink: SocketSink | None = None
        self._is_paused = False  # the peer does not take what it is sent
        self._is_reading_paused = False
        self._is_lingering = False  # refused; the rest is read and dropped
        self._drained: asyncio.Future[None] | None = None
        self.deadline = inf
        """The loop's time from which on `expire` is to be called."""
        self.task: asyncio.Task[Answer] | None = None
        """The handler, when it has to wait."""
        self.transport: asyncio.Transport

    # The loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for the peer, who has to speak first."""
        self.transport = cast(asyncio.Transport, transport)
        shared = self._shared
        shared.connections.add(self)
        address = transport.get_extra_info("peername")
        certificate = transport.get_extra_info("peercert") if shared.is_tls else None
        self._peer = Peer(str(address[0]) if address else "", certificate or None)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        self._reader = Reader(shared.limits, shared.names, self._peer)
        self.deadline = shared.loop.time() + shared.limits.head_seconds
        excess = len(shared.connections) - shared.limits.connections
        if excess > _REFUSED_POLITELY:
            self.transport.abort()
        elif excess > 0 or shared.is_closing:
            text = "the server is stopping" if shared.is_closing else "too many connections"
            self._refuse(ServiceUnavailable(text, details={"retryAfterSeconds": 1}))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Lend the one buffer of all connections: it is read from before the loop goes on.

        Under TLS each read would else make a buffer of 256 KB, which costs more than the request.
        """
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read requests, and handle them."""
        reader = self._reader
        if reader is None:
            # What comes behind a stream is not answered: the connection ends with the stream.
            self._keep_alive_no_more()
            return
        reader.feed(self._shared.buffer[:nbytes])
        if reader.ready:
            if self._waiting:
                self._waiting += reader.ready
                reader.ready = []
            else:
                self._waiting, reader.ready = reader.ready, self._waiting
        if not self._is_busy:
            self._next()
        if self._waiting and not self._is_reading_paused and not self.transport.is_closing():
            self._is_reading_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer sends no more. It may still want the big answer that is being written."""
        if self._batches is not None and not self._shared.is_tls:
            self._keep_alive_no_more()
            return True
        self.deadline = self._shared.loop.time() + self._shared.limits.write_seconds
        return False

    def pause_writing(self) -> None:
        """The peer takes less than it is sent."""
        self._is_paused = True
        # How long a stream may lag is for its writer to judge.
        if self._stream is None:
            self.deadline = self._shared.loop.time() + self._shared.limits.write_seconds

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._is_paused = False
        self._wake()
        if self._batches is not None:
            self.deadline = inf
            self._pump()
        elif not self._is_busy:
            self.deadline = self._shared.loop.time() + self._shared.limits.idle_seconds
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The peer is gone; nothing of it may be left behind."""
        self._shared.connections.discard(self)
        self.deadline = inf
        self._drop_reader()
        self._waiting = []
        self._batches = None
        self._wake()
        if self.task is not None:
            # Not at once: a task that has not begun would be dropped without its cleaning up.
            self._shared.loop.call_soon(self.task.cancel)
        self._close_stream()

    # The server calls these.

    def expire(self) -> None:
        """The deadline has passed."""
        self.deadline = inf
        reader = self._reader
        if self._is_paused or self.transport.is_closing():
            self.transport.abort()
        elif self._is_lingering:
            self._close()
        elif reader is None or self._is_busy:
            return
        elif reader.stage != IDLE:
            what = "head" if reader.stage == HEAD else "body"
            error = ApiError(f"the request's {what} did not arrive in time")
            error.code, error.reason = 408, "Timeout"
            self._refuse(error)
        else:
            self._close()

    def finish(self) -> None:
        """End a stream, let a running request finish, close if there is neither."""
        if self._sink is not None:
            self._sink.close()
        elif not self._is_busy and not self._is_lingering:
            self._close()

    # The sink calls these.

    def end_stream(self) -> None:
        """End the stream in good order."""
        if self._stream is None or self.transport.is_closing():
            return
        if self._incoming is not None and not self._incoming.legacy:
            self.transport.write(_LAST_CHUNK)
        # Not at once: the caller may be walking over its streams.
        self._shared.loop.call_soon(self._after_stream)

    async def drained(self) -> None:
        """Wait until the peer has caught up, or is gone."""
        if not self._is_paused or self.transport.is_closing():
            return
        if self._drained is None:
            self._drained = self._shared.loop.create_future()
        await asyncio.shield(self._drained)

    # A request's way.

    def _next(self) -> None:
        """Handle what waits, until a request takes time or none is left."""
        waiting = self._waiting
        while waiting and not self._is_busy and not self._is_paused:
            if self.transport.is_closing():
                waiting.clear()
                return
            self._begin(waiting.pop(0))
            waiting = self._waiting
        reader = self._reader
        if waiting or self._is_busy or reader is None or self.transport.is_closing():
            return
        if self._is_reading_paused:
            self._is_reading_paused = False
            self.transport.resume_reading()
        if reader.fault is not None:
            self._refuse(reader.fault)
            return
        if reader.stage != self._stage:
            limits = self._shared.limits
            self._stage = reader.stage
            seconds = limits.head_seconds if reader.stage == HEAD else limits.body_seconds
            self.deadline = self._shared.loop.time() + seconds
        if reader.owes_continue:
            reader.owes_continue = False
            self.transport.write(_CONTINUE)

    def _begin(self, incoming: Incoming) -> None:
        """Handle a request. On return it is answered, or the connection is busy with it."""
        self._is_busy = True
        self._incoming = incoming
        self.deadline = inf
        shared = self._shared
        try:
            awaitable = shared.handler(incoming.request)
            if not isinstance(awaitable, CoroutineType):
                awaitable = _wait_for(awaitable)
            answer = run_early(shared.loop, awaitable)
        except (Exception, asyncio.CancelledError) as error:
            self._answer(status_response(error))
            return
        if isinstance(answer, asyncio.Task):
            self.task = answer
            answer.add_done_callback(self._handled)
        else:
            self._answer(answer)

    def _handled(self, task: asyncio.Task[Answer]) -> None:
        """The handler had to wait, and has ended."""
        self.task = None
        if task.cancelled():
            self.transport.abort()
            return
        error = task.exception()
        self._answer(task.result() if error is None else status_response(error))
        self._next()

    def _answer(self, answer: Answer) -> None:
        incoming = self._incoming
        if incoming is None or self.transport.is_closing():
            if isinstance(answer, Stream):
                _call_closed(answer)
            return
        try:
            if isinstance(answer, Stream):
                head = self._stream_head(answer, incoming)
            else:
                self._respond(answer, incoming)
                return
        except Exception as error:
            # Nothing has been written: what is wrong with an answer shows in making its head.
            if isinstance(answer, Stream):
                _call_closed(answer)
            self._respond(status_response(error), incoming)
            return
        self._open(answer, incoming, head)

    def _respond(self, response: Response, incoming: Incoming) -> None:
        """Write an answer, as much of it as the peer takes now."""
        shared = self._shared
        body = response.body
        size = len(body) if isinstance(body, bytes) else sum(map(len, body))
        connection = self._connection_line(incoming)
        if response.status in _NO_BODY:
            size = 0
            tail = f"{shared.date_line}{connection}"
        else:
            tail = f"{shared.date_line}{connection}content-length: {size}\r\n"
        head = head_bytes(shared.status_line(response.status), response.headers, tail)
        if size == 0 or incoming.request.method == "HEAD":
            self.transport.write(head)
        elif size <= _JOINED_BYTES:
            rest = body if isinstance(body, bytes) else b"".join(body)
            self.transport.write(head + rest)
        else:
            make = tls_batches if shared.is_tls else plain_batches
            self._batches = make(head, body)
            self._pump_on()
            return
        self._done(incoming)

    def _connection_line(self, incoming: Incoming) -> str:
        if not incoming.keep_alive or self._shared.is_closing:
            return "connection: close\r\n"
        return "connection: keep-alive\r\n" if incoming.legacy else ""

    def _pump_on(self) -> None:
        """Write one batch of a big body; the next is written when others had their turn."""
        batches = self._batches
        if batches is None or self._is_paused or self.transport.is_closing():
            return
        try:
            batch = next(batches, None)
        except Exception:
            _LOG.exception("an answer broke off")
            self.transport.abort()
            return
        if batch is None:
            self._batches = None
            if self._incoming is not None:
                self._done(self._incoming)
            self._next()
            return
        if isinstance(batch, list):
            # The last piece goes alone: write() tells when the peer lags, where asyncio's own
            # writelines() does not in some releases of 3.12 and 3.13 (CVE-2024-12254).
            *most, batch = batch
            if most:
                self.transport.writelines(most)
        self.transport.write(batch)
        self._pump()

    def _pump(self) -> None:
        """Have the next batch written in the loop's next turn."""
        if not self._is_pumping and not self._is_paused:
            self._is_pumping = True
            self._shared.loop.call_soon(self._pump_now)

    def _pump_now(self) -> None:
        self._is_pumping = False
        self._pump_on()

    def _done(self, incoming: Incoming) -> None:
        """The answer is in the transport's hands."""
        self._incoming = None
        self._is_busy = False
        self._stage = IDLE
        shared = self._shared
        if not incoming.keep_alive or shared.is_closing:
            self._close()
        else:
            limits = shared.limits
            seconds = limits.write_seconds if self._is_paused else limits.idle_seconds
            self.deadline = shared.loop.time() + seconds

    # Streams.

    def _stream_head(self, stream: Stream, incoming: Incoming) -> bytes:
        shared = self._shared
        tail = shared.date_line
        if incoming.legacy:
            tail += "connection: close\r\n"
        else:
            tail += self._connection_line(incoming) + "transfer-encoding: chunked\r\n"
        return head_bytes(shared.status_line(stream.status), stream.headers, tail)

    def _open(self, stream: Stream, incoming: Incoming, head: bytes) -> None:
        """Send a stream's head and hand out its sink."""
        self.transport.write(head)
        if incoming.request.method == "HEAD":
            _call_closed(stream)
            self._done(incoming)
            return
        # A watch may last for hours, and there may be thousands: it keeps neither parser nor
        # request. What already waits behind it is not answered.
        reader = self._reader
        is_followed = (
            bool(self._waiting) or reader is None or reader.stage != IDLE or bool(reader.fault)
        )
        keep_alive = incoming.keep_alive and not incoming.legacy and not is_followed
        self._incoming = Incoming(_NO_REQUEST, keep_alive, incoming.legacy)
        self._waiting = []
        self._drop_reader()
        if self._is_reading_paused:
            self._is_reading_paused = False
            self.transport.resume_reading()
        self._stream = stream
        make = PlainSink if incoming.legacy else TlsSink if self._shared.is_tls else SocketSink
        self._sink = sink = make(self)
        try:
            stream.opened(sink)
        except Exception:
            _LOG.exception("a stream could not be opened")
            sink.abort()

    def _after_stream(self) -> None:
        """The stream has ended in good order."""
        self._close_stream()
        incoming = self._incoming
        if incoming is None or self.transport.is_closing():
            return
        self._reader = Reader(self._shared.limits, self._shared.names, self._peer)
        self._done(incoming)

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.detach()
        if stream is not None:
            _call_closed(stream)

    # The end.

    def _refuse(self, error: ApiError) -> None:
        """Answer a fault, drop what else the peer sends, and close."""
        shared = self._shared
        self._drop_reader()
        response = status_response(error)
        body = response.content()
        tail = f"{shared.date_line}connection: close\r\ncontent-length: {len(body)}\r\n"
        head = head_bytes(shared.status_line(response.status), response.headers, tail)
        self.transport.write(head + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._is_lingering = True
        self.deadline = shared.loop.time() + shared.limits.linger_seconds

    def _close(self) -> None:
        """Close as soon as what was written is out, and within bounds."""
        if not self.transport.is_closing():
            self._drop_reader()
            self.transport.close()
            self.deadline = self._shared.loop.time() + self._shared.limits.write_seconds

    def _keep_alive_no_more(self) -> None:
        if self._incoming is not None:
            self._incoming = self._incoming._replace(keep_alive=False)

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _wake(self) -> None:
        waiter, self._drained = self._drained, None
        if waiter is not None:
            waiter.set_result(None)


_NO_REQUEST = Request("", "")


async def _wait_for(awaitable: Awaitable[Answer]) -> Answer:
    return await awaitable


def _call_closed(stream: Stream) -> None:
    try:
        stream.closed()
    except Exception:
        _LOG.exception("a stream could not be closed")
