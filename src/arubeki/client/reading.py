"""The reading verbs: get, list, watch, logs.

On the ring: [informer > **client** > transport > HTTP].
"""

import builtins
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar, overload

import msgspec

from arubeki.api.objects import Kind
from arubeki.client.answers import error_of, expired, page_of, watch_lines
from arubeki.client.options import query_text, selection
from arubeki.client.requests import ACCEPT_JSON, Document, Requests, decoded, kind_of, named
from arubeki.errors import ApiError, Expired
from arubeki.kinds.base import Dynamic, Object

T = TypeVar("T", bound="Object | Dynamic")

_POD = Kind("", "v1", "Pod", "pods")


class Reading(Requests):
    """The verbs that change nothing."""

    @overload
    async def get(
        self, kind: type[T], name: str, namespace: str = "", *, subresource: str = ""
    ) -> T: ...
    @overload
    async def get(
        self, kind: Kind, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Document: ...
    async def get(
        self, kind: type[Any] | Kind, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Any:
        """Return an object. A subresource of another kind (`scale`) is read with a `Kind`."""
        where = kind_of(kind)
        path = where.path(namespace, named(name, where), subresource)
        return decoded(kind, await self.request("GET", path))

    @overload
    async def list(
        self,
        kind: type[T],
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 500,
    ) -> builtins.list[T]: ...
    @overload
    async def list(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 500,
    ) -> builtins.list[Document]: ...
    async def list(
        self,
        kind: type[Any] | Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 500,
    ) -> builtins.list[Any]:
        """Return all objects of a namespace ("": of all), read in pages of `limit`."""
        items, _ = await self.list_raw(kind, namespace, labels=labels, fields=fields, limit=limit)
        return [decoded(kind, item) for item in items]

    async def list_raw(
        self,
        kind: type[Any] | Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 500,
    ) -> tuple[builtins.list[msgspec.Raw], str]:
        """Return all objects as their JSON, and the resourceVersion of the list.

        When the pages expire while they are read, all is read again in one piece, as client-go's
        pager does. Source: client-go tools/pager/pager.go.
        """
        path = kind_of(kind).path(namespace)
        items: builtins.list[msgspec.Raw] = []
        token = ""
        while True:
            query = query_text(
                limit=limit or None, **{"continue": token}, **selection(labels, fields)
            )
            try:
                page = page_of(await self.request("GET", path, query=query))
            except Expired:
                if not token:
                    raise
                items, token, limit = [], "", 0
                continue
            items += page.items or ()
            before, token = token, page.metadata.continue_ or ""
            if not token:
                return items, page.metadata.resourceVersion or ""
            if token == before:
                raise ApiError(f"{path}: the server's list leads from a page to the same page")

    async def watch_raw(
        self,
        kind: type[Any] | Kind,
        namespace: str = "",
        *,
        resource_version: str = "",
        send_initial_events: bool = False,
        labels: str = "",
        fields: str = "",
        timeout_seconds: int = 0,
    ) -> AsyncIterator[tuple[str, msgspec.Raw]]:
        """Yield (type, object) of each change after `resource_version`, until the server ends it.

        Types are ADDED, MODIFIED, DELETED, BOOKMARK. With `send_initial_events` the present objects
        come first, ended by a bookmark with the annotation `k8s.io/initial-events-end`.

        Raises: Expired when the version is too old (list again); WatchBroken when the stream is cut
        off (resume); another ApiError when the server refuses.
        """
        query = query_text(
            watch=True,
            allowWatchBookmarks=True,
            resourceVersion=resource_version,
            sendInitialEvents=send_initial_events,
            resourceVersionMatch="NotOlderThan" if send_initial_events else "",
            timeoutSeconds=timeout_seconds or None,
            **selection(labels, fields),
        )
        path = kind_of(kind).path(namespace)
        async with self.transport.stream(
            "GET", path, query=query, headers=ACCEPT_JSON
        ) as streaming:
            if streaming.status != 200:
                content = b"".join([piece async for piece in streaming])
                raise expired(error_of(streaming.status, content, streaming.headers))
            async for line in watch_lines(streaming):
                yield line.type, line.object

    async def logs(
        self,
        name: str,
        namespace: str,
        *,
        container: str = "",
        follow: bool = False,
        previous: bool = False,
        tail_lines: int | None = None,
        since_seconds: int | None = None,
        since_time: str = "",
        limit_bytes: int | None = None,
        timestamps: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """Yield a Pod's output in pieces; with `follow` as it is written, until the container ends."""
        query = query_text(
            container=container,
            follow=follow,
            previous=previous,
            tailLines=tail_lines,
            sinceSeconds=since_seconds,
            sinceTime=since_time,
            limitBytes=limit_bytes,
            timestamps=timestamps,
        )
        path = _POD.path(namespace, name, "log")
        async with self.transport.stream("GET", path, query=query) as streaming:
            if streaming.status != 200:
                content = b"".join([piece async for piece in streaming])
                raise error_of(streaming.status, content, streaming.headers)
            async for piece in streaming:
                yield piece
