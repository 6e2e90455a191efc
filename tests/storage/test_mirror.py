"""How long history is kept, in virtual time."""

import asyncio
import time

import pytest

from arubeki.clock import run_virtual
from arubeki.errors import Compacted
from arubeki.storage.base import Change
from arubeki.storage.memory import MemoryStorage
from arubeki.storage.mirror import Retention


def test_five_minutes_of_history_are_kept_and_not_much_more() -> None:
    async def main() -> None:
        storage = MemoryStorage()
        at: dict[float, int] = {}
        loop = asyncio.get_running_loop()
        for _ in range(200):
            entry = await storage.commit("/a", b"x", expected=None)
            at[loop.time()] = entry.revision
            await asyncio.sleep(7)
        now = loop.time()
        for moment, revision in at.items():
            if now - moment <= 300:
                await storage.range("/", revision=revision)
            elif now - moment >= 330:
                with pytest.raises(Compacted):
                    await storage.range("/", revision=revision)

    run_virtual(main())


@pytest.mark.parametrize("seconds", [0.5, 5, 15])
def test_a_short_age_is_kept_to_as_well(seconds: float) -> None:
    async def main() -> None:
        storage = MemoryStorage(retention=Retention(seconds=seconds))
        for _ in range(50):
            await storage.commit("/a", b"x", expected=None)
            await asyncio.sleep(7)
        assert 50 - 30 / 7 - seconds <= storage.compacted <= 50

    run_virtual(main())


def test_without_an_age_history_stays() -> None:
    async def main() -> None:
        storage = MemoryStorage(retention=Retention(seconds=0))
        for _ in range(20):
            await storage.commit("/a", b"x", expected=None)
            await asyncio.sleep(1000)
        assert storage.compacted == 0

    run_virtual(main())


def test_history_is_bounded_in_number() -> None:
    async def main() -> None:
        storage = MemoryStorage(retention=Retention(events=100))
        for _ in range(1000):
            await storage.commit("/a", b"x", expected=None)
            assert storage.revision - storage.compacted <= 110
        seen: list[Change] = []
        storage.watch("/", storage.compacted, seen.extend)
        assert 100 <= len(seen) <= 110

    run_virtual(main())


def test_history_is_bounded_in_size() -> None:
    async def main() -> None:
        storage = MemoryStorage(retention=Retention(size_bytes=100_000))
        for _ in range(1000):
            await storage.commit("/a", b"x" * 1000, expected=None)
            seen: list[Change] = []
            storage.watch("/", storage.compacted, seen.extend)
            held = sum(len(change.previous.value) for change in seen if change.previous)
            assert held <= 110_000
        assert held >= 90_000
        for _ in range(1000):  # what only comes holds nothing that is old
            entry = await storage.commit(f"/b/{_}", b"x" * 1000, expected=0)
        assert storage.compacted < entry.revision - 1000

    run_virtual(main())


def test_a_value_bigger_than_the_bound_is_forgotten_and_nothing_else() -> None:
    async def main() -> None:
        storage = MemoryStorage(retention=Retention(size_bytes=1000))
        await storage.commit("/a", b"x" * 5000, expected=0)
        last = await storage.commit("/a", b"y" * 5000, expected=None)
        assert storage.compacted == last.revision
        assert await storage.get("/a") is last

    run_virtual(main())


def test_thousands_of_watches_cost_a_commit_next_to_nothing() -> None:
    async def main() -> float:
        storage = MemoryStorage()
        heard: list[str] = []
        for number in range(5000):
            name = f"/registry/pods/ns-{number}/" + "x" * (number % 20)
            storage.watch(name, 0, lambda changes, name=name: heard.append(name))
        began = time.perf_counter()
        for number in range(1000):
            await storage.commit(f"/registry/pods/ns-{number}/xx", b"x", expected=0)
        spent = time.perf_counter() - began
        # Those of the namespace whose own name is no longer than the key's.
        assert heard == [
            f"/registry/pods/ns-{n}/" + "x" * (n % 20) for n in range(1000) if n % 20 <= 2
        ]
        return spent

    # Asking each of 5,000 watches would take seconds; the bound leaves room for a busy machine.
    assert run_virtual(main()) < 0.5
