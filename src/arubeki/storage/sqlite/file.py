"""The file: how it is made, how it is recognised, and how all of it is read at the start.

It is a log. Each commit is one row of `changes` under its revision, a removal being a row without a
value; nothing is ever updated, so the table only grows at its end, which is what SQLite does
fastest. Rows that history no longer needs are deleted (see `storage.py`). `state` holds the
revision up to which that has been decided, so that revisions never go back even when the newest
rows are gone.

What is read is trusted only after three checks: SQLite's own `quick_check` of the structure, a
checksum per row, and the end of the write-ahead log (see `wal.py`). Together they cost about as
much as the reading. A file that fails is left as it is: it is opened read-only until it has passed.

On the ring: inside storage.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from arubeki.errors import StorageCorrupt
from arubeki.storage.base import Change, Entry, Stamp
from arubeki.storage.commits import make_change
from arubeki.storage.sqlite import wal

_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID = 0x61727562  # "arub"
_VERSION = 1
# Rows of 1 to 10 KB share a page; a bigger page also means fewer of them to write per group.
_PAGE_BYTES = 16_384
# Errors that tell of the disk, the memory or another process; the file may be well.
_NOT_THE_FILE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_SCHEMA = """
CREATE TABLE changes (
    revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, checksum INTEGER NOT NULL
);
CREATE TABLE state (compacted INTEGER NOT NULL, checksum INTEGER NOT NULL);
"""


@dataclass(slots=True)
class Loaded:
    """What a file holds. `superseded` are revisions whose rows nothing needs any more."""

    entries: dict[str, Entry] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    revision: int = 0
    compacted: int = 0


def checksum(revision: int, key: str, value: bytes | None) -> int:
    """Return the checksum of a row."""
    start = zlib.crc32(key.encode(), revision & 0xFFFFFFFF)
    return start if value is None else zlib.crc32(value, start) ^ 1


def make(path: Path) -> None:
    """Make an empty file at `path` unless there is one.

    It is made beside and then moved, so a file that is there is always whole: an empty or short
    one has been torn.
    """
    if path.exists():
        return
    log = wal.path_of(path)
    if log.exists() and log.stat().st_size:
        raise _corrupt(path, "its write-ahead log is there, the database itself is not")
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(fresh, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.executescript(_SCHEMA)
        connection.execute("INSERT INTO state VALUES (0, ?)", (checksum(0, "", None),))
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    fresh.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that writes durably and checkpoints only when it is told."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # Having read, it tidies up when it is closed, even when nothing was written.
    connection.execute("SELECT compacted FROM state").fetchall()
    return connection


def load(path: Path, stamp: Stamp) -> Loaded:
    """Read all of the file at `path`, and change nothing in it.

    Raises: StorageCorrupt when it is torn, not arubeki's or of another version.
    """
    _check_header(path)
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None
    )
    try:
        connection.execute("BEGIN")
        faults = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        if faults != ["ok"]:
            raise _corrupt(path, "; ".join(faults))
        if fault := wal.fault_of(path):
            raise _corrupt(path, fault)
        return _read(path, connection, stamp)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_FILE:
            raise
        raise _corrupt(path, str(error)) from error
    finally:
        connection.close()


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) == 100 and header.startswith(_MAGIC):
        version = int.from_bytes(header[60:64], "big")
        if int.from_bytes(header[68:72], "big") == _APPLICATION_ID:
            if version == _VERSION:
                return
            raise StorageCorrupt(
                f"{path} has version {version} of the format, this arubeki knows {_VERSION}\n"
                "Use the arubeki that wrote it, or move the file away to begin anew."
            )
    if not header:
        raise _corrupt(path, "it is empty")
    raise StorageCorrupt(
        f"{path} is not a database of arubeki\nGive another path, or move the file away."
    )


def _read(path: Path, connection: sqlite3.Connection, stamp: Stamp) -> Loaded:
    loaded = Loaded()
    states = connection.execute("SELECT compacted, checksum FROM state").fetchall()
    if len(states) != 1 or states[0][1] != checksum(states[0][0], "", None):
        raise _corrupt(path, "its state is damaged")
    loaded.compacted = loaded.revision = compacted = states[0][0]
    entries = loaded.entries
    for revision, key, value in _rows(path, connection):
        previous = entries.get(key)
        change = make_change(key, value, previous, revision, stamp)
        if revision > compacted:
            loaded.history.append(change)
            loaded.revision = revision
        else:
            # Left over from a compaction that a crash cut short.
            loaded.superseded += outdated_by(change)
        if change.entry is not None:
            entries[key] = change.entry
        else:
            entries.pop(key, None)
    return loaded


def outdated_by(change: Change) -> list[int]:
    """Return the revisions whose rows are needed by nothing once `change` is no longer history.

    In the order in which they must be deleted: a removal's row hides the one before it.
    """
    outdated = [change.previous.revision] if change.previous is not None else []
    if change.entry is None:
        outdated.append(change.revision)
    return outdated


def _rows(path: Path, connection: sqlite3.Connection) -> Iterator[tuple[int, str, bytes | None]]:
    rows = connection.execute(
        "SELECT revision, key, value, checksum FROM changes ORDER BY revision"
    )
    for revision, key, value, expected in rows:
        has_types = isinstance(key, str) and (value is None or isinstance(value, bytes))
        if not has_types or checksum(revision, key, value) != expected:
            raise _corrupt(path, f"the row of revision {revision} is damaged")
        yield revision, key, value


def _corrupt(path: Path, fault: str) -> StorageCorrupt:
    return StorageCorrupt(
        f"{path} is damaged: {' '.join(fault.split())}\n"
        f"Restore a copy of it, or move it away together with {path.name}-wal and "
        f"{path.name}-shm to begin anew. Nothing was changed."
    )
