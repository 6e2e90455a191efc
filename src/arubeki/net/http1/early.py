"""Run a coroutine at once, and make a task only if it has to wait.

Most requests are answered without waiting for anything; a task for each would cost more than the
answer. So the coroutine is stepped once by hand. If it finishes, that was all. If it waits, a real
task takes over where it stands. Python 3.12 has eager tasks for this; here it works from 3.11 on,
and no task object is made when none is needed.

While stepped by hand the code must still see a current task, or `asyncio.timeout` and `TaskGroup`
would refuse to work: `_Early` stands in, and forwards to the real task once that exists.
Source: asyncio's documentation, "Extending", on `_enter_task` and `_leave_task`.

Between the halves: [client > **sockets** > server].
"""

import asyncio
import contextvars
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def run_early(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]
) -> "T | asyncio.Task[T]":
    """Return the coroutine's result if it never waits, else the task that runs the rest of it.

    Raises: whatever the coroutine raises before it first waits.
    """
    early = _Early()
    context = contextvars.copy_context()
    asyncio._enter_task(loop, early)  # type: ignore[arg-type]
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        asyncio._leave_task(loop, early)  # type: ignore[arg-type]
    task: asyncio.Task[T] = loop.create_task(_run_rest(coroutine, awaited), context=context)
    early.become(task)
    return task


async def _run_rest(coroutine: Coroutine[Any, Any, T], awaited: Any) -> T:
    return await _rest(coroutine, awaited)


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, None, T]:
    """Await what the coroutine asked for when it was stepped by hand, then go on with it."""
    while True:
        try:
            yield awaited
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:
            # Cancelled at its first wait: it may clean up, and even wait for that.
            try:
                awaited = coroutine.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
        else:
            return (yield from coroutine.__await__())


class _Early:
    """The current task, as long as none is needed."""

    __slots__ = ("__weakref__", "_requests", "_task")

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._requests = 0

    def become(self, task: asyncio.Task[Any]) -> None:
        """Forward to `task` from now on."""
        self._task = task
        for _ in range(self._requests):
            task.cancel()

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the task, as soon as there is one."""
        if self._task is not None:
            return self._task.cancel(msg)
        self._requests += 1
        return True

    def cancelling(self) -> int:
        """Return how many cancellations are pending."""
        return self._requests if self._task is None else self._task.cancelling()

    def uncancel(self) -> int:
        """Take one cancellation back."""
        if self._task is not None:
            return self._task.uncancel()
        self._requests = max(0, self._requests - 1)
        return self._requests

    def get_name(self) -> str:
        """Return a name for logs."""
        return "early" if self._task is None else self._task.get_name()

    def done(self) -> bool:
        """Return whether the task has ended."""
        return self._task is not None and self._task.done()
