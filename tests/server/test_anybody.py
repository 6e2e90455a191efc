"""No body, however odd, makes the server fail: it is refused in words, or taken.

Bodies are drawn from the schema of each kind that is served, then spoilt here and there; they go to
every verb and subresource, in every language of patches.
"""

import json
import random
from typing import Any

import pytest

from arubeki.api.schema import Schema
from arubeki.net.message import Request, Response, Stream
from arubeki.server.resources import Resource
from tests.server.support import ADMIN, World, run

BODIES = 2
"""Drawn for each verb and path."""
_ODD = (None, True, 0, -1, 1.5, 1 << 70, "", "x", "\0", "ä" * 300, [], {}, [None], {"": None}, [[]])
_TEXTS = ("a", "b", "1", "10%", "TCP", "a/b", "2020-01-01T00:00:00Z", "100m", "In", "None", "a.b.c")
_PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml")
_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test", "x")
_NAME = "o"


class Drawing:
    """Draws values from a schema."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.spoilt = 0.0

    def value(self, schema: Schema | None, depth: int = 0) -> Any:
        chance = self.chance
        if schema is None or chance.random() < self.spoilt:
            return chance.choice(_ODD)
        if schema.properties:
            share = 0.6 if depth < 2 else 0.3
            return {
                name: self.value(below, depth + 1)
                for name, below in schema.properties.items()
                if chance.random() < share and depth < 9
            }
        if schema.items is not None:
            return [self.value(schema.items, depth + 1) for _ in range(chance.randrange(3))]
        if schema.additional is not None and not isinstance(schema.additional, bool):
            return {one: self.value(schema.additional, depth + 1) for one in ("a", "b")}
        kind = schema.type
        if schema.enum:
            return chance.choice(schema.enum)
        if kind == "boolean":
            return chance.random() < 0.5
        if kind in ("integer", "number"):
            return chance.choice((0, 1, 80, -1, 1 << 31))
        return chance.choice(_TEXTS)

    def body(self, resource: Resource, schema: Schema | None, api_version: str, kind: str) -> Any:
        self.spoilt = self.chance.choice((0.0, 0.002, 0.01, 0.05))
        found = self.value(schema)
        if isinstance(found, dict) and self.chance.random() < 0.9:
            found |= {"apiVersion": api_version, "kind": kind}
            metadata = found.get("metadata")
            metadata = metadata if isinstance(metadata, dict) else {}
            found["metadata"] = {**metadata, "name": _NAME}
            for name in ("uid", "namespace", "resourceVersion", "deletionTimestamp", "finalizers"):
                found["metadata"].pop(name, None)
        return found

    def patch(self, language: str, body: Any) -> Any:
        if language != "json-patch+json":
            return body
        paths = ["/" + one for one in body] if isinstance(body, dict) else [""]
        return [
            {
                "op": self.chance.choice(_OPERATIONS),
                "path": self.chance.choice([*paths, "", "/metadata/labels/-", "/spec/0", "x"]),
                "from": self.chance.choice([*paths, "/metadata"]),
                "value": self.chance.choice([*_ODD, body]),
            }
            for _ in range(self.chance.randrange(4))
        ]


def schema_of(world: World, resource: Resource, name: str) -> tuple[Schema | None, str, str]:
    """Return what a subresource's bodies look like."""
    if not name:
        return resource.schema, resource.api_version, resource.kind
    gvk = resource.subresources[name].gvk
    other = world.app.registry.kind(gvk)
    schema = other.schema if other is not None else None
    return (schema or resource.schema), gvk.api_version, gvk.kind


async def bother(world: World, resource: Resource, drawing: Drawing) -> int:
    """Send odd bodies everywhere below a resource; return how many."""
    base = "/api/v1" if not resource.group else f"/apis/{resource.api_version}"
    if resource.namespaced:
        base += "/namespaces/default"
    base += f"/{resource.plural}"
    sent = 0
    for subresource, verbs in (("", resource.verbs), *_subresources(resource)):
        schema, api_version, kind = schema_of(world, resource, subresource)
        path = f"{base}/{_NAME}" + (f"/{subresource}" if subresource else "")
        targets = [("create", "POST", path if subresource else base, "json")]
        targets += [("update", "PUT", path, "json"), ("update", "PUT", path, "yaml")]
        targets += [("patch", "PATCH", path, language) for language in _PATCHES]
        targets += [("delete", "DELETE", path, "json")]
        for verb, method, url, language in targets:
            if verb not in verbs:
                continue
            for _ in range(BODIES):
                body = drawing.body(resource, schema, api_version, kind)
                body = drawing.patch(language, body)
                query = "fieldManager=m" + drawing.chance.choice(("", "&dryRun=All"))
                headers = {"content-type": f"application/{language}"}
                raw = json.dumps(body).encode()
                answer = await world.app(Request(method, url, query, headers, raw, ADMIN))
                sent += 1
                _judge(answer, f"{method} {url} {language} {json.dumps(body)[:2000]}")
    return sent


def _subresources(resource: Resource) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, one.verbs) for name, one in sorted(resource.subresources.items())]


def _judge(answer: Response | Stream, about: str) -> None:
    if isinstance(answer, Stream):
        answer.closed()
        return
    assert answer.status < 500 or b"see the server's log" not in answer.content(), about


@pytest.mark.parametrize("seed", [1])
def test_no_body_makes_the_server_fail(seed: int) -> None:
    async def test(world: World) -> None:
        drawing = Drawing(seed)
        sent = 0
        for resource in world.app.registry.all():
            sent += await bother(world, resource, drawing)
        assert sent > 500

    run(test)
