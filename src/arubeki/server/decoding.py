"""Request bodies: bytes in one of three media types to a private dict of the right kind.

What comes out is parsed and bounded in depth. Whether it belongs where it was sent is `addressing`'s
business, whether it has the shape of its kind `conform`'s.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/handlers/{create,update,rest}.go.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import msgspec

from arubeki.api.syntax import json_fault
from arubeki.errors import BadRequest, RequestEntityTooLarge, UnsupportedMediaType
from arubeki.net.message import BODY_LIMIT_BYTES
from arubeki.server.core import Call
from arubeki.server.failures import Undecodable
from arubeki.server.wire import decode_json, encode_json

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_NO_KIND = "couldn't get version/kind; json parse error: "
_KIND_OF = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)
_MEMBER = b'":'
_SPACED = (b" :", b"\t:", b"\r:", b"\n:")
DEPTH_LIMIT = 200
"""Nesting above this is refused, before any recursion of ours; no kind nests half as deep."""


def media_type_of(call: Call) -> str:
    """Return the body's media type; JSON when the client does not say."""
    given = call.header("content-type").partition(";")[0].strip().lower()
    return given or JSON


class Repeated(NamedTuple):
    """What is said of fields that a body has twice.

    `places` are the places of all its fields, the last of one that is there twice: what is said of
    fields comes in their order. Without places they are said first, and the rest comes in the order
    of the alphabet, as behind Kubernetes' detour over a sorted form. `head` comes before them all.
    """

    told: Sequence[str] = ()
    places: Mapping[str, int] | None = None
    head: str = ""


ONCE = Repeated(places={})


def decode_body(call: Call) -> tuple[dict[str, Any], Repeated]:
    """Return the request's object and what is said of fields that were given twice.

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
    repeated = ONCE
    kind = call.resource.kind
    if media_type == PROTOBUF:
        value: Any = _load_protobuf(body, call)
    elif media_type == YAML:
        value = load_yaml(body, kind)
        repeated = Repeated()
        if call.parameter("fieldValidation") != "Ignore" and (twice := repeated_keys(body)):
            repeated = Repeated(twice, head="yaml: unmarshal errors:\n  ")
    else:
        value = load_json(body, kind)
        if call.parameter("fieldValidation") != "Ignore":
            repeated = _repeated(body, value)
    if value is None and (call.resource.custom is None or call.subresource):
        value = {}  # as Go decodes it
    if not isinstance(value, dict):
        if value is None:
            raise unrecognized(kind, "Object 'Kind' is missing in 'null'", body)
        raise not_an_object(kind, value, body)
    return value, repeated


def _repeated(body: bytes, value: Any) -> Repeated:
    fields = duplicate_fields(body, value)
    if not fields:
        return ONCE
    tree = json.loads(body, object_pairs_hook=_Pairs)
    places: dict[str, int] = {}
    _place(tree, "", places, count())
    return Repeated([f'duplicate field "{one}"' for one in fields], places)


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, all of them, in their order."""


def _place(node: Any, path: str, places: dict[str, int], counter: Iterator[int]) -> None:
    if isinstance(node, _Pairs):
        for name, one in node:
            below = f"{path}.{name}" if path else name
            places[below] = next(counter)
            _place(one, below, places, counter)
    elif isinstance(node, list):
        for index, one in enumerate(node):
            _place(one, f"{path}[{index}]", places, counter)


def not_an_object(kind: str, value: Any, body: bytes) -> Undecodable:
    """Return the error for JSON that is no object."""
    why = f"json: cannot unmarshal {json_type(value)} into Go value of type {_KIND_OF}"
    return unrecognized(kind, f"{_NO_KIND}{why}", body)


def _load_protobuf(body: bytes, call: Call) -> Any:
    from arubeki.api import protobuf

    try:
        if not body:
            raise BadRequest("empty data")
        return protobuf.decode(body, call.resource.gvk)
    except BadRequest as error:
        raise unrecognized(call.resource.kind, error.message, body) from error


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
        # Go takes invalid UTF-8 and lone surrogates; nobody means them, so this is told plainly.
        why = json_fault(body) or str(error)
        raise unrecognized(kind, f"{_NO_KIND}{why}", body) from error
    except RecursionError as error:
        raise unrecognized(kind, f"{_NO_KIND}exceeded max depth", body) from error
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
        problem = str(error).partition("\n")[0]
        raise unrecognized(kind, f"yaml: {problem}", body) from error
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

    The parser keeps the last of them silently, so a text in which as many members begin as in its
    value written anew has none. That spares nearly every body the second parse, which costs more
    than all else that is done with the text.
    """
    written = encode_json(value)
    if len(written) == len(body):
        return []
    # A member begins with `":`, unless there is space between the two; so does no other place but
    # one within a string, where it counts on both sides unless an escape hides it.
    plain = b"\\u" not in body and not any(one in body for one in _SPACED)
    if plain and written.count(_MEMBER) == body.count(_MEMBER):
        return []
    twice: dict[int, list[str]] = {}
    kept = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            times = Counter(name for name, _ in pairs)
            twice[id(built)] = sorted(name for name, number in times.items() if number > 1)
            kept.append(built)  # alive, so that its id stays its own
        return built

    try:
        tree = json.loads(body, object_pairs_hook=build)
    except (ValueError, RecursionError):
        return []
    return _located(tree, twice, "") if twice else []


def repeated_keys(body: bytes) -> list[str]:
    """Return what Kubernetes says of keys that one map of YAML text has twice."""
    if body[:1] == b"{":
        try:
            if not duplicate_fields(body, decode_json(body)):
                return []
        except (msgspec.DecodeError, RecursionError):
            pass
    from arubeki.api import documents

    return [
        f'line {line}: key "{key}" already set in map' for line, key in documents.repeated(body)
    ]


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


def unrecognized(kind: str, why: str, body: bytes) -> Undecodable:
    """Return the error for a body of which not even the kind is known."""
    return Undecodable(
        f"the object provided is unrecognized (must be of type {kind}): {why} ({_summary(body)})",
        why,
    )


def _summary(body: bytes) -> str:
    """Return the beginning of a body, enough to recognize it. Source: rest.go summarizeData."""
    if not body:
        return "<empty>"
    if body[:1] == b"{":
        text = body[:30].decode("utf-8", "replace")
        return f"{text} ..." if len(body) > 30 else text
    return f"{body[:30].hex()} ..." if len(body) > 30 else body.hex()
