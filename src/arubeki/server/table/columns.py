"""What a column is, and how ages and lists read.

On the ring: [storage > **server** > HTTP].
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from arubeki import clock

Row = Callable[[dict[str, Any], float], list[Any]]
"""From an object and the wall clock (seconds) to its cells."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head. `priority` above 0 is shown by `-o wide` only."""

    name: str
    description: str
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
    """The columns of a kind, and the function that fills a row of them."""

    columns: Sequence[Column]
    row: Row


NAME = Column("Name", "The object's name, unique within its namespace.", format="name")
AGE = Column("Age", "Time since the object was created.")
LABELS_LIMIT = 3


def age(obj: dict[str, Any], now: float) -> str:
    """Return how long ago an object was created, `<unknown>` if it does not say."""
    return since((obj.get("metadata") or {}).get("creationTimestamp"), now)


def since(timestamp: str | None, now: float) -> str:
    """Return how long ago a timestamp was, short; `<unknown>` for none."""
    if not timestamp:
        return "<unknown>"
    try:
        return duration(now - clock.parse_timestamp(timestamp))
    except ValueError:
        return "<unknown>"


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


def labels(found: dict[str, str] | None) -> str:
    """Return labels as `a=b,c=d`, `<none>` for none."""
    return joined(f"{key}={value}" for key, value in sorted((found or {}).items()))


def selector(found: dict[str, Any] | None) -> str:
    """Return a LabelSelector as text, `<none>` for one that selects nothing.

    Source: apimachinery pkg/apis/meta/v1/helpers.go FormatLabelSelector.
    """
    if not found:
        return "<none>"
    parts = [f"{key}={value}" for key, value in (found.get("matchLabels") or {}).items()]
    for one in found.get("matchExpressions") or ():
        key, values = one.get("key", ""), ",".join(sorted(one.get("values") or ()))
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }.get(one.get("operator", ""), key)
        )
    return ",".join(sorted(parts)) or "<none>"


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


def containers_and_images(spec: dict[str, Any] | None) -> tuple[str, str]:
    """Return the names and the images of a Pod spec's containers, each with commas between."""
    containers = dig(spec, "containers", default=[])
    return (
        ",".join(str(one.get("name", "")) for one in containers),
        ",".join(str(one.get("image", "")) for one in containers),
    )
