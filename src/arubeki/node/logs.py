"""A container's output as files in CRI's format, written with rotation and read back.

    2026-11-23T02:30:15.688422683Z stdout F a line
    2026-11-23T02:30:15.688422683Z stderr P a part of a line longer than 16 KiB

The current file bears the path's name. A full one gets the next number as suffix and a new one is
begun, so numbers only grow and a reader that follows knows where to go on however much was rotated
meanwhile. The oldest is dropped. Unlike the kubelet, which reads the current file alone, reading
begins with the oldest file that is kept, and lines are counted as the program wrote them, not as
they were split.

Below the node agent: files, and one event for those who follow.
Source: cri-api docs (log format), kubelet pkg/kubelet/kuberuntime/logs/logs.go.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from arubeki import clock

PART_LIMIT_BYTES = 16 * 1024
"""The longest part of a line. Source: containerd's max_container_log_line_size."""

ROTATE_BYTES = 10 * 1024 * 1024
"""Source: kubelet, containerLogMaxSize."""

ROTATE_FILES = 5
"""Source: kubelet, containerLogMaxFiles; the current one counts."""

_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log is wanted, as `PodLogOptions` says it.

    `since` is a time in seconds since 1970; `stream` is `stdout`, `stderr` or "" for both.
    """

    tail_lines: int | None = None
    since: float | None = None
    limit_bytes: int | None = None
    timestamps: bool = False
    stream: str = ""


class Log:
    """The log of one run of a container, while it runs."""

    def __init__(
        self, path: Path, *, rotate_bytes: int = ROTATE_BYTES, rotate_files: int = ROTATE_FILES
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.closed = False
        self._rotate_bytes = rotate_bytes
        self._rotate_files = rotate_files
        self._number = _current_number(path)
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()
        self._torn = False  # a full disk cut a raw line off
        self._rest = {"stdout": b"", "stderr": b""}
        self._second = 0
        self._prefix = ""
        self._changed = asyncio.Event()

    @property
    def number(self) -> int:
        """The number that the current file will get when it is full."""
        return self._number

    def write(self, stream: str, data: bytes) -> None:
        """Append what the program wrote to `stream`; the end of an unfinished line waits.

        Raises: OSError when the disk is full; what was to be written is lost then.
        """
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        head = self._head(stream)
        out: list[bytes] = []
        for line in lines:
            while len(line) > PART_LIMIT_BYTES:
                out += (head, b"P ", line[:PART_LIMIT_BYTES], b"\n")
                line = line[PART_LIMIT_BYTES:]
            out += (head, b"F ", line, b"\n")
        while len(rest) >= PART_LIMIT_BYTES:
            out += (head, b"P ", rest[:PART_LIMIT_BYTES], b"\n")
            rest = rest[PART_LIMIT_BYTES:]
        self._rest[stream] = rest
        if out:
            self._append(b"".join(out))

    def close(self) -> None:
        """Write what waits of unfinished lines; nothing more will come."""
        if self.closed:
            return
        try:
            for stream, rest in self._rest.items():
                if rest:
                    self._append(self._head(stream) + b"P " + rest + b"\n")
        finally:
            self.closed = True
            self._file.close()
            self._changed.set()

    async def changed(self) -> None:
        """Wait until something was written, or the log is closed."""
        if not self.closed:
            await self._changed.wait()

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._rotate_bytes:
            self._rotate()
        if self._torn:
            data = b"\n" + data
        written = 0
        self._torn = True
        try:
            while written < len(data):
                written += self._file.write(data[written:]) or 0
            self._torn = False
        finally:
            self._size += written
        # Whoever waits wakes up; whoever comes later waits for the next write.
        self._changed.set()
        self._changed = asyncio.Event()

    def _rotate(self) -> None:
        self._file.close()
        self.path.rename(_numbered(self.path, self._number))
        self._number += 1
        self._file = self.path.open("ab", buffering=0)
        self._size = 0
        for number in _numbers(self.path)[: -(self._rotate_files - 1) or None]:
            _numbered(self.path, number).unlink(missing_ok=True)

    def _head(self, stream: str) -> bytes:
        moment = clock.now()
        second = int(moment)
        if second != self._second:
            self._second, self._prefix = second, clock.timestamp(second)[:-1]
        return f"{self._prefix}.{int((moment - second) * 1e9):09d}Z {stream} ".encode()


def read(path: Path, options: LogOptions | None = None) -> Iterator[bytes]:
    """Yield the log of a run from its files, in pieces.

    Raises: FileNotFoundError if there is none.
    """
    options = options or LogOptions()
    filtered = _Filter(options)
    with _Cursor(path, options.tail_lines) as cursor:
        while not filtered.full:
            block = cursor.read()
            if block is None:
                return
            piece = filtered.take(block)
            if piece:
                yield piece


async def follow(log: Log, options: LogOptions | None = None) -> AsyncIterator[bytes]:
    """Yield the log of a run and what comes, until the run has ended."""
    options = options or LogOptions()
    filtered = _Filter(options)
    with _Cursor(log.path, options.tail_lines) as cursor:
        while not filtered.full:
            closed = log.closed
            block = cursor.read()
            if block is not None:
                piece = filtered.take(block)
                if piece:
                    yield piece
                else:
                    await asyncio.sleep(0)
            elif closed:
                return
            else:
                await log.changed()


def remove(path: Path) -> None:
    """Delete the files of a run."""
    for number in _numbers(path):
        _numbered(path, number).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


class _Filter:
    """Turns raw lines into what the reader asked for."""

    def __init__(self, options: LogOptions) -> None:
        self._left = options.limit_bytes
        self._timestamps = options.timestamps
        self._stream = options.stream.lower().encode()
        self._since = b"" if options.since is None else _nanoseconds(options.since)
        self._begins = True

    @property
    def full(self) -> bool:
        """Whether as many bytes as allowed were given."""
        return self._left is not None and self._left <= 0

    def take(self, block: bytes) -> bytes:
        """Return what is to be seen of whole raw lines."""
        out: list[bytes] = []
        for raw in block.split(b"\n"):
            parts = raw.split(b" ", 3)
            if len(parts) < 4:
                continue  # the end of the block, or torn by a crash
            stamp, stream, tag, text = parts
            # Our stamps have one width and one zone, so they sort as text.
            if stamp < self._since or (self._stream and stream != self._stream):
                continue
            if self._timestamps and self._begins:
                out += (stamp, b" ")
            out.append(text)
            self._begins = tag == b"F"
            if self._begins:
                out.append(b"\n")
        result = b"".join(out)
        if self._left is not None:
            result = result[: self._left]
            self._left -= len(result)
        return result


class _Cursor:
    """A place in the files of a log, which rotation may rename while we read."""

    def __init__(self, path: Path, tail_lines: int | None) -> None:
        self._path = path
        self._number, offset = _tail(path, tail_lines)
        self._file = _open(path, self._number)
        self._file.seek(offset)

    def __enter__(self) -> "_Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self) -> bytes | None:
        """Return some whole raw lines; None at the end of all that is written."""
        while True:
            rotated = _current_number(self._path) > self._number
            block = self._file.read(_BLOCK_BYTES)
            end = block.rfind(b"\n") + 1
            if end:
                self._file.seek(end - len(block), os.SEEK_CUR)
                return block[:end]
            if block and len(block) == _BLOCK_BYTES:
                continue  # not our format: no line is that long
            if not rotated:
                self._file.seek(-len(block), os.SEEK_CUR)
                return None
            self._file.close()
            # The next may be gone too, when the reader is slow: then the oldest that is left.
            kept = [one for one in _numbers(self._path) if one > self._number]
            self._number = kept[0] if kept else _current_number(self._path)
            self._file = _open(self._path, self._number)


def _tail(path: Path, lines: int | None) -> tuple[int, int]:
    """Return the number of the file and the offset at which the last `lines` lines begin."""
    numbers = [*_numbers(path), _current_number(path)]
    if lines is None:
        return numbers[0], 0
    current = numbers[-1]
    if lines <= 0:
        return current, path.stat().st_size
    found = 0
    unfinished = True  # the last raw line, if it is a part, is a line of its own
    place = (current, 0)
    for number in reversed(numbers):
        with _open(path, number) as file:
            for offset, end, whole in _backwards(file):
                if whole or unfinished:
                    found += 1
                    unfinished = False
                if found > lines:
                    return (number, end)
                place = (number, offset)
    return place


def _backwards(file: BinaryIO) -> Iterator[tuple[int, int, bool]]:
    """Yield, from the last to the first raw line: offset, end, whether it ends a line."""
    end = file.seek(0, os.SEEK_END)
    held = b""
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        file.seek(start)
        held = file.read(end - start) + held
        first = 0 if start == 0 else held.find(b"\n") + 1
        if start and not first:
            end = start
            continue
        stop = len(held)
        position = start
        while stop > first:
            begin = max(held.rfind(b"\n", first, stop - 1) + 1, first)
            parts = held[begin : begin + 64].split(b" ", 3)
            yield position + begin, position + stop, len(parts) > 2 and parts[2] == b"F"
            stop = begin
        held = held[:first]
        end = start


def _current_number(path: Path) -> int:
    numbers = _numbers(path)
    return numbers[-1] + 1 if numbers else 1


def _numbers(path: Path) -> list[int]:
    """Return the numbers of the full files, ascending."""
    prefix = f"{path.name}."
    try:
        names = os.listdir(path.parent)
    except FileNotFoundError:
        return []
    found = [name[len(prefix) :] for name in names if name.startswith(prefix)]
    return sorted(int(text) for text in found if text.isdigit())


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number:06d}")


def _open(path: Path, number: int) -> BinaryIO:
    """Open the file of that number, under whichever name it has now."""
    try:
        return _numbered(path, number).open("rb")
    except FileNotFoundError:
        return path.open("rb")


def _nanoseconds(moment: float) -> bytes:
    second = int(moment)
    return f"{clock.timestamp(second)[:-1]}.{int((moment - second) * 1e9):09d}Z".encode()
