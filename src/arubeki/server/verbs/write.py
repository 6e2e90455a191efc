"""What every write shares: prepare, validate, commit; conflicts are tried again or told.

A create and an update run the kind's strategy in the order that `admission.strategy` tells. An
update is a function from the current object to the wanted one, so that one without a
resourceVersion can be computed anew when somebody else was faster.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/registry/generic/registry/store.go, pkg/registry/rest/{create,update}.go.
"""

from collections.abc import Callable
from typing import Any

from arubeki import clock
from arubeki.api import apply, fields, rules
from arubeki.api.fields import FieldError
from arubeki.errors import ApiError, Conflict, RevisionMismatch, ServerTimeout
from arubeki.server import conform, failures, wire
from arubeki.server.admission import metadata as meta
from arubeki.server.admission.strategy import Undo
from arubeki.server.core import Call
from arubeki.server.verbs.options import WriteOptions
from arubeki.storage.base import Entry

Object = dict[str, Any]
Change = Callable[[Object], Object | None]
"""From the current object to the wanted one; None where they are the same."""

NAME_TRIES = 8
"""Names drawn for a generateName before giving up. Source: store.go maxNameGenerationCreateAttempts."""
_APART = ("apiextensions.k8s.io", "apiregistration.k8s.io")
"""Groups of servers of their own within Kubernetes', whose kinds have no declared rules."""
_PARTS = ("binding", "ephemeralcontainers", "resize")
"""Subresources that may change what the object itself may not; their strategies say what is wrong."""
UPDATE_TRIES = 100
"""How often an unconditional update is computed anew: so many others were faster in a row."""


def stored(call: Call, obj: Object) -> bytes:
    """Return an object as its bytes in the storage."""
    converter = call.resource.converter
    if converter is not None:
        obj = converter.to_storage(obj)
    return wire.encode(obj)


def current(call: Call, entry: Entry) -> Object:
    """Return a stored object as a private dict, in the version of the call."""
    obj = wire.decode(entry.value)
    converter = call.resource.converter
    return obj if converter is None else converter.to_served(obj)


async def create_object(
    call: Call, obj: Object, options: WriteOptions, *, applied: bool = False
) -> bytes:
    """Store a new object and return its bytes, stamped.

    `applied` says that managedFields are already as they should be.
    Raises: AlreadyExists, Invalid, Forbidden, NotFound (its namespace).
    """
    resource, core = call.resource, call.core
    strategy = core.strategy(resource)
    await _ensure_place(call, str(obj["metadata"].get("name", "")))
    strategy.note_user(obj, call.user)
    strategy.reset(resource, obj, None, "")
    metadata = obj["metadata"]
    if not applied:
        _track(call, None, obj, options)
    conform.add_empty_status(resource, obj)
    meta.prepare_create(metadata, has_generation=strategy.has_generation)
    generated = not metadata.get("name") and metadata.get("generateName")
    if generated:
        metadata["name"] = meta.generate_name(metadata["generateName"])
    await core.ranges.fill(resource, obj)
    await strategy.admit(resource, obj, None, "")
    _raise_faults(call, obj, None, "")
    call.warnings += strategy.warnings(obj, None, "")
    there = await core.storage.get(resource.key(call.namespace, metadata["name"]))
    if there is not None and not generated:
        # Told before anything is reserved; the commit below would find it out as well.
        raise _already_there(
            call, metadata["name"], there, generated=bool(metadata.get("generateName"))
        )
    # What was reserved is given back where the commit is known to have failed. An unclear end (a
    # storage error, a client that went away) may have stored it; leaks are found by `sweeping`.
    undo = await _reserve(call, obj, None, options)
    for attempt in range(NAME_TRIES):
        key = resource.key(call.namespace, metadata["name"])
        if options.dry_run:
            there = await core.storage.get(key)
            if there is None:
                return stored(call, obj)
        else:
            try:
                entry = await core.storage.commit(key, stored(call, obj), expected=0)
            except RevisionMismatch:
                there = await core.storage.get(key)
            else:
                await strategy.committed(obj, None)
                return entry.value
        if not generated or attempt == NAME_TRIES - 1:
            break
        metadata["name"] = meta.generate_name(metadata["generateName"])
    await undo()
    raise _already_there(
        call, metadata["name"], there, generated=bool(metadata.get("generateName"))
    )


