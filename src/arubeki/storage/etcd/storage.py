"""A storage whose truth is an etcd cluster, shared with other servers.

Reads come from a mirror that one watch feeds. They are linearizable all the same: a read first asks
etcd for its revision, one question for all reads that wait, and then lets the mirror catch up. The
watch is on all keys of the cluster, whatever the prefix: then every revision shows up in it, and
"caught up" is plain to see. (etcd's progress notification would tell it for a prefix too, but up
to 3.4.24 and 3.5.7 it may overtake events.) So the cluster should be for this storage alone, or
nearly.

A commit is one transaction on one key, many on their way at a time. Its answer tells the revision.
When the mirror is just below it, the change is applied at once; else it waits for the watch or for
the answers between. Either way every revision is applied once, in order, and the commit returns
after that. The watch brings it again and is ignored.

When etcd has compacted what the watch still needs, the mirror is compared with a fresh list and the
differences are told as changes; the history before is gone then.

On the ring: [server > **storage** > watch].
"""

import asyncio
import contextlib
import heapq
from collections.abc import Sequence
from typing import Any

import grpc

from arubeki.errors import Compacted, ConfigError, FutureRevision, RevisionMismatch, StorageError
from arubeki.storage.base import Entry, Observer, Range, Stamp, Watch, unstamped
from arubeki.storage.commits import Write, changes_of, result_of
from arubeki.storage.etcd import schema
from arubeki.storage.etcd.client import Client, EtcdError, Tls, is_cancelled, parse_endpoints
from arubeki.storage.mirror import Mirror, Retention

# A list of everything is read in pages of this many keys, an etcd answer then is some megabytes.
_PAGE_KEYS = 1_000
# The wait before a broken watch is begun again, doubled up to the second.
_RETRY_SECONDS = (0.05, 2.0)


