"""Why a key is in a queue.

A reconciler never learns what woke it: it looks at what should be and at what is. People do want to
know, so a workqueue that merges equal keys keeps the *set* of causes, which ends in the trace of
the run (`arubeki why`, the log).

On the ring: [informer > **cause** > workqueue > trace].
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

FIELDS_LIMIT = 8
"""How many changed fields a cause names."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason to look at a key again.

    `why` is "change" (an object came, changed or went), "again" (the reconciler asked), "retry" (the
    last run failed), "every" (the period is over), "source" or "manual". For a change, `kind`,
    `namespace`, `name`, `type` ("ADDED", "MODIFIED", "DELETED") and `revision` say what happened and
    `fields` which parts of the object differ, for example ("spec", "metadata.labels").
    """

    why: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    type: str = ""
    revision: int = 0
    fields: tuple[str, ...] = ()
    detail: str = ""

    def __str__(self) -> str:
        """`Deployment default/viewer MODIFIED (status) at 412`."""
        if self.why != "change":
            return f"{self.why}: {self.detail}" if self.detail else self.why
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        fields = f" ({', '.join(self.fields)})" if self.fields else ""
        revision = f" at {self.revision}" if self.revision else ""
        return f"{self.kind} {where} {self.type}{fields}{revision}"


def changed_fields(old: Any, new: Any) -> tuple[str, ...]:
    """Return which parts of an object differ, typed or dict: "spec", "metadata.labels", ...

    What changes with every write (resourceVersion, managedFields) is left out.
    """
    if old is new:
        return ()
    found = []
    for name in _differing(old, new):
        if name == "metadata":
            inner = _differing(_part(old, name), _part(new, name))
            found += [f"metadata.{one}" for one in inner if one not in _VOLATILE]
        else:
            found.append(name)
    return tuple(found[:FIELDS_LIMIT])


_VOLATILE = frozenset(("resourceVersion", "managedFields"))


def _differing(old: Any, new: Any) -> list[str]:
    return [name for name in _names(old, new) if _part(old, name) != _part(new, name)]


def _names(old: Any, new: Any) -> Iterable[str]:
    if isinstance(new, msgspec.Struct):
        return new.__struct_fields__
    if isinstance(old, dict) and isinstance(new, dict):
        return sorted(old.keys() | new.keys())
    return ()


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
