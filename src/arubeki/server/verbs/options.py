"""The options in a request's query, checked as apimachinery checks them.

On the ring: [HTTP > **server** > storage].
Source: apimachinery pkg/apis/meta/internalversion/validation, pkg/apis/meta/v1/validation.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from arubeki.api import fields
from arubeki.api.fields import FieldError
from arubeki.api.selectors import FieldSelector, LabelSelector
from arubeki.errors import ApiError, BadRequest
from arubeki.server import failures
from arubeki.server.admission.metadata import manager_faults
from arubeki.server.core import Call, Core
from arubeki.server.meta import Selection
from arubeki.server.resources import Resource

META_GROUP = "meta.k8s.io"
FRESHNESS_SECONDS = 3.0
"""How long a read waits for a revision that has not happened. Source: cacher blockTimeout."""
_MANAGER_LIMIT = 128
_is_whole = re.compile("[+-]?[0-9]{1,400}").fullmatch


@dataclass(slots=True)
class WriteOptions:
    """How to write: `validation` is Ignore, Warn or Strict."""

    dry_run: bool = False
    manager: str = ""
    validation: str = "Warn"
    force: bool = False


def write_options(call: Call, kind: str, *, applying: bool = False) -> WriteOptions:
    """Return the options of a create, update or patch. `kind` is CreateOptions and so on.

    Raises: Invalid with every fault.
    """
    manager = call.parameter("fieldManager")
    faults = []
    if kind == "PatchOptions":
        if applying and not manager:
            faults.append(FieldError.required("fieldManager", "is required for apply patch"))
        if not applying and call.parameter("force"):
            faults.append(FieldError.forbidden("force", "may not be specified for non-apply patch"))
    faults += manager_faults("fieldManager", manager)
    faults += dry_run_faults(call.parameters.get("dryRun", []))
    validation = call.parameter("fieldValidation") or "Warn"
    if validation not in ("Ignore", "Strict", "Warn"):
        supported = ("", "Ignore", "Strict", "Warn")
        faults.append(FieldError.not_supported("fieldValidation", validation, supported))
    if faults:
        raise fields.invalid(META_GROUP, kind, "", faults)
    return WriteOptions(
        dry_run=bool(call.parameter("dryRun")),
        manager=manager or _agent(call.header("user-agent")),
        validation=validation,
        force=call.flag("force"),
    )


def dry_run_faults(values: Any) -> list[FieldError]:
    """Return what is wrong with dryRun: it is `All` or absent."""
    if all(one == "All" for one in values):
        return []
    return [FieldError.not_supported("dryRun", values, ("All",))]


def _agent(user_agent: str) -> str:
    """Return the field manager of a client that does not name one. Source: create.go."""
    name = user_agent.partition("/")[0][:_MANAGER_LIMIT]
    return name if name.isprintable() and name else "unknown"


def list_faults(call: Call, *, watch: bool) -> list[FieldError]:
    """Return what is wrong with the options of a list or watch.

    A watch from nowhere in particular is one with initial events, whose options are these.
    """
    match, revision = call.parameter("resourceVersionMatch"), call.parameter("resourceVersion")
    sends_initial = "sendInitialEvents" in call.parameters
    path = "resourceVersionMatch"
    faults: list[FieldError] = []
    if watch and sends_initial and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        faults.append(FieldError.forbidden(path, why))
    if match and watch and not sends_initial:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        faults.append(FieldError.forbidden(path, why))
    if match and not watch and not revision:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        faults.append(FieldError.forbidden(path, why))
    continued = FieldError.forbidden(path, f"{path} is forbidden when continue is provided")
    with_token = bool(call.parameter("continue"))
    if match and with_token and not watch:
        faults.append(continued)
    supported = ("NotOlderThan",) if watch else ("Exact", "NotOlderThan")
    if match and match not in supported:
        shown = supported if watch else (*supported, "")
        faults.append(FieldError.not_supported(path, match, shown))
    if watch and with_token and (match or (not sends_initial and revision in ("", "0"))):
        faults.append(continued)
    if match == "Exact" and not watch and revision == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        faults.append(FieldError.forbidden(path, why))
    if sends_initial and not watch:
        why = "sendInitialEvents is forbidden for list"
        faults.append(FieldError.forbidden("sendInitialEvents", why))
    return faults


def check_list_options(call: Call, *, watch: bool) -> None:
    """Raise Invalid unless the options of a list or watch go together, BadRequest for no number."""
    for name in ("limit", "timeoutSeconds"):
        whole_number(call, name)
    faults = list_faults(call, watch=watch)
    if faults:
        raise fields.invalid(META_GROUP, "ListOptions", "", faults)


def selection_of(call: Call) -> Selection:
    """Return what labelSelector and fieldSelector select. Raises: BadRequest."""
    label_text, field_text = call.parameter("labelSelector"), call.parameter("fieldSelector")
    if not label_text and not field_text:
        return Selection()
    try:
        labels = LabelSelector.parse(label_text)
        by_fields = FieldSelector.parse(field_text)
    except ValueError as error:
        raise BadRequest(str(error)) from error
    check_fields(call.resource, by_fields)
    return Selection(None if labels.empty else labels, None if by_fields.empty else by_fields)


def check_fields(resource: Resource, selector: FieldSelector) -> None:
    """Raise BadRequest unless a resource's objects can be selected by these fields."""
    for name, _, _ in selector.requirements:
        if name in resource.selectable or name == "metadata.name":
            continue
        if name == "metadata.namespace" and (resource.namespaced or not resource.selectable):
            continue
        if resource.selectable or resource.custom is not None:
            raise BadRequest(_unsupported_label(resource, name))
        raise BadRequest(
            f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )


