"""delete and deletecollection: at once, after a grace, or when the last finalizer goes.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/registry/rest/delete.go, pkg/registry/generic/registry/store.go,
pkg/endpoints/handlers/delete.go.
"""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

from arubeki import clock
from arubeki.errors import Conflict, NotFound, RevisionMismatch, ServerTimeout
from arubeki.net.message import Response
from arubeki.server import failures, wire
from arubeki.server.admission.strategy import Strategy
from arubeki.server.core import Call
from arubeki.server.negotiation import check_number, negotiate
from arubeki.server.verbs.options import check_list_options, selection_of
from arubeki.server.verbs.read import list_answer, read_page
from arubeki.server.verbs.removal import DeleteOptions, delete_options
from arubeki.server.verbs.respond import finish, respond
from arubeki.server.verbs.write import UPDATE_TRIES, current, remove, stored
from arubeki.storage.base import Entry

Object = dict[str, Any]

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


async def delete(call: Call) -> Response:
    """Delete the object, or begin to."""
    form = negotiate(call.header("accept"))
    options = _options(call)
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
    return finish(call, form, wire.encode_json(success), status)


def _options(call: Call) -> DeleteOptions:
    """Return how to delete, with a warning where something else may be meant."""
    options = delete_options(call)
    warning = call.core.strategy(call.resource).deletion_warning
    if warning and not options.policy and options.orphan_dependents is None:
        call.warnings.append(warning)
    return options


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
        if options.unsafe:
            raise failures.conflict(
                resource,
                call.name,
                f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
                "AdditionalErrorMsg: unsafe deletion is not allowed because the object is "
                "decodable from storage",
            )
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
    _set_finalizers(metadata, options, orphans=strategy.orphans)
    waits = bool(metadata.get("finalizers")) or strategy.holds_back(obj)
    if not graceful and not waits:
        return False
    if begins:
        if "generation" in metadata and strategy.says_grace:
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


def _set_finalizers(metadata: Object, options: DeleteOptions, *, orphans: bool) -> None:
    """Put in, or take out, the finalizers that the garbage collector acts on."""
    present = metadata.get("finalizers") or []
    policy = options.policy
    if options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if policy:
        orphan, foreground = policy == "Orphan", policy == "Foreground"
    else:
        orphan = ORPHAN in present or (orphans and FOREGROUND not in present)
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
    """Delete every object selected, or begin to; answer what they were before.

    Source: store.go DeleteCollection.
    """
    form = negotiate(call.header("accept"))
    check_number(form, call.resource.list_kind, many=True)
    options = _options(call)
    check_list_options(call, watch=False)
    page = await read_page(call, selection_of(call))
    answer = await list_answer(call, form, page)
    resource = call.resource
    for index, entry in enumerate(page.entries):
        if index % 100 == 99:
            await asyncio.sleep(0)
        place = entry.key.removeprefix(resource.prefix)
        namespace, _, name = place.rpartition("/")
        with contextlib.suppress(NotFound):
            await delete_object(replace(call, namespace=namespace, name=name), options)
    return answer
