"""What a controller did, as one line for people.

Outside the ring.
"""

from collections.abc import Callable

from arubeki import clock
from arubeki.runtime.trace import Record

_VERBS = {
    "apply": "applied",
    "create": "created",
    "delete": "deleted",
    "patch": "changed",
    "update": "changed",
}
CAUSES_SHOWN = 2


def describe(record: Record) -> str:
    """Return what a run wrote, or how it ended: `applied Deployment/web, Service/web`."""
    parts: list[str] = []
    for verb, past in _VERBS.items():
        objects = [
            f"{one.kind}/{one.name}" + (f" ({one.subresource})" if one.subresource else "")
            for one in record.writes
            if one.verb == verb and one.changed
        ]
        if objects:
            parts.append(f"{past} {', '.join(dict.fromkeys(objects))}")
    if record.result in ("error", "terminal"):
        parts.append(f"failed: {record.error}")
    return "; ".join(parts) or "nothing to do"


def causes(record: Record) -> str:
    """Return why a run was: the first causes, and how many more were merged."""
    shown = [_short(str(one)) for one in record.causes[:CAUSES_SHOWN]]
    more = max(len(record.causes), record.merged) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 and shown else "")


def line(record: Record) -> str:
    """Return a run as one line: when, what for, what it did, why."""
    at = clock.timestamp(record.started)[11:19]
    head = f"{at}  {record.controller} {record.key}"
    why = causes(record)
    return f"{head:<60} {describe(record)}" + (f"    because {why}" if why else "")


def printer(*, quiet: bool = True) -> Callable[[Record], None]:
    """Return a subscriber that prints runs; `quiet` leaves out those that found nothing to do."""

    def show(record: Record) -> None:
        if quiet and describe(record) == "nothing to do":
            return
        print(line(record), flush=True)

    return show


def _short(cause: str) -> str:
    """Leave the revision out, which tells people nothing."""
    return cause.partition(" at ")[0]
