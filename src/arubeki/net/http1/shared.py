"""What all connections of one server have in common.

Between the halves: [client > **sockets** > server].
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from arubeki import clock
from arubeki.net.http1.head import http_date, status_line
from arubeki.net.http1.limits import Limits
from arubeki.net.message import Handler

_BUFFER_BYTES = 64 * 1024


class Open(Protocol):
    """An open connection, as its server sees it."""

    transport: asyncio.Transport
    task: asyncio.Task[Any] | None
    deadline: float

    def expire(self) -> None:
        """The deadline has passed."""

    def finish(self) -> None:
        """End what is without an end, let the rest finish, take nothing new."""


@dataclass(slots=True)
class Shared:
    """The handler, the bounds, the open connections, and lines of heads made once."""

    handler: Handler
    limits: Limits
    loop: asyncio.AbstractEventLoop
    is_tls: bool
    connections: set[Open] = field(default_factory=set)
    is_closing: bool = False
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(_BUFFER_BYTES)))
    """What arrives on any connection, until it is parsed a moment later."""
    names: dict[bytes, str] = field(default_factory=dict)
    """Header names as peers spell them, in lower case; `Reader` bounds it."""
    _lines: dict[int, str] = field(default_factory=dict)
    date_line: str = ""
    """The `date` header's line of every answer; `tick` renews it."""

    def status_line(self, status: int) -> str:
        """Return the first line of an answer."""
        line = self._lines.get(status)
        if line is None:
            line = self._lines[status] = status_line(status)
        return line

    def tick(self) -> None:
        """Set the date. Once a second is enough, and cheaper than once an answer."""
        self.date_line = f"date: {http_date(clock.now())}\r\n"
