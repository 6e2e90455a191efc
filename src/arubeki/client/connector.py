"""Connections of aiohttp that end when they are let go of.

aiohttp closes TLS connections politely: it takes leave of the peer, which lasts as long as the peer
likes, and nobody waits for it. A connection that is being made when its request is cancelled is even
left to itself. Either way a program that ends just then closes its loop under a live socket, which
uvloop answers with an OSError. So here a connection that is not kept is cut off, and one that is
being made is made to its end and cut off then.

There is no public way to say so; the two hooks that are overridden are as old as aiohttp 3, and a
test notices if they go. Imported with the first request.

On the ring: [client > **transport** > HTTP].
"""

import asyncio
from typing import Any

import aiohttp

LEAVE_SECONDS = 1.0
"""How long closing waits for connections that are just being made."""


class Connector(aiohttp.TCPConnector):
    """A pool of connections; `finish` leaves none of them behind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._making: set[asyncio.Future[Any]] = set()

    async def finish(self) -> None:
        """Wait until what is being made is made, and cut off by that."""
        if self._making:
            await asyncio.wait(self._making, timeout=LEAVE_SECONDS)
        for left in tuple(self._making):
            left.cancel()
        await asyncio.gather(*self._making, return_exceptions=True)
        await asyncio.sleep(0)  # sockets close in the loop's next turn

    async def _create_connection(self, *arguments: Any, **options: Any) -> Any:
        making = asyncio.ensure_future(super()._create_connection(*arguments, **options))
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(_cut_off)
            raise

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        if should_close and protocol.transport is not None:
            protocol.transport.abort()
        super()._release(key, protocol, should_close=should_close)


def _cut_off(made: "asyncio.Future[Any]") -> None:
    if not made.cancelled() and made.exception() is None:
        transport = made.result().transport
        if transport is not None:
            transport.abort()
