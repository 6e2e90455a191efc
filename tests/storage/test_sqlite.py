"""What a file must stand: crashes, damage, a full disk, a second owner."""

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from arubeki.errors import RevisionMismatch, StorageBusy, StorageCorrupt, StorageError, StorageFull
from arubeki.storage.base import Change, Entry
from arubeki.storage.mirror import Retention
from arubeki.storage.sqlite import SqliteStorage, file

from .conftest import DEADLINE_SECONDS, stamp, until

CHILD = Path(__file__).with_name("sqlite_child.py")
SEED = 20261123


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.db"


@contextlib.asynccontextmanager
async def opened(path: Path, **retention: int) -> AsyncIterator[SqliteStorage]:
    storage = SqliteStorage(path, stamp, retention=Retention(**retention) if retention else None)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@contextlib.contextmanager
def child(path: Path, action: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(CHILD), str(path), action], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)
        assert process.stdout is not None
        process.stdout.close()


def copy_of(path: Path, to: Path) -> Path:
    """Copy a database with its log, as a crash at this moment would leave them."""
    to.mkdir(parents=True)
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copy(source, to / source.name)
    return to / path.name


def contents(path: Path) -> dict[str, bytes]:
    return {
        name.name: name.read_bytes()
        for name in sorted(path.parent.iterdir())
        if not name.name.endswith((".lock", "-shm")) and (name.stat().st_size or name == path)
    }


async def all_of(path: Path) -> dict[str, tuple[bytes, int]]:
    async with opened(path) as storage:
        found = await storage.range("/")
        return {entry.key: (entry.value, entry.revision) for entry in found.entries}


def test_every_acknowledged_write_survives_being_killed(path: Path) -> None:
    chance = random.Random(SEED)
    truth: dict[str, tuple[int, int]] = {}  # key: (revision, step; -1 for removed)
    newest = 0
    for _ in range(10):
        lines: list[str] = []
        with child(path, "write") as process:
            assert process.stdout is not None
            for _ in range(chance.randrange(1, 400)):
                lines.append(process.stdout.readline())
            process.kill()
            lines += process.stdout.readlines()
        acknowledged = [line.split() for line in lines if line.endswith("\n")]
        assert acknowledged
        given = sorted(int(revision) for revision, _, _ in acknowledged)
        assert given[0] > newest, "a revision was given twice"
        assert len(set(given)) == len(given)
        for revision, key, step in acknowledged:
            if int(revision) > truth.get(key, (0, 0))[0]:
                truth[key] = (int(revision), int(step))
        found = asyncio.run(_after_the_kill(path, truth))
        newest = found


async def _after_the_kill(path: Path, truth: dict[str, tuple[int, int]]) -> int:
    async with opened(path, events=40) as storage:
        assert storage.revision >= max(revision for revision, _ in truth.values())
        for key, (revision, step) in truth.items():
            entry = await storage.get(key)
            if entry is None:
                # Removed: as acknowledged, or by the write after it that nobody heard of.
                assert step == -1 or storage.revision > revision, key
            elif entry.revision == revision:
                assert entry.value.startswith(b"%d@%d " % (revision, step))
            else:
                assert entry.revision > revision, key
        # Not heard of, but written: from now on it is the truth as well.
        for entry in (await storage.range("/registry/w")).entries:
            step = int(entry.value.split(b"@")[1].split()[0])
            truth[entry.key] = (entry.revision, step)
        return storage.revision


def test_a_second_owner_is_refused_and_told_the_first(path: Path) -> None:
    async def refused(owner: int) -> None:
        storage = SqliteStorage(path)
        with pytest.raises(StorageBusy, match=rf"state\.db belongs to process {owner},"):
            await storage.open()
        await storage.close()

    async def within_one_process() -> None:
        async with opened(path) as first:
            await refused(os.getpid())
            await first.commit("/a", b"x", expected=0)
        async with opened(path) as second:
            assert await second.get("/a") is not None

    asyncio.run(within_one_process())
    with child(path, "hold") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        asyncio.run(refused(process.pid))
        process.kill()
        process.wait(DEADLINE_SECONDS)
        assert set(asyncio.run(all_of(path))) == {"/a"}