async def update_object(
    call: Call, change: Change, options: WriteOptions, *, applied: bool = False
) -> bytes:
    """Store what `change` makes of the current object and return the bytes of what is stored then.

    Raises: NotFound, Conflict, Invalid, and what `change` raises.
    """
    resource, storage = call.resource, call.core.storage
    key = resource.key(call.namespace, call.name)
    for _ in range(UPDATE_TRIES):
        entry = await storage.get(key)
        if entry is None:
            raise failures.not_found(resource, call.name)
        new = change(current(call, entry))
        if new is None:
            return entry.value
        done = await replace(call, entry, new, options, applied=applied)
        if done is not None:
            return done
        # Somebody was faster. Who gave a resourceVersion is refused by the next look at it.
    raise ServerTimeout(
        f'{resource.qualified} "{call.name}" changes faster than it can be updated',
        details={"retryAfterSeconds": 1},
    )


async def replace(
    call: Call, entry: Entry, new: Object, options: WriteOptions, *, applied: bool = False
) -> bytes | None:
    """Put `new` in the place of `entry`; None when somebody else was faster.

    An object equal to the current one is not written. A deleting object that has lost its last
    finalizer is removed.
    """
    resource, core, subresource = call.resource, call.core, call.subresource
    strategy = core.strategy(resource)
    old = current(call, entry)
    _check_preconditions(call, new, old, entry)
    meta.prepare_update(new["metadata"], old["metadata"])
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    strategy.reset(resource, new, old, subresource)
    if not applied:
        _track(call, old, new, options)
    await strategy.admit(resource, new, old, subresource)
    counts = strategy.has_generation and subresource not in ("binding", "status")
    if counts and strategy.is_new_generation(resource, new, old):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    is_same = apply.no_op(old, new)
    if not is_same:  # what is stored was found right when it came
        _raise_faults(call, new, old, subresource)
    call.warnings += strategy.warnings(new, old, subresource)
    if is_same:
        return entry.value
    if is_released(old, new) and not strategy.holds_back(new):
        return await _release(call, entry, new, options)
    undo = await _reserve(call, new, old, options)
    value = stored(call, new)
    if options.dry_run:
        return wire.stamp(value, entry.revision)
    try:
        written = await core.storage.commit(entry.key, value, expected=entry.revision)
    except RevisionMismatch:
        await undo()
        return None
    await strategy.committed(new, old)
    return written.value


async def _reserve(call: Call, new: Object, old: Object | None, options: WriteOptions) -> Undo:
    """Take what a write must have to itself, and charge it to quotas; return how to give it back.

    Raises: Forbidden where a LimitRange or a quota does not allow it.
    """
    resource, core, dry_run = call.resource, call.core, options.dry_run
    await core.ranges.check(resource, new, old, call.subresource)
    undo = await core.strategy(resource).reserve(new, old, dry_run=dry_run)
    try:
        uncharge = await core.quotas.charge(resource, new, old, call.subresource, dry_run=dry_run)
    except BaseException:
        await undo()
        raise

    async def give_back() -> None:
        await undo()
        await uncharge()

    return give_back


def is_released(old: Object, new: Object) -> bool:
    """Tell whether an update has ended the last reason to keep a deleted object.

    Source: store.go ShouldDeleteDuringUpdate.
    """
    return (
        not new["metadata"].get("finalizers")
        and "deletionTimestamp" in old["metadata"]
        and old["metadata"].get("deletionGracePeriodSeconds", 0) == 0
    )


async def _release(call: Call, entry: Entry, new: Object, options: WriteOptions) -> bytes | None:
    value = wire.stamp(stored(call, new), entry.revision)
    if options.dry_run:
        return value
    if not await remove(call, entry, new):
        return None
    return value


async def remove(call: Call, entry: Entry, obj: Object) -> Entry | None:
    """Take an object out of the storage; None when somebody else was faster."""
    core = call.core
    try:
        removed = await core.storage.commit(entry.key, None, expected=entry.revision)
    except RevisionMismatch:
        return None
    await core.strategy(call.resource).released(obj)
    return removed


async def _ensure_place(call: Call, name: str) -> None:
    """Refuse a new object where none may come. Raises: NotFound, Forbidden."""
    resource = call.resource
    custom = resource.custom
    if custom is not None and custom.terminating:
        why = "create not allowed while custom resource definition is terminating"
        raise failures.forbidden(resource, name, why)
    if not resource.namespaced:
        return
    await ensure_namespace(call, name)


