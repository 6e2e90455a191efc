"""What every storage does over time: watches, history, compaction."""

import asyncio
from collections.abc import Sequence

import pytest

from arubeki.errors import Compacted, FutureRevision
from arubeki.storage.base import Change, Storage

from .conftest import PODS, Stores, key, plain


def said(changes: Sequence[Change]) -> list[tuple[str, int, bytes | None, bytes | None]]:
    """Return changes as plain values."""
    return [
        (
            change.key,
            change.revision,
            change.entry and change.entry.value,
            change.previous and change.previous.value,
        )
        for change in changes
    ]


def test_the_future_cannot_be_read_or_watched_or_compacted(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        entry = await storage.commit(key("a"), b"one", expected=0)
        future = entry.revision + 1000
        with pytest.raises(FutureRevision) as read:
            await storage.range(PODS, revision=future)
        assert (read.value.asked, read.value.current) == (future, entry.revision)
        with pytest.raises(FutureRevision):
            storage.watch(PODS, future, lambda _: None)
        with pytest.raises(FutureRevision):
            await storage.compact(future)

    stores.run(main)


def test_a_watch_tells_each_change_once_and_in_order(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        first = await storage.commit(key("a"), b"one", expected=0)
        second = await storage.commit(key("b"), b"one", expected=0)
        from_start: list[Change] = []
        from_first: list[Change] = []
        from_now: list[Change] = []
        storage.watch(PODS, first.revision - 1, from_start.extend)
        assert [change.revision for change in from_start] == [first.revision, second.revision]
        storage.watch(PODS, first.revision, from_first.extend)
        storage.watch(PODS, storage.revision, from_now.extend)
        assert from_now == []
        third = await storage.commit(key("a"), b"two", expected=first.revision)
        gone = await storage.commit(key("b"), None, expected=second.revision)
        told = [
            (key("a"), first.revision, first.value, None),
            (key("b"), second.revision, second.value, None),
            (key("a"), third.revision, third.value, first.value),
            (key("b"), gone.revision, None, second.value),
        ]
        assert said(from_start) == told
        assert said(from_first) == told[1:]
        assert said(from_now) == told[2:]

    stores.run(main)


def test_watches_begun_while_writers_run_miss_nothing(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        everything: list[Change] = []
        storage.watch("/registry/", storage.revision, everything.extend)
        late: list[tuple[int, list[Change]]] = []

        async def writer(number: int) -> None:
            for step in range(15):
                await storage.commit(key(f"p{number}"), b"%d" % step, expected=None)
                seen: list[Change] = []
                after = storage.revision
                storage.watch(PODS, after, seen.extend)
                late.append((after, seen))

        await asyncio.gather(*(writer(number) for number in range(8)))
        revisions = [change.revision for change in everything]
        assert revisions == sorted(set(revisions))
        assert len(revisions) == 8 * 15
        for after, seen in late:
            assert [c.revision for c in seen] == [r for r in revisions if r > after]

    stores.run(main)


def test_observers_hear_of_a_commit_before_it_returns(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        told: set[int] = set()
        storage.watch(PODS, storage.revision, lambda cs: told.update(c.revision for c in cs))

        async def writer(number: int) -> None:
            for _ in range(20):
                entry = await storage.commit(key(f"p{number}"), b"x", expected=None)
                assert entry.revision in told
                found = await storage.get(key(f"p{number}"))
                assert found is not None
                assert found.revision == entry.revision
                listed = await storage.range(key(f"p{number}"), limit=1)
                assert listed.entries[0].revision == entry.revision

        await asyncio.gather(*(writer(number) for number in range(8)))

    stores.run(main)


def test_a_watch_hears_only_of_its_prefix(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        seen: dict[str, list[str]] = {}
        for prefix in ("", "/registry/", PODS, PODS + "a/", PODS + "a/x", PODS + "ab/", "/other/"):
            names = seen[prefix] = []
            storage.watch(prefix, storage.revision, lambda cs, n=names: n.extend(c.key for c in cs))
        for name in ("a/x", "a/xy", "ab/x", "b/x"):
            await storage.commit(PODS + name, b"v", expected=0)
        everything = [PODS + name for name in ("a/x", "a/xy", "ab/x", "b/x")]
        assert seen == {
            "": everything,
            "/registry/": everything,
            PODS: everything,
            PODS + "a/": everything[:2],
            PODS + "a/x": everything[:2],
            PODS + "ab/": [everything[2]],
            "/other/": [],
        }

    stores.run(main)


def test_a_cancelled_watch_is_silent(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        seen: list[Change] = []
        watch = storage.watch(PODS, storage.revision, seen.extend)
        await storage.commit(key("a"), b"one", expected=0)
        watch.cancel()
        watch.cancel()
        await storage.commit(key("b"), b"one", expected=0)
        assert [change.key for change in seen] == [key("a")]

    stores.run(main)


def test_an_observer_may_cancel_and_watch_from_within(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        first: list[Change] = []
        second: list[Change] = []
        nested: list[Change] = []

        def observer(changes: Sequence[Change]) -> None:
            first.extend(changes)
            two.cancel()
            if len(first) == 1:
                storage.watch(PODS, changes[0].revision - 1, nested.extend)

        storage.watch(PODS, storage.revision, observer)
        two = storage.watch(PODS, storage.revision, second.extend)
        await storage.commit(key("a"), b"one", expected=0)
        await storage.commit(key("b"), b"one", expected=0)
        assert [change.key for change in first] == [key("a"), key("b")]
        assert second == []
        assert [change.key for change in nested] == [key("a"), key("b")]

    stores.run(main)


def test_a_faulty_observer_harms_neither_the_commit_nor_the_others(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reported.append(context["exception"])
        )
        seen: list[Change] = []

        def faulty(changes: Sequence[Change]) -> None:
            raise ZeroDivisionError

        storage.watch(PODS, storage.revision, faulty)
        storage.watch(PODS, storage.revision, seen.extend)
        entry = await storage.commit(key("a"), b"one", expected=0)
        assert [change.revision for change in seen] == [entry.revision]
        assert [type(error) for error in reported] == [ZeroDivisionError]

    stores.run(main)


def test_compaction_forgets_the_past_and_keeps_the_present(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        entries = [await storage.commit(key("a"), b"%d" % n, expected=None) for n in range(6)]
        await storage.commit(key("b"), b"stays", expected=0)
        middle = entries[3].revision
        await storage.compact(middle)
        assert storage.compacted == middle
        for below in (entries[0].revision, middle - 1):
            with pytest.raises(Compacted) as read:
                await storage.range(PODS, revision=below)
            assert (read.value.asked, read.value.oldest) == (below, middle)
            with pytest.raises(Compacted):
                storage.watch(PODS, below, lambda _: None)
        at_middle = await storage.range(PODS, revision=middle)
        assert plain(at_middle.entries) == plain([entries[3]])
        seen: list[Change] = []
        storage.watch(PODS, middle, seen.extend)
        assert [change.revision for change in seen] == [
            entries[4].revision,
            entries[5].revision,
            storage.revision,
        ]
        await storage.compact(storage.revision)
        now = await storage.range(PODS)
        assert [entry.key for entry in now.entries] == [key("a"), key("b")]
        await storage.compact(middle)  # what is compacted already stays so
        assert storage.compacted == storage.revision

    stores.run(main)


def test_history_within_the_retention_is_kept(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        start = storage.revision
        for number in range(50):
            await storage.commit(key("a"), b"%d" % number, expected=None)
        seen: list[Change] = []
        storage.watch(PODS, start, seen.extend)
        assert len(seen) == 50

    stores.run(main)
