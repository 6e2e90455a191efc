r"""Request bodies in Kubernetes' protobuf, decoded to the JSON they stand for.

Typed Go clients send built-in kinds only this way: four bytes `k8s\0`, then a `runtime.Unknown`
with apiVersion, kind and the object's message. One reader, driven by the tables of `api.facts`,
serves every message. The difficulty is not the wire but Go: what is written to JSON depends on
whether a field is a pointer (`replicas: 0` stays), has omitempty (`namespace: ""` goes) or is a
struct (`resources: {}` is always there), so the tables carry that, and the result equals Go's own
`json.Marshal` of the same object, apart from nulls, which are left out.

Pure: no I/O, no clock. Nothing but `BadRequest` is ever raised, whatever the bytes.
Source: apimachinery pkg/runtime/serializer/protobuf/protobuf.go, the generated.proto files.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from arubeki.api import facts
from arubeki.api.objects import GVK
from arubeki.api.protobuf import values
from arubeki.api.protobuf.wire import Budget, Malformed, fields, signed, varint
from arubeki.errors import BadRequest

MAGIC = b"k8s\x00"
_OPTIONS_GROUP = "meta.v1."


class _Field(NamedTuple):
    name: str  # in JSON; "" where the message's fields belong to the parent
    shape: str  # "" one value, "[]" a list, "{}" a map
    scalar: Callable[[Any], Any] | None  # makes the value, None for a message
    wire_type: int
    message: str
    zero: Any  # what makes a value absent; _KEEP when nothing does
    number: int


_KEEP = object()
_TEXTS = ("1 items []string",)


def is_envelope(body: bytes) -> bool:
    """Whether `body` begins as Kubernetes' protobuf does."""
    return body[:4] == MAGIC


def decode(body: bytes, default: GVK | None = None) -> dict[str, Any]:
    """Return the object in an envelope as JSON would have it, apiVersion and kind first.

    `default` stands in where the envelope names no kind. Raises: BadRequest.
    """
    found: dict[str, Any] = _guarded(lambda budget: _decode(body, default, budget))
    return found


def decode_message(name: str, raw: bytes) -> dict[str, Any]:
    """Return one message (`core.v1.PodSpec`, or by its full name) as JSON. Raises: BadRequest."""
    found: dict[str, Any] = _guarded(lambda budget: _message(facts.short_name(name), raw, budget))
    return found


def _guarded(read: Callable[[Budget], Any]) -> Any:
    try:
        return read(Budget())
    except Malformed as error:
        raise BadRequest(str(error)) from None


