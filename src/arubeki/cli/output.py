"""Objects as text: tables as the server makes them, JSON, YAML, names.

Outside the ring.
"""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from arubeki.api import documents
from arubeki.client.discovery import Served

_GAP = 3
_LEAST = 6
"""A column's least width with its gap. Source: cli-runtime printers/tabwriter.go."""


class Table:
    """Prints rows in columns, as kubectl does: upper-case heads, three spaces between."""

    def __init__(
        self,
        *,
        wide: bool = False,
        heads: bool = True,
        kinds: bool = False,
        labels: bool = False,
    ) -> None:
        """`kinds` puts each row's kind before its name, for output of several kinds."""
        self.wide = wide
        self.heads = heads
        self.kinds = kinds
        self.labels = labels

    def show(self, table: dict[str, Any], served: Served, *, namespaces: bool = False) -> None:
        """Print a `Table` of the server."""
        definitions = table.get("columnDefinitions") or []
        shown = [
            index for index, one in enumerate(definitions) if self.wide or not one.get("priority")
        ]
        rows = []
        for row in table.get("rows") or ():
            cells = [_cell(row["cells"][index]) for index in shown]
            metadata = (row.get("object") or {}).get("metadata") or {}
            if self.kinds and cells:
                cells[0] = f"{served.label}/{cells[0]}"
            if namespaces:
                cells.insert(0, metadata.get("namespace") or "")
            if self.labels:
                found = metadata.get("labels") or {}
                pairs = ",".join(f"{key}={value}" for key, value in sorted(found.items()))
                cells.append(pairs or "<none>")
            rows.append(cells)
        heads = [str(definitions[index]["name"]).upper() for index in shown]
        if namespaces:
            heads.insert(0, "NAMESPACE")
        if self.labels:
            heads.append("LABELS")
        print_rows(heads if self.heads else [], rows)


def print_rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads (none: no heads), columns aligned."""
    lines = [list(heads), *map(list, rows)] if heads else [list(row) for row in rows]
    if not lines:
        return
    widths = [
        max(_LEAST, max(len(line[index]) for line in lines) + _GAP)
        for index in range(len(lines[0]))
    ]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("".join(padded).rstrip())
    sys.stdout.flush()


def print_object(obj: Any, form: str, *, managed: bool = False) -> None:
    """Print an object as `json` or `yaml`; without managed fields unless `managed`."""
    plain = obj if managed else _without_managed_fields(obj)
    if form == "json":
        print(msgspec.json.format(msgspec.json.encode(plain), indent=4).decode())
    else:
        print(documents.dump(plain), end="")
    sys.stdout.flush()


def print_objects(
    objects: Sequence[Any], form: str, *, whole: bool = False, managed: bool = False
) -> None:
    """Print objects as a `List`; one alone as itself, unless `whole`."""
    if len(objects) == 1 and not whole:
        print_object(objects[0], form, managed=managed)
        return
    items = [one if managed else _without_managed_fields(one) for one in objects]
    head = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
    print_object(head, form, managed=True)


def _without_managed_fields(obj: Any) -> Any:
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    return {**obj, "metadata": kept}


def _cell(value: Any) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("\n", "\\n")
