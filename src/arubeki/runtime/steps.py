"""Notices a coroutine that keeps the loop to itself.

Everything in a process shares one event loop. A reconciler that calls something which blocks
(`requests.get`, `time.sleep`, a long computation) stops all watches and all other controllers, and
nothing else would ever say why.

On the ring: around **reconcile**.
"""

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from arubeki import clock

T = TypeVar("T")

BLOCKED_SECONDS = 0.5
"""From when on a step counts as blocking: five times asyncio's own limit in debug mode, which
warns of what merely computes."""


@types.coroutine
def watched(
    coroutine: Coroutine[Any, Any, T], report: Callable[[float], None]
) -> Generator[Any, Any, T]:
    """Run `coroutine`, and `report` each step of it that took too long, in seconds."""
    send, given = coroutine.send, None
    while True:
        began = clock.monotonic()
        try:
            waits = send(given)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            seconds = clock.monotonic() - began
            if seconds >= BLOCKED_SECONDS:
                report(seconds)
        try:
            send, given = coroutine.send, (yield waits)
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as failure:
            send, given = coroutine.throw, failure
