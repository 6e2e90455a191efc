"""What a column is, and the ways in which cells are filled.

Most columns read one field, so a column carries the function that fills its cell, made by `at`,
`size` and their like; a kind whose cells hang together (Pods) has one function for the whole row.

On the ring: [storage > **server** > HTTP].
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arubeki import clock
from arubeki.api import quantity
from arubeki.api.selectors import LabelSelector

Object = dict[str, Any]
Cell = Callable[[Object, float], Any]
"""From an object and the wall clock (seconds) to what its column shows."""
Row = Callable[[Object, float], list[Any]]
"""From an object and the wall clock (seconds) to its cells."""
Conditions = Callable[[Object], Sequence[Mapping[str, Any]]]
"""From an object to the `TableRowCondition`s of its row."""


def _no_cell(obj: Object, now: float) -> Any:  # noqa: ARG001
    return None


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head, and what fills it. `priority` above 0 is shown by `-o wide` only."""

    name: str
    description: str
    cell: Cell = _no_cell
    type: str = "string"
    format: str = ""
    priority: int = 0

    def definition(self) -> dict[str, Any]:
        """Return it as a `TableColumnDefinition`."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a kind, and the function that fills a row of them.

    `conditions` tells of rows that a client may leave out; `listed` is what a list of the kind
    does to its rows as a whole: it returns the objects in order, and the function that fills them.
    """

    columns: Sequence[Column]
    row: Row
    conditions: Conditions | None = None
    listed: Callable[[Sequence[Object]], tuple[Sequence[Object], Row]] | None = None

    @staticmethod
    def of(*columns: Column, **more: Any) -> "Columns":
        """Return columns that fill each its own cell."""
        return Columns(columns, filling(columns), **more)


def filling(columns: Iterable[Column]) -> Row:
    """Return the function that fills a row, cell by cell."""
    cells = [one.cell for one in columns]

    def row(obj: Object, now: float) -> list[Any]:
        return [cell(obj, now) for cell in cells]

    return row


def at(*path: str | int, default: Any = "") -> Cell:
    """Return what shows the value at a path, `default` where there is none."""

    def cell(obj: Object, now: float) -> Any:  # noqa: ARG001
        return dig(obj, *path, default=default)

    return cell


def size(*path: str) -> Cell:
    """Return what shows how many members the list or map at a path has."""

    def cell(obj: Object, now: float) -> int:  # noqa: ARG001
        return len(dig(obj, *path, default=()))

    return cell


def plain(compute: Callable[[Object], Any]) -> Cell:
    """Return what shows something that does not hang on the time."""

    def cell(obj: Object, now: float) -> Any:  # noqa: ARG001
        return compute(obj)

    return cell


def elapsed(*path: str | int, default: str = "<unknown>") -> Cell:
    """Return what shows how long ago the time at a path was."""

    def cell(obj: Object, now: float) -> str:
        found = dig(obj, *path)
        return since(found, now) if found else default

    return cell


def name(obj: Object) -> str:
    """Return an object's name."""
    found: str = obj["metadata"].get("name", "")
    return found


def age(obj: Object, now: float) -> str:
    """Return how long ago an object was created, `<unknown>` if it does not say."""
    return since((obj.get("metadata") or {}).get("creationTimestamp"), now)


def since(timestamp: str | None, now: float) -> str:
    """Return how long ago a timestamp was, short; `<unknown>` for none, `<invalid>` for no time."""
    if not timestamp:
        return "<unknown>"
    try:
        return duration(now - clock.parse_timestamp(timestamp))
    except ValueError:
        return "<invalid>"


def duration(seconds: float) -> str:
    """Return a duration as kubectl shows it: two units at most, one from some length on.

    Source: apimachinery pkg/util/duration/duration.go HumanDuration.
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"


def joined(values: Iterable[Any], empty: str = "<none>") -> str:
    """Return values with commas between them, `empty` for none."""
    return ",".join(str(value) for value in values) or empty


def few(values: Sequence[str], limit: int, empty: str = "<unset>") -> str:
    """Return at most `limit` values and how many more there are; `empty` for none."""
    text = joined(values[:limit], empty)
    return text if len(values) <= limit else f"{text} + {len(values) - limit} more..."


def labels(found: Mapping[str, str] | None) -> str:
    """Return labels as `a=b,c=d`, `<none>` for none."""
    return joined(f"{key}={value}" for key, value in sorted((found or {}).items()))


def labels_at(*path: str) -> Cell:
    """Return what shows the labels at a path."""
    return plain(lambda obj: labels(dig(obj, *path)))


def selector(found: Mapping[str, Any] | None, empty: str = "<none>", wrong: str = "<error>") -> str:
    """Return a LabelSelector as text, `empty` for one without terms, `wrong` for none at all.

    Source: apimachinery pkg/apis/meta/v1/helpers.go FormatLabelSelector.
    """
    try:
        return str(LabelSelector.of(found)) or empty
    except ValueError:
        return wrong


def selector_at(*path: str) -> Cell:
    """Return what shows the LabelSelector at a path."""
    return plain(lambda obj: selector(dig(obj, *path)))


def amount(found: quantity.Amount | None) -> str:
    """Return a quantity as a server writes it; `0` for none."""
    return "0" if found is None else quantity.canonical(found)


def condition(obj: Object, kind: str) -> dict[str, Any]:
    """Return an object's first condition of a type, {} if it has none."""
    for one in dig(obj, "status", "conditions", default=()):
        if one.get("type") == kind:
            found: dict[str, Any] = one
            return found
    return {}


def dig(value: Any, *path: str | int, default: Any = None) -> Any:
    """Return what lies at a path of keys and indexes, `default` if any step is missing or null."""
    for step in path:
        if isinstance(step, int):
            value = (
                value[step]
                if isinstance(value, list) and -len(value) <= step < len(value)
                else None
            )
        else:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return default
    return value


NAME = Column("Name", "The object's name, unique within its namespace.", plain(name), format="name")
AGE = Column("Age", "Time since the object was created.", age)
CREATED = Column(
    "Created At", "When the object was created.", at("metadata", "creationTimestamp"), type="date"
)
"""Where the client makes an age of the time."""


def template(*path: str) -> tuple[Column, Column]:
    """Return the columns of the containers' names and images in the Pod template at a path."""
    containers = (*path, "spec", "containers")

    def listed(what: str) -> Cell:
        return plain(
            lambda obj: ",".join(
                str(one.get(what, "")) for one in dig(obj, *containers, default=())
            )
        )

    return (
        Column("Containers", "Names of the template's containers.", listed("name"), priority=1),
        Column("Images", "Images of the template's containers.", listed("image"), priority=1),
    )
