"""The two ways to change an object, and what each does to `metadata.managedFields`.

Part of server-side apply; pure: the time is handed in.
Source: apimachinery pkg/util/managedfields/internal (fieldmanager.go and the managers it chains),
structured-merge-diff merge/update.go.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from arubeki.api.apply import fieldset, lastapplied
from arubeki.api.apply.check import check
from arubeki.api.apply.conflict import conflict
from arubeki.api.apply.fieldset import FieldSet
from arubeki.api.apply.managers import (
    APPLY,
    UPDATE,
    Entry,
    Identity,
    Managers,
    cap,
    decode,
    decode_foreign,
    encode,
    is_reset,
)
from arubeki.api.apply.merge import Dropped, Emptied, merge, prune
from arubeki.api.apply.plans import made, said
from arubeki.api.apply.reconcile import reconcile
from arubeki.api.apply.shape import UntypedError, rooted
from arubeki.api.apply.typed import Comparison, compare
from arubeki.api.fields import shown
from arubeki.api.objects import gvk_of, identical
from arubeki.api.schema import Schema
from arubeki.errors import ApiError, BadRequest

BEFORE_FIRST_APPLY = "before-first-apply"
"""The manager that owns what was there when an object without managers is applied to."""
Object = dict[str, Any]


def apply_object(
    live: Object | None,
    intent: Object,
    *,
    schema: Schema | None,
    manager: str,
    force: bool,
    now: str,
    subresource: str = "",
    reset: Iterable[str] = (),
) -> Object:
    """Return what becomes of `live` (None: it is created) when `manager` applies `intent`.

    Without a `schema` the shape is deduced. `reset` are the dotted paths that this endpoint ignores
    (`status` on the main one, `spec` on /status). The result shares unchanged subtrees with the
    arguments, but never its top level and `metadata`.

    Raises: Conflict naming every field that others own with another value, unless `force`;
    BadRequest for an intent that brings managedFields, a bare ApiError (as Kubernetes, 500) for one
    that does not fit its schema.
    """
    metadata = intent.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise _untypable("patch", intent, [f".metadata: expected map, got {shown(metadata)}"])
    if metadata and metadata.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    shape = rooted(schema)
    intent = _without(intent, fieldset.of_paths(reset))
    me = (manager or "unknown", APPLY, "", subresource)
    try:
        plan = _Plan(live, intent, shape, me, now)
        contested = {} if force else plan.contested()
        if contested and manager == "kubectl":
            contested = lastapplied.unexplained(contested, plan.old, intent, shape)
        if contested:
            raise conflict(contested)
        result = plan.finish(now)
    except UntypedError as error:
        raise _untypable("live", live or {}, [str(error)]) from None
    except RecursionError:
        raise _untypable("patch", intent, [": nested too deeply"]) from None
    return lastapplied.renewed(result, intent) if manager == "kubectl" else result


def track_update(
    old: Object | None,
    new: Object,
    *,
    schema: Schema | None,
    manager: str,
    now: str,
    subresource: str = "",
    reset: Iterable[str] = (),
) -> list[Object]:
    """Return the managedFields of `new`, an object as a create, update or patch leaves it.

    `manager` comes to own what differs from `old` (None: it is created), everybody else loses it.
    `new` may bring managedFields of its own: `[]` and `[{}]` forget all managers, malformed ones
    count as those of `old`, and on a subresource they are ignored.
    Source: internal/fieldmanager.go Update, decodeLiveOrNew.
    """
    before = (old or {}).get("metadata") or {}
    brought = None if subresource else (new.get("metadata") or {}).get("managedFields")
    if is_reset(brought):
        managers: Managers = {}
    else:
        managers = decode(before.get("managedFields"))
        if isinstance(brought, list) and brought != before.get("managedFields"):
            managers = decode_foreign(brought, managers) or managers
    if not managers and before.get("uid"):
        # Nobody tracked it so far; only an apply begins to. Source: internal/skipnonapplied.go.
        return []
    shape = rooted(schema)
    try:
        managers = reconcile(managers, shape)
        _take(managers, old or {}, new, shape, manager or "unknown", subresource, now, reset)
        cap(managers)
        return encode(managers)
    except (UntypedError, RecursionError):
        # No garbage, rather no owners. Source: internal/fieldmanager.go UpdateNoErrors.
        return []


def no_op(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether `new` is `old` apart from the times in managedFields: then there is nothing to write.

    Source: apiserver pkg/endpoints/handlers/fieldmanager (util/managedfields equality.go).
    """
    old_meta, new_meta = old.get("metadata"), new.get("metadata")
    if isinstance(old_meta, dict) and isinstance(new_meta, dict):
        if not identical(_timeless(old_meta), _timeless(new_meta)):
            return False
        return identical({**old, "metadata": None}, {**new, "metadata": None})
    return identical(old, new)


