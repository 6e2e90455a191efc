"""The writing verbs: create, apply, update, patch, delete.

On the ring: [reconcile > **client** > transport > HTTP].
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast, overload

import msgspec

from arubeki.api.objects import Kind
from arubeki.client.answers import is_status
from arubeki.client.discovery import Discovery
from arubeki.client.options import PATCH_TYPES, delete_options, query_text, selection
from arubeki.client.requests import Document, Requests, decoded, kind_of, named
from arubeki.errors import BadRequest
from arubeki.kinds.base import Dynamic, Object, encode

T = TypeVar("T", bound="Object | Dynamic")
Form = TypeVar("Form", bound="Object | dict[str, Any]")


class Writing(Requests):
    """The verbs that change something; each goes out under the client's `manager`."""

    manager: str
    discovery: Discovery

    async def create(
        self,
        obj: Form,
        *,
        kind: Kind | None = None,
        namespace: str = "",
        dry_run: bool = False,
    ) -> Form:
        """Create an object and return it as the server stored it.

        `namespace` is needed only for an object that does not name its own.
        """
        where, space, _ = await self._place(obj, kind, namespace)
        query = query_text(fieldManager=self.manager, dryRun=_dry(dry_run))
        return cast(Form, await self._send("POST", where.path(space), obj, where, query=query))

    async def apply(
        self,
        obj: Form,
        *,
        kind: Kind | None = None,
        force: bool = True,
        subresource: str = "",
        manager: str | None = None,
        dry_run: bool = False,
    ) -> Form:
        """Apply an object (server-side apply) and return the live one.

        Raises: Conflict without `force`, when another manager owns a field with another value.
        """
        where, space, name = await self._place(obj, kind)
        query = query_text(fieldManager=manager or self.manager, force=force, dryRun=_dry(dry_run))
        path = where.path(space, named(name, where), subresource)
        return cast(
            Form,
            await self._send(
                "PATCH", path, obj, where, query=query, media_type=PATCH_TYPES["apply"]
            ),
        )

    async def update(
        self,
        obj: Document,
        *,
        kind: Kind | None = None,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Document:
        """Replace an object. Dicts only: a typed object has lost the fields its class lacks.

        Raises: Conflict when its resourceVersion is not the current one.
        """
        if not isinstance(obj, dict):
            raise TypeError("a typed object is applied or patched, never put back")
        where, space, name = await self._place(obj, kind)
        query = query_text(fieldManager=self.manager, dryRun=_dry(dry_run))
        path = where.path(space, named(name, where), subresource)
        return cast(Document, await self._send("PUT", path, obj, where, query=query))

    @overload
    async def patch(
        self,
        kind: type[T],
        name: str,
        namespace: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        type: str = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> T: ...
    @overload
    async def patch(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        type: str = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Document: ...
    async def patch(
        self,
        kind: type[Any] | Kind,
        name: str,
        namespace: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        type: str = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Any:
        """Patch an object and return it. `type` is "merge", "json" (a list) or "strategic"."""
        where = kind_of(kind)
        query = query_text(fieldManager=self.manager, dryRun=_dry(dry_run))
        path = where.path(namespace, named(name, where), subresource)
        body = msgspec.json.encode(patch)
        content = await self.request(
            "PATCH", path, query=query, body=body, media_type=PATCH_TYPES[type]
        )
        return decoded(kind, content)

    @overload
    async def delete(
        self,
        kind: type[T],
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> T | None: ...
    @overload
    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> Document | None: ...
    async def delete(
        self,
        kind: type[Any] | Kind,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> Any:
        """Delete an object; return it if it stays for now (finalizers, grace), else None.

        With `uid` or `resource_version` only that very object is deleted. `propagation` is
        "Foreground", "Background" or "Orphan". Raises: NotFound, Conflict.
        """
        where = kind_of(kind)
        options = delete_options(
            uid=uid,
            resource_version=resource_version,
            grace_seconds=grace_seconds,
            propagation=propagation,
            dry_run=dry_run,
        )
        path = where.path(namespace, named(name, where))
        content = await self.request("DELETE", path, body=msgspec.json.encode(options))
        return None if is_status(content) else decoded(kind, content)

    async def delete_collection(
        self,
        kind: type[Any] | Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> None:
        """Delete all objects of a namespace ("": of all) that the selectors select."""
        options = delete_options(grace_seconds=grace_seconds, propagation=propagation)
        query = query_text(**selection(labels, fields))
        path = kind_of(kind).path(namespace)
        await self.request("DELETE", path, query=query, body=msgspec.json.encode(options))

    async def post(
        self,
        kind: type[Any] | Kind,
        name: str,
        namespace: str,
        subresource: str,
        body: Mapping[str, Any],
    ) -> Document:
        """Create a subresource that is a deed: `binding`, `eviction`, `token`; return the answer."""
        path = kind_of(kind).path(namespace, name, subresource)
        content = await self.request("POST", path, body=msgspec.json.encode(body))
        return cast(Document, msgspec.json.decode(content))

    async def _send(
        self,
        method: str,
        path: str,
        obj: Any,
        kind: Kind,
        *,
        query: str,
        media_type: str = "application/json",
    ) -> Any:
        """Send an object and return the answer in the form of the object."""
        if isinstance(obj, dict):
            obj = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
            result: type[Any] | Kind = type(obj) if isinstance(obj, Dynamic) else kind
            body = msgspec.json.encode(obj)
        else:
            result = type(obj)
            body = encode(obj)
        return decoded(
            result, await self.request(method, path, query=query, body=body, media_type=media_type)
        )

    async def _place(
        self, obj: Any, kind: Kind | None, namespace: str = ""
    ) -> tuple[Kind, str, str]:
        """Return an object's kind, namespace and name.

        Raises: BadRequest when a namespaced object does not say its namespace.
        """
        if isinstance(obj, dict):
            metadata = obj.get("metadata") or {}
            space, name = metadata.get("namespace") or "", metadata.get("name") or ""
            where = kind or getattr(type(obj), "KIND", None)
            if where is None:
                api_version, kind_name = obj.get("apiVersion"), obj.get("kind")
                if not api_version or not kind_name:
                    raise BadRequest("the object does not say its apiVersion and kind")
                where = await self.discovery.kind_of(api_version, kind_name)
        else:
            where, space, name = kind_of(type(obj)), obj.namespace, obj.name
        space = space or namespace
        if where.namespaced and not space:
            raise BadRequest(f'{where.kind} "{name}": the namespace is missing')
        return where, space, name


def _dry(dry_run: bool) -> str:
    return "All" if dry_run else ""
