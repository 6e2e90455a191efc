"""`get`: objects as rows, as JSON or YAML, once or as they change.

Outside the ring: [you > **cli** > client].
"""

import contextlib
import sys
from typing import Any

from arubeki.cli.failures import Misuse
from arubeki.cli.output import Table, print_object, print_objects
from arubeki.cli.session import TABLE, Query, Session, run
from arubeki.cli.targets import Target, said, targets
from arubeki.client.options import selection

_WHOLE = ("json", "yaml", "name")


def get(options: Any) -> int:
    """Show objects."""
    said(options)
    return run(_get, options)


async def _get(session: Session, options: Any) -> int:
    options.watch = options.watch or options.watch_only
    asked = await targets(session, options)
    if options.watch and (len(asked) != 1 or len(asked[0].names) > 1):
        raise Misuse("you may only watch a single resource or type of resource at a time")
    if options.output in _WHOLE:
        return await _get_objects(session, options, asked)
    several = len({one.served.qualified for one in asked}) > 1
    printer = Table(
        wide=options.output == "wide",
        heads=not options.no_headers,
        kinds=several or options.show_kind,
        labels=options.show_labels,
    )
    status = 0
    shown = False
    for target in asked:
        table, missing = await _table(session, options, target)
        status = status or missing
        if table.get("rows") and not options.watch_only:
            if shown and not options.no_headers:
                print()
            _show(printer, table, target)
            shown = True
        if options.watch and not missing:
            printer.heads = printer.heads and not shown
            await _watch_table(session, options, target, _version(table), printer)
    if not shown and not status and not options.ignore_not_found:
        within = any(one.namespace for one in asked)
        where = f" in {session.namespace} namespace." if within else ""
        print(f"No resources found{where}", file=sys.stderr)
    return status


def _show(printer: Table, table: dict[str, Any], target: Target) -> None:
    served, namespace, _ = target
    printer.show(table, served, namespaces=served.kind.namespaced and not namespace)


def _version(found: dict[str, Any]) -> str:
    return (found.get("metadata") or {}).get("resourceVersion") or ""


async def _table(session: Session, options: Any, target: Target) -> tuple[dict[str, Any], int]:
    """Return one table of all that is asked of a kind, and the exit status so far."""
    served, namespace, names = target
    if not names:
        labels, fields = options.selector, options.field_selector
        whole = await session.pages(
            served.kind, namespace, labels=labels, fields=fields, headers=TABLE
        )
        return whole, 0
    whole, status = {"rows": []}, 0
    for name in names:
        found = await session.object(served.kind, namespace, name, headers=TABLE)
        if found is not None:
            whole = {**found, "rows": whole["rows"] + found["rows"]}
        elif not options.ignore_not_found:
            status = _not_found(target, name)
    return whole, status


def _not_found(target: Target, name: str) -> int:
    print(f'error: {target.served.qualified} "{name}" not found', file=sys.stderr)
    return 1


def _watched(options: Any, target: Target, version: str) -> Query:
    fields = f"metadata.name={target.names[0]}" if target.names else options.field_selector
    return {**selection(options.selector, fields), "resourceVersion": version}


async def _watch_table(
    session: Session, options: Any, target: Target, version: str, printer: Table
) -> None:
    """Print a row for each change; the column names come with the first one only."""
    path = target.served.kind.path(target.namespace)
    definitions: list[Any] = []
    changes = session.watch(path, _watched(options, target, version), TABLE)
    async with contextlib.aclosing(changes):
        async for _, table in changes:
            definitions = table.get("columnDefinitions") or definitions
            _show(printer, {**table, "columnDefinitions": definitions}, target)
            printer.heads = False


async def _get_objects(session: Session, options: Any, asked: list[Target]) -> int:
    """Print objects whole, or their names."""
    found: list[tuple[Target, dict[str, Any]]] = []
    status, version = 0, ""
    for target in asked:
        served, namespace, names = target
        if not names:
            labels, fields = options.selector, options.field_selector
            listed = await session.pages(served.kind, namespace, labels=labels, fields=fields)
            identity = {"apiVersion": served.kind.api_version, "kind": served.kind.kind}
            found += [(target, {**identity, **one}) for one in listed["items"]]
            version = _version(listed)
        for name in names:
            live = await session.object(served.kind, namespace, name)
            if live is not None:
                found.append((target, live))
                version = _version(live)
            elif not options.ignore_not_found:
                status = _not_found(target, name)
    if not options.watch_only:
        _print(options, found, single=len(asked) == 1 and len(asked[0].names) == 1)
    if options.watch and not status:
        (target,) = asked
        path = target.served.kind.path(target.namespace)
        changes = session.watch(path, _watched(options, target, version))
        async with contextlib.aclosing(changes):
            async for kind, obj in changes:
                if kind != "BOOKMARK":
                    _print(options, [(target, obj)], single=True)
    return status


def _print(options: Any, found: list[tuple[Target, dict[str, Any]]], *, single: bool) -> None:
    managed = options.show_managed_fields
    if options.output == "name":
        for target, obj in found:
            print(f"{target.served.label}/{obj['metadata']['name']}", flush=True)
    elif single or options.watch:
        for _, obj in found:
            if options.watch and options.output == "yaml":
                print("---")
            print_object(obj, options.output, managed=managed)
    else:
        print_objects([obj for _, obj in found], options.output, whole=True, managed=managed)