class _Plan:
    """An apply thought through: the new object, and what changes hands."""

    def __init__(
        self, live: Object | None, intent: Object, shape: Schema, me: Identity, now: str
    ) -> None:
        fields = _owned_by(intent, shape)
        managers = _owners(live, intent, shape, me[3], now)
        self.old = old = live or {}
        self.me = me
        self.others = {one: entry for one, entry in managers.items() if one != me}
        self.mine = managers.get(me)
        self.api_version = str(intent.get("apiVersion") or "")
        self.fields = fields
        new = merge(old, intent, shape)
        emptied: Emptied = []
        last = self.mine.fields if self.mine else {}
        if last != fields and (dropped := fieldset.difference(last, fields)):
            owned = fieldset.union(fields, _NEVER_OWNED)
            for entry in self.others.values():
                owned = fieldset.union(owned, entry.fields)
            new = prune(new, shape, Dropped(dropped, last, owned), emptied)
        unchanged = new is old or not self.others
        self.changed = Comparison({}, {}, {}) if unchanged else compare(old, new, shape)
        for container, key in emptied:
            del container[key]
        self.new = new

    def contested(self) -> dict[Identity, FieldSet]:
        """Return what others own of the fields that would change."""
        taken = fieldset.union(self.changed.modified, self.changed.added)
        if not taken:
            return {}
        found = {
            one: fieldset.intersection(entry.fields, taken) for one, entry in self.others.items()
        }
        return {one: fields for one, fields in found.items() if fields}

    def finish(self, now: str) -> Object:
        """Return the new object with its managers as they are afterwards."""
        managers = _deprived(self.others, self.changed)
        new, mine = self.new, self.mine
        if self.fields:
            if mine is None:
                name, _, _, subresource = self.me
                mine = Entry(name, APPLY, self.api_version, subresource, "", {})
            # Only a change of the object is an event in time, a change of owners alone is not.
            mine = mine.with_fields(
                self.fields, mine.time if new is self.old else now, in_order=True
            )
            if mine.api_version != self.api_version:
                mine = replace(mine, api_version=self.api_version, source=None)
            managers[self.me] = mine
        metadata = dict(new.get("metadata") or {})
        metadata.pop("managedFields", None)
        if managers:
            metadata["managedFields"] = encode(managers)
        return {**new, "metadata": metadata}


def _owned_by(intent: Object, shape: Schema) -> FieldSet:
    """Return what an intent owns. Raises: ApiError when it does not fit its schema."""
    # Intents are sent again and again; to know one again costs an eighth of reading it.
    known: dict[bytes, FieldSet] = shape.walks.setdefault("intents", {})
    digest = hashlib.blake2b(msgspec.json.encode(intent), digest_size=16).digest()
    if (owned := known.get(digest)) is not None:
        return owned
    owned = _read(intent, shape)
    if len(known) >= _INTENTS_KEPT:
        del known[next(iter(known))]
    known[digest] = owned
    return owned


_INTENTS_KEPT = 256
"""Intents remembered for one kind, the latest."""


def _read(intent: Object, shape: Schema) -> FieldSet:
    try:
        fields, fits = said(intent, shape)
    except UntypedError:
        fields, fits = {}, False
    if not fits and (faults := check(intent, shape)):
        raise _untypable("patch", intent, faults)
    return _stripped(fields)


