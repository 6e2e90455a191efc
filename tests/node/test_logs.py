"""A container's output as files."""

import asyncio
import re
from itertools import pairwise
from pathlib import Path

import pytest

from arubeki import clock
from arubeki.node import logs
from arubeki.node.logs import PART_LIMIT_BYTES, Log, LogOptions, follow, read

STAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


def text(path: Path, **options: object) -> bytes:
    return b"".join(read(path, LogOptions(**options)))  # type: ignore[arg-type]


def numbered(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "main" / "0.log"


def test_lines_are_stored_as_cri_has_them(path: Path) -> None:
    log = Log(path)
    log.write("stdout", b"one\ntw")
    log.write("stderr", b"bad\n")
    log.write("stdout", b"o\n\nrest")
    log.close()
    lines = path.read_bytes().splitlines()
    shapes = [b"stdout F one", b"stderr F bad", b"stdout F two", b"stdout F ", b"stdout P rest"]
    assert len(lines) == len(shapes)
    for line, shape in zip(lines, shapes, strict=True):
        assert re.fullmatch(STAMP + b" " + shape, line)


def test_output_is_read_back_as_it_was_written(path: Path) -> None:
    log = Log(path)
    log.write("stdout", b"one\n\n\x00\xff\xfe binary\r\n  spaces \nrest")
    log.close()
    assert text(path) == b"one\n\n\x00\xff\xfe binary\r\n  spaces \nrest"


@pytest.mark.parametrize("extra", [-1, 0, 1, PART_LIMIT_BYTES, 3 * PART_LIMIT_BYTES + 7])
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_a_huge_line_is_stored_in_parts_and_read_whole(path: Path, extra: int, step: int) -> None:
    line = bytes(65 + index % 26 for index in range(PART_LIMIT_BYTES + extra))
    data = line + b"\nnext\n"
    log = Log(path)
    for start in range(0, len(data), step):
        log.write("stdout", data[start : start + step])
    log.close()
    assert text(path) == data
    assert text(path, tail_lines=2) == data
    assert text(path, tail_lines=1) == b"next\n"
    for raw in path.read_bytes().splitlines():
        assert len(raw) < PART_LIMIT_BYTES + 64
    stamps = re.findall(STAMP, text(path, timestamps=True))
    assert len(stamps) == 2


@pytest.mark.parametrize("ending", [b"\n", b""])
@pytest.mark.parametrize("wanted", [0, 1, 2, 3, 99, 100, 500])
def test_the_last_lines_are_found(path: Path, wanted: int, ending: bytes) -> None:
    lines = [b"line %d" % number for number in range(100)]
    data = b"\n".join(lines) + ending
    log = Log(path)
    log.write("stdout", data)
    log.close()
    expected = b"\n".join(lines[100 - min(wanted, 100) :]) + ending if wanted else b""
    assert text(path, tail_lines=wanted) == expected


def test_the_last_lines_are_found_in_long_files_and_across_rotation(path: Path) -> None:
    log = Log(path, rotate_bytes=200_000, rotate_files=5)
    for number in range(20_000):
        log.write("stdout", b"line %d\n" % number)
    log.close()
    assert len(numbered(path)) == 5
    kept = text(path).split()[1::2]
    assert kept == [b"%d" % number for number in range(20_000 - len(kept), 20_000)]
    for wanted in (1, 3000, 7000, len(kept), len(kept) + 1):
        assert text(path, tail_lines=wanted).split()[1::2] == kept[-wanted:]


def test_rotation_bounds_what_is_kept(path: Path) -> None:
    log = Log(path, rotate_bytes=1000, rotate_files=3)
    for number in range(1000):
        log.write("stdout", b"%d\n" % number)
    log.close()
    assert len(numbered(path)) == 3
    assert all(one.stat().st_size <= 1000 for one in path.parent.iterdir())
    logs.remove(path)
    assert numbered(path) == []


def test_a_log_goes_on_after_its_writer_was_restarted(path: Path) -> None:
    for part in range(3):
        log = Log(path, rotate_bytes=300, rotate_files=100)
        for number in range(10):
            log.write("stdout", b"%d\n" % (part * 10 + number))
        log.close()
    assert text(path).split() == [b"%d" % number for number in range(30)]


def test_since_and_timestamps(path: Path) -> None:
    async def main() -> None:
        log = Log(path)
        begun = clock.now()
        for number in range(5):
            log.write("stdout", b"%d\n" % number)
            await asyncio.sleep(0.5)
        log.close()
        assert text(path, since=begun + 1) == b"2\n3\n4\n"
        assert text(path, since=begun + 1.25) == b"3\n4\n"
        assert text(path, since=begun + 1, tail_lines=1) == b"4\n"
        assert text(path, tail_lines=1, timestamps=True) == b"2026-01-01T00:00:02.000000000Z 4\n"

    clock.run_virtual(main())


def test_limits_and_streams(path: Path) -> None:
    log = Log(path)
    for number in range(5000):
        log.write("stdout", b"out %d\n" % number)
        log.write("stderr", b"err %d\n" % number)
    log.close()
    whole = text(path)
    for limit in (0, 1, 7, 8, 50_000, 10_000_000):
        assert text(path, limit_bytes=limit) == whole[:limit]
    assert text(path, stream="Stderr") == b"".join(b"err %d\n" % one for one in range(5000))


def test_a_missing_log_is_said(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        text(path)


def test_a_line_torn_by_a_crash_is_left_out(path: Path) -> None:
    log = Log(path)
    log.write("stdout", b"one\n")
    log.close()
    with path.open("ab") as file:
        file.write(b"2026-01-01T00:00")
    assert text(path) == b"one\n"


def test_following_gives_what_comes_until_the_end(path: Path) -> None:
    async def main() -> None:
        log = Log(path)
        log.write("stdout", b"before\nline\n")
        got: list[bytes] = []

        async def reader() -> None:
            async for piece in follow(log, LogOptions(tail_lines=1)):
                got.append(piece)

        task = asyncio.ensure_future(reader())
        await asyncio.sleep(1)
        assert got == [b"line\n"]
        log.write("stderr", b"more\n")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert got == [b"line\n", b"more\n"]
        log.write("stdout", b"rest")
        log.close()
        await task
        assert got == [b"line\n", b"more\n", b"rest"]

    clock.run_virtual(main())


@pytest.mark.parametrize("burst", [1, 7, 400])
def test_no_line_is_lost_or_doubled_when_files_rotate_under_a_follower(
    path: Path, burst: int
) -> None:
    async def main() -> None:
        log = Log(path, rotate_bytes=500, rotate_files=1000)
        got = bytearray()

        async def reader() -> None:
            async for piece in follow(log):
                got.extend(piece)

        task = asyncio.ensure_future(reader())
        for number in range(2000):
            log.write("stdout", b"%d\n" % number)
            if number % burst == 0:
                await asyncio.sleep(0)
        log.close()
        await task
        assert bytes(got).split() == [b"%d" % number for number in range(2000)]

    clock.run_virtual(main())


def test_a_follower_that_is_too_slow_goes_on_with_what_is_left(path: Path) -> None:
    async def main() -> None:
        log = Log(path, rotate_bytes=500, rotate_files=3)
        following = follow(log)
        log.write("stdout", b"first\n")
        got = [await anext(following)]
        for number in range(1000):
            log.write("stdout", b"%d\n" % number)
        log.close()
        got += [piece async for piece in following]
        numbers = [int(one) for one in b"".join(got[1:]).split()]
        assert got[0] == b"first\n"
        assert numbers[-1] == 999
        # The file it had open is read to its end, then the oldest that is kept.
        gaps = [b - a for a, b in pairwise(numbers) if b != a + 1]
        assert len(gaps) == 1

    clock.run_virtual(main())


def test_a_follower_with_a_limit_ends_when_it_is_reached(path: Path) -> None:
    async def main() -> None:
        log = Log(path)
        log.write("stdout", b"0123456789\n" * 10)
        pieces = [piece async for piece in follow(log, LogOptions(limit_bytes=25))]
        assert b"".join(pieces) == (b"0123456789\n" * 10)[:25]
        log.close()

    clock.run_virtual(main())


def test_a_full_disk_tears_one_line_and_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(path)
    log.write("stdout", b"one\n")
    whole = log._file

    class Full:
        def write(self, data: bytes) -> int:
            if len(data) <= 10:
                raise OSError(28, "No space left on device")
            return whole.write(data[: len(data) - 10])

    monkeypatch.setattr(log, "_file", Full())
    with pytest.raises(OSError, match="No space"):
        log.write("stdout", b"two two two two\n")
    monkeypatch.setattr(log, "_file", whole)
    log.write("stdout", b"three\n")
    log.close()
    lines = text(path).split(b"\n")
    assert lines[0] == b"one"
    assert b"three" in lines
