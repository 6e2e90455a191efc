"""The three storages under one roof: a test that takes `stores` runs against each."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from arubeki.storage.base import Entry, Storage
from arubeki.storage.memory import MemoryStorage
from arubeki.storage.mirror import Retention

DEADLINE_SECONDS = 20.0
PODS = "/registry/pods/"


def stamp(value: bytes, revision: int) -> bytes:
    """Put the revision before the value, in the place of one that is there."""
    bare = value.split(b"@", 1)[-1]
    return b"%d@%s" % (revision, bare)


def key(name: str, namespace: str = "default") -> str:
    return f"{PODS}{namespace}/{name}"


def plain(entries: Sequence[Entry]) -> list[tuple[str, bytes, int]]:
    return [(entry.key, entry.value, entry.revision) for entry in entries]


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds; fail when it does not before the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)
    assert condition(), what


class Stores:
    """Opens storages of one sort; all that are opened one after another see the same data."""

    def __init__(self, make: Callable[..., Storage]) -> None:
        self._make = make

    @contextlib.asynccontextmanager
    async def open(self, retention: Retention | None = None) -> AsyncIterator[Storage]:
        storage = self._make(stamp=stamp, retention=retention)
        await storage.open()
        try:
            yield storage
        finally:
            await storage.close()

    def run(self, test: Callable[[Storage], Awaitable[None]]) -> None:
        """Run `test` on a storage that is open meanwhile."""

        async def main() -> None:
            async with asyncio.timeout(3 * DEADLINE_SECONDS), self.open() as storage:
                await test(storage)

        asyncio.run(main())


class EtcdServer:
    """A real etcd on loopback."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.options = options
        self.port, self.peer_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        client, peer = f"http://{self.endpoint}", f"http://127.0.0.1:{self.peer_port}"
        secure = f"https://{self.endpoint}"
        address = secure if "--cert-file" in self.options else client
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "etcd",
                    f"--data-dir={self.directory / 'data'}",
                    f"--listen-client-urls={address}",
                    f"--advertise-client-urls={address}",
                    f"--listen-peer-urls={peer}",
                    f"--initial-advertise-peer-urls={peer}",
                    f"--initial-cluster=default={peer}",
                    "--unsafe-no-fsync",
                    *self.options,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise AssertionError((self.directory / "log").read_text())

    def stop(self, *, kill: bool = False) -> None:
        if self.process is None:
            return
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)
        self.process = None

    def suspend(self) -> None:
        """Let the process hang, from when this returns."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need_etcd() -> None:
    if shutil.which("etcd") is None:
        pytest.skip("not run: etcd is not installed")


@pytest.fixture(scope="session")
def etcd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One etcd for all tests that do not stop it."""
    need_etcd()
    server = EtcdServer(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.stop()


def _memory(request: pytest.FixtureRequest) -> Stores:
    return Stores(MemoryStorage)


def _sqlite(request: pytest.FixtureRequest) -> Stores:
    from arubeki.storage.sqlite import SqliteStorage

    path = request.getfixturevalue("tmp_path") / "state.db"
    return Stores(lambda **options: SqliteStorage(path, **options))


def _etcd(request: pytest.FixtureRequest) -> Stores:
    from arubeki.storage.etcd import EtcdStorage

    server: EtcdServer = request.getfixturevalue("etcd_server")

    async def clear() -> None:
        storage = EtcdStorage([server.endpoint])
        await storage.open()
        for entry in (await storage.range("/registry/")).entries:
            await storage.commit(entry.key, None, expected=None)
        await storage.close()

    asyncio.run(clear())
    return Stores(lambda **options: EtcdStorage([server.endpoint], **options))


_MAKERS = {"memory": _memory, "sqlite": _sqlite, "etcd": _etcd}
_ETCD = pytest.param("etcd", marks=pytest.mark.etcd)


@pytest.fixture(params=["memory", "sqlite", _ETCD])
def stores(request: pytest.FixtureRequest) -> Stores:
    """Each sort of storage, empty."""
    return _MAKERS[request.param](request)


@pytest.fixture(params=["sqlite", _ETCD])
def durable(request: pytest.FixtureRequest) -> Stores:
    """Each sort of storage that outlives its process, empty."""
    return _MAKERS[request.param](request)