def _owners(
    live: Object | None, intent: Object, shape: Schema, subresource: str, now: str
) -> Managers:
    """Return the live object's managers; of an object nobody tracked, the one of all there was."""
    if live is None:
        return {}
    managers = decode((live.get("metadata") or {}).get("managedFields"))
    if managers:
        return reconcile(managers, shape)
    as_asked = {**live, "apiVersion": intent.get("apiVersion")}
    _take(managers, {}, as_asked, shape, BEFORE_FIRST_APPLY, subresource, now, ())
    return managers


def _take(  # noqa: PLR0917
    managers: Managers,
    old: Object,
    new: Object,
    shape: Schema,
    manager: str,
    subresource: str,
    now: str,
    reset: Iterable[str],
) -> None:
    """Give, in place, what differs between `old` and `new` to `manager` as an updater."""
    version = str(new.get("apiVersion") or "")
    if not old and not managers and not reset:
        # A new object, all of which is his: no comparison, and the set comes in order.
        if taken := _stripped(made(_unmanaged(new), shape)):
            entry = Entry(manager, UPDATE, version, subresource, now, taken, in_order=True)
            managers[entry.identity] = entry
        return
    changed = compare(_unmanaged(old), _unmanaged(new), shape)
    if ignored := fieldset.of_paths(reset):
        changed = Comparison(*(fieldset.recursive_difference(one, ignored) for one in changed))
    kept = _deprived(managers, changed)
    managers.clear()
    managers.update(kept)
    taken = _stripped(fieldset.union(changed.modified, changed.added))
    if not taken:
        return
    entry = Entry(manager, UPDATE, version, subresource, now, taken)
    if previous := managers.get(entry.identity):
        entry = previous.with_fields(fieldset.union(previous.fields, taken), now)
    managers[entry.identity] = entry


def _deprived(managers: Managers, changed: Comparison) -> Managers:
    """Return the managers without what changed hands or went, those left with nothing left out."""
    lost = fieldset.union(fieldset.union(changed.modified, changed.added), changed.removed)
    kept = {identity: entry.without(lost) for identity, entry in managers.items()}
    return {identity: entry for identity, entry in kept.items() if entry.fields}


# What nobody owns. Source: internal/stripmeta.go.
_NEVER_OWNED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        "f:clusterName": {},
        "f:creationTimestamp": {},
        "f:generation": {},
        "f:managedFields": {},
        "f:name": {},
        "f:namespace": {},
        "f:resourceVersion": {},
        "f:selfLink": {},
        "f:uid": {},
    },
}


def _stripped(fields: FieldSet) -> FieldSet:
    return fieldset.difference(fields, _NEVER_OWNED)


def _unmanaged(obj: Object) -> Object:
    """Return an object without managedFields, which are large and which nobody owns."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    rest = {key: value for key, value in metadata.items() if key != "managedFields"}
    return {**obj, "metadata": rest}


def _without(obj: Object, ignored: FieldSet) -> Object:
    """Return an object without the fields that its endpoint ignores."""
    result = obj
    for step, below in ignored.items():
        key = step[2:]
        if key not in obj:
            continue
        if result is obj:
            result = dict(obj)
        if not below:
            del result[key]
        elif isinstance(obj[key], dict):
            result[key] = _without(obj[key], below)
    return result


def _timeless(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    entries = metadata.get("managedFields")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return metadata
    rest = [{key: entry[key] for key in entry if key != "time"} for entry in entries]
    return {**metadata, "managedFields": rest}


def _untypable(which: str, obj: Object, faults: Sequence[str]) -> ApiError:
    """Return the error for an object that does not fit its schema.

    Kubernetes answers 500 here, with the same text; the client is at fault, so we say 400.
    Source: internal/structuredmerge.go Apply.
    """
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    gvk = gvk_of(obj)
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    kind = f"{gvk.group}/{gvk.version}, Kind={gvk.kind}"
    listed = faults[0] if len(faults) == 1 else "errors:\n  " + "\n  ".join(faults)
    # No reason and 500, as in Kubernetes, where it is an error that nobody has classified.
    return ApiError(f"failed to create typed {which} object ({name}; {kind}): {listed}")
