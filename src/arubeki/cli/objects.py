"""`apply`, `get` and `delete`: the three verbs one cannot do without, for machines without kubectl.

Outside the ring: [you > **cli** > client].
"""

import asyncio
import sys
from typing import Any, NamedTuple

import msgspec

from arubeki.cli import manifests
from arubeki.cli.output import Table, print_object
from arubeki.cli.session import Served, Session, run, split
from arubeki.errors import ConfigError, NotFound

_TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
_PAGE = 500
_DELETE_SECONDS = 600
"""How long `delete` waits for objects to be gone."""


class Target(NamedTuple):
    """What the command line means: objects of a kind by name; no names: all of them."""

    served: Served
    namespace: str
    names: list[str]


def apply(options: Any) -> int:
    """Bring the objects of manifests into their described state, by server-side apply."""
    return run(_apply, options)


def get(options: Any) -> int:
    """Show objects."""
    return run(_get, options)


def delete(options: Any) -> int:
    """Delete objects."""
    return run(_delete, options)


async def _apply(session: Session, options: Any) -> int:
    query: dict[str, str | int] = {
        "fieldManager": options.field_manager,
        "fieldValidation": "Strict",
        "force": "true" if options.force_conflicts else "false",
    }
    if options.dry_run == "server":
        query["dryRun"] = "All"
    status = 0
    for obj in manifests.read(options.filename, recursive=options.recursive):
        served, namespace, name = await _placed(session, options, obj)
        path = served.kind.path(namespace, name)
        live = await _optional(session, path)
        found = await session.json(
            "PATCH",
            path,
            query,
            headers={"content-type": "application/apply-patch+yaml"},
            body=msgspec.json.encode(obj),
        )
        if options.output in ("json", "yaml"):
            print_object(found, options.output)
            continue
        line = f"{served.label}/{name}"
        if options.output != "name":
            line += f" {_done(live, found)}"
            line += " (server dry run)" if options.dry_run == "server" else ""
        print(line, flush=True)
    return status


def _done(live: dict[str, Any] | None, found: dict[str, Any]) -> str:
    if live is None:
        return "created"
    versions = (live["metadata"].get("resourceVersion"), found["metadata"].get("resourceVersion"))
    return "unchanged" if versions[0] == versions[1] else "configured"


async def _placed(session: Session, options: Any, obj: dict[str, Any]) -> tuple[Served, str, str]:
    """Return the kind, namespace and name of a manifest's object, the namespace filled in."""
    served = await session.kind_of(obj)
    metadata = obj.setdefault("metadata", {})
    name = metadata.get("name")
    if not name:
        raise ConfigError(f"a {obj['kind']} of the manifest has no metadata.name")
    if not served.kind.namespaced:
        return served, "", name
    asked = getattr(options, "namespace", "")
    own = metadata.setdefault("namespace", session.namespace)
    if asked and own != asked:
        raise ConfigError(
            f"the namespace of {served.label}/{name} is {own!r}, but --namespace says {asked!r}"
        )
    return served, own, name