def test_nobody_else_can_read_the_files(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as storage:
            await storage.commit("/a", b"secret", expected=0)
            assert path.parent.stat().st_mode & 0o777 == 0o700
            modes = {name.name: name.stat().st_mode & 0o777 for name in path.parent.iterdir()}
            assert set(modes) == {f"state.db{end}" for end in ("", "-wal", "-shm", ".lock")}
            assert set(modes.values()) == {0o600}

    before = os.umask(0)
    try:
        asyncio.run(main())
    finally:
        os.umask(before)


async def _filled(path: Path) -> dict[str, tuple[bytes, int]]:
    async with opened(path) as storage:
        for number in range(40):
            value = random.Random(number).randbytes(1 + number * 200).hex().encode()
            await storage.commit(f"/registry/{number % 30:02}", value, expected=None)
        await storage.commit("/registry/00", None, expected=None)
    return await all_of(path)


def test_a_flipped_byte_is_found_or_harmless(path: Path, tmp_path: Path) -> None:
    truth = asyncio.run(_filled(path))
    size = path.stat().st_size
    chance = random.Random(SEED)
    # The first bytes hold what SQLite and we ourselves recognise the file by.
    places = [*range(0, 110, 3), *(chance.randrange(size) for _ in range(150))]
    found = 0
    for place in places:
        damaged = copy_of(path, tmp_path / str(found) / str(place))
        with damaged.open("r+b") as raw:
            raw.seek(place)
            byte = raw.read(1)[0]
            raw.seek(place)
            raw.write(bytes([byte ^ (1 << chance.randrange(8))]))
        before = contents(damaged)
        try:
            assert asyncio.run(all_of(damaged)) == truth, f"byte {place}"
        except StorageCorrupt as error:
            found += 1
            assert str(damaged) in str(error)
            assert contents(damaged) == before, f"byte {place}"
    assert found > 100, "hardly any damage was found"


@pytest.mark.parametrize("part", [0.0, 0.0001, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_shortened_file_is_refused_and_left_alone(path: Path, part: float) -> None:
    asyncio.run(_filled(path))
    os.truncate(path, int(path.stat().st_size * part))
    before = contents(path)
    with pytest.raises(StorageCorrupt, match=r"Restore a copy|move the file away"):
        asyncio.run(all_of(path))
    assert contents(path) == before


def test_damage_in_the_log_of_a_crashed_process_is_refused(path: Path, tmp_path: Path) -> None:
    truth: list[Entry] = []

    async def crash() -> None:
        async with opened(path) as storage:
            for number in range(30):
                value = b"%d" % number * 500
                truth.append(await storage.commit(f"/{number}", value, expected=0))
            copy_of(path, tmp_path / "crashed")

    asyncio.run(crash())
    crashed = tmp_path / "crashed" / path.name
    whole = {entry.key: (entry.value, entry.revision) for entry in truth}
    intact = copy_of(crashed, tmp_path / "intact")
    assert asyncio.run(all_of(intact)) == whole
    log = crashed.with_name(crashed.name + "-wal").read_bytes()
    assert len(log) > 30 * 16_384
    chance = random.Random(SEED)
    refused = 0
    places = [0, 5, 9, 17, 25, 33, *(chance.randrange(len(log)) for _ in range(60))]
    for place in places:
        damaged = copy_of(crashed, tmp_path / "damaged" / str(place))
        bad = bytearray(log)
        bad[place] ^= 0x10
        damaged.with_name(damaged.name + "-wal").write_bytes(bad)
        before = contents(damaged)
        try:
            found = asyncio.run(all_of(damaged))
        except StorageCorrupt:
            refused += 1
            assert contents(damaged) == before
        else:
            # In the very last commit damage looks like a torn write.
            assert len(found) >= 29, f"byte {place}"
    assert refused >= len(places) - 6


def test_a_torn_last_write_is_no_damage(path: Path, tmp_path: Path) -> None:
    async def crash() -> None:
        async with opened(path) as storage:
            for number in range(5):
                await storage.commit(f"/{number}", b"x" * 3000, expected=0)
            copy_of(path, tmp_path / "crashed")

    asyncio.run(crash())
    crashed = tmp_path / "crashed" / path.name
    log = crashed.with_name(crashed.name + "-wal")
    os.truncate(log, log.stat().st_size - 100)
    assert set(asyncio.run(all_of(crashed))) == {f"/{number}" for number in range(4)}


def test_a_log_without_its_database_is_refused(path: Path, tmp_path: Path) -> None:
    async def crash() -> None:
        async with opened(path) as storage:
            await storage.commit("/a", b"x", expected=0)
            copy_of(path, tmp_path / "crashed")

    asyncio.run(crash())
    crashed = tmp_path / "crashed" / path.name
    crashed.unlink()
    with pytest.raises(StorageCorrupt, match="the database itself is not"):
        asyncio.run(all_of(crashed))


@pytest.mark.parametrize("what", ["text", "empty", "sqlite", "newer", "no table"])
def test_a_file_that_is_not_ours_is_refused_and_left_alone(path: Path, what: str) -> None:
    path.parent.mkdir(parents=True)
    if what == "text":
        path.write_text("apiVersion: v1\n" * 100)
    elif what == "empty":
        path.touch()
    elif what == "sqlite":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE poems (line TEXT)")
    else:
        asyncio.run(_filled(path))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            if what == "newer":
                connection.execute("PRAGMA user_version = 2")
            else:
                connection.execute("DROP TABLE changes")
    before = contents(path)
    with pytest.raises(StorageCorrupt) as refused:
        asyncio.run(all_of(path))
    assert str(path) in str(refused.value)
    assert "\n" in str(refused.value), "the message does not say what to do"
    assert contents(path) == before


def test_a_path_that_cannot_be_used_is_an_error_of_the_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "state.db", tmp_path):
        with pytest.raises(StorageError):
            asyncio.run(all_of(path))


def test_a_full_disk_refuses_writes_keeps_reads_and_passes(path: Path) -> None:
    with child(path, "fill") as process:
        assert process.stdout is not None
        lines = process.stdout.readlines()
        assert process.wait(DEADLINE_SECONDS) == 0
    assert lines[-1] == "went on\n"
    kept = {f"/registry/big/{int(line.split()[1]):04}" for line in lines[:-1]}
    assert set(asyncio.run(all_of(path))) == {*kept, "/registry/first", "/registry/after"}


def test_a_failed_group_takes_along_only_what_was_built_upon_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "PRAGMA max_page_count = 12"
    connect = file.connect

    def limited(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute(limit).fetchall()
        return connection

    monkeypatch.setattr(file, "connect", limited)

    async def main() -> None:
        async with opened(path) as storage:
            seen: list[Change] = []
            storage.watch("/", 0, seen.extend)
            base = await storage.commit("/a", b"one", expected=0)
            doomed = asyncio.ensure_future(storage.commit("/a", b"x" * 500_000, expected=1))
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # the thread has it
            again = asyncio.ensure_future(storage.commit("/a", b"three", expected=2))
            blind = asyncio.ensure_future(storage.commit("/a", b"four", expected=None))
            other = asyncio.ensure_future(storage.commit("/b", b"two", expected=0))
            results = await asyncio.gather(doomed, again, blind, other, return_exceptions=True)
            assert [type(result) for result in results] == [
                StorageFull,
                StorageFull,
                StorageFull,
                Entry,
            ]
            assert len({id(result) for result in results}) == 4
            found = await storage.get("/a")
            assert found is not None
            assert found.revision == base.revision
            after = await storage.commit("/a", b"five", expected=base.revision)
            assert [change.revision for change in seen] == [1, results[3].revision, after.revision]
        async with opened(path) as storage:
            now = {e.key: (e.value, e.revision) for e in (await storage.range("/")).entries}
            assert now["/a"] == (b"%d@five" % after.revision, after.revision)
            assert set(now) == {"/a", "/b"}

    asyncio.run(main())


def test_a_conflict_with_a_commit_that_fails_is_no_conflict(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = file.connect

    def limited(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 12").fetchall()
        return connection

    monkeypatch.setattr(file, "connect", limited)

    async def main() -> None:
        async with opened(path) as storage:
            doomed = asyncio.ensure_future(storage.commit("/a", b"x" * 500_000, expected=0))
            await asyncio.sleep(0)
            entry = await storage.commit("/a", b"small", expected=0)
            with pytest.raises(StorageFull):
                await doomed
            with pytest.raises(RevisionMismatch):
                await storage.commit("/a", b"late", expected=0)
            assert (await storage.get("/a")) is entry

    asyncio.run(main())


def test_a_key_that_cannot_be_stored_fails_alone(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as storage:
            results = await asyncio.gather(
                storage.commit("/good", b"x", expected=0),
                storage.commit("/\ud800", b"x", expected=0),
                storage.commit("/better", b"x", expected=0),
                return_exceptions=True,
            )
            assert isinstance(results[1], ValueError)
            listed = [entry.key for entry in (await storage.range("/")).entries]
            assert listed == ["/better", "/good"]

    asyncio.run(main())


def test_revisions_go_on_after_everything_was_removed_and_compacted(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as storage:
            await storage.commit("/a", b"one", expected=0)
            gone = await storage.commit("/a", None, expected=None)
            await storage.compact(gone.revision)
        assert rows_in(path) == []
        async with opened(path) as storage:
            assert storage.revision == storage.compacted == gone.revision
            assert (await storage.commit("/b", b"one", expected=0)).revision > gone.revision

    asyncio.run(main())


def rows_in(path: Path) -> list[tuple[int, str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT revision, key FROM changes ORDER BY revision").fetchall()


def test_the_file_is_bounded_by_the_retention(path: Path) -> None:
    async def main() -> None:
        async with opened(path, events=100) as storage:
            for number in range(1000):
                await storage.commit(f"/{number % 10}", b"x" * 1000, expected=None)
            await until(lambda: len(rows_in(path)) <= 10 + 110, "superseded rows stay")
            assert storage.compacted >= storage.revision - 110
        assert path.stat().st_size < 500_000

    asyncio.run(main())


def test_history_outlives_its_process(path: Path) -> None:
    async def main() -> None:
        async with opened(path) as storage:
            entries = [await storage.commit("/a", b"%d" % n, expected=None) for n in range(5)]
            await storage.commit("/a", None, expected=None)
            await storage.compact(2)
            lived: list[Change] = []
            storage.watch("/", 2, lived.extend)
            early = [await storage.range("/", revision=revision) for revision in range(2, 7)]
        async with opened(path) as storage:
            again: list[Change] = []
            storage.watch("/", 2, again.extend)
            assert [repr(change) for change in again] == [repr(change) for change in lived]
            assert [c.previous and c.previous.value for c in again] == [
                e.value for e in entries[1:]
            ]
            for revision, then in zip(range(2, 7), early, strict=True):
                found = await storage.range("/", revision=revision)
                assert repr(found.entries) == repr(then.entries)

    asyncio.run(main())


def test_a_compaction_cut_short_is_finished_by_the_next_owner(path: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(path) as storage:
            for number in range(500):
                await storage.commit("/a", b"%d" % number, expected=None)
        # The decision is on disk and only the first rows are gone.
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(
                "UPDATE state SET compacted = 400, checksum = ?", (file.checksum(400, "", None),)
            )
            connection.execute("DELETE FROM changes WHERE revision < 100")
        async with opened(path) as storage:
            assert (storage.revision, storage.compacted) == (500, 400)
            await until(lambda: rows_in(path)[0][0] == 400, "superseded rows stay")
            then = await storage.range("/", revision=400)
            assert [entry.value for entry in then.entries] == [b"400@399"]
        assert len(rows_in(path)) == 101

    asyncio.run(main())
