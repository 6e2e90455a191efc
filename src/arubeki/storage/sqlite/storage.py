"""A storage in one file that survives `kill -9`: a mirror in memory, and behind it SQLite.

A commit is compared with the newest value, written or on its way, gets its revision and waits in a
queue. All that has gathered while the thread wrote one group is the next group; when that is on
disk, the loop takes it into the mirror, tells the watches, and lets the commits return. So reads
never see what a crash could take back, and the more commits are in flight the cheaper each.

When a group fails (a full disk), its commits fail, with those that wait on top of them; the mirror
never knew of them. Their revisions are not given again.

On the ring: [server > **storage** > watch].
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from arubeki.errors import RevisionMismatch, StorageError
from arubeki.storage.base import Change, Entry, Observer, Range, Stamp, Watch, unstamped
from arubeki.storage.commits import Write, changes_of, check_expected, result_of
from arubeki.storage.mirror import Mirror, Retention
from arubeki.storage.sqlite import file
from arubeki.storage.sqlite.lock import OwnerLock
from arubeki.storage.sqlite.writer import Group, Writer, translate

# Bounds of a group: with them no writer waits longer than some milliseconds for a group before his.
_GROUP_ROWS = 256
_GROUP_BYTES = 8 << 20
# Superseded rows deleted along with a group, at least and per row written: faster than they come.
_OUTDATED_LEAST = 16
_OUTDATED_PER_ROW = 2
# And when there is nothing to write.
_OUTDATED_IDLE = 200


class _Pending:
    """A commit that waits to become durable."""

    __slots__ = ("checksum", "future", "key", "meta", "revision", "settled", "value")

    def __init__(self, key: str, value: bytes | None, revision: int, meta: Any) -> None:
        self.key = key
        self.value = value
        self.revision = revision
        self.meta = meta
        # Made here so that what cannot be stored fails its own caller and not a whole group.
        self.checksum = file.checksum(revision, key, value)
        self.future: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        # For those who wait for its end without owning it; made by the first of them.
        self.settled: asyncio.Event | None = None

    def settle(self, result: Entry | BaseException) -> None:
        """Let the commit return or raise."""
        if self.settled is not None:
            self.settled.set()
        if self.future.done():  # its caller was cancelled
            return
        if isinstance(result, Entry):
            self.future.set_result(result)
        else:
            self.future.set_exception(result)


class SqliteStorage:
    """`base.Storage` in the file at `path`, owned by one process at a time."""

    def __init__(
        self, path: str | Path, stamp: Stamp = unstamped, *, retention: Retention | None = None
    ) -> None:
        self.path = Path(path)
        self._stamp = stamp
        self._mirror = Mirror(retention or Retention())
        self._lock = OwnerLock(self.path)
        self._writer: Writer | None = None
        self._is_open = False
        self._is_writing = False
        self._last_given = 0
        self._last_durable = 0
        self._waiting: list[_Pending] = []
        self._newest: dict[str, _Pending] = {}
        self._outdated: list[int] = []
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @property
    def revision(self) -> int:
        """The newest durable revision; 0 for an empty storage."""
        return self._mirror.revision

    @property
    def compacted(self) -> int:
        """The oldest revision that can be read or watched from."""
        return self._mirror.compacted

    async def open(self) -> None:
        """Make or read the file; 100,000 entries of 3 KB take about a second.

        Raises: StorageBusy, StorageCorrupt, StorageFull, StorageError.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.take()
        except OSError as error:
            raise translate(self.path, error) from error
        writer = Writer(self.path, asyncio.get_running_loop())
        try:
            loaded = await writer.run(self._load)
            await writer.run(writer.connect)
        except BaseException as error:
            await writer.stop()
            self._lock.release()
            if isinstance(error, sqlite3.Error | OSError):
                raise translate(self.path, error) from error
            raise
        self._mirror.load(
            loaded.entries.values(),
            loaded.history,
            revision=loaded.revision,
            compacted=loaded.compacted,
        )
        self._last_given = self._last_durable = loaded.revision
        self._outdated = loaded.superseded
        self._writer = writer
        self._is_open = True
        self._hand_over()

    def _load(self) -> file.Loaded:
        file.make(self.path)
        return file.load(self.path, self._stamp)

    async def close(self) -> None:
        """Finish what is queued, then let go of the file; reads from memory go on."""
        self._is_open = False
        self._outdated.clear()
        await self._is_idle.wait()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.stop()
            self._lock.release()

    async def current(self) -> int:
        """Return `revision`."""
        return self._mirror.revision

    async def get(self, key: str) -> Entry | None:
        """Return the newest durable entry under `key`."""
        return self._mirror.entries.get(key)

    async def range(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Range:
        """Do as `Storage.range` says."""
        return self._mirror.range(prefix, start, limit, revision)

    async def commit(
        self, key: str, value: bytes | None, *, expected: int | None, meta: Any = None
    ) -> Entry:
        """Do as `Storage.commit` says; when it returns, the change is on disk.

        A caller that is cancelled meanwhile does not take the commit back.
        """
        await self._expect(key, value, expected)
        if not self._is_open:
            raise StorageError(f"{self.path} is not open: {key} cannot be written")
        pending = _Pending(key, value, self._last_given + 1, meta)
        self._last_given += 1
        self._newest[key] = pending
        self._waiting.append(pending)
        if self._is_idle.is_set():
            self._is_idle.clear()
            # Not at once: what else is committed in this step of the loop comes along.
            asyncio.get_running_loop().call_soon(self._hand_over)
        return await pending.future

    async def _expect(self, key: str, value: bytes | None, expected: int | None) -> None:
        """Compare `expected` with what the key will be at when all that waits is written.

        A mismatch is raised only against what is durable: a commit on its way may still fail, and
        a caller who reads again and retries would otherwise turn in a circle without ever letting
        the loop write.
        """
        while (pending := self._newest.get(key)) is not None:
            actual = pending.revision if pending.value is not None else 0
            try:
                check_expected(key, value, expected, actual)
            except RevisionMismatch:
                if pending.settled is None:
                    pending.settled = asyncio.Event()
                await pending.settled.wait()
            else:
                return
        entry = self._mirror.entries.get(key)
        check_expected(key, value, expected, entry.revision if entry is not None else 0)

    def watch(self, prefix: str, after: int, observer: Observer) -> Watch:
        """Do as `Storage.watch` says."""
        return self._mirror.watch(prefix, after, observer)

    async def compact(self, revision: int) -> None:
        """Forget history up to and including `revision`; the file follows in small steps."""
        self._forget(self._mirror.compact(revision))
        self._hand_over()

    def _forget(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._outdated += file.outdated_by(change)

    def _hand_over(self) -> None:
        """Give the thread its next group, if it is free and there is one."""
        if self._is_writing or self._writer is None:
            return
        taken, rows, size_bytes = self._take()
        room = _OUTDATED_LEAST + _OUTDATED_PER_ROW * len(taken) if taken else _OUTDATED_IDLE
        outdated = self._outdated[:room]
        if not taken and not outdated:
            self._is_idle.set()
            return
        del self._outdated[:room]
        self._is_idle.clear()
        self._is_writing = True
        self._writer.submit(
            Group(
                rows=rows,
                outdated=outdated,
                compacted=self._mirror.compacted,
                above=self._last_durable,
                size_bytes=size_bytes,
                done=lambda error: self._done(taken, outdated, error),
            )
        )

    def _take(self) -> tuple[list[_Pending], list[Any], int]:
        rows: list[Any] = []
        size_bytes = count = 0
        for pending in self._waiting[:_GROUP_ROWS]:
            value = pending.value
            size_bytes += len(value or b"")
            if size_bytes > _GROUP_BYTES and count:
                break
            rows += (pending.revision, pending.key, value, pending.checksum)
            count += 1
        taken = self._waiting[:count]
        del self._waiting[:count]
        return taken, rows, size_bytes

    def _done(
        self, group: Sequence[_Pending], outdated: Sequence[int], error: BaseException | None
    ) -> None:
        self._is_writing = False
        if error is not None:
            self._fail(group, error)
            # They are tried again along with the next group, not in a circle.
            self._outdated[:0] = outdated
            if self._waiting:
                self._hand_over()
            else:
                self._is_idle.set()
            return
        if not group:
            self._hand_over()
            return
        self._last_durable = group[-1].revision
        writes = [Write(each.key, each.value, each.revision, each.meta) for each in group]
        changes = changes_of(self._mirror.entries, writes, self._stamp)
        # While this group is taken in, the thread is busy with the next. It deletes no row that
        # the file still needs: `compacted` is written with the deletion.
        self._hand_over()
        self._forget(self._mirror.apply(changes))
        for pending, change in zip(group, changes, strict=True):
            if self._newest.get(pending.key) is pending:
                del self._newest[pending.key]
            pending.settle(result_of(change))
        if self._outdated:
            self._hand_over()

    def _fail(self, group: Sequence[_Pending], error: BaseException) -> None:
        """Fail `group` and what waits on top of it."""
        keys = {pending.key for pending in group}
        failed = [*group, *(pending for pending in self._waiting if pending.key in keys)]
        self._waiting = [pending for pending in self._waiting if pending.key not in keys]
        for pending in failed:
            if self._newest.get(pending.key) is pending:
                del self._newest[pending.key]
            pending.settle(_again(error))


def _again(error: BaseException) -> BaseException:
    """Return a copy of `error`, so that each commit raises one of its own."""
    copy = type(error)(*error.args)
    copy.__cause__ = error.__cause__
    return copy
