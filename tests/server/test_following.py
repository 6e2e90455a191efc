"""Whoever lists and watches ends with what the server has, whatever happens on the way.

Streams break after a random number of pieces, history is forgotten at random moments, and objects
come, change, leave the selection and go. Followed by a reflector as client-go has one (list in pages
and watch, or watch-list), and by our informer; on memory and on sqlite.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from arubeki import clock
from arubeki.client.client import Client
from arubeki.client.transport import InProcessTransport
from arubeki.errors import WatchBroken
from arubeki.kinds import core_v1 as core
from arubeki.net.message import Answer, Chunk, Request, Sink, Stream, User
from arubeki.runtime.informer import Informer
from arubeki.server.access import Access
from arubeki.server.app import App
from arubeki.server.wire import stamp
from arubeki.storage.base import Storage
from arubeki.storage.memory import MemoryStorage
from arubeki.storage.sqlite import SqliteStorage
from tests.server.support import ADMIN, CONFIG_MAPS, config_map

STEPS = 120
SELECTOR = "labelSelector=in%3Dyes"


class Cutting:
    """A sink that breaks after some pieces."""

    def __init__(self, sink: Sink, pieces: int) -> None:
        self._sink = sink
        self._left = pieces

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def write(self, chunk: Chunk) -> None:
        if self._left == 0:
            self._sink.abort()
            return
        self._left -= 1
        self._sink.write(chunk)


class Trouble:
    """Passes requests to a server, and cuts streams while it is on."""

    def __init__(self, app: App, chance: random.Random) -> None:
        self.app = app
        self.chance = chance
        self.is_on = True
        self.cuts = 0

    async def __call__(self, request: Request) -> Answer:
        answer = await self.app(request)
        if isinstance(answer, Stream) and self.is_on:
            self.cuts += 1
            opened, pieces = answer.opened, self.chance.randrange(6)
            answer.opened = lambda sink: opened(Cutting(sink, pieces))
        return answer


class Reflector:
    """Keeps the objects under a path as client-go's reflector does."""

    def __init__(
        self, transport: InProcessTransport, chance: random.Random, query: str, *, streams: bool
    ) -> None:
        self.objects: dict[str, Any] = {}
        self.relists = 0
        self.expired_pages = 0
        self._transport = transport
        self._chance = chance
        self._query = query
        self._streams = streams
        self._revision = ""

    async def run(self) -> None:
        while True:
            if not self._revision:
                self.relists += 1
                if not await (self._begin_as_stream() if self._streams else self._list()):
                    await asyncio.sleep(0.1)
                    continue
            await self._watch(self.objects, f"resourceVersion={self._revision}")
            await asyncio.sleep(self._chance.choice((0.05, 2.0)))

    async def _list(self) -> bool:
        """Read all pages; a token that has expired begins anew without pages."""
        found: dict[str, Any] = {}
        token, limit = "", self._chance.randrange(1, 5)
        while True:
            query = f"{self._query}&limit={limit}&continue={token}" if limit else self._query
            answer = await self._transport.request("GET", CONFIG_MAPS, query=query)
            body = json.loads(answer.content())
            if answer.status == 410:
                assert body["metadata"]["continue"]
                self.expired_pages += 1
                found, token, limit = {}, "", 0
                continue
            assert answer.status == 200, body
            found.update({one["metadata"]["name"]: one for one in body["items"]})
            token = body["metadata"].get("continue", "")
            if not token:
                self.objects, self._revision = found, body["metadata"]["resourceVersion"]
                return True
            await asyncio.sleep(self._chance.choice((0, 0.5)))

    async def _begin_as_stream(self) -> bool:
        found: dict[str, Any] = {}
        query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        self.objects, before = found, self.objects
        if await self._watch(found, query):
            return True
        self.objects, self._revision = before, ""
        return False

    async def _watch(self, objects: dict[str, Any], query: str) -> bool:
        """Follow until the stream ends; tell whether the initial events came to their end."""
        query = f"{self._query}&watch=1&allowWatchBookmarks=true&{query}"
        is_whole = False
        rest = b""
        try:
            async with self._transport.stream("GET", CONFIG_MAPS, query=query) as stream:
                async for piece in stream:
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        is_whole = self._take(objects, json.loads(line)) or is_whole
                        if not self._revision and is_whole:
                            self._revision = "0"
                    await asyncio.sleep(0)
        except WatchBroken:
            pass
        return is_whole

    def _take(self, objects: dict[str, Any], event: dict[str, Any]) -> bool:
        obj = event["object"]
        if event["type"] == "ERROR":
            assert obj["code"] == 410, obj
            self._revision = ""
            return False
        metadata = obj["metadata"]
        if event["type"] in ("ADDED", "MODIFIED"):
            objects[metadata["name"]] = obj
        elif event["type"] == "DELETED":
            del objects[metadata["name"]]  # it was there, or an event is missing
        is_end = "k8s.io/initial-events-end" in metadata.get("annotations", {})
        if self._revision or is_end:
            self._revision = metadata["resourceVersion"]
        return is_end


