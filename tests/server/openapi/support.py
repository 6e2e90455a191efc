"""A described registry, and short ways to ask it."""

import asyncio
from typing import Any

import msgspec

from arubeki.net.message import Request, Response
from arubeki.server.builtin import built_in
from arubeki.server.custom.definitions import resources_of
from arubeki.server.openapi import OpenApi
from arubeki.server.resources import Registry, Resource

Object = dict[str, Any]
PROTOBUF_2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
PROTOBUF_3 = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"


def custom(schema: Object | None, *, kind: str = "Thing", **version: Any) -> list[Resource]:
    """Return what a definition of example.com makes the server serve."""
    names = {"kind": kind, "plural": f"{kind.lower()}s", "listKind": f"{kind}List"}
    return resources_of(
        {
            "metadata": {"name": f"{names['plural']}.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": names,
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                        **version,
                    }
                ],
            },
            "status": {
                "acceptedNames": names,
                "conditions": [{"type": "Established", "status": "True"}],
            },
        }
    )


class Described:
    """A registry with all that is built in and some custom kinds, asked over its documents."""

    def __init__(self, *customs: Resource) -> None:
        self.registry = Registry([*built_in(), *customs])
        self.openapi = OpenApi(self.registry)

    def ask(self, url: str, **headers: str) -> Response:
        """Return the answer to a GET; `_` in the names of headers stands for `-`."""
        path, _, query = url.partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = asyncio.run(self.openapi.answer(Request("GET", path, query, named)))
        assert answer is not None
        return answer

    def index(self) -> dict[str, str]:
        """Return the addresses of the v3 documents."""
        paths = msgspec.json.decode(self.ask("/openapi/v3").content())["paths"]
        return {key: one["serverRelativeURL"] for key, one in paths.items()}

    def document(self, key: str) -> Any:
        """Return a v3 document, or that of v2."""
        url = "/openapi/v2" if key == "v2" else f"/openapi/v3/{key}"
        return msgspec.json.decode(self.ask(url).content())


def references(value: Any) -> set[str]:
    """Return all that a document refers to."""
    if isinstance(value, list):
        return {one for item in value for one in references(item)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own | {one for item in value.values() for one in references(item)}
