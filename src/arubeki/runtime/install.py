"""Bringing the kinds of apps into a cluster: their CustomResourceDefinitions, applied and served.

Beside the ring: before a manager starts.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from arubeki.client.client import Client
from arubeki.errors import ConfigError
from arubeki.kinds import apiextensions_v1 as apiextensions
from arubeki.kinds.crd import manifest
from arubeki.runtime.app import App

DEFINITION = apiextensions.CustomResourceDefinition.KIND
ESTABLISHED_SECONDS = 30.0
"""How long a definition may take to be served."""


def definitions(apps: Iterable[App]) -> list[dict[str, Any]]:
    """Return the CustomResourceDefinitions of the kinds that apps reconcile, own or watch."""
    return [manifest(kind) for kind in kinds_of(apps) if hasattr(kind, "SPEC")]


def kinds_of(apps: Iterable[App]) -> Iterator[Any]:
    """Give the classes that apps reconcile, own or watch, each once."""
    yield from dict.fromkeys(kind for app in apps for one in app.controllers for kind in one.kinds)


async def install(client: Client, apps: Iterable[App]) -> None:
    """Apply the CRDs of apps and wait until their kinds are served.

    Raises: Forbidden and any other ApiError; ConfigError when a kind is not served within 30 s.
    """
    for definition in definitions(apps):
        await client.apply(definition, kind=DEFINITION)
        await _established(client, definition["metadata"]["name"])


async def _established(client: Client, name: str) -> None:
    try:
        async with asyncio.timeout(ESTABLISHED_SECONDS):
            while True:
                found = await client.get(DEFINITION, name)
                conditions = (found.get("status") or {}).get("conditions") or ()
                if any(
                    one["type"] == "Established" and one["status"] == "True" for one in conditions
                ):
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ConfigError(f"the definition {name} was not established in time") from None
