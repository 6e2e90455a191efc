"""The workqueue: each key once, causes kept, time virtual."""

import asyncio

import pytest

from arubeki import clock
from arubeki.runtime.cause import Cause
from arubeki.runtime.workqueue import CAUSES_LIMIT, ShutDown, Workqueue

A, B, C = (Cause("manual", detail=one) for one in "abc")


def run(main):
    return clock.run_virtual(main)


async def take(queue):
    item = await queue.get()
    queue.done(item.key)
    return item.key


def now():
    return asyncio.get_running_loop().time()


def test_a_key_added_twice_is_handed_out_once_with_both_causes():
    async def main():
        queue = Workqueue("q")
        queue.add("x", A)
        queue.add("x", B)
        queue.add("x", A)
        item = await queue.get()
        assert item.key == "x"
        assert item.causes == (A, B)
        assert item.merged == 3
        assert len(queue) == 0

    run(main())


def test_causes_past_the_limit_are_only_counted():
    async def main():
        queue = Workqueue("q")
        for number in range(CAUSES_LIMIT + 5):
            queue.add("x", Cause("manual", detail=str(number)))
        item = await queue.get()
        assert len(item.causes) == CAUSES_LIMIT
        assert item.merged == CAUSES_LIMIT + 5

    run(main())


def test_keys_come_in_the_order_of_their_first_add():
    async def main():
        queue = Workqueue("q")
        for key in "cabca":
            queue.add(key)
        assert [await take(queue) for _ in range(3)] == ["c", "a", "b"]

    run(main())


def test_a_running_key_is_not_handed_out_again_before_it_is_done():
    async def main():
        queue = Workqueue("q")
        queue.add("x", A)
        await queue.get()
        queue.add("x", B)
        queue.add("y")
        assert (await queue.get()).key == "y"
        second = asyncio.ensure_future(queue.get())
        await asyncio.sleep(1)
        assert not second.done()
        queue.done("x")
        item = await second
        assert (item.key, item.causes) == ("x", (B,))

    run(main())


def test_many_workers_never_have_one_key_at_a_time():
    async def main():
        queue, inside, runs = Workqueue("q"), set(), 0

        async def worker():
            nonlocal runs
            while True:
                try:
                    item = await queue.get()
                except ShutDown:
                    return
                assert item.key not in inside
                inside.add(item.key)
                await asyncio.sleep(clock.random_fraction())
                inside.discard(item.key)
                runs += 1
                queue.done(item.key)

        workers = [asyncio.ensure_future(worker()) for _ in range(8)]
        for _ in range(500):
            queue.add(int(clock.random_fraction() * 10))
            await asyncio.sleep(clock.random_fraction() / 20)
        await queue.idle()
        assert 10 <= runs <= 500
        queue.shut_down()
        await asyncio.gather(*workers)

    run(main())


def test_a_delayed_key_comes_when_it_is_due():
    async def main():
        queue = Workqueue("q")
        queue.add("late", after_seconds=10)
        queue.add("soon", after_seconds=2)
        assert queue.delayed == 2
        assert queue.next_due == now() + 2
        assert await take(queue) == "soon"
        assert now() == pytest.approx(2)
        assert await take(queue) == "late"
        assert now() == pytest.approx(10)

    run(main())


def test_the_earliest_moment_counts():
    async def main():
        queue = Workqueue("q")
        queue.add("x", A, after_seconds=10)
        queue.add("x", B, after_seconds=1)
        queue.add("x", C, after_seconds=5)
        item = await queue.get()
        assert now() == pytest.approx(1)
        assert item.causes == (A, B, C)
        queue.done("x")
        await asyncio.sleep(100)
        assert len(queue) == 0 and queue.delayed == 0

    run(main())


def test_an_add_without_delay_takes_a_delayed_key_with_it():
    async def main():
        queue = Workqueue("q")
        queue.add("x", A, after_seconds=10)
        queue.add("x", B)
        queue.add("x", C)
        item = await queue.get()
        assert (item.causes, item.merged) == ((B, C), 2)  # what A waited for has not come
        queue.done("x")
        assert queue.next_due is None

    run(main())


def test_a_failing_key_waits_five_milliseconds_doubling_to_a_thousand_seconds():
    async def main():
        queue = Workqueue("q")
        delays = []
        for _ in range(20):
            queue.add("x")
            await queue.get()
            delays.append(queue.retry("x"))
            queue.done("x")
        assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
        assert delays[17] == pytest.approx(655.36)
        assert delays[18:] == [1000.0, 1000.0]
        queue.forget("x")
        assert queue.retry("x") == 0.005

    run(main())


def test_a_retry_of_a_running_key_waits_its_backoff_after_done():
    async def main():
        queue = Workqueue("q", base_seconds=3)
        queue.add("x")
        await queue.get()
        queue.retry("x")
        queue.done("x")
        assert await take(queue) == "x"
        assert now() == pytest.approx(3)

    run(main())


def test_low_keys_wait_for_all_others_and_can_be_lifted():
    async def main():
        queue = Workqueue("q")
        queue.add("low", low=True)
        queue.add("lifted", low=True)
        queue.add("high")
        queue.add("lifted")
        assert [await take(queue) for _ in range(3)] == ["high", "lifted", "low"]

    run(main())


def test_a_cancelled_getter_passes_its_key_on():
    async def main():
        queue = Workqueue("q")
        first = asyncio.ensure_future(queue.get())
        second = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        queue.add("x")
        first.cancel()
        assert (await second).key == "x"
        with pytest.raises(asyncio.CancelledError):
            await first

    run(main())


def test_shutting_down_wakes_getters_and_lets_runs_end():
    async def main():
        queue = Workqueue("q")
        queue.add("x")
        await queue.get()
        getter = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        queue.shut_down()
        with pytest.raises(ShutDown):
            await getter
        queue.add("y")
        assert len(queue) == 0
        idle = asyncio.ensure_future(queue.idle())
        await asyncio.sleep(1)
        assert not idle.done()
        queue.done("x")
        await idle

    run(main())


def test_idle_means_nothing_ready_and_nothing_running_but_perhaps_delayed():
    async def main():
        queue = Workqueue("q")
        await queue.idle()
        queue.add("x", after_seconds=5)
        assert queue.is_idle
        queue.add("y")
        assert not queue.is_idle
        await take(queue)
        assert queue.is_idle

    run(main())


def test_a_full_queue_says_so():
    async def main():
        queue = Workqueue("q", keys_limit=2)
        queue.add("a")
        queue.add("b", after_seconds=1)
        queue.add("a")
        with pytest.raises(OverflowError, match="workqueue q holds 2 keys"):
            queue.add("c")

    run(main())


def test_superseded_moments_do_not_pile_up():
    async def main():
        queue = Workqueue("q")
        for _ in range(1000):
            queue.add("x", after_seconds=36000)
            queue.add("x")
            await take(queue)
        assert len(queue._heap) < 100

    run(main())
