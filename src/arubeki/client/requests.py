"""One request and its answer, and what all verbs have in common.

A server that asks for patience (429, or any failure with `Retry-After`) gets some, within a bound;
what else fails is the caller's to judge.

On the ring: [informer > **client** > transport > HTTP].
"""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from arubeki.api.objects import Kind
from arubeki.client.answers import error_of, retry_after_seconds
from arubeki.client.transport import Transport
from arubeki.errors import BadRequest, ConfigError
from arubeki.kinds.base import decode

Document: TypeAlias = dict[str, Any]

ACCEPT_JSON: Mapping[str, str] = {"accept": "application/json"}

PATIENCE_TRIES = 10
"""How often a request is sent again because the server asked for it. Source: client-go request.go."""
PATIENCE_SECONDS = 60
"""The longest wait between two tries that a server may ask for; a longer one is an error."""


class Requests:
    """What sends requests through a transport."""

    transport: Transport

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send a request and return the body of its answer.

        Raises: ApiError when the server refuses; TransportError when no answer came.
        """
        sent = {**ACCEPT_JSON, **(headers or {})}
        if body:
            sent["content-type"] = media_type
        for tries in range(PATIENCE_TRIES + 1):
            answer = await self.transport.request(
                method, path, query=query, headers=sent, body=body
            )
            if answer.status < 400:
                break
            seconds = retry_after_seconds(answer.headers)
            if not seconds or seconds > PATIENCE_SECONDS or tries == PATIENCE_TRIES:
                raise error_of(answer.status, answer.content(), answer.headers)
            await asyncio.sleep(seconds)
        return answer.content()


def kind_of(kind: type[Any] | Kind) -> Kind:
    """Return where a kind is served. Raises: ConfigError for a class that does not say."""
    found = kind if isinstance(kind, Kind) else getattr(kind, "KIND", None)
    if not isinstance(found, Kind):
        raise ConfigError(f"{kind!r} is no kind: neither a Kind nor a class with KIND")
    return found


def named(name: str, kind: Kind) -> str:
    """Return `name`. Raises: BadRequest without one: the path would mean all objects."""
    if not name:
        raise BadRequest(f"{kind.kind}: the name is missing")
    return name


def decoded(kind: type[Any] | Kind, data: bytes | msgspec.Raw) -> Any:
    """Return an object in the form that `kind` asks for; items of lists learn their kind."""
    if not isinstance(kind, Kind) and not issubclass(kind, dict):
        return decode(kind, data)
    obj = msgspec.json.decode(data)
    if not isinstance(obj, dict):
        raise BadRequest("the server's answer is no object")
    if "kind" not in obj:
        where = kind_of(kind)
        obj = {"apiVersion": where.api_version, "kind": where.kind, **obj}
    return obj if isinstance(kind, Kind) else kind(obj)
