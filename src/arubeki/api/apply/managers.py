"""Who owns what: `metadata.managedFields` as entries by identity.

An applier has one entry per subresource whatever the version it applies in, an updater one per
version and subresource.

Part of server-side apply; pure.
Source: apimachinery pkg/util/managedfields/internal/managedfields.go, capmanagers.go.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from arubeki.api.apply.fieldset import FieldSet, difference, normalized, ordered, union
from arubeki.api.fields import shown

APPLY = "Apply"
UPDATE = "Update"
UPDATERS_MAX = 10
"""More entries of updates than these are merged, the oldest first.

Source: internal/fieldmanager.go DefaultMaxUpdateManagers.
"""
ANCIENT = "ancient-changes"
"""The manager that the oldest updates are merged into."""

Identity: TypeAlias = tuple[str, str, str, str]
"""Manager, operation, apiVersion ("" for an applier), subresource."""
Managers: TypeAlias = dict[Identity, "Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One manager's fields.

    `source` is the entry as it came, reused while nothing changes; `in_order` says that the steps
    of `fields` are in the order of the wire.
    """

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: FieldSet
    source: dict[str, Any] | None = None
    in_order: bool = False

    @property
    def identity(self) -> Identity:
        """What tells this entry from the object's others."""
        version = "" if self.operation == APPLY else self.api_version
        return self.manager, self.operation, version, self.subresource

    def without(self, lost: FieldSet) -> "Entry":
        """Return the entry without the fields in `lost`; it may have none left."""
        fields = difference(self.fields, lost)
        return self if fields is self.fields else replace(self, fields=fields, source=None)

    def with_fields(self, fields: FieldSet, time: str, *, in_order: bool = False) -> "Entry":
        """Return the entry with these fields, since `time`; `in_order` if their steps are."""
        if fields == self.fields:
            return self if time == self.time else replace(self, time=time, source=None)
        return replace(self, fields=fields, time=time, source=None, in_order=in_order)


def decode(entries: Any) -> Managers:
    """Return the managers of a stored object; what does not look like an entry is left out."""
    managers: Managers = {}
    for source in entries if isinstance(entries, list) else ():
        if isinstance(source, dict) and (entry := _entry(source)):
            managers[entry.identity] = entry
    return managers


def decode_foreign(entries: list[Any], stored: Managers) -> Managers | None:
    """Return the managers that a client sent in its object, None when they are malformed.

    Entries equal to a stored one are taken as that.
    Source: internal/managedfields.go DecodeManagedFields.
    """
    managers: Managers = {}
    for source in entries:
        if not isinstance(source, dict) or source.get("fieldsType") != "FieldsV1":
            return None
        entry = _entry(source)
        if entry is None:
            return None
        known = stored.get(entry.identity)
        if known is not None and known.source == source:
            entry = known
        else:
            try:
                entry = replace(entry, fields=normalized(entry.fields), source=None)
            except ValueError:
                return None
        managers[entry.identity] = entry
    return managers


def is_reset(entries: Any) -> bool:
    """Whether a client asks to forget all managers: `[]` or `[{}]`.

    Source: internal/fieldmanager.go isResetManagedFields.
    """
    return entries in ([], [{}])


def identity_text(identity: Identity) -> str:
    """Return an identity as the text that Kubernetes sorts managers by.

    Source: internal/managedfields.go BuildManagerIdentifier.
    """
    names = ("manager", "operation", "apiVersion", "subresource")
    return shown({name: one for name, one in zip(names, identity, strict=True) if one})


def encode(managers: Mapping[Identity, Entry]) -> list[dict[str, Any]]:
    """Return the entries for the wire, in Kubernetes' order."""
    entries = sorted(
        managers.values(),
        key=lambda one: (one.operation, one.time, one.manager, one.api_version, one.subresource),
    )
    return [_encoded(entry) for entry in entries]


def cap(managers: Managers) -> None:
    """Merge the oldest entries of updates, in place, until there are at most `UPDATERS_MAX`."""
    updaters = [entry for entry in managers.values() if entry.operation == UPDATE]
    excess = len(updaters) - UPDATERS_MAX
    if excess <= 0:
        return
    updaters.sort(key=lambda entry: (entry.time, identity_text(entry.identity)))
    first: dict[str, Identity] = {}
    for entry in updaters:
        if excess <= 0:
            return
        version = entry.api_version
        if version not in first:
            first[version] = entry.identity
            continue
        bucket: Identity = (ANCIENT, UPDATE, version, "")
        if bucket not in managers:
            managers[bucket] = managers.pop(first[version])
        # The one being merged is the more recent, so its time is the bucket's.
        fields = union(entry.fields, managers[bucket].fields)
        if entry.identity != bucket:
            del managers[entry.identity]
        managers[bucket] = Entry(ANCIENT, UPDATE, version, "", entry.time, fields)
        excess -= 1


# What a time of managedFields looks like after any server has written it.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _entry(source: dict[str, Any]) -> Entry | None:
    """Return an entry as it came, None when one of its members cannot be right."""
    manager, operation = source.get("manager", ""), source.get("operation")
    version, subresource = source.get("apiVersion"), source.get("subresource", "")
    time, fields = source.get("time") or "", source.get("fieldsV1")
    fields = {} if fields is None else fields
    if operation not in (APPLY, UPDATE) or not version or str(version).count("/") > 1:
        return None
    texts: Iterable[Any] = (manager, version, subresource, time)
    if not all(isinstance(text, str) for text in texts) or not isinstance(fields, dict):
        return None
    if time and not _TIME.fullmatch(time):
        return None
    return Entry(manager, str(operation), version, subresource, time, fields, source, in_order=True)


def _encoded(entry: Entry) -> dict[str, Any]:
    if entry.source is not None:
        return entry.source
    encoded: dict[str, Any] = {}
    if entry.manager:
        encoded["manager"] = entry.manager
    encoded["operation"] = entry.operation
    encoded["apiVersion"] = entry.api_version
    if entry.time:
        encoded["time"] = entry.time
    encoded["fieldsType"] = "FieldsV1"
    encoded["fieldsV1"] = entry.fields if entry.in_order else ordered(entry.fields)
    if entry.subresource:
        encoded["subresource"] = entry.subresource
    return encoded
