"""Bytes in, requests out: the reading half of a connection, without a socket.

A `Reader` is fed what arrives and collects whole requests in `ready`. It holds every bound on what
a peer may send. The first fault ends it: the requests before it are answered, then the fault, then
the connection is closed, because where the next request begins cannot be known any more.

Between the halves: [client > **sockets** > server].
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import httptools

from arubeki.errors import ApiError, BadRequest, RequestEntityTooLarge
from arubeki.net.http1.head import split_target
from arubeki.net.http1.limits import Limits
from arubeki.net.message import Request

IDLE, HEAD, BODY = range(3)
"""Where a reader is: between requests, in a head, in a body."""

# A body sent byte by byte in chunks is six times its size on the wire. What is more than this
# times the limit is no body but an attempt to keep the server busy with framing.
_FRAMING_FACTOR = 8
_NAMES_KEPT = 512
# A request line as every client writes it, up to the version; what is otherwise the parser judges.
_PLAIN_GET = re.compile(rb"GET (/[!-~]*)")
_BLOCK_BYTES = 4096
"""More headers than these are not known again; each connection keeps its own."""
# With one of these headers a request is not what its bytes alone say, or not the last.
_PARTICULAR = frozenset({"connection", "content-length", "expect", "transfer-encoding", "upgrade"})


class Incoming(NamedTuple):
    """A request, and what its head says about the connection."""

    request: Request
    keep_alive: bool
    legacy: bool
    """HTTP/1.0: the peer does not know chunks."""


class Peer(NamedTuple):
    """Who is at the other end, the same for all requests of a connection."""

    address: str = ""
    certificate: Mapping[str, object] | None = None


class Reader:
    """The parser of one connection's requests."""

    __slots__ = (
        "_block",
        "_block_headers",
        "_bytes",
        "_count",
        "_feeding",
        "_headers",
        "_limits",
        "_names",
        "_parser",
        "_peer",
        "_pieces",
        "_size",
        "_target",
        "fault",
        "owes_continue",
        "ready",
        "stage",
    )

    def __init__(self, limits: Limits, names: dict[bytes, str], peer: Peer) -> None:
        """Read with `limits`; `names` (header name as sent: in lower case) is shared and bounded."""
        self._limits = limits
        self._names = names
        self._peer = peer
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._count = 0  # headers of this head that came before
        self._size = 0  # bytes of this body
        self._bytes = 0  # bytes of former feeds since the request began, framing included
        self._feeding = 0  # bytes of this feed
        self._block = b""  # the last GET's head, from behind its target
        self._block_headers: Mapping[str, str] = {}
        self.stage = IDLE
        self.ready: list[Incoming] = []
        self.fault: ApiError | None = None
        self.owes_continue = False
        """The peer waits for `100 Continue` before it sends the body."""

    def feed(self, data: bytes | memoryview) -> None:
        """Take what has arrived. Whole requests go to `ready`, the first fault to `fault`.

        Nothing of `data` is referred to afterwards.
        """
        parser = self._parser
        if parser is None or self.fault is not None:
            return
        if self.stage == IDLE:
            whole = bytes(data)
            if self._has_again(whole):
                return
        else:
            whole = b""
        before = len(self.ready)
        self._feeding = len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Nothing here speaks another protocol: the request is ordinary, and the bytes after
            # it belong to the next one.
            rest = data[upgrade.args[0] :]
            if rest:
                self.feed(rest)
            return
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, ApiError):
                raise
            self.fault = cause
        except httptools.HttpParserError as error:
            self.fault = BadRequest(f"malformed HTTP request: {error}")
        if self.stage == IDLE:
            if whole and len(self.ready) == before + 1 and self.fault is None:
                self._remember(whole, self.ready[-1])
            return
        if len(self.ready) != before:
            self._bytes = 0
        self._bytes += self._feeding
        if self.fault is None:
            self._check_size()

    def close(self) -> None:
        """Let go of the parser, which refers back here."""
        self._parser = None

    def _check_size(self) -> None:
        limits = self._limits
        if self.stage == HEAD and self._bytes > limits.head_bytes:
            self.fault = _head_too_large(limits)
        elif self._bytes > limits.head_bytes + _FRAMING_FACTOR * limits.body_bytes:
            self.fault = _body_too_large(limits)

    def _has_again(self, data: bytes) -> bool:
        """Take a GET that has, but for its target, the head of one before; tell whether it is one.

        A client sends the same headers all the time. To know them again spares the parser and a
        call for each header: a sixth of what the server does for a small answer.
        """
        block = self._block
        if not block or not data.endswith(block):
            return False
        found = _PLAIN_GET.fullmatch(data, 0, len(data) - len(block))
        if found is None or len(data) > self._limits.head_bytes:
            return False
        target = found[1]
        if len(target) > self._limits.target_bytes:
            return False
        try:
            path, query = split_target(target)
        except BadRequest:
            return False  # as the parser will say
        peer = self._peer
        request = Request(
            "GET", path, query, self._block_headers, b"", None, peer.certificate, peer.address
        )
        self.ready.append(Incoming(request, True, False))
        return True

    def _remember(self, data: bytes, incoming: Incoming) -> None:
        """Keep the headers of a request that `data` is, if it is a GET without particulars."""
        headers = incoming.request.headers
        if not incoming.keep_alive or incoming.legacy or not _PARTICULAR.isdisjoint(headers):
            return
        target, version, block = data.partition(b" HTTP/1.1\r\n")
        if version and len(block) <= _BLOCK_BYTES and _PLAIN_GET.fullmatch(target):
            self._block, self._block_headers = version + block, headers

    # The parser calls these.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.stage = HEAD
        self._count = 0

    def on_url(self, piece: bytes) -> None:
        """Take a piece of the target."""
        self._target = target = self._target + piece
        if len(target) > self._limits.target_bytes:
            raise _refusal(414, "RequestURITooLong", "the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those after a chunked body are dropped."""
        if self.stage != HEAD:
            return
        key = self._names.get(name) or self._name(name)
        headers = self._headers
        if key in headers:
            self._add(key, value.decode("latin-1"))
        else:
            headers[key] = value.decode("latin-1")

    def _add(self, key: str, value: str) -> None:
        """Take a header that came before."""
        if key in ("host", "content-length", "authorization"):
            raise BadRequest(f"malformed HTTP request: more than one {key} header")
        headers = self._headers
        headers[key] = f"{headers[key]}{'; ' if key == 'cookie' else ', '}{value}"
        self._count += 1
        if self._count > self._limits.header_count:
            raise _head_too_large(self._limits)

    def on_headers_complete(self) -> None:
        """Judge the head before any of the body is taken."""
        self.stage = BODY
        headers = self._headers
        length = headers.get("content-length")
        if length is not None and int(length) > self._limits.body_bytes:
            raise _body_too_large(self._limits)
        expect = headers.get("expect")
        if expect is not None:
            if expect.lower() != "100-continue":
                raise _refusal(417, "ExpectationFailed", "only 100-continue can be expected")
            self.owes_continue = True
        limits = self._limits
        if len(headers) + self._count > limits.header_count:
            raise _head_too_large(limits)
        if self._bytes + self._feeding > limits.head_bytes:
            # Much has come, but how much of it was head?
            total = sum(len(name) + len(value) + 4 for name, value in headers.items())
            if total + len(self._target) > limits.head_bytes:
                raise _head_too_large(limits)

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._size += len(piece)
        if self._size > self._limits.body_bytes:
            raise _body_too_large(self._limits)
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Put the request together."""
        parser = self._parser
        if parser is None:
            return
        headers, pieces, peer = self._headers, self._pieces, self._peer
        keep_alive = parser.should_keep_alive()
        legacy = False
        if not keep_alive or "connection" in headers:
            version = parser.get_http_version()
            if version not in ("1.1", "1.0"):
                raise _refusal(505, "HTTPVersionNotSupported", "only HTTP/1.1 is spoken here")
            legacy = version == "1.0"
        if not legacy and "host" not in headers:
            raise BadRequest("malformed HTTP request: missing required Host header")
        path, query = split_target(self._target)
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        request = Request(
            parser.get_method().decode(),
            path,
            query,
            headers,
            body,
            None,
            peer.certificate,
            peer.address,
        )
        self.ready.append(Incoming(request, keep_alive, legacy))
        self.stage = IDLE
        self._target = b""
        self._headers = {}
        self.owes_continue = False
        if pieces:
            self._pieces = []
        self._size = self._bytes = 0

    def _name(self, name: bytes) -> str:
        """Return a header's name in lower case, and keep it for the next time."""
        key = name.decode("latin-1").lower()
        if len(self._names) < _NAMES_KEPT and len(name) < 64:
            self._names[name] = key
        return key


def _refusal(code: int, reason: str, message: str) -> ApiError:
    error = ApiError(message)
    error.code = code
    error.reason = reason
    return error


def _head_too_large(limits: Limits) -> ApiError:
    message = f"the head is over {limits.head_bytes} bytes or {limits.header_count} headers"
    return _refusal(431, "RequestHeaderFieldsTooLarge", message)


def _body_too_large(limits: Limits) -> ApiError:
    # Source: apiserver pkg/endpoints/handlers/rest.go, limitedReadBody.
    return RequestEntityTooLarge(f"Request entity too large: limit is {limits.body_bytes}")
