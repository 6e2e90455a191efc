"""Random objects of built-in kinds as JSON, and the same objects as Kubernetes' protobuf.

The objects are made from the schemas, the messages from the protobuf tables: two sources of facts
that must tell the same.
"""

import base64
import json
import random
import struct
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from arubeki.api import facts
from arubeki.api.objects import GVK
from arubeki.api.schema import Schema

_SCHEMA = "apiextensions.v1.JSONSchemaProps"
_UNIONS = {
    "apiextensions.v1.JSONSchemaPropsOrArray",
    "apiextensions.v1.JSONSchemaPropsOrBool",
    "apiextensions.v1.JSONSchemaPropsOrStringArray",
}
_RAW = {"apiextensions.v1.JSON", "meta.v1.FieldsV1", "runtime.RawExtension"}
_TIMES = {"meta.v1.Time", "meta.v1.MicroTime"}
_DEEPEST = 7


def an_object(gvk: GVK, chance: random.Random) -> dict[str, Any]:
    """Return a random object of a kind, as a client would write it."""
    schema = facts.schema_of(gvk)
    assert schema is not None
    obj = _value(schema, chance, 0)
    return {**obj, "apiVersion": gvk.api_version, "kind": gvk.kind}


def envelope(gvk: GVK, obj: dict[str, Any]) -> bytes:
    """Return an object as a typed client sends it."""
    name = facts.definition_name(gvk)
    assert name is not None
    meta = _bytes(1, gvk.api_version.encode()) + _bytes(2, gvk.kind.encode())
    return b"k8s\x00" + _bytes(1, meta) + _bytes(2, message(facts.short_name(name), obj))


def message(name: str, value: Any) -> bytes:
    """Return a value as a message."""
    if (special := _special(name, value)) is not None:
        return special
    if isinstance(value, list):
        return b"".join(_bytes(1, one.encode()) for one in value)
    out = b""
    for text in facts.messages()[name]:
        number, key, written = text.split(" ")
        mark = written[-1] if written[-1] in "?!^" else ""
        shape = written.removesuffix(mark)
        if mark == "^":
            out += _bytes(int(number), message(shape, value))
        elif key in value:
            out += _field(int(number), shape, value[key])
    return out


def _value(node: Schema, chance: random.Random, depth: int) -> Any:
    name = facts.short_name(node.name) if node.name else ""
    if name in _UNIONS:
        kinds = {"apiextensions.v1.JSONSchemaPropsOrBool": True}
        return kinds.get(name, {"type": "object"})
    if name in _RAW:
        return {"a": chance.choice([1, "x", [True], {"b": None}])}
    if name in _TIMES:
        stamp = datetime(chance.randint(1971, 2100), chance.randint(1, 12), chance.randint(1, 28))
        fraction = f".{chance.randrange(1000000):06}" if name.endswith("MicroTime") else ""
        return f"{stamp.isoformat()}{fraction}Z"
    if name == "resource.Quantity":
        return chance.choice(["0", "1", "250m", "1Gi", "-3", "1500M"])
    if name == "intstr.IntOrString":
        return chance.choice([0, 7, "25%", "http"])
    if node.type == "array":
        assert node.items is not None
        return [_value(node.items, chance, depth + 1) for _ in range(chance.randint(1, 2))]
    if node.additional is not None:
        keys = chance.sample(["a", "b/c", "d"], chance.randint(1, 2))
        return {key: _value(node.additional, chance, depth + 1) for key in sorted(keys)}
    if node.type == "object":
        return dict(_members(node, chance, depth))
    return _scalar(node, chance)


def _members(node: Schema, chance: random.Random, depth: int) -> Iterator[tuple[str, Any]]:
    known = facts.messages().get(facts.short_name(node.name), ()) if node.name else ()
    names = set(_names(known))
    for key, inner in node.properties.items():
        likely = 0.7 if depth < 3 else 0.3 if depth < _DEEPEST else 0.0
        if key in names and chance.random() < likely:
            yield key, _value(inner, chance, depth + 1)


def _names(fields: tuple[str, ...]) -> Iterator[str]:
    for text in fields:
        _, key, written = text.split(" ")
        if written.endswith("^"):
            yield from _names(facts.messages()[written[:-1]])
        else:
            yield key


def _scalar(node: Schema, chance: random.Random) -> Any:
    if node.type == "string" and node.format == "byte":
        return base64.b64encode(chance.randbytes(chance.randint(0, 4))).decode()
    if node.type == "string":
        return chance.choice(["", "x", "a-b", "é", "1"])
    if node.type == "boolean":
        return chance.random() < 0.5
    if node.type == "integer":
        bits = 31 if node.format == "int32" else 63
        return chance.choice([0, 1, -1, (1 << bits) - 1, -(1 << bits)])
    assert node.type == "number", node.type
    return chance.choice([0.0, 0.5, -2.25])


def _field(number: int, shape: str, value: Any) -> bytes:
    if shape.startswith("[]"):
        return b"".join(_field(number, shape[2:], one) for one in value)
    if shape.startswith("{}"):
        entries = (
            _bytes(1, key.encode()) + _field(2, shape[2:], one) for key, one in value.items()
        )
        return b"".join(_bytes(number, entry) for entry in entries)
    if shape == "string":
        return _bytes(number, value.encode())
    if shape == "bytes":
        return _bytes(number, base64.b64decode(value))
    if shape in ("int32", "int64", "bool"):
        return _varint(number << 3) + _varint(int(value) & (1 << 64) - 1)
    if shape == "double":
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    return _bytes(number, message(shape, value))


def _special(name: str, value: Any) -> bytes | None:
    if name in _RAW:
        return _bytes(1, json.dumps(value).encode())
    if name in _TIMES:
        whole, _, fraction = value.removesuffix("Z").partition(".")
        seconds = int((datetime.fromisoformat(whole) - datetime(1970, 1, 1)).total_seconds())
        nanos = int(fraction or 0) * 1000
        return _field(1, "int64", seconds) + _field(2, "int32", nanos)
    if name == "resource.Quantity":
        return _bytes(1, value.encode())
    if name == "intstr.IntOrString":
        if isinstance(value, int):
            return _field(1, "int64", 0) + _field(2, "int32", value)
        return _field(1, "int64", 1) + _bytes(3, value.encode())
    if name in _UNIONS:
        if isinstance(value, bool):
            return _field(1, "bool", value)
        return _bytes(1, message(_SCHEMA, value))
    return None


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
