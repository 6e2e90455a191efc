"""What a commit is: the comparison before it and the change it makes.

On the ring: inside storage, shared by its versions.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from arubeki.errors import RevisionMismatch
from arubeki.storage.base import Change, Entry, Stamp


class Write(NamedTuple):
    """What a commit wrote, once its revision is known; `value` is None for a removal."""

    key: str
    value: bytes | None
    revision: int
    meta: Any


def check_expected(key: str, value: bytes | None, expected: int | None, actual: int) -> None:
    """Raise RevisionMismatch unless `value` may be put under `key`, now at revision `actual`."""
    if expected is not None and expected != actual:
        raise RevisionMismatch(key, expected, actual)
    if value is None and not actual:
        raise RevisionMismatch(key, -1 if expected is None else expected, 0)


def make_change(
    key: str,
    value: bytes | None,
    previous: Entry | None,
    revision: int,
    stamp: Stamp,
    *,
    meta: Any = None,
) -> Change:
    """Return the change that puts `value` (None: nothing) in the place of `previous`."""
    if value is not None:
        return Change(key, revision, Entry(key, stamp(value, revision), revision, meta), previous)
    if previous is None:
        return Change(key, revision, None, None)
    removed = Entry(key, stamp(previous.value, revision), revision, meta)
    return Change(key, revision, None, previous, removed)


def result_of(change: Change) -> Entry:
    """Return what the commit that made `change` answers."""
    entry = change.entry or change.removed
    assert entry is not None, "an absent key is not removed"
    return entry


def changes_of(entries: Mapping[str, Entry], writes: Iterable[Write], stamp: Stamp) -> list[Change]:
    """Return the changes that `writes`, one after the other, make to `entries`."""
    changed: dict[str, Entry | None] = {}
    changes = []
    for key, value, revision, meta in writes:
        previous = changed[key] if key in changed else entries.get(key)
        change = make_change(key, value, previous, revision, stamp, meta=meta)
        changed[key] = change.entry
        changes.append(change)
    return changes
