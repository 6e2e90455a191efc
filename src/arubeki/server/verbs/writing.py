"""create, update and patch: from a body to a write.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/handlers/{create,update,patch}.go.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from arubeki import clock
from arubeki.api import apply, fields, patch
from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.api.schema import Schema
from arubeki.errors import AlreadyExists, BadRequest, NotFound, UnsupportedMediaType
from arubeki.net.message import Response
from arubeki.server import decoding, failures, wire
from arubeki.server.addressing import address, address_kind, address_place
from arubeki.server.conform import conform
from arubeki.server.core import Call
from arubeki.server.negotiation import negotiate
from arubeki.server.verbs.options import WriteOptions, write_options
from arubeki.server.verbs.respond import respond
from arubeki.server.verbs.write import create_object, uid_conflict, update_object

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


async def create(call: Call) -> Response:
    """Store the body as a new object."""
    negotiate(call.header("accept"))
    options = write_options(call, "CreateOptions")
    obj = _body(call, options, expect_name=False)
    return await respond(call, await create_object(call, obj, options), 201)


def _body(call: Call, options: WriteOptions, *, expect_name: bool) -> Object:
    obj, repeated = decoding.decode_body(call)
    address(call, obj, expect_name=expect_name)
    conform(call.resource, obj, options.validation, call.warnings, repeated)
    return obj


async def update(call: Call) -> Response:
    """Store the body in place of the object; a kind may be created so."""
    negotiate(call.header("accept"))
    options = write_options(call, "UpdateOptions")
    bodies = [_body(call, options, expect_name=True)]

    def change(_: Object) -> Object:
        # The first try takes the body that was read already; later ones need a fresh copy.
        return bodies.pop() if bodies else _body(call, options, expect_name=True)

    strategy = call.core.strategy(call.resource)
    try:
        return await respond(call, await update_object(call, change, options))
    except NotFound:
        if not strategy.create_on_update or call.subresource:
            raise
    obj = _body(call, options, expect_name=True)
    uid = obj["metadata"].get("uid", "")
    if uid:
        raise uid_conflict(call, uid, "")
    obj["metadata"].pop("resourceVersion", None)
    return await respond(call, await create_object(call, obj, options), 201)


async def patch_object(call: Call) -> Response:
    """Change the object as the body says, in one of four patch languages."""
    negotiate(call.header("accept"))
    media_type = decoding.media_type_of(call)
    if media_type == APPLY_PATCH:
        return await _apply(call)
    options = write_options(call, "PatchOptions")
    language, repeated = patcher(call, media_type, call.resource.schema)

    def change(obj: Object) -> Object:
        wanted = language(obj)
        if not isinstance(wanted, dict):
            raise BadRequest("the patch leaves no object")
        call.warnings.clear()
        with telling_patch(call, media_type, lambda: language(obj)):
            address_kind(call, wanted)
            address_place(call, wanted, expect_name=True)
            conform(call.resource, wanted, options.validation, call.warnings, repeated)
        return wanted

    return await respond(call, await update_object(call, change, options))


@contextmanager
def telling_patch(call: Call, media_type: str, patched: Callable[[], Any]) -> Iterator[None]:
    """Say of a patch that it is invalid when what it makes is no object of the kind.

    `patched` makes it once more, to be shown.
    """
    try:
        yield
    except failures.Undecodable as error:
        if media_type == STRATEGIC_PATCH:
            text = fields.go_text(wire.decode_json(call.request.body))
        else:
            text = wire.encode_json(patched()).decode()
        fault = FieldError.invalid("patch", text, error.why)
        raise fields.invalid("", "", "", [fault]) from error


Patcher = Callable[[Object], Any]


def patcher(
    call: Call, media_type: str, schema: Schema | None
) -> tuple[Patcher, decoding.Repeated]:
    """Return the body of a patch as a function, and what is said of fields it has twice.

    Raises: BadRequest, UnsupportedMediaType.
    """
    custom = call.resource.custom is not None
    accepted = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
    if not custom:
        accepted.insert(2, STRATEGIC_PATCH)
    if media_type not in accepted:
        if custom:
            raise decoding.unsupported(accepted)
        # For built-in kinds Kubernetes refuses it earlier, in the words of its router.
        raise _refused_by_router()
    raw = call.request.body
    decoding.check_size(raw)
    try:
        body = wire.decode_json(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("invalid JSON patch") from error
    decoding.check_depth(body, raw)
    twice: list[str] = []
    if call.parameter("fieldValidation") != "Ignore":
        found = decoding.duplicate_fields(raw, body)
        what = "json patch duplicate field" if media_type == JSON_PATCH else "duplicate field"
        twice = [f'{what} "{one}"' for one in found]
    repeated = decoding.Repeated(twice)
    if media_type == JSON_PATCH:
        return (lambda obj: patch.json_patch(obj, body)), repeated
    if body is None and media_type == MERGE_PATCH:
        raise BadRequest("Invalid JSON Patch")
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {decoding.json_type(body)} into Go "
            "value of type map[string]interface {}"
        )
    if media_type == MERGE_PATCH:
        return (lambda obj: patch.merge_patch(obj, body)), repeated
    if schema is None:
        raise BadRequest(f"{call.resource.kind} has no schema for a strategic merge patch")
    return (lambda obj: patch.strategic_merge(obj, body, schema)), repeated


def _refused_by_router() -> UnsupportedMediaType:
    error = UnsupportedMediaType("415: Unsupported Media Type")
    error.bare_details = True
    return error


async def _apply(call: Call) -> Response:
    """Server-side apply: make the object have the body's fields, owned by its manager."""
    options = write_options(call, "PatchOptions", applying=True)
    decoding.check_size(call.request.body)
    intent = read_intent(call, call.resource.gvk)
    twice: list[str] = []
    if options.validation != "Ignore":
        twice = decoding.repeated_keys(call.request.body)
    if twice and options.validation == "Strict":
        listed = "".join(f"\n  {one}" for one in twice)
        why = f"error converting YAML to JSON: yaml: unmarshal errors:{listed}"
        raise BadRequest(f"error strict decoding patch: {why}")

    def change(live: Object | None) -> Object | None:
        wanted = apply.apply_object(
            live,
            _writable(call, intent),
            schema=call.resource.schema,
            manager=options.manager,
            force=options.force,
            now=clock.timestamp(),
            subresource=call.subresource,
        )
        address_place(call, wanted, expect_name=True)
        call.warnings[:] = twice
        if live is not None and _is_same(wanted, live):
            # What is applied again and again mostly changes nothing, and what is stored conforms.
            strategy = call.core.strategy(call.resource)
            call.warnings += strategy.warnings(wanted, live, call.subresource)
            return None
        conform(call.resource, wanted, options.validation, call.warnings)
        return wanted

    for _ in range(5):
        try:
            return await respond(call, await update_object(call, change, options, applied=True))
        except NotFound as error:
            if call.subresource or error.details.get("kind") != call.resource.plural:
                raise
        wanted = change(None)
        assert wanted is not None
        uid = wanted["metadata"].get("uid")
        if uid:
            raise failures.conflict(
                call.resource,
                call.name,
                f"uid mismatch: the provided object specified uid {uid}, and no existing object "
                "was found",
            )
        wanted["metadata"].pop("resourceVersion", None)
        try:
            value = await create_object(call, wanted, options, applied=True)
        except AlreadyExists:
            continue  # created by another between our two looks
        return await respond(call, value, 201)
    raise failures.modified(call.resource, call.name)


