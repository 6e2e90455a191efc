"""What kube-apiserver answers, request by request, is what this server answers."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from arubeki.net.message import Answer, Request, Stream
from tests.server.recording import Memory, Step, masked, steps
from tests.server.support import ADMIN, Watching, World, run

_ASKER = replace(ADMIN, uid="admin")
HERE = Path(__file__).parent / "transcripts"


class Player:
    """Asks a world the requests of one transcript."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.memory = Memory()
        self.watches: dict[str, Watching] = {}

    async def follow(self, step: Step) -> None:
        line = self.memory.fill(step.line)
        method, rest = line.split(" ", 1)
        if method == "COMPACT":
            await self.world.storage.compact(int(rest))
            return
        headers: dict[str, str] = {}
        if method == "OPEN":
            name, url = rest.split(" ", 1)
            answer = await self.send("GET", url, step)
            assert isinstance(answer, Stream), line
            self.watches[name] = Watching(answer)
            return
        if method == "CLOSE":
            watching = self.watches.pop(rest)
            status, found = 200, await watching.events()
            watching.stop()
        else:
            status, headers, found = await self.answer(await self.send(method, rest, step))
            self.memory.learn(found, step.headers.get("as", ""))
        if not step.status:
            return
        about = f"{line} {step.body[:300]!r}"
        assert (status, masked(found, step.expected)) == (step.status, step.expected), about
        for name in {"warning", *step.expected_headers}:
            assert headers.get(name) == step.expected_headers.get(name), about

    async def send(self, method: str, url: str, step: Step) -> Answer:
        path, _, query = url.partition("?")
        headers = {name: one for name, one in step.headers.items() if name != "as"}
        body = self.memory.fill(step.body.decode("latin-1")).encode("latin-1")
        return await self.world.app(Request(method, unquote(path), query, headers, body, _ASKER))

    async def answer(self, answer: Answer) -> tuple[int, dict[str, str], Any]:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if isinstance(answer, Stream):
            watching = Watching(answer)
            while not watching.reader.is_closed:
                await asyncio.sleep(0.1)
            return answer.status, headers, watching.reader.events()
        text = answer.content().decode()
        found = json.loads(text) if text and "json" in headers.get("content-type", "") else text
        return answer.status, headers, found


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.txt")))
def test_the_server_answers_as_kubernetes_does(name: str) -> None:
    async def test(world: World) -> None:
        known = [step for step in steps((HERE / f"{name}.txt").read_text()) if step.line]
        assert any(step.status for step in known)
        player = Player(world)
        for step in known:
            await asyncio.sleep(0.1)  # virtual; what the server tidies is tidy by then
            await player.follow(step)

    run(test)
