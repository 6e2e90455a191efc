"""Objects as text: tables as the server makes them, JSON, YAML, names.

Outside the ring.
"""

import re
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from arubeki.client.discovery import Served

_GAP = 3
_LEAST = 6
"""A column's least width with its gap. Source: cli-runtime printers/tabwriter.go."""
# What Go takes for a number or a truth value and PyYAML does not.
_ODD = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[yYnN]")


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
        self._widths: list[int] = []

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
        # Rows that come later, in a watch, stand below those that came before.
        self._widths = print_rows(heads if self.heads else [], rows, self._widths)


def print_rows(
    heads: Sequence[str], rows: Sequence[Sequence[str]], least: Sequence[int] = ()
) -> list[int]:
    """Print rows under their heads (none: no heads), columns aligned and at least so wide.

    Returns the widths.
    """
    lines = [list(heads), *map(list, rows)] if heads else [list(row) for row in rows]
    if not lines:
        return list(least)
    known = [*least, *[_LEAST] * len(lines[0])]
    widths = [
        max(known[index], max(len(line[index]) for line in lines) + _GAP)
        for index in range(len(lines[0]))
    ]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("".join(padded).rstrip())
    sys.stdout.flush()
    return widths


def print_object(obj: Any, form: str, *, managed: bool = False) -> None:
    """Print an object as `json` or `yaml`; without managed fields unless `managed`."""
    plain = obj if managed else _without_managed_fields(obj)
    if form == "json":
        text = msgspec.json.encode(plain, order="deterministic")
        print(msgspec.json.format(text, indent=4).decode())
    else:
        print(_yaml(plain), end="")
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


def _yaml(value: Any) -> str:
    """Return YAML as kubectl writes it: keys sorted, text that looks like something else quoted.

    Source: sigs.k8s.io/yaml, go-yaml encode.go (stringv).
    """
    import yaml

    resolver = yaml.resolver.Resolver()

    class Dumper(yaml.CSafeDumper):
        """A dumper of its own: representers are kept by class."""

    def represent(dumper: Any, text: str) -> Any:
        tag: str = resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        is_plain = tag.endswith(":str") and not _ODD.fullmatch(text)
        style = "|" if "\n" in text else None if is_plain else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent)
    # Nothing is an alias: equal parts of an object are not the same thing.
    Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]
    dumped: str = yaml.dump(
        value, Dumper=Dumper, default_flow_style=False, width=100_000, allow_unicode=True
    )
    return dumped


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