async def _optional(session: Session, path: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = await session.json("GET", path)
        return found
    except NotFound:
        return None


async def _get(session: Session, options: Any) -> int:
    targets = await _targets(session, options)
    if options.watch and len(targets) != 1:
        raise ConfigError("you may only watch a single kind of object, or one object, at a time")
    if options.output in ("json", "yaml", "name"):
        return await _get_objects(session, options, targets)
    status = 0
    several = len({served.qualified for served, _, _ in targets}) > 1
    table = Table(wide=options.output == "wide", heads=not options.no_headers, kinds=several)
    shown = False
    for target in targets:
        served, namespace, names = target
        found = await _table(session, options, served, namespace, names)
        status = status or found[1]
        if found[0]["rows"]:
            if shown and several:
                print()
            _show(table, options, found[0], served, namespace)
            shown = True
        if options.watch:
            version = (found[0].get("metadata") or {}).get("resourceVersion") or ""
            await _watch_table(session, options, target, version, table)
    if not shown and not status:
        where = "" if options.all_namespaces else f" in {session.namespace} namespace"
        print(f"No resources found{where}.", file=sys.stderr)
    return status


def _show(
    table: Table, options: Any, found: dict[str, Any], served: Served, namespace: str
) -> None:
    everywhere = served.kind.namespaced and not namespace
    table.show(found, served, namespaces=everywhere, labels=options.show_labels)


async def _targets(session: Session, options: Any) -> list[Target]:
    """Return (kind, namespace, names) of what the command line means; no names: all."""
    if options.filename:
        placed = [
            await _placed(session, options, obj)
            for obj in manifests.read(options.filename, recursive=options.recursive)
        ]
        return [Target(served, namespace, [name]) for served, namespace, name in placed]
    targets: dict[str, Target] = {}
    everywhere = getattr(options, "all_namespaces", False)
    for word, name in split(options.what):
        for served in await _meant(session, word):
            if name and everywhere:
                raise ConfigError("a resource cannot be retrieved by name across all namespaces")
            namespace = session.namespace if served.kind.namespaced and not everywhere else ""
            known = targets.setdefault(served.qualified, Target(served, namespace, []))
            if name:
                known.names.append(name)
    return list(targets.values())


async def _meant(session: Session, word: str) -> list[Served]:
    """Return the kinds of a word, which may be a category such as `all`."""
    group = [one for one in await session.served() if word in one.categories]
    return group or [await session.find(word)]


def _selection(options: Any) -> dict[str, str | int]:
    query: dict[str, str | int] = {}
    if options.selector:
        query["labelSelector"] = options.selector
    if getattr(options, "field_selector", ""):
        query["fieldSelector"] = options.field_selector
    return query


async def _table(
    session: Session, options: Any, served: Served, namespace: str, names: list[str]
) -> tuple[dict[str, Any], int]:
    """Return one table of all that is asked of a kind, and the exit status so far."""
    if not names:
        return await _pages(session, served, namespace, _selection(options), _TABLE), 0
    whole: dict[str, Any] = {"columnDefinitions": [], "rows": []}
    status = 0
    for name in names:
        try:
            found = await session.json("GET", served.kind.path(namespace, name), headers=_TABLE)
        except NotFound as error:
            if not options.ignore_not_found:
                print(f"error: {error}", file=sys.stderr)
                status = 1
            continue
        whole["columnDefinitions"] = found["columnDefinitions"]
        whole["metadata"] = found.get("metadata")
        whole["rows"] += found["rows"]
    return whole, status


async def _pages(
    session: Session,
    served: Served,
    namespace: str,
    query: dict[str, str | int],
    headers: dict[str, str] | None,
) -> dict[str, Any]:
    """Return a whole list, or its table, in pages."""
    whole: dict[str, Any] = {}
    asked: dict[str, str | int] = {**query, "limit": _PAGE}
    while True:
        found = await session.json("GET", served.kind.path(namespace), asked, headers=headers)
        rows = "rows" if "rows" in found else "items"
        if whole:
            whole[rows] += found[rows]
        else:
            whole = {**found, rows: list(found.get(rows) or ())}
        token = (found.get("metadata") or {}).get("continue")
        if not token:
            return whole
        asked["continue"] = token


async def _watch_table(
    session: Session, options: Any, target: Target, version: str, table: Table
) -> None:
    served, namespace, names = target
    query = _selection(options)
    if names:
        query["fieldSelector"] = f"metadata.name={names[0]}"
    query["resourceVersion"] = version
    definitions: list[Any] = []
    table.heads = False
    async for event in session.watch(served.kind.path(namespace), query, _TABLE):
        found = event["object"]
        definitions = found.get("columnDefinitions") or definitions
        found["columnDefinitions"] = definitions
        _show(table, options, found, served, namespace)


async def _get_objects(session: Session, options: Any, targets: list[Target]) -> int:
    found: list[dict[str, Any]] = []
    status = 0
    for served, namespace, names in targets:
        if not names:
            listed = await _pages(session, served, namespace, _selection(options), None)
            identity = {"apiVersion": served.kind.api_version, "kind": served.kind.kind}
            found += [{**identity, **one} for one in listed["items"]]
            continue
        for name in names:
            live = await _optional(session, served.kind.path(namespace, name))
            if live is not None:
                found.append(live)
            elif not options.ignore_not_found:
                print(f'error: {served.qualified} "{name}" not found', file=sys.stderr)
                status = 1
    if options.output == "name":
        labels = {served.kind.gvk: served.label for served, _, _ in targets}
        by_kind = {(gvk.api_version, gvk.kind): label for gvk, label in labels.items()}
        for one in found:
            print(f"{by_kind[one['apiVersion'], one['kind']]}/{one['metadata']['name']}")
        return status
    single = len(targets) == 1 and len(targets[0].names) == 1
    if single and found:
        print_object(found[0], options.output)
    elif not single:
        print_object({"apiVersion": "v1", "kind": "List", "items": found}, options.output)
    return status


async def _delete(session: Session, options: Any) -> int:
    if options.force and options.grace_period not in (None, 0):
        raise ConfigError("--force and --grace-period greater than 0 cannot be said together")
    targets = await _targets(session, options)
    status = 0
    gone: list[tuple[str, str]] = []
    for served, namespace, names in targets:
        if not names:
            if not (options.all or options.selector):
                raise ConfigError("say which: a name, a selector with -l, or --all")
            listed = await _pages(session, served, namespace, _selection(options), None)
            names = [one["metadata"]["name"] for one in listed["items"]]
        for name in names:
            path = served.kind.path(namespace, name)
            try:
                found = await session.json("DELETE", path, body=_delete_options(options))
            except NotFound as error:
                if not options.ignore_not_found:
                    print(f"error: {error}", file=sys.stderr)
                    status = 1
                continue
            if options.output == "name":
                print(f"{served.label}/{name}", flush=True)
            else:
                print(f'{served.label} "{name}" deleted', flush=True)
            uid = (found.get("metadata") or {}).get("uid") or (found.get("details") or {}).get(
                "uid"
            )
            gone.append((path, uid or ""))
    if options.wait:
        async with asyncio.timeout(_DELETE_SECONDS):
            for path, uid in gone:
                await _until_gone(session, path, uid)
    return status


def _delete_options(options: Any) -> bytes:
    body: dict[str, Any] = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": options.cascade.capitalize(),
    }
    if options.force:
        body["gracePeriodSeconds"] = 0
    elif options.grace_period is not None:
        body["gracePeriodSeconds"] = options.grace_period
    return msgspec.json.encode(body)


async def _until_gone(session: Session, path: str, uid: str) -> None:
    """Wait until the object of that uid is no more; another of the same name does not count."""
    collection, _, name = path.rpartition("/")
    while True:
        live = await _optional(session, path)
        if live is None or (uid and live["metadata"].get("uid") != uid):
            return
        query: dict[str, str | int] = {
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": live["metadata"]["resourceVersion"],
        }
        async for event in session.watch(collection, query):
            if event["type"] == "DELETED":
                return