def _unsupported_label(resource: Resource, name: str) -> str:
    """Return what is said of a field that does not select; some kinds have words of their own.

    Source: kubernetes pkg/apis/{batch,resource}/v1/conversion.go.
    """
    if resource.kind == "Job" and resource.group == "batch":
        return f'field label "{name}" not supported for Job'
    if resource.kind == "ResourceSlice":
        return f"field label not supported for {resource.api_version}, Kind=ResourceSlice: {name}"
    return f"field label not supported: {name}"


def list_revision(text: str) -> int:
    """Return the resourceVersion of a list; 0 when unset. Raises: BadRequest."""
    try:
        return revision_of(text)
    except ApiError as error:
        raise BadRequest(f"invalid resource version: {error.message}") from error


def revision_of(text: str) -> int:
    """Return a resourceVersion as a number; 0 when unset.

    Raises: ApiError without a reason, as in Kubernetes, where nobody has classified this error.
    """
    if not text:
        return 0
    number = -1
    if text.isascii() and text.isdigit():
        number = int(text[:40])  # longer ones are too large in any case
    if not 0 <= number < 1 << 64:
        why = "invalid syntax" if number < 0 else "value out of range"
        shown = fields.shown(text)
        raise ApiError(
            f"resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: {why}"
        )
    return number


def whole_number(call: Call, name: str, *, empty: bool = False) -> int | None:
    """Return a query parameter that is an integer, None when absent.

    `empty` says that a parameter without a value is wrong. Raises: BadRequest.
    """
    text = call.parameter(name)
    if not text and not (empty and name in call.parameters):
        return None
    number = int(text) if _is_whole(text) else None
    if number is None or not -(1 << 63) <= number < 1 << 63:
        why = "invalid syntax" if number is None else "value out of range"
        raise BadRequest(f"strconv.ParseInt: parsing {fields.shown(text)}: {why}")
    return number


async def wait_for(core: Core, revision: int) -> bool:
    """Wait a little for a revision to happen; tell whether it has."""
    storage = core.storage
    if revision <= storage.revision:
        return True
    waited = 0.0
    while waited < FRESHNESS_SECONDS:
        # Another server on the same store may have written it.
        if revision <= await storage.current():
            return True
        await asyncio.sleep(0.1)
        waited += 0.1
    return False


async def ensure_fresh(core: Core, revision: int) -> None:
    """Wait a little for a revision to happen. Raises: Timeout with the cause clients look for."""
    if not await wait_for(core, revision):
        raise failures.too_large_revision(revision, core.storage.revision)
