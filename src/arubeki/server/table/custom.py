"""The columns of custom resources: name, then those of the CustomResourceDefinition.

On the ring: [storage > **server** > HTTP]. Source: apiextensions-apiserver
pkg/registry/customresource/tableconvertor/tableconvertor.go, apiserver pkg/registry/rest/table.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from arubeki.api.jsonpath import Path
from arubeki.server.table.columns import AGE, CREATED, NAME, Cell, Column, Columns, since

PLAIN = Columns.of(NAME, CREATED)
"""The columns of a built-in kind that has none of its own."""

_INT64 = 1 << 63
_BARE = Columns.of(NAME, replace(AGE, type="date"))


def of_definition(columns: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the columns that a definition's `additionalPrinterColumns` describe."""
    if not columns:
        return _BARE
    return Columns.of(NAME, *(_column(one) for one in columns))


def _column(given: Mapping[str, Any]) -> Column:
    path = given["jsonPath"]
    return Column(
        given["name"],
        given.get("description")
        or f"Custom resource definition column (in JSONPath format): {path}",
        _reader(given["type"], path),
        type=given["type"],
        format=given.get("format") or "",
        priority=int(given.get("priority") or 0),
    )


def _reader(kind: str, text: str) -> Cell:
    try:
        path = Path(text)
    except ValueError:
        # The definition's validation is where it is refused; here the cell stays empty.
        return lambda obj, now: None  # noqa: ARG005

    def cell(obj: dict[str, Any], now: float) -> Any:
        found = path.find(obj)
        return _cell(kind, found[0], now) if found else None

    return cell


def _cell(kind: str, value: Any, now: float) -> Any:
    if kind == "string":
        return _text(value)
    if kind == "date":
        # "null" is how a query parameter spells no time at all; dates are read as if they were one.
        return since("" if value == "null" else value, now) if isinstance(value, str) else None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer":
        return _integer(value) if number else None
    if kind == "number":
        return value if number else None
    return value if kind == "boolean" and isinstance(value, bool) else None


def _integer(value: float) -> int:
    # What is too large for Go's int64 becomes the smallest there is.
    whole = int(value)
    return whole if -_INT64 <= whole < _INT64 else -_INT64


def _text(value: Any) -> str:
    """Return a value as Go prints it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    if isinstance(value, float):
        return _float(value)
    return msgspec.json.encode(value, order="sorted").decode()


def _float(value: float) -> str:
    # Go's %v: as few digits as tell it apart, with an exponent below 1e-4 and from 1e6 on. (A whole
    # number that JSON would write without exponent has been read back as an integer before.)
    exponent = int(f"{value:e}".partition("e")[2])
    if value.is_integer() and exponent < 21:
        return str(int(value))
    if -4 <= exponent < 6:
        return repr(value)
    digits = Decimal(repr(value)).scaleb(-exponent).normalize()
    return f"{digits}e{exponent:+03d}"
