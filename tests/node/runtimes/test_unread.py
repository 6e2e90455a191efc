"""A server that dies before it has read what a supervisor told it: the supervisor still cleans up.

The kernel then tells the supervisor "connection reset" and not "end of file".
"""

import asyncio
import json
import os
import select
from pathlib import Path

import pytest

from arubeki.node.runtimes.processes import Keeper

MARK = "ARUBEKI_TEST_UNREAD"
DAEMON = "(setsid sh -c 'sleep 1000 & exec sleep 1000' >/dev/null 2>&1 &); exec sleep 1000"


def marked(mark: str) -> list[int]:
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


async def until(holds, what: str) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)
    assert holds(), what


@pytest.mark.parametrize("moment", ["as it starts", "when it runs"])
def test_what_is_unread_at_the_end_keeps_nobody_from_ending(tmp_path: Path, moment: str) -> None:
    async def main() -> None:
        keeper = Keeper()
        null = os.open(os.devnull, os.O_RDWR)
        mark = tmp_path.name
        control = await keeper.open(null, null)
        os.close(null)
        environment = {"PATH": os.environ["PATH"], MARK: mark}
        job = {"argv": ["sh", "-c", DAEMON], "env": environment, "cwd": "/"}
        try:
            control.sendall(json.dumps(job).encode() + b"\n")
            if moment == "when it runs":
                await until(lambda: len(marked(mark)) >= 3, "it does not run")
                poll = select.poll()
                poll.register(control, select.POLLIN)
                assert poll.poll(5000), "the supervisor has told something, which nobody reads"
            control.close()
            await until(lambda: not marked(mark), f"{marked(mark)} live")
        finally:
            control.close()
            await keeper.close()
        assert not marked(mark)

    asyncio.run(main())