async def change_much(app: App, storage: Storage, chance: random.Random) -> None:
    """Create, change, delete and forget at random."""

    async def ask(method: str, name: str, body: Any = None, kind: str = "json") -> None:
        path = CONFIG_MAPS if method == "POST" else f"{CONFIG_MAPS}/{name}"
        headers = {"content-type": f"application/{kind}"}
        raw = b"" if body is None else json.dumps(body).encode()
        answer = await app(Request(method, path, "", headers, raw, ADMIN))
        assert answer.status < 500, answer

    for step in range(STEPS):
        name = f"c{chance.randrange(9)}"
        what = chance.random()
        labels = {"in": chance.choice(("yes", "no"))}
        if what < 0.45:
            await ask("POST", name, config_map(name, {"step": str(step)}, labels=labels))
        elif what < 0.75:
            patch = {"metadata": {"labels": labels}, "data": {"step": str(step)}}
            await ask("PATCH", name, patch, "merge-patch+json")
        elif what < 0.92:
            await ask("DELETE", name)
        else:
            await storage.compact(max(storage.revision - chance.randrange(2), storage.compacted))
        await asyncio.sleep(chance.choice((0, 0, 0.05, 0.5)))


async def listed(app: App, query: str) -> dict[str, Any]:
    answer = await app(Request("GET", CONFIG_MAPS, query, {}, b"", ADMIN))
    items = json.loads(answer.content())["items"]  # type: ignore[union-attr]
    return {one["metadata"]["name"]: one for one in items}


Test = Callable[[App, Storage], Awaitable[None]]


def on(storage: Storage, test: Test) -> None:
    async def main() -> None:
        await storage.open()
        app = App(storage, access=Access())
        await app.start()
        try:
            await test(app, storage)
        finally:
            await app.stop()
            await storage.close()

    clock.run_virtual(main())


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "memory":
        return MemoryStorage(stamp)
    return SqliteStorage(tmp_path / "state.db", stamp)


@pytest.mark.parametrize("streams", [False, True], ids=["list", "watch-list"])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_reflector_ends_with_what_the_server_has(
    storage: Storage, seed: int, *, streams: bool
) -> None:
    async def test(app: App, storage: Storage) -> None:
        chance = random.Random(seed)
        trouble = Trouble(app, chance)
        followers = {
            query: Reflector(InProcessTransport(trouble, ADMIN), chance, query, streams=streams)
            for query in ("x=", SELECTOR)
        }
        tasks = [asyncio.ensure_future(one.run()) for one in followers.values()]
        await change_much(app, storage, chance)
        trouble.is_on = False
        await asyncio.sleep(5)
        if isinstance(storage, MemoryStorage):  # with threads chance is not the seed's alone
            assert trouble.cuts > 5
            assert any(one.relists > 1 for one in followers.values())
            assert streams or any(one.expired_pages for one in followers.values())
        for query, follower in followers.items():
            assert follower.objects == await listed(app, query)
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    on(storage, test)


@pytest.mark.parametrize("seed", [0, 3])
def test_an_informer_ends_with_what_the_server_has(storage: Storage, seed: int) -> None:
    async def test(app: App, storage: Storage) -> None:
        chance = random.Random(seed)
        trouble = Trouble(app, chance)
        client = Client(InProcessTransport(trouble, User("informer", ADMIN.groups)))
        informers = [
            Informer(client, core.ConfigMap, namespace="default", labels=labels)
            for labels in ("", "in=yes")
        ]
        for informer in informers:
            informer.start()
        await change_much(app, storage, chance)
        trouble.is_on = False
        await asyncio.sleep(200)
        for informer, query in zip(informers, ("", SELECTOR), strict=True):
            known = {one.name: one.resource_version for one in informer.list()}
            truth = await listed(app, query)
            assert known == {
                name: one["metadata"]["resourceVersion"] for name, one in truth.items()
            }
            await informer.stop()

    on(storage, test)
