"""What the field's clients were seen to send gets the answers that a real server gives.

`traffic/*.txt` holds requests of kubectl 1.32 and of five Python libraries, as recorded, in order: the
request, what it accepts and sends, its body, and of the answer what the client needs: status, media
type, kind and name (or why it failed). A body in protobuf stands as base64. `{revision}` is the last
revision that was answered.

A part between two headings is one command of kubectl or one program; they share a server.
"""

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest

from arubeki.net.message import Request, Response, Stream
from tests.server.support import ADMIN, Reader, World, run

HERE = Path(__file__).parent / "traffic"
_ACCEPTED = {
    "-": "",
    "ANY": "*/*",
    "JSON": "application/json",
    "JSON-ANY": "application/json, */*",
    "PROTOBUF": "application/vnd.kubernetes.protobuf,application/json",
    "DISCOVERY": ",".join(
        f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        for version in ("v2", "v2beta1")
    )
    + ",application/json",
    "TABLE": ",".join(
        f"application/json;as=Table;v={version};g=meta.k8s.io" for version in ("v1", "v1beta1")
    ),
    "OPENAPI-V2": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
}
_REVISION = re.compile(r'"resourceVersion":"(\d+)"')


class Exchange(NamedTuple):
    method: str
    target: str
    accept: str
    media_type: str
    body: str
    status: int
    needed: list[str]


def exchanges(text: str) -> Iterator[Exchange]:
    for block in re.split(r"\n(?=[A-Z]+ /)", text):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not lines or lines[0].startswith(" "):
            continue
        (method, target), (_, accept, _, media_type), *body, answer = (
            lines[0].split(" "), lines[1].split(), *lines[2:-1], lines[-1].split(),
        )  # fmt: skip
        sent = body[0].strip() if body else ""
        yield Exchange(method, target, accept, media_type, sent, int(answer[0]), answer[1:])


async def follow(world: World, one: Exchange, revision: str) -> str:
    """Send a request, compare the answer, and return the revision that is known now."""
    method, body = one.method, one.body.replace("{revision}", revision).encode()
    path, _, query = one.target.replace("{revision}", revision).partition("?")
    headers = {"user-agent": "kubectl/v1.32.4", "accept": _ACCEPTED[one.accept]}
    if one.media_type == "protobuf":
        headers["content-type"] = "application/vnd.kubernetes.protobuf"
        body = base64.b64decode(one.body)
    elif one.media_type not in ("-", "(none)"):
        headers["content-type"] = f"application/{one.media_type}"
    answer = await world.app(Request(method, unquote(path), query, headers, body, ADMIN))
    if isinstance(answer, Stream):
        reader = Reader()
        answer.opened(reader)
        await asyncio.sleep(0)
        answer.closed()
        assert one.status == 200, one
        assert "ERROR" not in reader.types(), one
        return revision
    assert isinstance(answer, Response), one
    text = answer.content().decode()
    assert [answer.status, *facts(one, answer, text)] == [one.status, *one.needed], (one, text)
    found = _REVISION.search(text)
    return found[1] if found and answer.status < 300 else revision


def facts(one: Exchange, answer: Response, text: str) -> list[str]:
    """Return what the client needs to know: the media type, the kind, and the name or the reason."""
    media_type = answer.headers["Content-Type"].replace("application/", "").replace(" ", "")
    if not media_type.startswith("json"):
        return [media_type]
    found = json.loads(text)
    kind = found.get("kind", "")
    if kind == "Status":
        return [media_type, kind, *([found["reason"]] if found["status"] == "Failure" else [])]
    name = found.get("metadata", {}).get("name", "") if one.method != "DELETE" else ""
    return [word for word in (media_type, kind, name) if word]


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.txt")))
def test_recorded_clients_notice_no_difference(name: str) -> None:
    async def test(world: World) -> None:
        revision = "1"
        known = list(exchanges((HERE / f"{name}.txt").read_text()))
        assert len(known) > 30
        for one in known:
            revision = await follow(world, one, revision)

    run(test)
