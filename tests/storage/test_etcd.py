"""What etcd adds: other servers, broken connections, members that are gone, alien writers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from arubeki.errors import Compacted, RevisionMismatch, StorageError, StorageFull
from arubeki.net import tls
from arubeki.storage.base import Change
from arubeki.storage.etcd import EtcdStorage, Tls
from arubeki.storage.etcd.client import Client

from .conftest import DEADLINE_SECONDS, EtcdServer, free_port, need_etcd, stamp, until

PODS = "/registry/pods/"


@contextlib.asynccontextmanager
async def opened(*endpoints: str, **options: object) -> AsyncIterator[EtcdStorage]:
    storage = EtcdStorage(endpoints, stamp=stamp, **options)  # type: ignore[arg-type]
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@contextlib.asynccontextmanager
async def raw_client(server: EtcdServer) -> AsyncIterator[Client]:
    client = Client([server.endpoint], None, 5.0)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd of the test's own, which it may stop."""
    need_etcd()
    server = EtcdServer(tmp_path)
    server.start()
    yield server
    server.stop()


class Relay:
    """A port that leads to an etcd until it is cut."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Relay":
        await self.join()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.cut()

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await until(lambda: not self._writers, "a connection stays")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._writers -= {writer, back}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


async def put(client: Client, *pairs: tuple[bytes, bytes]) -> int:
    """Put all pairs in one transaction, as another program would."""
    answer = await client.txn(
        success=[{"request_put": {"key": key, "value": value}} for key, value in pairs]
    )
    return int(answer.header.revision)


def told(changes: list[Change]) -> list[tuple[str, int, bool]]:
    return [(change.key, change.revision, change.entry is not None) for change in changes]


@pytest.mark.etcd
def test_two_servers_read_each_others_writes_at_once(server: EtcdServer) -> None:
    async def main() -> None:
        async with opened(server.endpoint) as one, opened(server.endpoint) as two:
            seen: list[Change] = []
            two.watch(PODS, two.revision, seen.extend)
            for number in range(50):
                written = await one.commit(PODS + "a", b"%d" % number, expected=None)
                found = await two.get(PODS + "a")
                assert found is not None
                assert (found.value, found.revision) == (written.value, written.revision)
                assert (await two.range(PODS)).revision >= written.revision
            with pytest.raises(RevisionMismatch):
                await two.commit(PODS + "a", b"x", expected=written.revision - 1)
            removed = await two.commit(PODS + "a", None, expected=written.revision)
            assert await one.get(PODS + "a") is None
            assert [change.revision for change in seen] == sorted(
                {change.revision for change in seen}
            )
            assert (len(seen), seen[-1].revision) == (51, removed.revision)

    asyncio.run(main())


@pytest.mark.etcd
def test_concurrent_servers_count_without_loss(server: EtcdServer) -> None:
    async def add(storage: EtcdStorage) -> None:
        for _ in range(10):
            while True:
                entry = await storage.get(PODS + "n")
                number = int(entry.value.split(b"@")[1]) if entry else 0
                with contextlib.suppress(RevisionMismatch):
                    await storage.commit(
                        PODS + "n", b"%d" % (number + 1), expected=entry.revision if entry else 0
                    )
                    break

    async def main() -> None:
        async with opened(server.endpoint) as one, opened(server.endpoint) as two:
            seen: dict[EtcdStorage, list[Change]] = {one: [], two: []}
            for storage, changes in seen.items():
                storage.watch(PODS, storage.revision, changes.extend)
            await asyncio.gather(*(add(storage) for storage in (one, two) * 3))
            entry = await one.get(PODS + "n")
            assert entry is not None
            assert entry.value.endswith(b"@60")
            await two.current()
            assert told(seen[one]) == told(seen[two])
            assert len(seen[one]) == 60

    asyncio.run(main())


@pytest.mark.etcd
def test_a_change_bears_the_meta_of_its_commit_when_observers_see_it(server: EtcdServer) -> None:
    async def main() -> None:
        async with opened(server.endpoint) as storage:
            metas: list[object] = []
            storage.watch(PODS, storage.revision, lambda cs: metas.extend(c.entry for c in cs))
            await asyncio.gather(
                *(storage.commit(f"{PODS}{n}", b"%d" % n, expected=0, meta=n) for n in range(100))
            )
            assert sorted(entry.meta for entry in metas) == list(range(100))  # type: ignore[attr-defined]

    asyncio.run(main())


@pytest.mark.etcd
def test_writes_of_strangers_are_seen_whatever_they_are(server: EtcdServer) -> None:
    async def main() -> None:
        async with opened(server.endpoint) as storage, raw_client(server) as stranger:
            seen: list[Change] = []
            storage.watch("", storage.revision, seen.extend)
            first = await put(
                stranger, (b"/registry/pods/a", b"1"), (b"/registry/pods/b", b"k8s\0\xff")
            )
            await put(stranger, (b"/elsewhere", b"x"))
            third = await put(stranger, (b"/registry/pods/\xff", b"x"), (b"/else", b""))
            found = await storage.range(PODS)
            assert found.revision == storage.revision == third
            assert [entry.value for entry in found.entries] == [
                b"%d@1" % first,
                b"%d@k8s\0\xff" % first,
                b"%d@x" % third,
            ]
            ours = await storage.commit(PODS + "a", b"2", expected=first)
            assert told(seen) == [
                (PODS + "a", first, True),
                (PODS + "b", first, True),
                (PODS + "\udcff", third, True),
                (PODS + "a", ours.revision, True),
            ]
            await storage.commit(PODS + "\udcff", None, expected=third)

    asyncio.run(main())


@pytest.mark.etcd
def test_a_key_outside_of_the_prefix_is_refused(etcd_server: EtcdServer) -> None:
    async def main() -> None:
        async with opened(etcd_server.endpoint) as storage:
            with pytest.raises(StorageError, match="outside of /registry/"):
                await storage.commit("/other/a", b"x", expected=0)

    asyncio.run(main())


@pytest.mark.etcd
def test_a_revision_from_before_the_mirror_is_read_from_etcd(server: EtcdServer) -> None:
    async def main() -> None:
        async with opened(server.endpoint) as one:
            entries = [
                await one.commit(f"{PODS}{name}", b"x", expected=0) for name in ("a", "b", "c")
            ]
            await one.commit(PODS + "a", None, expected=None)
            async with opened(server.endpoint) as two:
                then = entries[-1].revision
                with pytest.raises(Compacted):
                    two.watch(PODS, then, lambda _: None)
                found = await two.range(PODS, revision=then)
                assert [(e.key, e.value, e.revision) for e in found.entries] == [
                    (e.key, e.value, e.revision) for e in entries
                ]
                page = await two.range(PODS, start=PODS + "a\0", limit=1, revision=then)
                assert ([entry.key for entry in page.entries], page.remaining) == ([PODS + "b"], 1)
                whole = await two.range("", revision=then)
                assert [entry.key for entry in whole.entries] == [e.key for e in entries]
                nothing = await two.range(PODS, start="/registry/q", revision=then)
                assert (nothing.entries, nothing.remaining) == ([], 0)
                await one.compact(one.revision)
                for start in ("", "/registry/q"):
                    with pytest.raises(Compacted):
                        await two.range(PODS, start=start, revision=then)

    asyncio.run(main())


@pytest.mark.etcd
def test_a_cut_watch_goes_on_where_it_broke_off(server: EtcdServer) -> None:
    async def main() -> None:
        async with (
            Relay(server.port) as relay,
            opened(server.endpoint) as other,
            opened(f"127.0.0.1:{relay.port}", timeout_seconds=3) as storage,
        ):
            seen: list[Change] = []
            start = storage.revision
            storage.watch(PODS, start, seen.extend)
            await storage.commit(PODS + "a", b"1", expected=0)
            await relay.cut()
            with pytest.raises(StorageError):
                await storage.commit(PODS + "b", b"1", expected=0)
            with pytest.raises(StorageError):
                await storage.get(PODS + "a")
            for number in range(20):
                await other.commit(PODS + "a", b"%d" % number, expected=None)
            await other.commit(PODS + "a", None, expected=None)
            await relay.join()
            await until(lambda: len(seen) >= 22, "the watch does not go on")
            last = await storage.commit(PODS + "c", b"1", expected=0)
            truth: list[Change] = []
            other.watch(PODS, start, truth.extend)
            await other.current()
            assert told(seen) == told(truth)
            assert seen[-1].revision == last.revision

    asyncio.run(main())


@pytest.mark.etcd
def test_a_watch_cut_for_longer_than_history_is_told_the_difference(server: EtcdServer) -> None:
    async def main() -> None:
        async with (
            Relay(server.port) as relay,
            opened(server.endpoint) as other,
            opened(f"127.0.0.1:{relay.port}", timeout_seconds=3) as storage,
        ):
            for name in ("kept", "changed", "gone", "reborn"):
                before = await storage.commit(PODS + name, b"old", expected=0)
            seen: list[Change] = []
            storage.watch(PODS, storage.revision, seen.extend)
            await relay.cut()
            changed = await other.commit(PODS + "changed", b"new", expected=None)
            await other.commit(PODS + "gone", None, expected=None)
            await other.commit(PODS + "reborn", None, expected=None)
            await other.commit(PODS + "brief", b"x", expected=0)
            await other.commit(PODS + "brief", None, expected=None)
            reborn = await other.commit(PODS + "reborn", b"again", expected=0)
            fresh = await other.commit(PODS + "fresh", b"x", expected=0)
            await other.compact(other.revision)
            await relay.join()
            await until(lambda: storage.revision >= fresh.revision, "no new beginning")
            assert told(seen) == [
                (PODS + "changed", changed.revision, True),
                (PODS + "reborn", reborn.revision, False),
                (PODS + "reborn", reborn.revision, True),
                (PODS + "fresh", fresh.revision, True),
                (PODS + "gone", fresh.revision, False),
            ]
            assert {e.key: e.value for e in (await storage.range(PODS)).entries} == {
                e.key: e.value for e in (await other.range(PODS)).entries
            }
            with pytest.raises(Compacted):
                storage.watch(PODS, before.revision, lambda _: None)
            last = await storage.commit(PODS + "kept", b"new", expected=None)
            assert seen[-1].revision == last.revision

    asyncio.run(main())


@pytest.mark.etcd
def test_another_member_takes_over_from_one_that_is_gone(server: EtcdServer) -> None:
    async def main() -> None:
        async with Relay(server.port) as relay:
            endpoints = f"127.0.0.1:{free_port()}", f"127.0.0.1:{relay.port}", server.endpoint
            async with opened(*endpoints) as storage:
                seen: list[Change] = []
                storage.watch(PODS, storage.revision, seen.extend)
                await storage.commit(PODS + "a", b"1", expected=0)
                await relay.cut()
                assert (await storage.get(PODS + "a")) is not None
                await storage.commit(PODS + "b", b"1", expected=0)
                assert [change.key for change in seen] == [PODS + "a", PODS + "b"]

    asyncio.run(main())


@pytest.mark.etcd
def test_a_restarted_etcd_is_taken_up_again(server: EtcdServer) -> None:
    async def main() -> None:
        async with opened(server.endpoint, timeout_seconds=3) as storage:
            seen: list[Change] = []
            storage.watch(PODS, storage.revision, seen.extend)
            first = await storage.commit(PODS + "a", b"1", expected=0)
            await asyncio.to_thread(server.stop, kill=True)
            with pytest.raises(StorageError):
                await storage.commit(PODS + "a", b"2", expected=first.revision)
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(DEADLINE_SECONDS):
                while True:
                    try:
                        last = await storage.commit(PODS + "a", b"3", expected=first.revision)
                        break
                    except StorageError as error:
                        assert not isinstance(error, RevisionMismatch)
            assert told(seen) == [
                (PODS + "a", first.revision, True),
                (PODS + "a", last.revision, True),
            ]

    asyncio.run(main())


@pytest.mark.etcd
def test_an_etcd_that_hangs_is_an_error_after_the_time_limit(server: EtcdServer) -> None:
    async def main() -> None:
        async with opened(server.endpoint):
            pass  # it has elected its leader and answers at once now
        async with opened(server.endpoint, timeout_seconds=2) as storage:
            await storage.commit(PODS + "a", b"1", expected=0)
            server.suspend()
            try:
                async with asyncio.timeout(10):
                    results = await asyncio.gather(
                        storage.commit(PODS + "a", b"2", expected=None),
                        storage.get(PODS + "a"),
                        storage.range(PODS),
                        return_exceptions=True,
                    )
            finally:
                server.resume()
            assert [isinstance(result, StorageError) for result in results] == [True] * 3

    asyncio.run(main())


@pytest.mark.etcd
def test_no_etcd_at_all_is_an_error_at_opening(etcd_server: EtcdServer) -> None:
    async def main() -> None:
        storage = EtcdStorage(f"etcd://127.0.0.1:{free_port()}")
        with pytest.raises(StorageError, match=r"etcd at 127\.0\.0\.1"):
            await storage.open()
        with pytest.raises(StorageError):
            await storage.commit(PODS + "a", b"1", expected=0)

    asyncio.run(main())


@pytest.mark.etcd
def test_a_full_etcd_says_so_and_stays_readable(tmp_path: Path) -> None:
    need_etcd()
    server = EtcdServer(tmp_path, "--quota-backend-bytes=4000000")
    server.start()

    async def main() -> None:
        async with opened(server.endpoint) as storage:
            kept = 0
            with pytest.raises(StorageFull, match="defragment"):
                for number in range(100):
                    await storage.commit(f"{PODS}{number}", b"x" * 500_000, expected=0)
                    kept += 1
            assert kept > 0
            # etcd refuses the write that passes the bound after it has made it.
            assert len((await storage.range(PODS)).entries) in (kept, kept + 1)

    try:
        asyncio.run(main())
    finally:
        server.stop()


@pytest.mark.etcd
def test_what_is_old_is_compacted_without_being_asked(server: EtcdServer) -> None:
    async def main() -> None:
        async with opened(server.endpoint, compact_seconds=0.05) as storage:
            first = await storage.commit(PODS + "a", b"1", expected=0)
            await storage.commit(PODS + "a", b"2", expected=None)
            async with raw_client(server) as client, asyncio.timeout(DEADLINE_SECONDS):
                while True:
                    try:
                        await client.range(key=b"a", revision=first.revision)
                    except StorageError as error:
                        assert "compacted" in str(error)
                        return
                    await asyncio.sleep(0.01)

    asyncio.run(main())


@pytest.mark.etcd
def test_a_cluster_behind_tls_asks_for_our_certificate(tmp_path: Path) -> None:
    need_etcd()
    authority = tls.make_authority()
    files = {
        "ca.crt": authority.certificate,
        "server.crt": (pair := tls.issue_server(authority, ["127.0.0.1"])).certificate,
        "server.key": pair.key,
        "client.crt": (pair := tls.issue_client(authority, "arubeki")).certificate,
        "client.key": pair.key,
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    server = EtcdServer(
        tmp_path,
        "--cert-file",
        str(tmp_path / "server.crt"),
        "--key-file",
        str(tmp_path / "server.key"),
        "--client-cert-auth",
        "--trusted-ca-file",
        str(tmp_path / "ca.crt"),
    )
    server.start()

    async def main() -> None:
        ours = Tls(tmp_path / "ca.crt", tmp_path / "client.crt", tmp_path / "client.key")
        async with opened(server.endpoint, tls=ours) as storage:
            await storage.commit(PODS + "a", b"1", expected=0)
            assert (await storage.get(PODS + "a")) is not None
        for wrong in (Tls(tmp_path / "ca.crt"), None):
            storage = EtcdStorage([server.endpoint], tls=wrong, timeout_seconds=1)
            with pytest.raises(StorageError):
                await storage.open()

    try:
        asyncio.run(main())
    finally:
        server.stop()
