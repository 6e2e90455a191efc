"""What every storage does: one suite for memory, sqlite and etcd; see also test_history.py."""

import asyncio

import pytest

from arubeki.errors import RevisionMismatch, StorageError
from arubeki.storage.base import Change, Entry, Storage

from .conftest import PODS, Stores, key, plain, stamp


def test_a_committed_value_is_read_back_with_its_revision(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        before = storage.revision
        entry = await storage.commit(key("a"), b"one", expected=0)
        assert entry.revision > before
        assert entry.value == b"%d@one" % entry.revision
        found = await storage.get(key("a"))
        assert found is not None
        assert plain([found]) == plain([entry])
        assert storage.revision == entry.revision == await storage.current()
        assert await storage.get(key("b")) is None

    stores.run(main)


def test_meta_stays_with_the_entry(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        await storage.commit(key("a"), b"one", expected=0, meta={"labels": 1})
        found = await storage.get(key("a"))
        assert found is not None
        assert found.meta == {"labels": 1}
        found.meta = "later"
        listed = await storage.range(PODS)
        assert [entry.meta for entry in listed.entries] == ["later"]

    stores.run(main)


def test_a_stale_expectation_writes_nothing_and_says_what_is_there(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        first = await storage.commit(key("a"), b"one", expected=0)
        with pytest.raises(RevisionMismatch) as exists:
            await storage.commit(key("a"), b"two", expected=0)
        assert (exists.value.expected, exists.value.actual) == (0, first.revision)
        second = await storage.commit(key("a"), b"two", expected=first.revision)
        with pytest.raises(RevisionMismatch) as stale:
            await storage.commit(key("a"), b"three", expected=first.revision)
        assert stale.value.actual == second.revision
        with pytest.raises(RevisionMismatch) as absent:
            await storage.commit(key("b"), b"x", expected=second.revision)
        assert absent.value.actual == 0
        assert storage.revision == second.revision
        assert plain((await storage.range(PODS)).entries) == plain([second])

    stores.run(main)


def test_without_an_expectation_any_state_is_replaced(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        first = await storage.commit(key("a"), b"one", expected=None)
        second = await storage.commit(key("a"), b"two", expected=None)
        assert second.revision > first.revision
        removed = await storage.commit(key("a"), None, expected=None)
        assert removed.value == b"%d@two" % removed.revision
        assert await storage.get(key("a")) is None

    stores.run(main)


def test_a_removal_returns_the_last_value_under_its_own_revision(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        seen: list[Change] = []
        storage.watch(PODS, storage.revision, seen.extend)
        entry = await storage.commit(key("a"), b"one", expected=0)
        with pytest.raises(RevisionMismatch):
            await storage.commit(key("a"), None, expected=entry.revision + 1)
        with pytest.raises(RevisionMismatch):
            await storage.commit(key("a"), None, expected=0)
        removed = await storage.commit(key("a"), None, expected=entry.revision)
        assert removed.revision > entry.revision
        assert removed.value == b"%d@one" % removed.revision
        assert await storage.get(key("a")) is None
        assert (await storage.range(PODS)).entries == []
        gone = seen[-1]
        assert gone.entry is None
        assert gone.previous is not None
        assert gone.removed is not None
        assert gone.previous.value == entry.value
        assert plain([gone.removed]) == plain([removed])
        again = await storage.commit(key("a"), b"two", expected=0)
        assert seen[-1].previous is None
        assert again.revision > removed.revision

    stores.run(main)


@pytest.mark.parametrize("expected", [None, 0, 12345])
def test_removing_what_is_absent_is_a_mismatch(stores: Stores, expected: int | None) -> None:
    async def main(storage: Storage) -> None:
        before = storage.revision
        with pytest.raises(RevisionMismatch) as absent:
            await storage.commit(key("a"), None, expected=expected)
        assert absent.value.actual == 0
        assert storage.revision == before

    stores.run(main)


def test_revisions_rise_strictly_whoever_writes(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        made: list[int] = []

        async def writer(name: str) -> None:
            for _ in range(20):
                entry = await storage.commit(key(name), name.encode(), expected=None)
                made.append(entry.revision)
                assert storage.revision >= entry.revision

        await asyncio.gather(*(writer(f"w{number}") for number in range(10)))
        assert len(set(made)) == 200
        assert storage.revision == max(made)
        assert await storage.current() == max(made)

    stores.run(main)


def test_of_concurrent_writers_with_one_expectation_one_wins(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        for _ in range(5):
            entry = await storage.get(key("a"))
            expected = entry.revision if entry else 0
            results = await asyncio.gather(
                *(storage.commit(key("a"), b"%d" % n, expected=expected) for n in range(20)),
                return_exceptions=True,
            )
            won = [result for result in results if isinstance(result, Entry)]
            lost = [result for result in results if isinstance(result, RevisionMismatch)]
            assert (len(won), len(lost)) == (1, 19)
            now = await storage.get(key("a"))
            assert now is not None
            assert now.value == won[0].value

    stores.run(main)


def test_counting_with_compare_and_set_loses_nothing(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        await storage.commit(key("count"), b"0", expected=0)

        async def add_one() -> None:
            while True:
                entry = await storage.get(key("count"))
                assert entry is not None
                number = int(entry.value.split(b"@")[1]) + 1
                try:
                    await storage.commit(key("count"), b"%d" % number, expected=entry.revision)
                except RevisionMismatch:
                    continue
                return

        await asyncio.gather(*(add_one() for _ in range(30)))
        entry = await storage.get(key("count"))
        assert entry is not None
        assert entry.value.endswith(b"@30")

    stores.run(main)


def test_a_range_is_what_begins_with_the_prefix_in_key_order(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        for name in (
            "/registry/pods/b/2",
            "/registry/pods/a/1",
            "/registry/podsets/a/1",
            "/registry/pod",
            "/registry/pods/b/10",
            "/registry/pods/ä/1",
            "/registry/pods/\U0001f600/1",
        ):
            await storage.commit(name, name.encode(), expected=0)

        async def keys(prefix: str, **options: object) -> list[str]:
            found = await storage.range(prefix, **options)  # type: ignore[arg-type]
            assert found.revision == storage.revision
            return [entry.key for entry in found.entries]

        assert await keys("/registry/pods/") == [
            "/registry/pods/a/1",
            "/registry/pods/b/10",
            "/registry/pods/b/2",
            "/registry/pods/ä/1",
            "/registry/pods/\U0001f600/1",
        ]
        assert await keys("/registry/pods/b/") == ["/registry/pods/b/10", "/registry/pods/b/2"]
        assert await keys("/registry/pods/b/", start="/registry/pods/b/11") == [
            "/registry/pods/b/2"
        ]
        assert await keys("/registry/pods/b/", start="/registry/pods/c") == []
        assert await keys("/registry/pods/b/", start="/registry/") == [
            "/registry/pods/b/10",
            "/registry/pods/b/2",
        ]
        assert await keys("/registry/nothing/") == []
        assert len(await keys("/registry/")) == 7

    stores.run(main)


def test_pages_at_a_revision_stay_whole_while_writes_go_on(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        names = [f"p{number:03}" for number in range(100)]
        for name in names:
            await storage.commit(key(name), b"old", expected=0)
        truth = plain((await storage.range(PODS)).entries)
        pages: list[tuple[str, bytes, int]] = []
        page = await storage.range(PODS, limit=7)
        revision = page.revision
        for step in range(100):
            pages += plain(page.entries)
            assert page.remaining == 100 - len(pages)
            assert page.revision == revision
            if not page.remaining:
                break
            # What was listed, what comes next and what lies far off: changed, removed, added.
            await storage.commit(key(names[step]), b"new", expected=None)
            await storage.commit(key(names[-1 - step]), None, expected=None)
            await storage.commit(key(f"p{step * 7:03}-added"), b"added", expected=0)
            page = await storage.range(
                PODS, start=page.entries[-1].key + "\0", limit=7, revision=revision
            )
        assert pages == truth
        assert len((await storage.range(PODS)).entries) == 100

    stores.run(main)


def test_every_kept_revision_can_be_read(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        truth: dict[int, list[tuple[str, bytes, int]]] = {}
        for step in range(30):
            name = key(f"p{step * 7 % 10}")
            entry = await storage.get(name)
            value = None if entry is not None and step % 3 == 0 else b"%d" % step
            await storage.commit(name, value, expected=entry.revision if entry else 0)
            truth[storage.revision] = plain((await storage.range(PODS)).entries)
        for revision, entries in truth.items():
            found = await storage.range(PODS, revision=revision)
            assert (plain(found.entries), found.revision) == (entries, revision)
            first = await storage.range(PODS, revision=revision, limit=2)
            assert plain(first.entries) == entries[:2]
            assert first.remaining == max(0, len(entries) - 2)

    stores.run(main)


def test_a_closed_storage_refuses_commits(stores: Stores) -> None:
    async def main() -> None:
        async with stores.open() as storage:
            await storage.commit(key("a"), b"one", expected=0)
        with pytest.raises(StorageError):
            await storage.commit(key("b"), b"one", expected=0)
        await storage.close()

    asyncio.run(main())


def test_what_is_on_its_way_when_a_storage_closes_ends_or_is_told(stores: Stores) -> None:
    async def main() -> None:
        for turns in (0, 1, 2, 5, 20):
            async with stores.open() as storage:
                calls = [
                    *(storage.commit(key(f"{turns}-{n}"), b"x", expected=0) for n in range(10)),
                    *(storage.get(key("a")) for _ in range(5)),
                    *(storage.range(PODS) for _ in range(5)),
                ]
                tasks = [asyncio.ensure_future(call) for call in calls]
                for _ in range(turns):
                    await asyncio.sleep(0)
            async with asyncio.timeout(10):
                results = await asyncio.gather(*tasks, return_exceptions=True)
            for result in results:
                assert not isinstance(result, BaseException) or isinstance(result, StorageError)

    asyncio.run(main())


def test_a_commit_that_is_given_up_still_leaves_order_behind(stores: Stores) -> None:
    async def main(storage: Storage) -> None:
        seen: list[Change] = []
        storage.watch(PODS, storage.revision, seen.extend)
        commits = [
            asyncio.ensure_future(storage.commit(key(f"p{number}"), b"x", expected=0))
            for number in range(20)
        ]
        await asyncio.sleep(0)
        for commit in commits[::2]:
            commit.cancel()
        kept = await asyncio.gather(*commits[1::2])
        last = await storage.commit(key("last"), b"x", expected=0)
        assert {entry.revision for entry in kept} <= {change.revision for change in seen}
        assert seen[-1].revision == last.revision
        listed = [entry.key for entry in (await storage.range(PODS)).entries]
        assert sorted(change.key for change in seen) == listed

    stores.run(main)


def test_what_was_written_is_there_after_reopening(durable: Stores) -> None:
    async def main() -> None:
        async with durable.open() as storage:
            kept = await storage.commit(key("a"), b"one", expected=0)
            await storage.commit(key("b"), b"one", expected=0)
            await storage.commit(key("b"), None, expected=None)
            revision = storage.revision
        async with durable.open() as storage:
            assert storage.revision == revision
            assert plain((await storage.range(PODS)).entries) == plain([kept])
            later = await storage.commit(key("b"), b"two", expected=0)
            assert later.revision > revision

    asyncio.run(main())


def test_stamping_again_replaces_the_revision() -> None:
    assert stamp(stamp(b"v", 1), 22) == stamp(b"v", 22)
