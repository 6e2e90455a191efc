"""What every run did and why: one record per run, in a ring of bounded size.

Causes come from the workqueue, writes from the session; subscribers (the log, `arubeki run`, the
live view, tests) are told when a run has ended. Nothing here can be read by a reconciler.

On the ring: [workqueue > reconcile > client], beside it.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from arubeki.runtime.cause import Cause

RECORDS_LIMIT = 1000
"""How many records are kept."""
WRITES_LIMIT = 100
"""How many writes of one run are kept; more are only counted."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Write:
    """One request that wrote. `revision` is what the server answered, 0 for a deletion at once.

    `changed` is False when the server found nothing to do.
    """

    verb: str
    kind: str
    namespace: str
    name: str
    subresource: str = ""
    revision: int = 0
    changed: bool = True

    def __str__(self) -> str:
        """`apply Deployment default/viewer at 412`."""
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        part = f"/{self.subresource}" if self.subresource else ""
        after = f" at {self.revision}" if self.revision else ""
        return f"{self.verb} {self.kind}{part} {where}{after}{'' if self.changed else ' (equal)'}"


@dataclass(slots=True)
class Record:
    """One run. It is complete when subscribers get it, and does not change after that.

    `result` is "success", "again", "error", "terminal", "stopped", or "gone" (there was no object).
    `requests` counts everything sent, reads too; `skipped` the applies that were not needed.
    """

    id: str
    controller: str
    key: str
    causes: tuple[Cause, ...] = ()
    merged: int = 0
    waited_seconds: float = 0.0
    started: float = 0.0
    duration_seconds: float = 0.0
    result: str = "success"
    error: str = ""
    after_seconds: float = 0.0
    requests: int = 0
    skipped: int = 0
    writes: list[Write] = field(default_factory=list)
    write_count: int = 0

    def add(self, write: Write) -> None:
        """Note a write."""
        self.write_count += 1
        if len(self.writes) < WRITES_LIMIT:
            self.writes.append(write)

    def __str__(self) -> str:
        """One line for people: `views default/hello success in 2 ms: applied ... because ...`."""
        parts = [f"{self.controller} {self.key} {self.result} in {self.duration_seconds:.3f} s"]
        if self.writes:
            parts.append(", ".join(str(write) for write in self.writes))
        if self.error:
            parts.append(self.error)
        if self.causes:
            parts.append("because " + ", ".join(str(cause) for cause in self.causes))
        return "; ".join(parts)


Subscriber: TypeAlias = Callable[[Record], None]


class Trace:
    """The latest records, and who wants to know of the next."""

    def __init__(self, limit: int = RECORDS_LIMIT) -> None:
        """Keep the latest `limit` records; count all, and those of runs that wrote or failed."""
        self._records: deque[Record] = deque(maxlen=limit)
        self._subscribers: list[Subscriber] = []
        self.count = 0
        self.changes = 0

    def __iter__(self) -> Iterator[Record]:
        """Give the records kept, oldest first."""
        return iter(tuple(self._records))

    def of(self, controller: str, key: str) -> list[Record]:
        """Return the records of one object, oldest first."""
        return [one for one in self._records if one.controller == controller and one.key == key]

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every record to come; return how to end that."""
        self._subscribers.append(subscriber)

        def remove() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        return remove

    def add(self, record: Record) -> None:
        """Keep a complete record and tell the subscribers."""
        self.count += 1
        self.changes += bool(record.write_count or record.error)
        self._records.append(record)
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(record)
            except Exception:
                logger.exception("a subscriber of the trace failed")
