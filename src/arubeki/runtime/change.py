"""What an informer tells, and what it needs to read: the seams on its two sides.

On the ring: [watch > **informer** > workqueue].
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from arubeki.runtime.cache import Key
from arubeki.runtime.cause import changed_fields

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Change(Generic[T]):
    """What happened to an object: it came (`old` is None), changed, or went (`new` is None).

    `old` is what handlers were told last. `initial`: it is part of the first list; `is_listed`: a
    list told it, so that it may hold what several did; `old is new`: it is a resync, or the server
    said it twice. Nobody changes it.
    """

    key: Key
    old: T | None
    new: T | None
    revision: int = 0
    initial: bool = False
    is_listed: bool = False
    _fields: tuple[str, ...] | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Which parts differ ("spec", "metadata.labels"), found once for all who are told."""
        if self._fields is None:
            is_both = self.old is not None and self.new is not None
            self._fields = changed_fields(self.old, self.new) if is_both else ()
        return self._fields

    @property
    def object(self) -> T:
        """The object as it is, or was at last."""
        found = self.new if self.new is not None else self.old
        assert found is not None
        return found

    @property
    def type(self) -> str:
        """ADDED, MODIFIED or DELETED."""
        if self.new is None:
            return "DELETED"
        return "ADDED" if self.old is None else "MODIFIED"


Handler: TypeAlias = Callable[[Change[T]], None]


class Selector(Protocol):
    """What `list` needs of a label selector."""

    def matches(self, labels: Mapping[str, str], /) -> bool:
        """Whether these labels are selected."""


class Source(Protocol):
    """Where an informer reads; `client.client.Client` is one."""

    async def list_raw(
        self, kind: Any, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> tuple[Sequence[Any], str]:
        """Return all objects as JSON, and the resourceVersion of the list."""

    def watch_raw(
        self,
        kind: Any,
        namespace: str = "",
        *,
        resource_version: str = "",
        send_initial_events: bool = False,
        labels: str = "",
        fields: str = "",
        timeout_seconds: int = 0,
    ) -> AsyncIterator[tuple[str, Any]]:
        """Give (type, object) until the server ends the watch."""
