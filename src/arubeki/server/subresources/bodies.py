"""Bodies and answers of what is asked and not stored: a kind of its own, at another's path.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/handlers/create.go.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from arubeki import clock
from arubeki.api import apply, structure
from arubeki.api.objects import GVK, gvk_of
from arubeki.net.message import Response
from arubeki.server import decoding, wire
from arubeki.server.addressing import address
from arubeki.server.conform import conform
from arubeki.server.core import Call
from arubeki.server.negotiation import negotiate
from arubeki.server.resources import Resource
from arubeki.server.verbs.options import WriteOptions, write_options
from arubeki.server.verbs.respond import respond_bytes

Object = dict[str, Any]


def read(call: Call, gvk: GVK, versions: Sequence[str] = ()) -> tuple[Object, WriteOptions]:
    """Return the body of a create as a `gvk`: typed, without what is unknown, with defaults.

    `versions` are apiVersions that say the same as that of `gvk`.

    An answer that is not to be had as a Table or as metadata is refused before anything is done.
    Raises: ApiError.
    """
    negotiate(call.header("accept"), forms=False)
    options = write_options(call, "CreateOptions")
    kind = as_resource(gvk, namespaced=call.resource.namespaced)
    as_kind = replace(call, resource=kind, subresource="", warnings=call.warnings)
    obj, duplicates = decoding.decode_body(as_kind)
    if obj.get("apiVersion") in versions:
        obj["apiVersion"] = gvk.api_version
    address(as_kind, obj, expect_name=False)
    conform(kind, obj, options.validation, call.warnings, duplicates)
    return obj, options


def respond(call: Call, obj: Object) -> Response:
    """Return the object as the answer, with the fields that Go always writes."""
    kind = as_resource(gvk_of(obj), namespaced=call.resource.namespaced)
    assert kind.schema is not None
    structure.prune(obj, kind.schema)
    return respond_bytes(call, wire.encode_json(obj), 201)


def track(call: Call, obj: Object, options: WriteOptions) -> None:
    """Note in managedFields, in place, who said what, though nothing of it is kept."""
    kind = as_resource(gvk_of(obj), namespaced=call.resource.namespaced)
    managed = apply.track_update(
        None,
        {name: value for name, value in obj.items() if name != "status"},
        schema=kind.schema,
        manager=options.manager,
        now=clock.timestamp(),
        subresource=call.subresource,
    )
    if managed:
        obj["metadata"]["managedFields"] = managed


@cache
def as_resource(gvk: GVK, *, namespaced: bool) -> Resource:
    """Return a kind as a resource, as decoding and checking want it."""
    return Resource(gvk=gvk, plural=f"{gvk.kind.lower()}s", namespaced=namespaced)
