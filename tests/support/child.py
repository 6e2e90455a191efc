"""`arubeki` as a process of its own, as a user starts it."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import uuid
from pathlib import Path

MARK = "ARUBEKI_TEST_MARK"
READY = re.compile(r"cluster ready at (https://127\.0\.0\.1:(\d+))")
START_SECONDS = 60.0
END_SECONDS = 20.0


class Up:
    """A running `arubeki up`. All that it starts bears its mark in the environment."""

    def __init__(self, *options, home: Path, mark="", wrapper=(), environment=None):
        self.words = [*wrapper, sys.executable, "-m", "arubeki", "up", *map(str, options)]
        self.home = home
        self.mark = mark or uuid.uuid4().hex
        self.environment = environment or {}
        self.block = ""
        self.url = ""
        self.port = 0
        self.process = None
        self._errors = None

    async def start(self, *, wait=True):
        self.home.mkdir(parents=True, exist_ok=True)
        self._errors = self.home / f"stderr-{uuid.uuid4().hex[:8]}"
        with self._errors.open("wb") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *self.words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=environment_of(self.home, self.mark) | self.environment,
                start_new_session=True,
            )
        if wait:
            await self.ready()
        return self

    async def ready(self):
        """Wait for the whole ready block."""
        async with asyncio.timeout(START_SECONDS):
            while "Ctrl-C" not in self.block:
                line = await self.process.stdout.readline()
                assert line, f"it ended without being ready: {self.block}{self.errors}"
                self.block += line.decode()
        found = READY.search(self.block)
        assert found, self.block
        self.url, self.port = found[1], int(found[2])

    @property
    def errors(self):
        return self._errors.read_text() if self._errors else ""

    @property
    def pid(self):
        return self.process.pid

    async def end(self, number=signal.SIGTERM):
        """Send a signal and return the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.wait()

    async def wait(self):
        async with asyncio.timeout(END_SECONDS):
            rest = await self.process.stdout.read()
            self.block += rest.decode()
            return await self.process.wait()

    async def __aenter__(self):
        return await self.start()

    async def __aexit__(self, *raised):
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.wait()


def environment_of(home, mark=""):
    """Return what a user's shell would give, with a home and temporary files of its own."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    found = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "TMPDIR": str(temporary),
        "PYTHONWARNINGS": "error",
        "PYTHONDEVMODE": os.environ.get("PYTHONDEVMODE", ""),
        "LANG": "C.UTF-8",
    }
    if "PYTHONPATH" in os.environ:
        found["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return found | ({MARK: mark} if mark else {})


async def arubeki(*words, home, stdin="", timeout_seconds=60.0, environment=None, wrapper=()):
    """Run a command to its end; return (status, output, errors)."""
    process = await asyncio.create_subprocess_exec(
        *wrapper,
        sys.executable,
        "-m",
        "arubeki",
        *map(str, words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(home) | (environment or {}),
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            output, errors = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        output, errors = await process.communicate()
        raise AssertionError(f"{words} did not end: {output.decode()}{errors.decode()}") from None
    return process.returncode, output.decode(), errors.decode()


def marked(mark):
    """Return {(pid, start time)} of the processes with that mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    if stat[0] != "Z":
                        found.add((int(entry.name), int(stat[19])))
    return found


async def until(holds, seconds, what):
    """Wait for a condition, with a deadline; return how long it took."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not (found := holds()):
        assert loop.time() - begun < seconds, f"{what()} after {seconds} s"
        await asyncio.sleep(0.02)
    del found
    return loop.time() - begun
