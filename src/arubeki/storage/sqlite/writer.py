"""The one thread that touches the database: it makes groups of commits durable, one by one.

A group is one INSERT of many rows, by itself a transaction: one call into SQLite, so the thread
gives up and takes back the interpreter's lock twice per group and not twice per row (which is what
makes many small statements slow beside a busy event loop). Deletions of superseded rows ride along
in the same transaction. Checkpoints are made after a group has been answered, never within.

On the ring: inside storage, at its edge; the only thread here.
"""

import asyncio
import errno
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from arubeki.errors import StorageError, StorageFull
from arubeki.storage.sqlite import file

T = TypeVar("T")

_ROW = "(?, ?, ?, ?)"
_CHECKPOINT_BYTES = 4 << 20
# What one row costs in the log beyond its value, roughly.
_ROW_BYTES = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Rows to insert, flat (revision, key, value, checksum, revision, …), and rows to delete.

    `above` is the newest durable revision: rows above it are remains of a failed group.
    """

    rows: Sequence[Any]
    outdated: Sequence[int]
    compacted: int
    above: int
    size_bytes: int
    done: Callable[[BaseException | None], None]


class Writer:
    """Runs jobs on its own thread, in order, and answers on the loop."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._unsaved_bytes = 0
        self._has_failed = False
        self._thread = threading.Thread(target=self._work, name="arubeki-sqlite", daemon=True)
        self._thread.start()

    async def run(self, function: Callable[[], T]) -> T:
        """Run `function` on the thread and return its result."""
        future: asyncio.Future[T] = self._loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def job() -> None:
            try:
                result, error = function(), None
            except Exception as raised:
                result, error = None, raised
            self._loop.call_soon_threadsafe(settle, result, error)

        self._jobs.put(job)
        return await future

    def submit(self, group: Group) -> None:
        """Make `group` durable, then call its `done` on the loop with None, or with the error."""
        self._jobs.put(lambda: self._write(group))

    def connect(self) -> None:
        """Open the database for writing; on the thread, before the first group."""
        self._connection = file.connect(self._path)

    async def stop(self) -> None:
        """Finish what was given, move the log into the database, end the thread."""
        await self.run(self._disconnect)
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except RuntimeError:
                return  # the loop is closed: nobody is left to answer

    def _write(self, group: Group) -> None:
        error: BaseException | None = None
        try:
            self._transact(group)
        except (sqlite3.Error, OSError) as raised:
            error = translate(self._path, raised)
        except Exception as raised:
            error = StorageError(f"{self._path} cannot be written: {raised}")
            error.__cause__ = raised
        if error is not None:
            self._give_up()
        self._loop.call_soon_threadsafe(group.done, error)
        self._unsaved_bytes += group.size_bytes + _ROW_BYTES * len(group.outdated)
        if self._unsaved_bytes >= _CHECKPOINT_BYTES and error is None:
            self._checkpoint()

    def _transact(self, group: Group) -> None:
        connection = self._connection
        if connection is None:
            connection = self._connection = file.connect(self._path)
        if not group.outdated and not self._has_failed:
            connection.execute(_insert(len(group.rows) // 4), group.rows)
            return
        connection.execute("BEGIN IMMEDIATE")
        if self._has_failed:
            # A group that failed while being synchronised may have reached the log after all.
            connection.execute("DELETE FROM changes WHERE revision > ?", (group.above,))
        if group.rows:
            connection.execute(_insert(len(group.rows) // 4), group.rows)
        if group.outdated:
            marks = ",".join("?" * len(group.outdated))
            connection.execute(f"DELETE FROM changes WHERE revision IN ({marks})", group.outdated)
            connection.execute(
                "UPDATE state SET compacted = ?, checksum = ?",
                (group.compacted, file.checksum(group.compacted, "", None)),
            )
        connection.execute("COMMIT")
        self._has_failed = False

    def _give_up(self) -> None:
        """Drop the connection after a failure; the next group gets a fresh one."""
        self._has_failed = True
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.close()
        except sqlite3.Error:
            pass  # what had to be told has been told

    def _checkpoint(self) -> None:
        assert self._connection is not None
        self._unsaved_bytes = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:
            pass  # nothing is lost: the log keeps it all, and the next checkpoint tries again

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                # The last connection to close moves the log into the database and removes it.
                connection.close()
            except sqlite3.Error:
                pass  # as above


def _insert(count: int) -> str:
    return "INSERT INTO changes VALUES " + ", ".join([_ROW] * count)


def translate(path: Path, error: sqlite3.Error | OSError) -> StorageError:
    """Return what a failure of the database or its disk means, with `error` as its cause.

    A failing write counts as a full disk: SQLite says `SQLITE_FULL` for ENOSPC alone, and an I/O
    error for a quota or a limit on the file's size.
    """
    if isinstance(error, OSError):
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        reason = error.strerror or str(error)
    else:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        full = code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
        reason = str(error)
    found = (
        StorageFull(f"{path} cannot be written: {reason}\nMake room on its disk; reading goes on.")
        if full
        else StorageError(
            f"{path} cannot be used: {reason}\nMake it a place to write to, or give another path."
        )
    )
    found.__cause__ = error
    return found
