"""What tests with real processes share."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from arubeki.node import logs
from arubeki.node.runtimes.base import Command, Mount, PodSandbox
from arubeki.node.runtimes.plain import PlainRuntime
from arubeki.node.runtimes.processes import ProcessRuntime
from arubeki.node.runtimes.sandbox import SandboxRuntime

RUNTIMES = [
    pytest.param(PlainRuntime, id="plain"),
    pytest.param(SandboxRuntime, id="sandbox", marks=pytest.mark.sandbox),
]


class World:
    """A runtime, one Pod, and a place for files."""

    def __init__(self, make: Callable[[], ProcessRuntime], directory: Path) -> None:
        self.runtime = make()
        self.directory = directory
        self.pod = PodSandbox("u1", "default", "web", directory / "pod", "web-0", "127.0.0.1")
        self._runs = 0

    def command(self, *argv: str, mounts: tuple[Mount, ...] = (), **fields: object) -> Command:
        self._runs += 1
        environment = fields.pop("environment", {})
        return Command(
            "main",
            argv,
            environment,  # type: ignore[arg-type]
            self.directory / f"{self._runs}.log",
            mounts=mounts,
            **fields,  # type: ignore[arg-type]
        )

    async def __aenter__(self) -> "World":
        await self.runtime.create(self.pod)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runtime.remove(self.pod)
        await self.runtime.close()

    async def output(self, *argv: str, **fields: object) -> str:
        """What a command prints, when it has ended well."""
        command = self.command(*argv, **fields)  # type: ignore[arg-type]
        ended = await (await self.runtime.start(self.pod, command)).wait()
        text = b"".join(logs.read(command.log)).decode()
        assert ended.code == 0, text
        return text

    async def until_logged(self, command: Command, text: str) -> None:
        async with asyncio.timeout(10):
            while text not in b"".join(logs.read(command.log)).decode():
                await asyncio.sleep(0.005)


@pytest.fixture(params=RUNTIMES)
def make(request: pytest.FixtureRequest) -> Callable[[], ProcessRuntime]:
    return request.param


@pytest.fixture
def world(make: Callable[[], ProcessRuntime], tmp_path: Path) -> World:
    return World(make, tmp_path)


@pytest.fixture(scope="session")
def _uvloop_has_its_own() -> None:
    """Let libuv open, once, what it keeps for the life of the process."""

    async def nothing() -> None:
        pass

    uvloop.run(nothing())


@pytest.fixture(autouse=True)
def _no_descriptor_is_left(_uvloop_has_its_own: None) -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    yield
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before


def running(marker: str) -> list[int]:
    """The processes of this machine with `marker` in their command line."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                line = Path("/proc", entry, "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line:
                found.append(int(entry))
    return found
