"""What kube-apiserver answers, request by request, is what this server answers.

A transcript is a world of its own: requests in order, each with the answer expected after a dashed
rule (status, a Warning header if there is one, the body). A step without one prepares the next.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest

from arubeki.net.message import Request, Response
from tests.server.support import ADMIN, World, run

HERE = Path(__file__).parent / "transcripts"
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ADDRESS = re.compile(r"\b(?:127\.240|10\.(?:9[6-9]|10\d|11[01]))\.\d+\.\d+\b")
_GENERATED = re.compile(r"(\bgen-[a-z-]*?)[a-z0-9]{5}\b")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_HEADERS = ("content-type", "accept", "impersonate-user", "impersonate-group", "impersonate-uid")
_ASKER = replace(ADMIN, uid="admin")
_AGE = re.compile(r"\d+s")
_MASKED = {"uid": "U", "resourceVersion": "R", "continue": "C"}


class Step(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes
    status: int
    warning: str | None
    expected: Any


def steps(text: str) -> Iterator[Step]:
    for block in re.split(r"\n\n+", text):
        lines = [line for line in block.splitlines() if not line.startswith("# ")]
        if not lines:
            continue
        rule = lines.index("---")
        asked, answer = lines[:rule], lines[rule + 1 :]
        headers = {"user-agent": "test/1"}
        body = b""
        for line in asked[1:]:
            name, found, value = line.partition(": ")
            if found and name in _HEADERS:
                headers[name] = value
            else:
                body = line.encode()
        if body and not asked[0].startswith("PATCH"):
            headers.setdefault("content-type", "application/json")
        warning = None
        if len(answer) == 3:
            warning = answer.pop(1).removeprefix("warning: ")
        status, expected = (int(answer[0]), decoded(answer[1])) if answer else (0, None)
        yield Step(asked[0], headers, body, status, warning, expected)


def decoded(text: str) -> Any:
    return json.loads(text.removeprefix("text "))


def masked(value: Any, expected: Any, key: str = "") -> Any:
    """Return what a server answered as a transcript shows it."""
    if isinstance(value, dict):
        known = expected if isinstance(expected, dict) else {}
        return {
            name: masked(one, known.get(name), name)
            for name, one in value.items()
            # Managers, and the words of a column's head, are shown only where they are the point.
            if name in known or name not in ("managedFields", "description")
        }
    if isinstance(value, list):
        known = expected if isinstance(expected, list) else []
        return [
            masked(one, known[index] if index < len(known) else None, key)
            for index, one in enumerate(value)
        ]
    if not isinstance(value, str):
        return value
    if key in _MASKED and value:
        return _MASKED[key]
    if key == "cells" and _AGE.fullmatch(value):
        return "AGE"
    value = _TOKEN.sub("TOKEN", _ADDRESS.sub("IP", _TIME.sub("T", _UID.sub("U", value))))
    return _GENERATED.sub(r"\1XXXXX", value)


async def follow(world: World, step: Step) -> None:
    method, url = step.line.split(" ", 1)
    path, _, query = url.partition("?")
    answer = await world.app(Request(method, unquote(path), query, step.headers, step.body, _ASKER))
    if not step.status:
        return
    assert isinstance(answer, Response), step.line
    text = answer.content().decode()
    found = json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text
    about = f"{step.line} {step.body[:300]!r}"
    assert (answer.status, masked(found, step.expected)) == (step.status, step.expected), about
    assert answer.headers.get("Warning") == step.warning, about


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.txt")))
def test_the_server_answers_as_kubernetes_does(name: str) -> None:
    async def test(world: World) -> None:
        known = list(steps((HERE / f"{name}.txt").read_text()))
        assert any(step.status for step in known)
        for step in known:
            await asyncio.sleep(0.1)  # virtual; what the server tidies is tidy by then
            await follow(world, step)

    run(test)