def _decode(body: bytes, default: GVK | None, budget: Budget) -> dict[str, Any]:
    if not is_envelope(body):
        raise Malformed(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    api_version = kind = ""
    raw: bytes = b""
    for number, wire_type, value in fields(body, 4):
        if number in (1, 2) and wire_type != 2:
            raise Malformed(f"proto: wrong wireType = {wire_type} for field {number} of Unknown")
        if number == 1:
            for inner, inner_type, text in fields(value):
                if inner == 1 and inner_type == 2:
                    api_version = text.decode("utf-8", "replace")
                elif inner == 2 and inner_type == 2:
                    kind = text.decode("utf-8", "replace")
        elif number == 2:
            raw = value
    if default is not None:
        api_version, kind = api_version or default.api_version, kind or default.kind
    message = _message_of(api_version, kind)
    return {"apiVersion": api_version, "kind": kind, **_message(message, raw, budget)}


def _message_of(api_version: str, kind: str) -> str:
    if not kind:
        raise Malformed("Object 'Kind' is missing")
    group, _, version = api_version.rpartition("/")
    name = facts.definition_name(GVK(group, version, kind))
    # DeleteOptions and their like are known in every group.
    known = _OPTIONS_GROUP + kind if name is None else facts.short_name(name)
    if known not in facts.messages() or (name is None and not kind.endswith("Options")):
        raise Malformed(f'no kind "{kind}" is registered for version "{api_version}"')
    return known


def _message(name: str, raw: bytes, budget: Budget) -> Any:
    """Return a message as JSON; None where Go would write null."""
    found: dict[str, Any] = {}
    with budget:
        if special := values.READERS.get(name):
            return special(raw, lambda inner, data: _message(inner, data, budget))
        if facts.messages()[name] == _TEXTS:
            return values.texts(raw)
        _read(name, raw, found, budget)
    return found


def _read(name: str, raw: bytes, found: dict[str, Any], budget: Budget) -> None:
    """Read `raw` into `found`, which may have been begun: parts of a message merge."""
    by_number, always = _table(name)
    for number, wire_type, value in fields(raw):
        field = by_number.get(number)
        if field is None:
            continue
        if field.shape == "{}":
            _read_entry(field, wire_type, value, found, budget)
        elif field.shape == "[]":
            _read_item(field, wire_type, value, found, budget)
        elif field.scalar is not None:
            _expect(field, wire_type)
            _put(found, field.name, field.scalar(value), field.zero)
        else:
            _expect(field, wire_type)
            _read_struct(field, value, found, budget)
    for field in always:
        if not field.name:
            _read(field.message, b"", found, budget)
        elif field.name not in found:
            if field.scalar is None:
                _put(found, field.name, _message(field.message, b"", budget), None)
            else:
                found[field.name] = _ZEROS[field.scalar]


def _read_struct(field: _Field, value: bytes, found: dict[str, Any], budget: Budget) -> None:
    if not field.name:
        with budget:
            _read(field.message, value, found, budget)
    elif isinstance(begun := found.get(field.name), dict) and field.message not in values.READERS:
        with budget:
            _read(field.message, value, begun, budget)
    else:
        _put(found, field.name, _message(field.message, value, budget), None)


def _put(found: dict[str, Any], name: str, value: Any, absent: Any) -> None:
    if value is None or (absent is not _KEEP and value == absent):
        found.pop(name, None)
    else:
        found[name] = value


def _read_item(
    field: _Field, wire_type: int, value: Any, found: dict[str, Any], budget: Budget
) -> None:
    items = found.setdefault(field.name, [])
    if field.scalar is None:
        _expect(field, wire_type)
        items.append(_message(field.message, value, budget))
    elif wire_type == 2 and field.wire_type == 0:
        position = 0
        while position < len(value):
            number, position = varint(value, position, len(value))
            budget.spend()
            items.append(field.scalar(number))
    else:
        _expect(field, wire_type)
        budget.spend()
        items.append(field.scalar(value))


def _read_entry(
    field: _Field, wire_type: int, entry: Any, found: dict[str, Any], budget: Budget
) -> None:
    if wire_type != 2:
        raise Malformed(f"proto: wrong wireType = {wire_type} for field {field.name}")
    key, raw = "", b""
    for number, inner_type, value in fields(entry):
        if number in (1, 2) and inner_type != 2:
            raise Malformed(f"proto: wrong wireType = {inner_type} for field {field.name}")
        if number == 1:
            key = value.decode("utf-8", "replace")
        elif number == 2:
            raw = value
    budget.spend()
    entries = found.setdefault(field.name, {})
    if field.scalar is not None:
        entries[key] = field.scalar(raw)
    else:
        _put(entries, key, _message(field.message, raw, budget), None)


def _expect(field: _Field, wire_type: int) -> None:
    if wire_type != field.wire_type:
        raise Malformed(f"proto: wrong wireType = {wire_type} for field {field.name}")


@functools.cache
def _table(name: str) -> tuple[dict[int, _Field], tuple[_Field, ...]]:
    """Return a message's fields by number, and those that Go writes even when they are absent."""
    by_number: dict[int, _Field] = {}
    always = []
    for text in facts.messages()[name]:
        number, json_name, written = text.split(" ")
        mark = written[-1] if written[-1] in "?!^" else ""
        written = written.removesuffix(mark)
        shape = written[:2] if written[:2] in ("[]", "{}") else ""
        inner = written.removeprefix(shape)
        scalar, wire_type = _SCALARS.get(inner, (None, 2))
        keep = mark in ("?", "!") or scalar is None
        field = _Field(
            name="" if mark == "^" else json_name,
            shape=shape,
            scalar=scalar,
            wire_type=wire_type,
            message=inner,
            zero=_KEEP if keep or scalar is None else _ZEROS[scalar],
            number=int(number),
        )
        by_number[field.number] = field
        # A []byte that is absent is null in Go, and so left out.
        if mark in ("!", "^") and inner != "bytes":
            always.append(field)
    return by_number, tuple(always)


def _int32(value: int) -> int:
    return signed(value, 32)


def _int64(value: int) -> int:
    return signed(value, 64)


_SCALARS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "string": (values.text, 2),
    "bytes": (values.base64, 2),
    "int32": (_int32, 0),
    "int64": (_int64, 0),
    "bool": (bool, 0),
    "double": (values.double, 1),
}
_ZEROS: dict[Callable[[Any], Any], Any] = {
    values.text: "",
    values.base64: "",
    _int32: 0,
    _int64: 0,
    bool: False,
    values.double: 0.0,
}
