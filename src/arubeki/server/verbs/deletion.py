"""delete and deletecollection: at once, after a grace, or when the last finalizer goes.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/registry/rest/delete.go, pkg/registry/generic/registry/store.go,
pkg/endpoints/handlers/delete.go.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from arubeki import clock
from arubeki.api import fields
from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.errors import BadRequest, Conflict, NotFound, RevisionMismatch, ServerTimeout
from arubeki.net.message import Response
from arubeki.server import decoding, failures, wire
from arubeki.server.admission.strategy import Strategy
from arubeki.server.core import Call
from arubeki.server.negotiation import answer_json, negotiate
from arubeki.server.verbs.options import (
    META_GROUP,
    check_list_options,
    dry_run_faults,
    selection_of,
    whole_number,
)
from arubeki.server.verbs.read import list_metadata, read_page
from arubeki.server.verbs.respond import respond, served
from arubeki.server.verbs.write import UPDATE_TRIES, current, remove, stored
from arubeki.storage.base import Entry

Object = dict[str, Any]

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_POLICIES = ("Foreground", "Background", "Orphan")


@dataclass(slots=True)
class DeleteOptions:
    """How to delete. `policy` is "" when the client leaves it to the object's finalizers."""

    grace_seconds: int | None = None
    policy: str = ""
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


def delete_options(call: Call) -> DeleteOptions:
    """Return the options of a deletion, from the body or else the query.

    Raises: BadRequest, Invalid, UnsupportedMediaType.
    """
    if call.request.body.strip():
        given = _body_options(call)
    else:
        given = {
            "gracePeriodSeconds": whole_number(call, "gracePeriodSeconds"),
            "propagationPolicy": call.parameter("propagationPolicy") or None,
            "dryRun": call.parameters.get("dryRun", []),
        }
        if "orphanDependents" in call.parameters:
            given["orphanDependents"] = call.flag("orphanDependents")
    return checked_options(given)


