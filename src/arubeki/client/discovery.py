"""What the server serves: from a kind to its URL.

The aggregated form tells everything in two requests. A server without it (before 1.27) is asked for
one group version at a time. What was learned is kept, and asked for again when a kind is missing: a
CustomResourceDefinition may have come since.

On the ring: [**client** > transport > HTTP].
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from arubeki.api.objects import Kind
from arubeki.client.answers import error_of
from arubeki.client.transport import Transport
from arubeki.errors import NotFound

# Source: KEP-3352, client-go discovery/discovery_client.go.
_ACCEPT = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


@dataclass(frozen=True, slots=True)
class Served:
    """A resource that the server serves."""

    kind: Kind
    verbs: frozenset[str] = frozenset()
    is_preferred: bool = True
    """Whether this is the version of its group that the server would rather be asked for."""
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def qualified(self) -> str:
        """Its name that is nobody else's: `deployments.apps`, or `pods`."""
        return f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural

    @property
    def label(self) -> str:
        """What stands before the name of an object: `deployment.apps`, or `pod`."""
        name = self.singular or self.kind.kind.lower()
        return f"{name}.{self.kind.group}" if self.kind.group else name

    def answers_to(self, word: str) -> bool:
        """Whether people mean this by `word`: plural, singular, kind or short name, in any case.

        A group may follow, whole or the beginning of it, or a version and a group: `deploy.apps`,
        `ingresses.networking`, `deployments.v1.apps`. Source: apimachinery meta/restmapper.go
        (ResourcesFor), client-go restmapper/shortcut.go.
        """
        name, _, rest = word.lower().partition(".")
        names = {self.kind.plural, self.singular, self.kind.kind.lower(), *self.short_names}
        if not name or name not in names:
            return False
        group, version = self.kind.group, self.kind.version
        return group.startswith(rest) or rest == f"{version}.{group}".rstrip(".")


class Discovery:
    """What one server serves, as far as it was asked."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._served: dict[tuple[str, str], Served] = {}
        self._is_whole = False
        self._lock = asyncio.Lock()

    async def kind_of(self, api_version: str, kind: str) -> Kind:
        """Return where a kind is served.

        Raises: NotFound when, asked just now, the server has no such kind.
        """
        found = self._served.get((api_version, kind))
        if found is None:
            before = self._served
            async with self._lock:
                if self._served is before:  # else someone else has just asked
                    await self._refresh()
            found = self._served.get((api_version, kind))
        if found is None:
            raise NotFound(f'the server has no kind "{kind}" in version "{api_version}"')
        return found.kind

    async def find(self, word: str) -> Served:
        """Return what people mean by a word such as `deploy`: the first that answers to it.

        Raises: NotFound.
        """
        for each in await self.served():
            if each.answers_to(word):
                return each
        raise NotFound(f'the server doesn\'t have a resource type "{word}"')

    async def served(self, *, refresh: bool = False) -> list[Served]:
        """Return everything that is served, in the server's order of groups and versions."""
        if refresh or not self._is_whole:
            async with self._lock:
                await self._refresh()
        return list(self._served.values())

    async def _refresh(self) -> None:
        served: dict[tuple[str, str], Served] = {}
        for root in ("/api", "/apis"):
            answer = await self._get(root)
            if str(answer.get("kind")) == "APIGroupDiscoveryList":
                found = _aggregated(answer)
            else:
                found = await self._one_by_one(root, answer)
            for each in found:
                served.setdefault((each.kind.api_version, each.kind.kind), each)
        self._served = served
        self._is_whole = True

    async def _one_by_one(self, root: str, answer: Mapping[str, Any]) -> list[Served]:
        """Ask for each group version that an answer of the old form names."""
        if root == "/api":
            versions = [(version, True) for version in answer.get("versions", ())]
        else:
            versions = [
                (each["groupVersion"], each == group.get("preferredVersion"))
                for group in answer.get("groups", ())
                for each in group.get("versions", ())
            ]
        found: list[Served] = []
        for version, is_preferred in versions:
            found += _listed(version, is_preferred, await self._get(f"{root}/{version}"))
        return found

    async def _get(self, path: str) -> dict[str, Any]:
        answer = await self._transport.request("GET", path, headers={"accept": _ACCEPT})
        content = answer.content()
        if answer.status != 200:
            raise error_of(answer.status, content, answer.headers)
        document: dict[str, Any] = msgspec.json.decode(content)
        return document


def _aggregated(answer: Mapping[str, Any]) -> list[Served]:
    """Return what an `APIGroupDiscoveryList` tells; the first version of a group is preferred."""
    found = []
    for group in answer.get("items", ()):
        group_name = (group.get("metadata") or {}).get("name") or ""
        for index, version in enumerate(group.get("versions", ())):
            for each in version.get("resources", ()):
                kind = each.get("responseKind") or {}
                found.append(
                    Served(
                        Kind(
                            group_name,
                            version["version"],
                            kind.get("kind") or "",
                            each["resource"],
                            each.get("scope") == "Namespaced",
                        ),
                        frozenset(each.get("verbs") or ()),
                        index == 0,
                        each.get("singularResource") or "",
                        tuple(each.get("shortNames") or ()),
                        tuple(each.get("categories") or ()),
                        tuple(sub["subresource"] for sub in each.get("subresources") or ()),
                    )
                )
    return found


def _listed(api_version: str, is_preferred: bool, answer: Mapping[str, Any]) -> list[Served]:
    """Return what an `APIResourceList` tells."""
    group, _, version = api_version.rpartition("/")
    resources = answer.get("resources") or ()
    return [
        Served(
            Kind(group, version, each["kind"], each["name"], bool(each.get("namespaced"))),
            frozenset(each.get("verbs") or ()),
            is_preferred,
            each.get("singularName") or "",
            tuple(each.get("shortNames") or ()),
            tuple(each.get("categories") or ()),
            tuple(
                sub["name"].partition("/")[2]
                for sub in resources
                if sub["name"].startswith(each["name"] + "/")
            ),
        )
        for each in resources
        if "/" not in each["name"]
    ]
