"""A connection to a cluster, as the verbs of the command line use it.

Everything is asked of the server: which kinds there are (discovery), how they look as rows (tables).
So a kind that this program has never heard of is shown as well as a Pod.

Outside the ring: [you > **cli** > client].
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from arubeki.api.objects import Kind
from arubeki.client import config
from arubeki.client.https import HttpsTransport
from arubeki.client.transport import Transport
from arubeki.errors import ApiError, ConfigError

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class Served:
    """A kind that the server has, under all the names it answers to."""

    kind: Kind
    singular: str
    short_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def qualified(self) -> str:
        """`deployments.apps`, or `pods`."""
        return f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural

    @property
    def label(self) -> str:
        """`deployment.apps`, or `pod`: what stands before the slash in `-o name`."""
        return f"{self.singular}.{self.kind.group}" if self.kind.group else self.singular

    def answers_to(self, word: str) -> bool:
        """Whether `word` (lower case) names this kind: plural, singular, short, or qualified."""
        names = {self.kind.plural, self.singular, self.kind.kind.lower(), *self.short_names}
        if word in names:
            return True
        name, _, rest = word.partition(".")
        if name not in (self.kind.plural, self.singular):
            return False
        return rest in (self.kind.group, f"{self.kind.version}.{self.kind.group}".rstrip("."))


class Session:
    """One command's connection."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self.transport = transport
        self.namespace = namespace
        self._served: list[Served] = []

    async def served(self) -> list[Served]:
        """Return every kind of the server, core first, each group's preferred version first."""
        if not self._served:
            for path in ("/api", "/apis"):
                found = await self.json("GET", path, headers={"accept": _DISCOVERY})
                self._served += _served(found)
        return self._served

    async def find(self, word: str) -> Served:
        """Return the kind that a word on the command line means. Raises: ConfigError."""
        for one in await self.served():
            if one.answers_to(word.lower()):
                return one
        raise ConfigError(f'the server doesn\'t have a resource type "{word}"')

    async def kind_of(self, obj: Mapping[str, Any]) -> Served:
        """Return the kind of an object of a manifest. Raises: ConfigError."""
        for again in (False, True):
            if again:
                self._served = []  # its definition may have come a moment ago, with this manifest
            for one in await self.served():
                if (one.kind.api_version, one.kind.kind) == (obj.get("apiVersion"), obj["kind"]):
                    return one
        raise ConfigError(
            f'no matches for kind "{obj["kind"]}" in version "{obj.get("apiVersion", "")}"; '
            "its CustomResourceDefinition must be applied first"
        )

    async def json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Any:
        """Send a request and return the decoded answer. Raises: ApiError, TransportError."""
        if body:
            headers = {"content-type": "application/json", **(headers or {})}
        response = await self.transport.request(
            method, path, query=urlencode(query or {}), headers=headers, body=body
        )
        content = response.content()
        try:
            found = msgspec.json.decode(content) if content else {}
        except msgspec.DecodeError:
            found = {"message": content.decode("utf-8", "replace").strip()}
        if response.status >= 400:
            raise ApiError.from_status(found if isinstance(found, dict) else {}, response.status)
        return found

    async def watch(
        self, path: str, query: Mapping[str, str | int], headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a watch. Raises: ApiError, TransportError."""
        text = urlencode({**query, "watch": "true"})
        async with self.transport.stream("GET", path, query=text, headers=headers) as stream:
            rest = b""
            async for piece in stream:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _event(msgspec.json.decode(line))
            if stream.status >= 400:
                raise ApiError.from_status(msgspec.json.decode(rest or b"{}"), stream.status)


@asynccontextmanager
async def connected(options: Any) -> AsyncIterator[Session]:
    """Connect as the options `kubeconfig`, `context` and `namespace` say."""
    found = config.load(path=options.kubeconfig or None, context=options.context)
    namespace = getattr(options, "namespace", "") or found.namespace or "default"
    transport = HttpsTransport(found)
    try:
        yield Session(transport, namespace)
    finally:
        await transport.close()


def run(
    verb: Callable[[Session, Any], Coroutine[Any, Any, int]],
    options: Any,
) -> int:
    """Run one verb on a connection of its own and return the exit status."""

    async def main() -> int:
        async with connected(options) as session:
            return await verb(session, options)

    return asyncio.run(main())


def split(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return (kind, name) pairs of `KIND NAME ...`, `KIND/NAME ...` or `KIND,KIND` ("" for all).

    Raises: ConfigError for a mixture.
    """
    if not words:
        raise ConfigError("say what: KIND, KIND NAME or KIND/NAME")
    if any("/" in word for word in words):
        pairs = [tuple(word.split("/", 1)) for word in words if "/" in word]
        if len(pairs) != len(words) or not all(kind and name for kind, name in pairs):
            raise ConfigError("there is no mixing KIND/NAME with KIND NAME")
        return [(kind, name) for kind, name in pairs]
    kinds, names = words[0].split(","), words[1:]
    return [(kind, name) for kind in kinds for name in (names or [""])]


def _event(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("type") == "ERROR":
        raise ApiError.from_status(event.get("object") or {})
    return event


def _served(document: dict[str, Any]) -> list[Served]:
    found = []
    for group in document.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():
            for one in version.get("resources") or ():
                response = one.get("responseKind") or {}
                kind = Kind(
                    group=name,
                    version=version["version"],
                    kind=response.get("kind", ""),
                    plural=one["resource"],
                    namespaced=one.get("scope") == "Namespaced",
                )
                found.append(
                    Served(
                        kind,
                        one.get("singularResource") or kind.kind.lower(),
                        tuple(one.get("shortNames") or ()),
                        tuple(one.get("verbs") or ()),
                        tuple(one.get("categories") or ()),
                    )
                )
    return found