def _body_options(call: Call) -> dict[str, Any]:
    media_type = decoding.media_type_of(call)
    body = call.request.body
    decoding.check_size(body)
    accepted = [decoding.JSON, decoding.YAML, decoding.PROTOBUF]
    if media_type not in accepted:
        raise decoding.unsupported(accepted)
    if media_type == decoding.PROTOBUF:
        from arubeki.api import protobuf

        value: Any = protobuf.decode(body, GVK("", "v1", "DeleteOptions"))
    elif media_type == decoding.YAML:
        value = decoding.load_yaml(body, "DeleteOptions")
    else:
        try:
            value = decoding.load_json(body, "DeleteOptions")
        except failures.Undecodable as error:
            raise BadRequest(error.why) from error
    if not isinstance(value, dict):
        raise BadRequest(
            f"json: cannot unmarshal {decoding.json_type(value)} into Go value of type "
            "v1.DeleteOptions"
        )
    kind = value.get("kind")
    if kind not in (None, "", "DeleteOptions"):
        raise BadRequest(
            f"no kind {fields.shown(kind)} is registered for version "
            f"{fields.shown(value.get('apiVersion') or 'v1')} "
            'in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
    if "dryRun" not in value:
        value["dryRun"] = call.parameters.get("dryRun", [])
    return value


def checked_options(given: dict[str, Any]) -> DeleteOptions:
    """Return the options that a parsed body gives. Raises: BadRequest, Invalid."""
    grace = _typed(given, "gracePeriodSeconds", int)
    policy = _typed(given, "propagationPolicy", str)
    orphan = _typed(given, "orphanDependents", bool)
    dry_run = _typed(given, "dryRun", list) or []
    conditions = _typed(given, "preconditions", dict) or {}
    faults = dry_run_faults(dry_run)
    if policy is not None and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        faults.append(FieldError.invalid("propagationPolicy", policy, why))
    if policy is not None and policy not in _POLICIES:
        faults.append(FieldError.not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    if faults:
        raise fields.invalid(META_GROUP, "DeleteOptions", "", faults)
    if grace is not None and grace < 0:
        grace = 1  # what "negative" meant before it was defined
    return DeleteOptions(
        grace_seconds=grace,
        policy=policy or "",
        orphan_dependents=orphan,
        uid=_typed(conditions, "uid", str),
        resource_version=_typed(conditions, "resourceVersion", str),
        dry_run=any(dry_run),
    )


_GO_TYPES = {
    int: "int64",
    str: "v1.DeletionPropagation",
    bool: "bool",
    list: "[]string",
    dict: "v1.Preconditions",
}


def _typed(given: dict[str, Any], name: str, kind: type) -> Any:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadRequest(
            f"json: cannot unmarshal {decoding.json_type(value)} into Go struct field "
            f"DeleteOptions.{name} of type {_GO_TYPES[kind]}"
        )
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise BadRequest(f"json: cannot unmarshal number {value} into Go struct field {name}")
    return value


async def delete(call: Call) -> Response:
    """Delete the object, or begin to."""
    negotiate(call.header("accept"))
    options = delete_options(call)
    gone, value = await delete_object(call, options)
    strategy = call.core.strategy(call.resource)
    status = 202 if not gone and options.orphan_dependents is False else 200
    if not gone or strategy.returns_deleted:
        return await respond(call, value, status)
    metadata = wire.decode_json(wire.raw_metadata(value))
    details = failures.details_of(call.resource, call.name, metadata.get("uid", ""))
    success = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
    return answer_json(wire.encode_json(success), status)


async def delete_object(call: Call, options: DeleteOptions) -> tuple[bool, bytes]:
    """Delete an object or begin to; return whether it is gone, and its (last) bytes.

    Raises: NotFound, Conflict (a precondition), Forbidden.
    """
    resource, core = call.resource, call.core
    key = resource.key(call.namespace, call.name)
    strategy = core.strategy(resource)
    for _ in range(UPDATE_TRIES):
        entry = await core.storage.get(key)
        if entry is None:
            raise failures.not_found(resource, call.name)
        old = current(call, entry)
        _check_preconditions(call, old, entry, options)
        strategy.check_deletable(resource, old)
        new = current(call, entry)
        if begin_deletion(strategy, new, options):
            if options.dry_run:
                return False, wire.stamp(stored(call, new), entry.revision)
            if new == old:
                return False, entry.value
            done = await _mark(call, entry, new)
        elif options.dry_run:
            return True, entry.value
        else:
            done = await _take(call, entry, old)
        if done is not None:
            return done
    raise ServerTimeout(
        f'{resource.qualified} "{call.name}" changes faster than it can be deleted',
        details={"retryAfterSeconds": 1},
    )


async def _mark(call: Call, entry: Entry, new: Object) -> tuple[bool, bytes] | None:
    storage = call.core.storage
    written = await _commit(call, entry, stored(call, new))
    if written is None:
        return None
    metadata = new["metadata"]
    still = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    if still or call.core.strategy(call.resource).holds_back(new):
        return False, written.value
    # A grace of nothing: watchers see the mark and then the end, as they do of Kubernetes.
    latest = await storage.get(entry.key)
    if latest is None or latest.revision != written.revision:
        return None
    return await _take(call, latest, new)


async def _commit(call: Call, entry: Entry, value: bytes) -> Entry | None:
    try:
        return await call.core.storage.commit(entry.key, value, expected=entry.revision)
    except RevisionMismatch:
        return None


async def _take(call: Call, entry: Entry, obj: Object) -> tuple[bool, bytes] | None:
    removed = await remove(call, entry, obj)
    return None if removed is None else (True, removed.value)


def begin_deletion(strategy: Strategy, obj: Object, options: DeleteOptions) -> bool:
    """Mark `obj`, in place, as deleting as far as it has to wait; tell whether it must be kept.

    False means: remove it now.
    """
    metadata = obj["metadata"]
    if _is_pending(metadata):
        _shorten(metadata, options.grace_seconds)
        return True
    begins = "deletionTimestamp" not in metadata
    if begins:
        strategy.begin_deletion(obj)
    grace = strategy.grace_seconds(obj, options.grace_seconds)
    graceful = strategy.is_graceful and begins
    _set_finalizers(metadata, options)
    waits = bool(metadata.get("finalizers")) or strategy.holds_back(obj)
    if not graceful and not waits:
        return False
    if begins:
        if "generation" in metadata:
            metadata["generation"] += 1
        seconds = grace if graceful else 0
        metadata["deletionTimestamp"] = clock.timestamp(clock.now() + seconds)
        if strategy.says_grace:
            metadata["deletionGracePeriodSeconds"] = seconds
    return True


def _is_pending(metadata: Object) -> bool:
    """Tell whether a node is still given time to end the object."""
    return "deletionTimestamp" in metadata and bool(metadata.get("deletionGracePeriodSeconds"))


def _shorten(metadata: Object, asked: int | None) -> None:
    """Let a pending deletion come sooner; it never comes later."""
    period = metadata["deletionGracePeriodSeconds"]
    if asked is None or asked >= period:
        return
    due = clock.parse_timestamp(metadata["deletionTimestamp"])
    metadata["deletionTimestamp"] = clock.timestamp(due - period + asked)
    metadata["deletionGracePeriodSeconds"] = asked


def _set_finalizers(metadata: Object, options: DeleteOptions) -> None:
    """Put in, or take out, the finalizers that the garbage collector acts on."""
    present = metadata.get("finalizers") or []
    policy = options.policy
    if options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if policy:
        orphan, foreground = policy == "Orphan", policy == "Foreground"
    else:
        orphan = ORPHAN in present
        foreground = FOREGROUND in present and not orphan
    wanted = [one for one in present if one not in (ORPHAN, FOREGROUND)]
    wanted += [ORPHAN] * orphan + [FOREGROUND] * foreground
    if set(wanted) == set(present):
        return
    if wanted:
        metadata["finalizers"] = wanted
    else:
        metadata.pop("finalizers", None)


def _check_preconditions(call: Call, obj: Object, entry: Entry, options: DeleteOptions) -> None:
    actual = obj["metadata"]["uid"]
    if options.uid is not None and options.uid != actual:
        raise _unmet(
            call,
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({actual}). The object might have been deleted and then recreated",
        )
    revision = str(entry.revision)
    if options.resource_version is not None and options.resource_version != revision:
        raise _unmet(
            call,
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match "
            f"the ResourceVersion in record ({revision}). The object might have been modified",
        )


def _unmet(call: Call, why: str) -> Conflict:
    """Return the error for a precondition. Kubernetes names the kind here, not the resource."""
    resource = call.resource
    qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {**failures.details_of(resource, call.name), "kind": resource.kind}
    message = f'Operation cannot be fulfilled on {qualified} "{call.name}": {why}'
    return Conflict(message, details=details)


async def delete_collection(call: Call) -> Response:
    """Delete every object selected, or begin to; answer what they were."""
    negotiate(call.header("accept"))
    check_list_options(call, watch=False)
    options = delete_options(call)
    selection = selection_of(call)
    resource = call.resource
    page = await read_page(call, selection)
    deleted = []
    for index, entry in enumerate(page.entries):
        if index % 100 == 99:
            await asyncio.sleep(0)
        place = entry.key.removeprefix(resource.prefix)
        namespace, _, name = place.rpartition("/")
        one = replace(call, namespace=namespace, name=name)
        try:
            _, value = await delete_object(one, options)
        except NotFound:
            continue
        deleted.append(served(call, value))
    head = wire.encode_json(
        {
            "kind": resource.list_kind,
            "apiVersion": resource.api_version,
            "metadata": list_metadata(page),
        }
    )
    body = head[:-1] + b',"items":[' + b",".join(deleted) + b"]}"
    return answer_json(body)
