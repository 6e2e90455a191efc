"""Containers as ordinary processes."""

import asyncio
import os
from pathlib import Path

import pytest

from arubeki.node.runtimes.base import Mount
from arubeki.node.runtimes.plain import PlainRuntime, Replacement

from .conftest import World

MOUNTS = (
    Mount("/book/src", Path("/v/src")),
    Mount("/book", Path("/v/book")),
    Mount("/data/", Path("/v/data")),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/book", "/v/book"),
        ("/book/", "/v/book/"),
        ("/book/x.md", "/v/book/x.md"),
        ("/book/src/x.md", "/v/src/x.md"),
        ("/book/source", "/v/book/source"),
        ("--dir=/book", "--dir=/v/book"),
        ("/book:/data", "/v/book:/v/data"),
        ("cat /book/a '/data/b' > \"/book/src\"", "cat /v/book/a '/v/data/b' > \"/v/src\""),
        ("$(cat /data)", "$(cat /v/data)"),
        ("file:///book/a", "file:///v/book/a"),
        ("cd /book; ls", "cd /v/book; ls"),
        ("a\n/book\nb", "a\n/v/book\nb"),
        # Other paths, other words.
        ("/books", "/books"),
        ("/book.toml", "/book.toml"),
        ("/book-2/x", "/book-2/x"),
        ("/my/book", "/my/book"),
        ("./book", "./book"),
        ("../book", "../book"),
        ("~/book", "~/book"),
        ("http://book/x", "http://book/x"),
        ("http://host/book/x", "http://host/book/x"),
        ("a/book", "a/book"),
        ("database", "database"),
    ],
)
def test_mount_paths_are_replaced_where_they_begin_a_path(text: str, expected: str) -> None:
    assert Replacement(MOUNTS)(text) == expected


def test_without_mounts_nothing_is_replaced_or_said() -> None:
    assert Replacement(())("/book") == "/book"
    assert Replacement(()).notices() == ()


def test_special_characters_are_no_pattern() -> None:
    replace = Replacement((Mount("/a+b", Path("/v/\\1")),))
    assert replace("/a+b/c /aab/c") == "/v/\\1/c /aab/c"


def test_a_program_finds_its_volumes_and_the_owner_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        volume = tmp_path / "volume"
        volume.mkdir()
        (volume / "page").write_text("content\n")
        mounts = (Mount("/no/such/place", volume, read_only=True),)
        async with World(PlainRuntime, tmp_path) as world:
            command = world.command(
                "sh",
                "-c",
                'cat /no/such/place/page "$FILE" page',
                environment={"FILE": "/no/such/place/page"},
                working_directory="/no/such/place",
                mounts=mounts,
            )
            container = await world.runtime.start(world.pod, command)
            await container.wait()
            await world.until_logged(command, "content\n" * 3)
            (notice,) = container.notices
            assert notice.reason == "VolumePathReplaced"
            assert f"/no/such/place is {volume}" in notice.message
            assert "Not protected from writing: /no/such/place" in notice.message

    asyncio.run(main())


def test_a_command_inside_finds_the_volumes_too(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "page").write_text("content\n")
        async with World(PlainRuntime, tmp_path) as world:
            mounts = (Mount("/no/such/place", tmp_path),)
            container = await world.runtime.start(
                world.pod, world.command("sleep", "1000", mounts=mounts)
            )
            done = await world.runtime.execute(container, ["cat", "/no/such/place/page"], 10)
            assert (done.code, done.output) == (0, b"content\n")

    asyncio.run(main())


def test_a_missing_working_directory_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        async with World(PlainRuntime, tmp_path) as world:
            with pytest.raises(Exception, match=r'cwd \("/no/such"\) failed: no such file'):
                await world.runtime.start(
                    world.pod, world.command("true", working_directory="/no/such")
                )

    asyncio.run(main())


def test_only_root_becomes_another_user(tmp_path: Path) -> None:
    async def main() -> None:
        async with World(PlainRuntime, tmp_path) as world:
            command = world.command("sh", "-c", "id -u; id -g", user=4321, group=1234)
            container = await world.runtime.start(world.pod, command)
            await container.wait()
            if os.geteuid() == 0:
                await world.until_logged(command, "4321\n1234\n")
                assert container.notices == ()
            else:
                await world.until_logged(command, f"{os.geteuid()}\n")
                assert [notice.reason for notice in container.notices] == ["UserIgnored"]

    asyncio.run(main())
