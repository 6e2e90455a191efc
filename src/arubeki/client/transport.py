"""How a client reaches a server: over HTTPS, or by calling a handler in the same process.

On the ring: [informer > client > **transport** > HTTP].
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from arubeki.net.message import Response


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
