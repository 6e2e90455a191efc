"""What a server bears: the bounds of every head, body, wait and number of connections.

Between the halves: [client > **sockets** > server].
"""

from dataclasses import dataclass

from arubeki.net.message import BODY_LIMIT_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a server; each has a default that suits an API server.

    Source: apiserver pkg/server/secure_serving.go (32 s for a head, 90 s idle), net/http server.go.
    """

    head_bytes: int = 64 * 1024
    """Request line and headers together. A bearer token of a kilobyte or two has ample room."""
    header_count: int = 128
    target_bytes: int = 32 * 1024
    """The URL. An exec carries its whole command line there."""
    body_bytes: int = BODY_LIMIT_BYTES
    connections: int = 10_000
    """More are told 503 and closed."""
    head_seconds: float = 32.0
    """From the first byte of a head to its last, and from the connection to the first byte."""
    body_seconds: float = 60.0
    """From the last byte of a head to the last of its body."""
    idle_seconds: float = 90.0
    """Between two requests on one connection."""
    write_seconds: float = 60.0
    """How long a peer may refuse to read any of an answer. Streams are judged by their writers."""
    linger_seconds: float = 2.0
    """How long the rest of a refused request is read and dropped, so that the answer arrives: to
    close a socket with unread bytes resets it, and the peer may lose the answer."""
    handshake_seconds: float = 10.0