class EtcdStorage:
    """`base.Storage` in the etcd cluster at `endpoints`, below `prefix`.

    `endpoints` are `host:port` each, or one text as `parse_endpoints` takes it. Every
    `compact_seconds` what was there the time before is compacted, as kube-apiserver does it; 0
    leaves that to others. A call to etcd may take `timeout_seconds`, and the watch may lag as long.

    A commit that raises StorageError after a timeout or a broken connection may have been carried
    out all the same; the watches tell.
    """

    def __init__(
        self,
        endpoints: str | Sequence[str],
        prefix: str = "/registry/",
        stamp: Stamp = unstamped,
        *,
        tls: Tls | None = None,
        retention: Retention | None = None,
        compact_seconds: float = 300.0,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._endpoints = parse_endpoints(
            endpoints if isinstance(endpoints, str) else ",".join(endpoints)
        )
        if not prefix:
            raise ConfigError("a storage in etcd needs a prefix")
        self._prefix = prefix
        self._stamp = stamp
        self._tls = tls
        self._mirror = Mirror(retention or Retention())
        self._compact_seconds = compact_seconds
        self._timeout_seconds = timeout_seconds
        self._client: Client | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._asking: asyncio.Task[int] | None = None
        self._asked: asyncio.Task[int] | None = None
        # Writes of ours whose revision is known and not yet reached.
        self._early: dict[int, Write] = {}
        # Metas of writes on their way: the watch may bring a change before its commit's answer.
        self._metas: dict[str, list[tuple[bytes, Any]]] = {}
        # Who waits for the mirror to reach a revision: a heap, the number breaks ties.
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._waiter_count = 0

    @property
    def revision(self) -> int:
        """The newest revision the mirror has reached."""
        return self._mirror.revision

    @property
    def compacted(self) -> int:
        """The oldest revision that can be watched from: where the mirror began, or later."""
        return self._mirror.compacted

    async def open(self) -> None:
        """Read everything below the prefix and begin to watch. Raises: StorageError."""
        self._client = Client(self._endpoints, self._tls, self._timeout_seconds)
        try:
            found, revision = await self._list(self._client)
        except BaseException:
            await self.close()
            raise
        entries = [
            Entry(_text(kv.key), self._stamp(kv.value, kv.mod_revision), kv.mod_revision)
            for kv in found
        ]
        self._mirror.load(entries, (), revision=revision, compacted=revision)
        self._tasks = [asyncio.create_task(self._follow(self._client))]
        if self._compact_seconds:
            self._tasks.append(asyncio.create_task(self._compact_regularly(self._client)))

    async def close(self) -> None:
        """Let go of the cluster; what is on its way fails."""
        client, self._client = self._client, None
        asked = [task for task in (self._asking, self._asked) if task is not None]
        tasks = [*self._tasks, *asked]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks = []
        for _, _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(StorageError("the storage is closed"))
        self._waiters = []
        if client is not None:
            await client.close()

    async def current(self) -> int:
        """Return etcd's revision now, when the mirror has reached it.

        Callers that come while a question is on its way share the next one: the answer must not
        be older than the question.
        """
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(self._asked))
        try:
            revision = await asyncio.shield(self._asking)
        except asyncio.CancelledError:
            if self._client is None and not is_cancelled():
                raise StorageError("the storage is closed") from None
            raise
        await self._reach(revision)
        return revision

    async def _ask(self, before: "asyncio.Task[int] | None") -> int:
        if before is not None:
            await asyncio.wait([before])
        self._asked, self._asking = self._asking, None
        answer = await self._connected().range(key=self._prefix.encode(), count_only=True)
        return int(answer.header.revision)

    async def get(self, key: str) -> Entry | None:
        """Return the newest entry under `key`, as of now for all servers."""
        await self.current()
        return self._mirror.entries.get(key)

    async def range(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Range:
        """Do as `Storage.range` says; revisions older than the mirror are read from etcd."""
        if revision == 0 or revision > self._mirror.revision:
            await self.current()
        if revision == 0 or revision >= self._mirror.compacted:
            return self._mirror.range(prefix, start, limit, revision)
        return await self._range_before(prefix, start, limit, revision)

    async def _range_before(self, prefix: str, start: str, limit: int, revision: int) -> Range:
        asked, ours = _raw(prefix), _raw(self._prefix)
        low = max(asked, _raw(start), ours)
        end = _end_of(ours if ours.startswith(asked) else asked)
        # A start behind the prefix finds nothing, but the revision has to be there even so.
        is_empty = low >= end
        try:
            found = await self._connected().range(
                key=b"\0" if is_empty else low,
                range_end=b"\0" if is_empty else end,
                limit=limit,
                revision=revision,
                count_only=is_empty,
            )
        except EtcdError as error:
            if error.code is grpc.StatusCode.OUT_OF_RANGE:
                raise Compacted(revision, self._mirror.compacted) from error
            raise
        entries = [
            Entry(_text(kv.key), self._stamp(kv.value, kv.mod_revision), kv.mod_revision)
            for kv in found.kvs
        ]
        return Range(entries, revision, 0 if is_empty else found.count - len(entries))

    async def commit(
        self, key: str, value: bytes | None, *, expected: int | None, meta: Any = None
    ) -> Entry:
        """Do as `Storage.commit` says: one transaction."""
        client = self._connected()
        if not key.startswith(self._prefix):
            raise StorageError(f"{key} is outside of {self._prefix}")
        if value is None and expected == 0:
            entry = await self.get(key)
            raise RevisionMismatch(key, 0, entry.revision if entry else 0)
        on_their_way = self._metas.setdefault(key, [])
        mine = (value or b"", meta)
        on_their_way.append(mine)
        try:
            answer = await client.txn(**_transaction(key, value, expected))
            revision = int(answer.header.revision)
            if not answer.succeeded:
                await self._reach(revision)
                kvs = answer.responses[0].response_range.kvs
                actual = kvs[0].mod_revision if kvs else 0
                raise RevisionMismatch(key, -1 if expected is None else expected, actual)
            if revision > self._mirror.revision:
                self._early[revision] = Write(key, value, revision, meta)
                self._apply_early()
                await self._reach(revision)
        finally:
            on_their_way.remove(mine)
            if not on_their_way:
                self._metas.pop(key, None)
        change = self._mirror.find(key, revision)
        if change is not None:
            return result_of(change)
        return Entry(key, self._stamp(value or b"", revision), revision, meta)

    def watch(self, prefix: str, after: int, observer: Observer) -> Watch:
        """Do as `Storage.watch` says."""
        return self._mirror.watch(prefix, after, observer)

    async def compact(self, revision: int) -> None:
        """Forget history up to and including `revision`, here and in etcd."""
        current = await self.current()
        if revision > current:
            raise FutureRevision(revision, current)
        self._mirror.compact(revision)
        await _compact(self._connected(), revision)

    def _connected(self) -> Client:
        if self._client is None:
            raise StorageError("the storage is not open")
        return self._client

    # The mirror's progress

    def _apply(self, writes: Sequence[Write], revision: int) -> None:
        """Take over `writes`, all there is up to `revision`, and wake who waited for it."""
        changes = changes_of(self._mirror.entries, writes, self._stamp)
        # What an alien removed and we never had is no change to anyone.
        changes = [change for change in changes if change.entry or change.previous]
        if changes:
            self._mirror.apply(changes)
        self._mirror.advance(revision)
        waiters = self._waiters
        while waiters and waiters[0][0] <= revision:
            waiter = heapq.heappop(waiters)[2]
            if not waiter.done():
                waiter.set_result(None)

    def _apply_early(self) -> None:
        """Take over writes of ours that come next, without waiting for the watch."""
        revision = self._mirror.revision
        group = []
        while (write := self._early.pop(revision + 1, None)) is not None:
            group.append(write)
            revision += 1
        if group:
            self._apply(group, revision)

    async def _reach(self, revision: int) -> None:
        """Wait until the mirror has reached `revision`. Raises: StorageError when it does not."""
        if revision <= self._mirror.revision:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiter_count += 1
        heapq.heappush(self._waiters, (revision, self._waiter_count, waiter))
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await waiter
        except TimeoutError:
            raise StorageError(
                f"the watch on etcd is at revision {self._mirror.revision} and has not reached "
                f"{revision} in {self._timeout_seconds:g} seconds"
            ) from None

    # The watch

    async def _follow(self, client: Client) -> None:
        """Feed the mirror for ever; a broken watch goes on where it broke off."""
        least, most = _RETRY_SECONDS
        wait = least
        while True:
            before = self._mirror.revision
            try:
                async with contextlib.aclosing(client.watch(before + 1)) as responses:
                    async for response in responses:
                        if response.compact_revision:
                            await self._start_over(client)
                            break
                        if response.canceled:
                            break
                        self._take(response)
            except StorageError:
                pass  # reads and commits tell, when they have waited in vain
            except Exception as error:
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "the watch on etcd failed, it goes on", "exception": error}
                )
            wait = least if self._mirror.revision > before else min(2 * wait, most)
            await asyncio.sleep(wait)

    def _take(self, response: Any) -> None:
        """Apply the events of a response; those of one revision always come together."""
        known = self._mirror.revision
        prefix = self._prefix.encode()
        writes = []
        newest = known
        for event in response.events:
            kv = event.kv
            if kv.mod_revision <= known:
                continue
            newest = kv.mod_revision
            self._early.pop(newest, None)
            if kv.key.startswith(prefix):
                key = _text(kv.key)
                value = None if event.type == schema.DELETE else kv.value
                writes.append(Write(key, value, newest, self._meta_of(key, value)))
        if newest > known:
            self._apply(writes, newest)
            self._apply_early()

    def _meta_of(self, key: str, value: bytes | None) -> Any:
        for written, meta in self._metas.get(key, ()):
            if written == (value or b""):
                return meta
        return None

    async def _list(self, client: Client) -> tuple[list[Any], int]:
        """Return all below the prefix at one revision, and that revision."""
        low, end = self._prefix.encode(), _end_of(self._prefix.encode())
        found: list[Any] = []
        revision = 0
        while True:
            page = await client.range(key=low, range_end=end, limit=_PAGE_KEYS, revision=revision)
            revision = revision or int(page.header.revision)
            found += page.kvs
            if not page.more:
                return found, revision
            low = found[-1].key + b"\0"

    async def _start_over(self, client: Client) -> None:
        """Tell what has changed while the watch was broken for longer than etcd's history."""
        found, revision = await self._list(client)
        known = self._mirror.entries
        writes = []
        for kv in found:
            key = _text(kv.key)
            entry = known.get(key)
            if entry is not None and entry.revision == kv.mod_revision:
                continue
            if entry is not None and kv.create_revision > entry.revision:
                writes.append(Write(key, None, kv.create_revision, None))
            writes.append(Write(key, kv.value, kv.mod_revision, None))
        there = {_text(kv.key) for kv in found}
        # When exactly these went nobody knows any more.
        writes += [Write(key, None, revision, None) for key in known if key not in there]
        writes.sort(key=lambda write: write.revision)
        self._early = {at: write for at, write in self._early.items() if at > revision}
        self._apply(writes, revision)
        self._mirror.compact(revision)
        self._apply_early()

    async def _compact_regularly(self, client: Client) -> None:
        while True:
            revision = self._mirror.revision
            await asyncio.sleep(self._compact_seconds)
            try:
                await _compact(client, revision)
            except StorageError:
                pass  # the next time will do


def _transaction(key: str, value: bytes | None, expected: int | None) -> dict[str, Any]:
    """Return the members of a TxnRequest."""
    name = _raw(key)
    compare: list[dict[str, Any]] = []
    if expected is not None:
        compare = [
            {
                "result": schema.EQUAL,
                "target": schema.MOD_REVISION,
                "key": name,
                "mod_revision": expected,
            }
        ]
    elif value is None:
        compare = [{"result": schema.GREATER, "target": schema.VERSION, "key": name, "version": 0}]
    change: dict[str, Any] = (
        {"request_delete_range": {"key": name}}
        if value is None
        else {"request_put": {"key": name, "value": value}}
    )
    look = {"request_range": {"key": name, "keys_only": True}}
    return {"compare": compare, "success": [change], "failure": [look]}


async def _compact(client: Client, revision: int) -> None:
    try:
        await client.compact(revision)
    except EtcdError as error:
        # Another server was first, or there is nothing yet.
        if error.code is not grpc.StatusCode.OUT_OF_RANGE:
            raise


def _raw(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _end_of(prefix: bytes) -> bytes:
    """Return the least key above all that begin with `prefix`; a zero byte (the end) if none is."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else b"\0"
