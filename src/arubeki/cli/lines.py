"""What a controller did, as one line for people.

Outside the ring.
"""

import logging
from collections.abc import Callable, Collection

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
    if record.result == "gone":
        parts.append("gone")
    if record.result in ("error", "terminal"):
        when = f"again in {record.after_seconds:g} s" if record.after_seconds else "not again"
        parts.append(f"failed, {when}: {record.error}")
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


def log_to_terminal(controllers: Collection[str]) -> None:
    """Let the log be seen: warnings of anyone, and what runs of these controllers say.

    That a run failed is a line of `printer`; of the log only its traceback is shown. A program that
    sets up logging itself is left alone.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(lambda record: _is_shown(record, controllers))
    root.addHandler(handler)
    if root.level in (logging.NOTSET, logging.WARNING):
        root.setLevel(logging.INFO)


def _is_shown(record: logging.LogRecord, controllers: Collection[str]) -> bool:
    is_own = getattr(record, "controller", None) in controllers
    if is_own and getattr(record, "ends_run", False):
        return bool(record.exc_info)
    is_users = not record.name.startswith("arubeki")
    return is_own or is_users or record.levelno >= logging.WARNING


def _short(cause: str) -> str:
    """Leave the revision out, which tells people nothing."""
    return cause.partition(" at ")[0]
