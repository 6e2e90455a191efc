"""Is the write-ahead log whole? SQLite itself cannot say, this looks further.

After a crash SQLite reads the log up to the first frame whose checksum is wrong and takes that for
the end: the last write, torn. A byte that flipped in the middle of the log looks the same, and
would silently undo acknowledged commits. But this storage writes one transaction after the other,
each made durable before the next. So a torn end holds at most one commit mark; if more follow,
acknowledged commits lie there and the log is damaged. (Damage in the very last commit cannot be
told from a torn write, by anyone.)

On the ring: inside storage. Source: SQLite, "WAL-mode File Format" (sqlite.org/walformat.html).
"""

import os
import struct
from pathlib import Path

_LOG_HEADER_BYTES = 32
_FRAME_HEADER = struct.Struct(">IIII")  # page number, pages after a commit (else 0), two salts
_FRAME_HEADER_BYTES = 24
_VALID_FRAMES_AT = 16  # in the index (-shm): how many frames are good


def path_of(path: Path) -> Path:
    """Return where the write-ahead log of the database at `path` is."""
    return path.with_name(path.name + "-wal")


def fault_of(path: Path) -> str:
    """Return what is wrong with the log of the database at `path`; "" when it is whole.

    A connection that has begun to read must be open: it has written the index.
    """
    log, index = path_of(path), path.with_name(path.name + "-shm")
    if not log.exists() or not index.exists() or log.stat().st_size <= _LOG_HEADER_BYTES:
        return ""
    with log.open("rb") as file:
        header = file.read(_LOG_HEADER_BYTES)
        if struct.unpack_from(">II", header, 24) != _checksum(header[:24]):
            return "the header of its write-ahead log is damaged"
        frame_bytes = _FRAME_HEADER_BYTES + int.from_bytes(header[8:12], "big")
        frames = (log.stat().st_size - _LOG_HEADER_BYTES) // frame_bytes
        salts = struct.unpack_from(">II", header, 16)
        valid = _valid_frames(index)
        marks = 0
        for frame in range(valid, frames):
            place = _LOG_HEADER_BYTES + frame * frame_bytes
            raw = os.pread(file.fileno(), _FRAME_HEADER.size, place)
            _, pages, *found = _FRAME_HEADER.unpack(raw)
            marks += pages != 0 and tuple(found) == salts
    if marks <= 1:
        return ""
    return f"its write-ahead log breaks off in frame {valid + 1}, {marks} commits follow"


def _checksum(header: bytes) -> tuple[int, int]:
    order = ">" if header[3] & 1 else "<"
    words = struct.unpack(f"{order}6I", header)
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def _valid_frames(index: Path) -> int:
    with index.open("rb") as file:
        raw = file.read(_VALID_FRAMES_AT + 4)
    return int(struct.unpack_from("=I", raw, _VALID_FRAMES_AT)[0]) if len(raw) >= 20 else 0