async def ensure_namespace(call: Call, name: str) -> None:
    """Refuse a new object in a namespace that is not there, or is going.

    Source: apiserver pkg/admission/plugin/namespace/lifecycle/admission.go.
    """
    namespaces = call.core.registry.find("", "v1", "namespaces")
    assert namespaces is not None
    entry = await call.core.storage.get(namespaces.key("", call.namespace))
    if entry is None:
        raise failures.not_found(namespaces, call.namespace)
    seen = namespaces.projection.of(entry)
    if seen.deleting or seen.fields["status.phase"] == "Terminating":
        where = call.namespace
        error = failures.forbidden(
            call.resource,
            name,
            f"unable to create new content in namespace {where} because it is being terminated",
        )
        error.details["causes"] = [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {where} is being terminated",
                "field": "metadata.namespace",
            }
        ]
        raise error


def _check_preconditions(call: Call, new: Object, old: Object, entry: Entry) -> None:
    metadata = new["metadata"]
    given = metadata.get("resourceVersion")
    if given and given not in ("0", str(entry.revision)):
        if not (given.isascii() and given.isdigit()):
            # No reason and 500, as in Kubernetes, where it is an error that nobody has classified.
            raise ApiError(f"strconv.ParseUint: parsing {fields.shown(given)}: invalid syntax")
        raise failures.modified(call.resource, call.name)
    if not given and call.verb == "update":
        strategy = call.core.strategy(call.resource)
        if not strategy.unconditional_update:
            # Here Kubernetes names the resource, where Invalid names the kind elsewhere.
            why = "must be specified for an update"
            fault = FieldError.invalid("metadata.resourceVersion", 0, why)
            raise fields.invalid(call.resource.group, call.resource.plural, call.name, [fault])
    uid, actual = metadata.get("uid"), old["metadata"]["uid"]
    if uid and uid != actual and call.verb == "update":
        raise uid_conflict(call, uid, actual)


def uid_conflict(call: Call, uid: str, actual: str) -> Conflict:
    """Return the error for a write that is meant for another object of the same name."""
    key = call.resource.key(call.namespace, call.name)
    return failures.conflict(
        call.resource,
        call.name,
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
        f"UID in object meta: {actual}",
    )


def _track(call: Call, old: Object | None, new: Object, options: WriteOptions) -> None:
    """Note in managedFields what this write has changed."""
    if call.subresource == "binding":
        return  # the scheduler's decision belongs to nobody
    if old is None and call.resource.has_status:
        # Nobody owns a status that was not written through `status`, if a kind keeps it at all.
        new = {name: value for name, value in new.items() if name != "status"}
    managed = apply.track_update(
        old,
        new,
        schema=call.resource.schema,
        manager=options.manager,
        now=clock.timestamp(),
        subresource=call.subresource,
    )
    if managed:
        new["metadata"]["managedFields"] = managed
    else:
        new["metadata"].pop("managedFields", None)


def _raise_faults(call: Call, new: Object, old: Object | None, subresource: str) -> None:
    """Raise Invalid with everything that is wrong with an object."""
    resource = call.resource
    strategy = call.core.strategy(resource)
    metadata = new["metadata"]
    faults = meta.validate(
        metadata,
        namespaced=resource.namespaced,
        name_rule=strategy.name_faults,
        standard=resource.custom is None and resource.group not in _APART,
    )
    if old is not None:
        faults += meta.validate_update(metadata, old["metadata"])
    if resource.custom is None:
        if old is None:
            faults += rules.validate(resource.gvk, new)
        elif subresource in _PARTS:
            faults += rules.validate_part(resource.gvk, new)
        elif subresource == "status":
            faults += rules.validate_status(resource.gvk, new, old)
        else:
            faults += rules.validate_update(resource.gvk, new, old)
    else:
        faults += conform.schema_faults(resource, new)
    faults += strategy.validate(resource, new, old, subresource)
    if resource.custom is None and resource.group not in _APART:
        faults = fields.distinct(faults)
    if faults:
        if resource.custom is None:
            # As Kubernetes does where rules of its schemas join those in code.
            faults = list(dict.fromkeys(faults))
        raise failures.invalid(resource, str(metadata.get("name", "")), faults)


def _already_there(
    call: Call, name: str, there: Entry | None, *, generated: bool = False
) -> ApiError:
    """Return the error for a name that is taken; `generated` where generateName was given."""
    error = failures.already_exists(call.resource, name)
    if generated:
        # Source: apimachinery pkg/api/errors/errors.go NewGenerateNameConflict.
        error.message += ", the server was not able to generate a unique name for the object"
        error.details["retryAfterSeconds"] = 1
    if there is not None and call.resource.projection.of(there).deleting:
        error.message = f"object is being deleted: {error.message}"
    return error
