"""Request bodies: bytes in one of three media types to a private dict of the right kind.

What comes out is parsed, bounded in depth and addressed (apiVersion, kind, namespace); whether it
has the shape of its kind is `conform`'s business.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/handlers/{create,update,rest}.go.
"""

import json
from typing import Any

import msgspec

from arubeki.errors import ApiError, BadRequest, RequestEntityTooLarge, UnsupportedMediaType
from arubeki.net.message import BODY_LIMIT_BYTES
from arubeki.server.core import Call
from arubeki.server.wire import decode_json, encode_json

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
DEPTH_LIMIT = 200
"""Nesting above this is refused, before any recursion of ours; no kind nests half as deep."""


def media_type_of(call: Call) -> str:
    """Return the body's media type; JSON when the client does not say."""
    given = call.header("content-type").partition(";")[0].strip().lower()
    return given or JSON


def decode_body(call: Call) -> tuple[dict[str, Any], list[str]]:
    """Return the request's object and the paths of fields that were given twice.

    Raises: UnsupportedMediaType, BadRequest, RequestEntityTooLarge.
    """
    media_type = media_type_of(call)
    accepted = [JSON, YAML]
    if call.resource.custom is None:
        accepted.append(PROTOBUF)
    if media_type not in accepted:
        raise unsupported(accepted)
    body = call.request.body
    check_size(body)
    duplicates: list[str] = []
    kind = call.resource.kind
    if media_type == PROTOBUF:
        from arubeki.api import protobuf

        value: Any = protobuf.decode(body, call.resource.gvk)
    elif media_type == YAML:
        value = load_yaml(body, kind)
    else:
        value = load_json(body, kind)
        if call.parameter("fieldValidation") != "Ignore":
            duplicates = duplicate_fields(body, value)
    if not isinstance(value, dict):
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get "
            f"version/kind; json parse error: json: cannot unmarshal {json_type(value)} into "
            f"Go value of type struct ({_summary(body)})"
        )
    return value, duplicates


def unsupported(accepted: list[str]) -> UnsupportedMediaType:
    """Return the error for a body in none of the `accepted` media types."""
    return UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )


def check_size(body: bytes) -> None:
    """Refuse a body over the limit, whatever transport let it through."""
    if len(body) > BODY_LIMIT_BYTES:
        raise RequestEntityTooLarge(
            f"Request entity too large: limit is {BODY_LIMIT_BYTES}",
        )


def load_json(body: bytes, kind: str) -> Any:
    """Return the value of JSON text. Raises: BadRequest."""
    try:
        value = decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(kind, f"json parse error: {error}", body) from error
    except RecursionError as error:
        raise _unreadable(kind, "exceeded max depth", body) from error
    check_depth(value, body)
    return value


def load_yaml(body: bytes, kind: str) -> Any:
    """Return the value of YAML (or JSON) text. Raises: BadRequest."""
    if body[:1] == b"{":
        # Most "YAML" is JSON, and the JSON parser is a hundred times as fast.
        try:
            return load_json(body, kind)
        except BadRequest:
            pass
    from arubeki.api import documents

    try:
        value = documents.load(body)
        json.dumps(value, allow_nan=False)  # infinities have no JSON
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise _unreadable(kind, f"yaml: {error}", body) from error
    return value


def check_depth(value: Any, body: bytes) -> None:
    """Refuse a value that is nested too deep. `body` is its text, for a first, cheap look."""
    if body.count(b"{") + body.count(b"[") <= DEPTH_LIMIT:
        return
    level = [value]
    for _ in range(DEPTH_LIMIT):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        if not below:
            return
        level = below
    raise BadRequest(f"exceeded max depth: the body is nested deeper than {DEPTH_LIMIT}")


