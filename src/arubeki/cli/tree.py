"""`tree`: an object and what belongs to it, followed by owner references.

Each line shows the columns that say how the object fares, as the server's tables name them.

Outside the ring: [you > **cli** > client].
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from arubeki.cli.failures import Misuse
from arubeki.cli.output import print_rows
from arubeki.cli.session import TABLE, Session, run
from arubeki.cli.targets import split
from arubeki.client.discovery import Served
from arubeki.errors import Forbidden, MethodNotAllowed, NotFound

_QUIET = {"Name", "Age", "Created At", "Labels", "Since"}
"""Columns that say nothing about how an object fares."""

Found = tuple[Served, dict[str, Any], str]


def tree(options: Any) -> int:
    """Show an object and its dependents."""
    pairs = split(options.what)
    if len(pairs) != 1 or not pairs[0][1]:
        raise Misuse("say which one: KIND/NAME")
    ((word, name),) = pairs
    return run(lambda session, _: _tree(session, word, name), options)


async def _tree(session: Session, word: str, name: str) -> int:
    served = await session.find(word)
    namespace = session.namespace if served.kind.namespaced else ""
    table = await session.json(
        "GET", served.kind.path(namespace, name), {"includeObject": "Metadata"}, headers=TABLE
    )
    root = next(_found(served, table))
    dependents = await _dependents(session, namespace)
    print_rows([], list(_lines(root, dependents)))
    return 0


async def _dependents(session: Session, namespace: str) -> dict[str, list[Found]]:
    """Return what is owned, by the uid of its owner; in all namespaces for a cluster-wide root."""
    kinds = [
        one
        for one in await session.client.discovery.served()
        if "list" in one.verbs and (one.kind.namespaced or not namespace)
    ]
    tables = await asyncio.gather(*(_list(session, one, namespace) for one in kinds))
    owned: dict[str, list[Found]] = defaultdict(list)
    seen: set[str] = set()
    for served, table in zip(kinds, tables, strict=True):
        for one in _found(served, table):
            metadata = one[1]
            if metadata.get("uid") in seen:
                continue  # served under two groups, as events are
            seen.add(metadata.get("uid", ""))
            for owner in metadata.get("ownerReferences") or ():
                owned[owner.get("uid", "")].append(one)
    return owned


async def _list(session: Session, served: Served, namespace: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await session.json(
            "GET", served.kind.path(namespace), headers=TABLE
        )
    except (NotFound, Forbidden, MethodNotAllowed):
        return {}  # what may not be seen is not shown
    return found


def _found(served: Served, table: dict[str, Any]) -> Iterator[Found]:
    definitions = table.get("columnDefinitions") or []
    telling = [
        (index, one["name"])
        for index, one in enumerate(definitions)
        if not one.get("priority") and one["name"] not in _QUIET
    ]
    for row in table.get("rows") or ():
        cells = [(head, row["cells"][index]) for index, head in telling]
        state = "  ".join(f"{head} {cell}" for head, cell in cells if cell not in (None, ""))
        yield served, row["object"]["metadata"], state


def _lines(root: Found, owned: dict[str, list[Found]]) -> Iterator[tuple[str, str]]:
    """Yield (branch, state) of every line, each object once."""
    shown: set[str] = set()

    def walk(one: Found, head: str, below: str) -> Iterator[tuple[str, str]]:
        served, metadata, state = one
        shown.add(metadata.get("uid", ""))
        ending = "  (being deleted)" if metadata.get("deletionTimestamp") else ""
        yield f"{head}{served.kind.kind}/{metadata['name']}", state + ending
        children = [
            child for child in owned.get(metadata.get("uid", ""), ())
            if child[1].get("uid") not in shown
        ]  # fmt: skip
        children.sort(key=lambda child: (child[0].kind.kind, child[1]["name"]))
        for index, child in enumerate(children):
            last = index == len(children) - 1
            yield from walk(
                child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
            )

    return walk(root, "", "")
