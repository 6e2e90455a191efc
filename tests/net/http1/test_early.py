"""A coroutine run at once, and a task only if it has to wait."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

import pytest

from arubeki import clock
from arubeki.net.http1.early import run_early

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("NAME", default="nobody")


async def outside(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine early from a callback, where no task is current, and return its result."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def step() -> None:
        try:
            result.set_result(run_early(loop, coroutine))
        except Exception as error:
            result.set_exception(error)

    loop.call_soon(step)
    return await result


def test_who_never_waits_needs_no_task() -> None:
    async def answer() -> str:
        return "at once"

    async def main() -> None:
        assert await outside(answer()) == "at once"

    clock.run_virtual(main())


def test_who_waits_goes_on_in_a_task() -> None:
    async def answer() -> str:
        await asyncio.sleep(1)
        await asyncio.sleep(0)
        return "later"

    async def main() -> None:
        task = await outside(answer())
        assert isinstance(task, asyncio.Task)
        assert await task == "later"

    clock.run_virtual(main())


def test_what_is_raised_at_once_is_raised_here_and_later_in_the_task() -> None:
    async def fail(seconds: float | None) -> None:
        if seconds is not None:
            await asyncio.sleep(seconds)
        raise KeyError("no")

    async def main() -> None:
        with pytest.raises(KeyError):
            await outside(fail(None))
        for seconds in (0, 1):
            task = await outside(fail(seconds))
            with pytest.raises(KeyError):
                await task

    clock.run_virtual(main())


@pytest.mark.parametrize("seconds", [0, 3])
def test_a_cancelled_one_cleans_up_and_may_wait_for_it(seconds: float) -> None:
    seen: list[str] = []

    async def answer() -> None:
        try:
            await asyncio.sleep(seconds)
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(1)
            seen.append("clean")

    async def main() -> None:
        task = await outside(answer())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["clean"]

    clock.run_virtual(main())


def test_one_that_ignores_its_cancellation_ends_well() -> None:
    async def answer() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "none the less"
        return ""

    async def main() -> None:
        task = await outside(answer())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "none the less"

    clock.run_virtual(main())


def test_a_timeout_set_before_the_first_wait_works_after_it() -> None:
    async def answer() -> str:
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(3600)
        except TimeoutError:
            return "in time"
        return ""

    async def main() -> None:
        assert await (await outside(answer())) == "in time"

    clock.run_virtual(main())


def test_who_cancels_itself_before_the_first_wait_is_cancelled_at_it() -> None:
    async def answer() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert task.cancel()
        assert task.cancelling() == 1
        assert not task.done()
        assert task.get_name()
        await asyncio.sleep(3600)

    async def main() -> None:
        task = await outside(answer())
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run_virtual(main())


def test_a_group_that_fails_ends_its_parent_whatever_that_waits_for() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise KeyError

    async def answer() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(3600)

    async def main() -> None:
        task = await outside(answer())
        with pytest.raises(ExceptionGroup):
            await task

    clock.run_virtual(main())


def test_what_one_sets_in_its_context_stays_there() -> None:
    async def answer() -> str:
        NAME.set("somebody")
        await asyncio.sleep(0)
        return NAME.get()

    async def main() -> None:
        assert await (await outside(answer())) == "somebody"
        assert NAME.get() == "nobody"

    clock.run_virtual(main())
