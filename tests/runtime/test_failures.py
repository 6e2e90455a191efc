"""How a failed run is told."""

import asyncio
import time

import pytest

from arubeki.errors import ConfigError
from arubeki.runtime import steps
from arubeki.runtime.failures import Failures, line, told
from arubeki.runtime.steps import watched
from tests.runtime.kit import reconciling, run


def logged(act, caplog, seconds=0.05):
    tries = []

    async def reconcile(web, ctx):
        tries.append(web)
        act(len(tries))

    async def scenario(world):
        async with world.running(reconciling(reconcile)):
            await asyncio.sleep(seconds)

    run(scenario)
    return [one for one in caplog.records if "failed, again" in one.message]


def test_a_traceback_is_told_once_and_begins_with_the_users_code(caplog):
    def act(number):
        raise ValueError("always")

    first, *others = logged(act, caplog)
    assert len(others) >= 2
    assert [one.exc_info for one in others] == [None] * len(others)
    trace = first.exc_info[2]
    assert trace.tb_frame.f_code.co_name == "reconcile"
    assert trace.tb_frame.f_code.co_filename == __file__


def test_a_wrong_use_of_the_framework_is_told_with_its_place_and_help(caplog):
    def act(number):
        raise ConfigError("it is not owned\nhelp: own it")

    first = logged(act, caplog)[0]
    assert first.exc_info
    assert "help: own it" in caplog.text


def test_another_error_is_told_in_full_again(caplog):
    def act(number):
        raise ValueError(f"number {number // 3}")

    told_in_full = [bool(one.exc_info) for one in logged(act, caplog)]
    assert told_in_full == [True, False, True, False][: len(told_in_full)]
    assert told_in_full.count(True) == 2


def test_an_error_after_a_success_is_news():
    failures = Failures()
    assert failures.is_news("a", "x")
    assert not failures.is_news("a", "x")
    assert failures.is_news("b", "x")
    failures.forget("a")
    assert failures.is_news("a", "x")


def test_an_error_without_frames_or_words_can_be_told():
    assert told(ValueError("x"))[2] is None
    assert line(ValueError()) == "ValueError"
    assert line(ValueError("a\nb")) == "ValueError: a"


def test_a_run_that_blocks_the_loop_is_named(monkeypatch, caplog):
    monkeypatch.setattr(steps, "BLOCKED_SECONDS", 0.02)
    blocked = []

    async def work():
        await asyncio.sleep(0.03)  # waiting is not blocking
        time.sleep(0.03)  # noqa: ASYNC251
        await asyncio.sleep(0)
        return "done"

    assert asyncio.run(watched_in_task(work(), blocked)) == "done"
    assert len(blocked) == 1
    assert blocked[0] >= 0.03


async def watched_in_task(work, blocked):
    return await watched(work, blocked.append)


def test_a_watched_coroutine_is_cancelled_and_closed_like_any_other():
    ended = []

    async def work():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            ended.append("closed")

    async def main():
        task = asyncio.ensure_future(watched_in_task(work(), []))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        running = watched(work(), print)
        running.send(None)
        running.close()

    asyncio.run(main())
    assert ended == ["cancelled", "closed", "closed"]


@pytest.mark.parametrize("answer", [True, "done", ValueError("x"), {}])
def test_a_result_that_means_nothing_is_an_error(answer, caplog):
    async def reconcile(web, ctx):
        return answer

    async def scenario(world):
        async with world.running(reconciling(reconcile)) as manager:
            await asyncio.sleep(0.01)
            assert next(iter(manager.trace)).result == "error"

    run(scenario)
    assert "expected None or Again(after=seconds)" in caplog.text
    assert ("raise it" in caplog.text) == isinstance(answer, Exception)
