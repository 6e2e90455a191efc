"""A server without sockets, and short ways to ask it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from arubeki import clock
from arubeki.net.message import Chunk, Request, Response, Stream, User
from arubeki.server.access import Access
from arubeki.server.app import App
from arubeki.server.wire import stamp
from arubeki.storage.memory import MemoryStorage

ADMIN = User("admin", ("system:masters", "system:authenticated"))

Object = dict[str, Any]


class Reader:
    """A sink that keeps what it is sent, and may refuse to take it."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.is_closed = False
        self.is_aborted = False
        self.untaken = 0

    def write(self, chunk: Chunk) -> None:
        if not self.is_closed:
            self.chunks.append(chunk.data)

    def pending_bytes(self) -> int:
        return self.untaken

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    async def drain(self) -> None:
        pass

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)

    def events(self) -> list[Object]:
        return [json.loads(line) for line in self.data.splitlines()]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]


class Watching:
    """An open watch."""

    def __init__(self, stream: Stream) -> None:
        self.reader = Reader()
        self.stream = stream
        stream.opened(self.reader)

    async def events(self) -> list[Object]:
        """What has come until nothing more is on its way."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.reader.events()

    async def seen(self) -> list[tuple[str, str]]:
        """Type and name of each event."""
        return [
            (event["type"], event["object"].get("metadata", {}).get("name", ""))
            for event in await self.events()
        ]

    def stop(self) -> None:
        self.stream.closed()


class World:
    """A started server on an empty memory storage."""

    def __init__(self, **more: Any) -> None:
        self.storage = MemoryStorage(stamp)
        more.setdefault("access", Access())
        self.app = App(self.storage, **more)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: User | None = ADMIN,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Response:
        """Send a request; the query's names may end in `_` where Python has the word itself."""
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        text = urlencode({name.rstrip("_"): value for name, value in query.items()})
        request = Request(method, path, text, dict(headers or {}), raw, user)
        answer = await self.app(request)
        assert isinstance(answer, Response), "a stream where an answer was expected"
        return answer

    async def json(self, method: str, path: str, body: Any = None, **more: Any) -> Object:
        """Send a request that must succeed; return what it answers."""
        answer = await self.ask(method, path, body, **more)
        assert answer.status < 300, answer.content()
        return json.loads(answer.content())

    async def fails(
        self, code: int, method: str, path: str, body: Any = None, **more: Any
    ) -> Object:
        """Send a request that must fail with `code`; return the Status."""
        answer = await self.ask(method, path, body, **more)
        if answer.content() == b"404 page not found\n":  # not of the API at all
            return {"code": answer.status}
        status = json.loads(answer.content())
        assert answer.status == code, status
        assert status["kind"] == "Status"
        assert status["status"] == "Failure"
        assert status["code"] == code
        return status

    async def watch(self, path: str, **query: Any) -> Watching:
        text = urlencode({"watch": "1", **query})
        headers = query.pop("headers", {})
        answer = await self.app(Request("GET", path, text, headers, b"", ADMIN))
        assert isinstance(answer, Stream), answer
        return Watching(answer)

    async def patch(
        self, path: str, body: Any, kind: str = "merge-patch+json", **query: Any
    ) -> Object:
        headers = {"content-type": f"application/{kind}"}
        return await self.json("PATCH", path, body, headers=headers, **query)

    async def apply(self, path: str, body: Any, manager: str = "me", **query: Any) -> Object:
        return await self.patch(path, body, "apply-patch+yaml", fieldManager=manager, **query)


def run(test: Callable[[World], Awaitable[None]], **more: Any) -> None:
    """Run `test` against a started server, in virtual time."""

    async def main() -> None:
        world = World(**more)
        await world.app.start()
        try:
            await test(world)
        finally:
            await world.app.stop()

    clock.run_virtual(main())


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


def config_map(name: str, data: Mapping[str, str] | None = None, **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": dict(data or {"key": "value"}),
    }


def pod(name: str, **spec: Any) -> Object:
    container = {"name": "main", "image": "none", "command": ["true"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], **spec},
    }


def deployment(name: str, replicas: int = 1) -> Object:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "none"}]},
            },
        },
    }


def definition(**version: Any) -> Object:
    """Return the definition of Widgets: example.com/v1, with status and scale."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "replicas": {"type": "integer", "default": 1, "minimum": 0},
                    "color": {"type": "string"},
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    **version,
                }
            ],
        },
    }


def widget(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }
