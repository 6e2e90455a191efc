"""A connection to a cluster, as the verbs of the command line use it.

Everything is asked of the server: which kinds there are (discovery), how they look as rows (tables).
So a kind that this program has never heard of is shown as well as a Pod.

Outside the ring: [you > **cli** > client].
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from arubeki.api.objects import Kind
from arubeki.client import config
from arubeki.client.answers import error_of, watch_lines
from arubeki.client.client import Client
from arubeki.client.discovery import Served
from arubeki.client.https import HttpsTransport
from arubeki.client.options import query_text, selection
from arubeki.errors import ApiError, Expired, NotFound

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
"""Asks for objects as rows of a table, which the server lays out."""
_PAGE = 500
_ESTABLISHED_SECONDS = 5.0

Query = Mapping[str, str | int | bool | None]


class Session:
    """One command's connection."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def find(self, word: str) -> Served:
        """Return the kind that a word on the command line means. Raises: NotFound."""
        return await self.client.discovery.find(word)

    async def meant(self, word: str) -> list[Served]:
        """Return the kinds of a word, which may be a category such as `all`. Raises: NotFound."""
        served = await self.client.discovery.served()
        group = [one for one in served if word in one.categories and one.is_preferred]
        return group or [await self.find(word)]

    async def kind_of(self, obj: Mapping[str, Any], *, is_coming: bool = False) -> Served:
        """Return the kind of an object of a manifest.

        With `is_coming` its definition has just been applied, so it is waited for a little.
        Raises: NotFound.
        """
        named = (obj.get("apiVersion"), obj.get("kind"))
        loop = asyncio.get_running_loop()
        until = loop.time() + (_ESTABLISHED_SECONDS if is_coming else 0.0)
        is_stale = False
        while True:
            for one in await self.client.discovery.served(refresh=is_stale):
                if (one.kind.api_version, one.kind.kind) == named:
                    return one
            if loop.time() >= until:
                break
            await asyncio.sleep(0.1 if is_stale else 0)
            is_stale = True
        raise NotFound(
            f'no matches for kind "{named[1]}" in version "{named[0] or ""}"\n'
            "help: its CustomResourceDefinition must be applied first"
        )

    async def json(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        media_type: str = "application/json",
    ) -> dict[str, Any]:
        """Send a request and return the decoded answer. Raises: ApiError, TransportError."""
        content = await self.client.request(
            method,
            path,
            query=query_text(**(query or {})),
            body=body,
            media_type=media_type,
            headers=headers,
        )
        try:
            found = msgspec.json.decode(content or b"{}")
        except msgspec.DecodeError:
            found = None
        if not isinstance(found, dict):
            raise ApiError(f"{method} {path}: the server's answer is no object")
        return found

    async def object(
        self, kind: Kind, namespace: str, name: str, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        """Return an object, None when it is not there. Raises: ApiError, TransportError."""
        try:
            return await self.json("GET", kind.path(namespace, name), headers=headers)
        except NotFound as error:
            if not error.details.get("name"):
                raise  # the kind is missing, not the object
            return None

    async def pages(
        self,
        kind: Kind,
        namespace: str,
        *,
        labels: str = "",
        fields: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return a whole list, or its table, read in pages. Raises: ApiError, TransportError."""
        whole: dict[str, Any] = {}
        token, limit = "", _PAGE
        while True:
            query: Query = {**selection(labels, fields), "limit": limit, "continue": token}
            try:
                found = await self.json("GET", kind.path(namespace), query, headers=headers)
            except Expired:  # the pages have grown too old: once more, in one piece
                if not token:
                    raise
                whole, token, limit = {}, "", 0
                continue
            rows = "rows" if "rows" in found else "items"
            if whole:
                whole[rows] += found.get(rows) or []
            else:
                whole = {**found, rows: list(found.get(rows) or ())}
            token = (found.get("metadata") or {}).get("continue") or ""
            if not token:
                return whole

    async def watch(
        self, path: str, query: Query, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """Yield (type, object) of a watch, which is to be closed. Raises: ApiError, TransportError."""
        text = query_text(**query, watch=True)
        async with self.client.transport.stream("GET", path, query=text, headers=headers) as stream:
            if stream.status != 200:
                content = b"".join([piece async for piece in stream])
                raise error_of(stream.status, content, stream.headers)
            async for line in watch_lines(stream):
                yield line.type, msgspec.json.decode(line.object)


@asynccontextmanager
async def connected(options: Any) -> AsyncIterator[Session]:
    """Connect as the options `kubeconfig`, `context` and `namespace` say."""
    found = config.load(path=options.kubeconfig or None, context=options.context)
    namespace = getattr(options, "namespace", "") or found.namespace or "default"
    client = Client(HttpsTransport(found))
    try:
        yield Session(client, namespace)
    finally:
        await client.close()


def run(verb: Callable[[Session, Any], Coroutine[Any, Any, int]], options: Any) -> int:
    """Run one verb on a connection of its own and return the exit status."""

    async def main() -> int:
        async with connected(options) as session:
            return await verb(session, options)

    return asyncio.run(main())
