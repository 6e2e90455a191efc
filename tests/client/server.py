"""A small API in memory: one kind, kept well enough to try a client's verbs on."""

import json
from typing import Any
from urllib.parse import parse_qs

from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.client.transport import InProcessTransport
from arubeki.errors import AlreadyExists, Conflict, Expired, MethodNotAllowed, NotFound
from arubeki.net.message import Chunk, Request, Response, Stream, User

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
ROOT = "/api/v1/namespaces/"


class Small:
    """ConfigMaps by namespace and name; remembers every request."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[Request] = []
        self.revision = 0
        self.refusals: list[Response] = []
        self.lines: list[bytes] = []
        self.is_cut = False
        self.expired_pages = 0

    def client(self) -> Client:
        return Client(InProcessTransport(self, User("tester")), manager="tester")

    def put(self, namespace: str, name: str, **fields: Any) -> dict[str, Any]:
        self.revision += 1
        metadata = {"name": name, "namespace": namespace, "resourceVersion": str(self.revision)}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}
        self.objects[namespace, name] = obj
        return obj

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def said(self) -> dict[str, str]:
        """The options of the last request."""
        return {name: values[0] for name, values in parse_qs(self.last.query).items()}

    async def __call__(self, request: Request) -> Response | Stream:
        self.requests.append(request)
        if self.refusals:
            return self.refusals.pop(0)
        if "watch=true" in request.query:
            return Stream(self._watched, lambda: None)
        if request.path.endswith("/log"):
            return Response(200, {"content-type": "text/plain"}, [b"one\n", b"two\n"])
        if request.path == "/api/v1/configmaps":
            return self._list("", request)
        if not request.path.startswith(ROOT):
            raise NotFound("the server could not find the requested resource")
        namespace, _, *rest = request.path.removeprefix(ROOT).split("/")
        if not rest:
            return self._collection(namespace, request)
        return self._object(namespace, rest[0], request)

    def _watched(self, sink: Any) -> None:
        for line in self.lines:
            sink.write(Chunk(line))
        if self.is_cut:
            sink.abort()
        else:
            sink.close()

    def _collection(self, namespace: str, request: Request) -> Response:
        if request.method == "GET":
            return self._list(namespace, request)
        if request.method == "DELETE":
            for key in [key for key in self.objects if key[0] == namespace]:
                del self.objects[key]
            return _json(200, {"kind": "Status", "status": "Success"})
        obj = json.loads(request.body)
        name = obj["metadata"]["name"]
        if (namespace, name) in self.objects:
            raise AlreadyExists(f'configmaps "{name}" already exists')
        return _json(201, self.put(namespace, name, **_fields(obj)))

    def _list(self, namespace: str, request: Request) -> Response:
        options = request.parameters()
        items = [
            value for key, value in self.objects.items() if key[0] == namespace or not namespace
        ]
        start = int(options.get("continue", ["0"])[0])
        end = start + int(options.get("limit", ["1000"])[0])
        if start and self.expired_pages:
            self.expired_pages -= 1
            raise Expired("The provided continue parameter is too old")
        bare = [
            {k: v for k, v in each.items() if k not in ("apiVersion", "kind")} for each in items
        ]
        metadata = {"resourceVersion": str(self.revision)}
        if end < len(items):
            metadata["continue"] = str(end)
        listed = {"kind": "ConfigMapList", "metadata": metadata, "items": bare[start:end]}
        return _json(200, listed)

    def _object(self, namespace: str, name: str, request: Request) -> Response:
        found = self.objects.get((namespace, name))
        if found is None and request.method != "PATCH":
            raise NotFound(f'configmaps "{name}" not found', details={"name": name})
        if request.method == "GET":
            return _json(200, found)
        if request.method == "DELETE":
            del self.objects[namespace, name]
            if found and found["metadata"].get("finalizers"):
                return _json(200, found)
            return _json(200, {"kind": "Status", "status": "Success"})
        body = json.loads(request.body)
        if request.method == "PUT":
            assert found is not None
            if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                raise Conflict("the object has been modified")
            return _json(200, self.put(namespace, name, **_fields(body)))
        if request.method == "PATCH":
            fields = body if isinstance(body, dict) else {}
            return _json(200, self.put(namespace, name, **_fields(fields)))
        raise MethodNotAllowed("no")


def _fields(obj: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}


def _json(status: int, value: Any) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(value).encode())