def duplicate_fields(body: bytes, value: Any) -> list[str]:
    """Return the paths of members that one object of `body` has twice.

    The parser keeps the last of them silently, so a text that is as long as its value written anew
    has none: that spares compact JSON, which is what programs send, the second parse.
    """
    if len(encode_json(value)) == len(body):
        return []
    twice: dict[int, list[str]] = {}
    kept = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            names = [name for name, _ in pairs]
            twice[id(built)] = sorted({name for name in names if names.count(name) > 1})
            kept.append(built)  # alive, so that its id stays its own
        return built

    try:
        tree = json.loads(body, object_pairs_hook=build)
    except (ValueError, RecursionError):
        return []
    return _located(tree, twice, "") if twice else []


def _located(node: Any, twice: dict[int, list[str]], path: str) -> list[str]:
    found = []
    if isinstance(node, dict):
        found += [f"{path}.{name}".lstrip(".") for name in twice.get(id(node), ())]
        for name, one in node.items():
            found += _located(one, twice, f"{path}.{name}")
    elif isinstance(node, list):
        for index, one in enumerate(node):
            found += _located(one, twice, f"{path}[{index}]")
    return found


def address(call: Call, obj: dict[str, Any], *, expect_name: bool) -> None:
    """Make the object, in place, bear what the URL says; refuse what contradicts it."""
    resource = call.resource
    _address_kind(call, obj)
    metadata = obj.get("metadata")
    if metadata is None:
        metadata = obj["metadata"] = {}
    if not isinstance(metadata, dict):
        raise BadRequest(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: json: cannot unmarshal {json_type(metadata)} into Go struct field "
            f"{resource.kind}.metadata of type v1.ObjectMeta"
        )
    _address_place(call, metadata, expect_name=expect_name)


def _address_kind(call: Call, obj: dict[str, Any]) -> None:
    resource = call.resource
    expected = resource.gvk
    if call.subresource in resource.subresources:
        expected = resource.subresources[call.subresource].gvk
    for name in ("apiVersion", "kind"):
        if not isinstance(obj.get(name, ""), str | None):
            raise _unreadable(
                expected.kind,
                f"json parse error: json: cannot unmarshal {json_type(obj[name])} into Go struct "
                f"field .{name} of type string",
                call.request.body,
            )
    api_version = obj.get("apiVersion") or expected.api_version
    kind = obj.get("kind") or expected.kind
    if kind != expected.kind:
        given = str(api_version).rpartition("/")[2]
        raise BadRequest(
            f'{kind} in version "{given}" cannot be handled as a {expected.kind}: '
            f"the kind in the data ({kind}) does not match the expected kind ({expected.kind})"
        )
    if api_version != expected.api_version:
        raise BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({expected.api_version})"
        )
    obj["apiVersion"], obj["kind"] = api_version, kind


def _address_place(call: Call, metadata: dict[str, Any], *, expect_name: bool) -> None:
    resource = call.resource
    if resource.namespaced:
        namespace = metadata.get("namespace") or call.namespace
        if namespace != call.namespace:
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        metadata["namespace"] = namespace
    elif not metadata.get("namespace"):
        metadata.pop("namespace", None)
    if expect_name:
        name = metadata.get("name") or call.name
        if name != call.name:
            raise BadRequest(
                f"the name of the object ({name}) does not match the name on the URL ({call.name})"
            )
        metadata["name"] = name


def json_type(value: Any) -> str:
    """Return the name of a value's JSON type, as Go's decoder says it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


def _unreadable(kind: str, why: str, body: bytes) -> ApiError:
    return BadRequest(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get "
        f"version/kind; {why} ({_summary(body)})"
    )


def _summary(body: bytes) -> str:
    """Return the beginning of a body, enough to recognize it. Source: rest.go summarizeData."""
    if not body:
        return "<empty>"
    if body[:1] == b"{":
        text = body[:30].decode("utf-8", "replace")
        return f"{text} ..." if len(body) > 30 else text
    return f"{body[:30].hex()} ..." if len(body) > 30 else body.hex()
