"""What travels between the two halves: Request, Response, Stream, and the Handler that answers.

A server is a `Handler`, an async callable from `Request` to `Response` or `Stream`, and knows no
socket. `net.http1` puts a handler on sockets; a client in the same process calls it directly. Both
ways carry the same bytes, so that what is tested without TCP holds with it.

Between the halves: [client > **message** > server].
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from urllib.parse import parse_qsl

BODY_LIMIT_BYTES = 3 * 1024 * 1024
"""The largest request body. Source: apiserver pkg/server/config.go, MaxRequestBodyBytes."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: the identity that authentication found, and that authorization judges."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Request:
    """One HTTP request, its body read whole.

    `path` is percent-decoded and has no query; `query` is the raw text after the `?`. Header names
    are in lower case. `user` is set by the transport when it knows who calls (in process), else by
    the server's authentication from `headers` or `peer_certificate` (the verified client
    certificate as `ssl.SSLObject.getpeercert()` gives it).
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: User | None = None
    peer_certificate: Mapping[str, object] | None = None
    peer_address: str = ""

    def parameters(self) -> dict[str, list[str]]:
        """Return the query's values by name, in order; a name without a value has `""`."""
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return found


@dataclass(slots=True)
class Response:
    """A complete answer. `body` may come in parts, which are sent as they are, never joined."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Sequence[bytes] = b""

    def content(self) -> bytes:
        """Return the body in one piece."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


class Chunk:
    """A piece of a stream, with its HTTP/1.1 chunk frame made once for all who receive it."""

    __slots__ = ("_framed", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._framed: bytes | None = None

    @property
    def framed(self) -> bytes:
        """The piece as `Transfer-Encoding: chunked` carries it."""
        framed = self._framed
        if framed is None:
            framed = self._framed = b"%x\r\n%b\r\n" % (len(self.data), self.data)
        return framed


class Sink(Protocol):
    """Where a stream's pieces go: a connection, or a reader in the same process."""

    def write(self, chunk: Chunk) -> None:
        """Send a piece, without waiting. Pieces after `close` are dropped."""

    def pending_bytes(self) -> int:
        """How much was written and not yet taken by the peer."""

    def close(self) -> None:
        """End the stream in good order."""

    def abort(self) -> None:
        """Cut the stream off, so that the peer sees it broken."""

    async def drain(self) -> None:
        """Wait until `pending_bytes` is low again, or the peer is gone."""


@dataclass(slots=True)
class Stream:
    """An answer without an end known beforehand: a watch, a followed log.

    The transport calls `opened` once, after the head has been sent, with the sink to write to, and
    `closed` once, when the stream has ended for whatever reason (also if `opened` was never called).
    """

    opened: Callable[[Sink], None]
    closed: Callable[[], None]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer: TypeAlias = Response | Stream
Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]