def _is_same(wanted: Object, live: Object) -> bool:
    """Tell whether an apply has changed nothing: then it has taken over the very parts of `live`."""
    return (
        wanted.keys() == live.keys()
        and all(one is live[name] for name, one in wanted.items() if name != "metadata")
        and bool(wanted["metadata"] == live["metadata"])
    )


def read_intent(call: Call, gvk: GVK) -> Object:
    """Return the body of an apply of a `gvk`. Raises: BadRequest."""
    try:
        intent = decoding.load_yaml(call.request.body, call.resource.kind)
    except failures.Undecodable as error:
        raise BadRequest(f"error decoding patch: {error.why}") from error
    if intent is None:
        intent = {}
    if not isinstance(intent, dict):
        raise BadRequest(
            "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot "
            f"unmarshal {decoding.json_type(intent)} into Go value of type map[string]interface {{}}"
        )
    if (intent.get("apiVersion"), intent.get("kind")) != (gvk.api_version, gvk.kind):
        group, _, version = str(intent.get("apiVersion") or "").rpartition("/")
        raise BadRequest(f"invalid object type: {group}/{version}, Kind={intent.get('kind') or ''}")
    return intent


def _writable(call: Call, intent: Object) -> Object:
    """Return the part of an intent that its path may write: what it may not, nobody owns."""
    if not call.resource.has_status:
        return intent
    if call.subresource == "status":
        keep = ("apiVersion", "kind", "metadata", "status")
        return {name: value for name, value in intent.items() if name in keep}
    return {name: value for name, value in intent.items() if name != "status"}
