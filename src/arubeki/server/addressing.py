"""Whether a body belongs where it was sent: kind, version, namespace and name against the URL's.

What a body leaves out it is given from the URL, where Kubernetes does so: built-in kinds may come
without kind, a new object without namespace. Only a new object may come without name.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/handlers/{create,update,patch,rest}.go, apiextensions-apiserver
pkg/apiserver/customresource_handler.go, pkg/registry/customresource/validator.go.
"""

from typing import Any

from arubeki.api import fields
from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.errors import BadRequest
from arubeki.server import failures
from arubeki.server.core import Call
from arubeki.server.decoding import json_type, unrecognized
from arubeki.server.wire import encode_json

_SCHEME = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'
_PACKAGES = {"": "core", "events.k8s.io": "core"}
"""Go packages of internal types, where they are not called after the group."""


def address(call: Call, obj: dict[str, Any], *, expect_name: bool) -> None:
    """Make the object, in place, bear what the URL says; refuse what contradicts it.

    Raises: BadRequest, Undecodable, Invalid.
    """
    address_kind(call, obj)
    address_place(call, obj, expect_name=expect_name)


def address_kind(call: Call, obj: dict[str, Any]) -> None:
    """Give the object, in place, its kind and version if they are those of the URL."""
    expected = _expected(call)
    for name in ("apiVersion", "kind"):
        if not isinstance(obj.get(name, ""), str | None):
            why = (
                "couldn't get version/kind; json parse error: json: cannot unmarshal "
                f"{json_type(obj[name])} into Go struct field .{name} of type string"
            )
            raise unrecognized(expected.kind, why, call.request.body)
    if call.resource.custom is not None and expected == call.resource.gvk:
        _check_custom(call, obj, expected)
    else:
        _check_built_in(call, obj, expected)
    obj["apiVersion"], obj["kind"] = expected.api_version, expected.kind


def _expected(call: Call) -> GVK:
    resource = call.resource
    if call.subresource in resource.subresources:
        return resource.subresources[call.subresource].gvk
    return resource.gvk


def _check_built_in(call: Call, obj: dict[str, Any], expected: GVK) -> None:
    api_version = obj.get("apiVersion") or expected.api_version
    kind = obj.get("kind") or expected.kind
    if api_version == expected.api_version and kind == expected.kind:
        return
    if api_version.count("/") > 1:
        why = f"unexpected GroupVersion string: {api_version}"
        raise unrecognized(expected.kind, why, call.request.body)
    group, _, version = api_version.rpartition("/")
    known = call.core.registry.kind(GVK(group, version, kind))
    if known is None or known.custom is not None:
        shown = fields.shown(kind), fields.shown(api_version)
        why = f"no kind {shown[0]} is registered for version {shown[1]} {_SCHEME}"
        raise failures.cannot_handle(kind, version, expected.kind, why)
    if kind != expected.kind:
        package = _PACKAGES.get(expected.group) or expected.group.partition(".")[0]
        why = f"converting ({version}.{kind}) to ({package}.{expected.kind}): unknown conversion"
        raise failures.cannot_handle(kind, version, expected.kind, why)
    raise _wrong_version(api_version, expected)


def _wrong_version(given: str, expected: GVK) -> BadRequest:
    return BadRequest(
        f"the API version in the data ({given}) does not match the expected API version "
        f"({expected.api_version})"
    )


def _check_custom(call: Call, obj: dict[str, Any], expected: GVK) -> None:
    kind, api_version = obj.get("kind"), obj.get("apiVersion") or ""
    if not kind:
        body = call.request.body or encode_json(obj)
        why = f"Object 'Kind' is missing in '{body.decode('utf-8', 'replace')}'"
        raise unrecognized(expected.kind, why, call.request.body)
    if api_version != expected.api_version:
        raise _wrong_version(api_version, expected)
    if kind != expected.kind:
        metadata = obj.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else ""
        fault = FieldError.invalid("kind", kind, f"must be {expected.kind}")
        raise fields.invalid(expected.group, kind, str(name or ""), [fault])


def address_place(call: Call, obj: dict[str, Any], *, expect_name: bool) -> None:
    """Give the object, in place, its namespace, and see that its name is the URL's."""
    resource = call.resource
    metadata = obj.get("metadata")
    if metadata is None:
        metadata = obj["metadata"] = {}
    if not isinstance(metadata, dict):
        why = (
            f"json: cannot unmarshal {json_type(metadata)} into Go struct field "
            f"{resource.kind}.metadata of type v1.ObjectMeta"
        )
        if resource.custom is not None:
            why = (
                f"json: cannot unmarshal {json_type(metadata)} into Go value of type v1.ObjectMeta"
            )
        raise failures.cannot_handle(resource.kind, resource.version, resource.kind, why)
    if expect_name:
        name = metadata.get("name")
        if not name:
            raise BadRequest(
                f"the name of the object ({call.name} based on URL) was undeterminable: name must "
                "be provided"
            )
        if name != call.name:
            raise BadRequest(
                f"the name of the object ({name}) does not match the name on the URL ({call.name})"
            )
    if resource.namespaced:
        namespace = metadata.get("namespace") or call.namespace
        if namespace != call.namespace:
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)  # meant or not, it has none
