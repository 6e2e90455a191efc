"""Run by test_sqlite.py as a process of its own: `sqlite_child.py PATH write|fill|hold`."""

import asyncio
import itertools
import os
import resource
import sys

from arubeki.errors import StorageFull
from arubeki.storage.mirror import Retention
from arubeki.storage.sqlite import SqliteStorage


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


async def write(storage: SqliteStorage) -> None:
    """Write for ever; say each revision once it is acknowledged."""

    async def writer(number: int) -> None:
        for step in itertools.count():
            key = f"/registry/w{number}/{step % 7}"
            entry = await storage.commit(key, b"%d " % step + b"x" * 2000, expected=None)
            say(f"{entry.revision} {key} {step}")
            if step % 11 == 10:
                entry = await storage.commit(key, None, expected=entry.revision)
                say(f"{entry.revision} {key} -1")

    await asyncio.gather(*(writer(number) for number in range(8)))


async def fill(storage: SqliteStorage) -> None:
    """Write until the limit on a file's size is hit, look around, then go on without the limit."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    await storage.commit("/registry/first", b"x", expected=0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, hard))
    acknowledged = refused = 0
    for number in range(2000):
        try:
            await storage.commit(f"/registry/big/{number:04}", b"x" * 20_000, expected=0)
            acknowledged += 1
            say(f"kept {number}")
        except StorageFull as error:
            refused += 1
            assert "cannot be written" in str(error)
            if refused == 5:
                break
    assert acknowledged > 10, acknowledged
    assert refused == 5
    assert (await storage.get("/registry/first")) is not None
    assert len((await storage.range("/registry/big/")).entries) == acknowledged
    before = storage.revision
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    entry = await storage.commit("/registry/after", b"x", expected=0)
    assert entry.revision > before
    say("went on")


async def hold(storage: SqliteStorage) -> None:
    """Keep the file until killed."""
    say("open")
    await asyncio.Event().wait()


async def main() -> None:
    path, action = sys.argv[1:]
    storage = SqliteStorage(path, retention=Retention(events=40))
    await storage.open()
    await {"write": write, "fill": fill, "hold": hold}[action](storage)
    await storage.close()


asyncio.run(main())
