"""The columns of custom resources: name, then those of the CustomResourceDefinition.

On the ring: [storage > **server** > HTTP]. Source: apiextensions-apiserver
pkg/registry/customresource/tableconvertor/tableconvertor.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from arubeki.api.jsonpath import Path
from arubeki.server.table.columns import AGE, NAME, Column, Columns, age, since

PLAIN = Columns((NAME, AGE), lambda obj, now: [obj["metadata"]["name"], age(obj, now)])
"""The columns of a kind that has none of its own."""


def of_definition(columns: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the columns that a definition's `additionalPrinterColumns` describe."""
    if not columns:
        return PLAIN
    heads = [NAME]
    cells: list[tuple[str, Path | None]] = []
    for one in columns:
        heads.append(
            Column(
                one["name"],
                one.get("description")
                or f"Custom resource definition column (in JSONPath format): {one['jsonPath']}",
                type=one["type"],
                format=one.get("format") or "",
                priority=int(one.get("priority") or 0),
            )
        )
        cells.append((one["type"], _path(one["jsonPath"])))

    def row(obj: dict[str, Any], now: float) -> list[Any]:
        return [obj["metadata"]["name"], *(_cell(kind, path, obj, now) for kind, path in cells)]

    return Columns(tuple(heads), row)


def _path(text: str) -> Path | None:
    try:
        return Path(text)
    except ValueError:
        return None  # the definition's validation is where it is refused; here the cell stays empty


def _cell(kind: str, path: Path | None, obj: dict[str, Any], now: float) -> Any:
    found = path.find(obj) if path else []
    if not found:
        return None
    value = found[0]
    if kind == "string":
        return value if isinstance(value, str) else _text(value)
    if kind == "date":
        return since(value, now) if isinstance(value, str) else None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer":
        return int(value) if number else None
    if kind == "number":
        return value if number else None
    return value if kind == "boolean" and isinstance(value, bool) else None


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode() if value is not None else ""
