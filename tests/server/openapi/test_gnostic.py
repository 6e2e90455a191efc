"""The protobuf form is read back by gnostic's own numbers (gnostic.txt), without our tables."""

import functools
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from arubeki.api.protobuf.wire import fields
from arubeki.server.openapi.gnostic import VERSION_2, VERSION_3, Tables
from tests.server.openapi.structure import CUSTOMS
from tests.server.openapi.support import PROTOBUF_2, PROTOBUF_3, Described
from tests.server.openapi.test_official import customs

CHOICES = ("Item", "OrReference", "Parameter", "ResponseValue", "DefaultType")
Fields = Mapping[int, tuple[str, str]]


@functools.cache
def published(version: str) -> dict[str, dict[int, tuple[str, str]]]:
    """Return what gnostic publishes: by message and number, a field's name and type."""
    found: dict[str, dict[int, tuple[str, str]]] = {}
    text = (Path(__file__).parent / "gnostic.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        of, message, name, number, kind = line.split(" ")
        if of == version:
            found.setdefault(message, {})[int(number)] = (name, kind)
    return found


class Reader:
    """Reads a message as the JSON that it was made of."""

    def __init__(self, version: str) -> None:
        self._messages = published(version)

    def read(self, kind: str, data: bytes) -> Any:
        known = self._messages[kind]
        found: dict[str, Any] = {}
        for number, _, raw in fields(data):
            name, shape = known[number]
            value = self._value(shape.removeprefix("[]"), raw)
            if shape == "[]NamedAny" and name.endswith("_extension"):
                found |= value
            elif shape.startswith("[]Named"):
                found = {**found, **value}
            elif shape.startswith("[]"):
                found.setdefault(name, []).append(value)
            elif isinstance(value, dict) and isinstance(found.get(name), dict):
                found[name] = _merged(found[name], value)
            else:
                found[name] = value
        return self._unwrapped(kind, known, found)

    def _value(self, shape: str, raw: Any) -> Any:
        if shape.startswith("Named"):
            name, value = "", None
            inner = self._messages[shape][2][1]
            for number, _, part in fields(raw):
                if number == 1:
                    name = part.decode()
                else:
                    value = self._value(inner, part)
            return {name: value}
        if shape == "Any":
            ((_, _, text),) = fields(raw)
            return yaml.safe_load(text)
        if shape == "string":
            return raw.decode()
        if shape == "bool":
            return bool(raw)
        if shape == "double":
            return struct.unpack("<d", raw)[0]
        return raw if isinstance(raw, int) else self.read(shape, raw)

    def _unwrapped(self, kind: str, known: Fields, found: dict[str, Any]) -> Any:
        """Take off what stands in JSON for nothing: choices, and messages around one value."""
        if kind in ("TypeItem", "StringArray"):
            return found["value"][0] if kind == "TypeItem" else found.get("value", [])
        if kind == "ItemsItem":
            (inner,) = found.values()
            return inner[0]
        names = {name for name, _ in known.values()}
        is_choice = kind.endswith(CHOICES) and not names & {"name", "get"}
        if is_choice:
            return next(iter(found.values()), None)
        return {_camel(name) if name in names else name: one for name, one in found.items()}


def _camel(name: str) -> str:
    if name == "_ref":
        return "$ref"
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    found = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _merged(found[key], value) if both else value
    return found


def comparable(node: Any) -> Any:
    """Return a JSON document without what gnostic has no place for, or no difference."""
    if isinstance(node, list):
        return [comparable(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: comparable(value)
        for key, value in node.items()
        # A default that is an object, and zeros, which are as good as absent.
        if not (key == "default" and isinstance(value, dict | list | None))
        and not (key in ("minimum", "minLength") and value == 0)
    }


@functools.cache
def described() -> Described:
    return Described(*customs())


@pytest.mark.parametrize(
    "key",
    ["api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1", "apis/example.com/v1", "version"],
)
def test_a_v3_document_says_the_same_in_protobuf(key: str) -> None:
    body = described().ask(f"/openapi/v3/{key}", accept=PROTOBUF_3).content()
    read = comparable(Reader("v3").read("Document", body))
    expected = comparable(described().document(key))
    assert read["paths"] == expected["paths"]
    for name, node in expected["components"]["schemas"].items():
        assert read["components"]["schemas"][name] == node, name
    assert read == expected


def test_the_v2_document_says_the_same_in_protobuf() -> None:
    body = described().ask("/openapi/v2", accept=PROTOBUF_2).content()
    read = comparable(Reader("v2").read("Document", body))
    expected = comparable(described().document("v2"))
    assert read["paths"] == expected["paths"]
    for name, node in expected["definitions"].items():
        assert read["definitions"][name] == node, name
    assert read == expected


@pytest.mark.parametrize(("version", "tables"), [("v2", VERSION_2), ("v3", VERSION_3)])
def test_the_tables_have_the_published_numbers(version: str, tables: Tables) -> None:
    messages = published(version)
    kinds = {"text": "string", "int": "int64", "any": "Any"}
    for message, table in tables.messages.items():
        for key, (number, kind) in table.items():
            word, _, inner = kind.rpartition(" ")
            shape = ("[]" if word == "list" else "") + kinds.get(inner, inner)
            name, published_shape = messages[message][number]
            assert (_camel(name), published_shape) == (key, shape), f"{message}.{key}"
    for message, number in tables.extensions.items():
        assert messages[message][number][1] == "[]NamedAny"
    for message, (number, kind) in tables.single.items():
        _, _, inner = kind.rpartition(" ")
        shape = messages[message][number][1].removeprefix("[]").removeprefix("Named")
        assert shape == kinds.get(inner, inner), message


def test_the_custom_kinds_have_all_that_a_schema_may_say() -> None:
    # Else the comparison above would leave out what no built-in kind has.
    text = CUSTOMS.read_text(encoding="utf-8")
    whole = json.dumps(msgspec.json.decode(text))
    for word in ("anyOf", "oneOf", "allOf", "not", "nullable", "externalDocs", "example", "title",
                 "multipleOf", "exclusiveMinimum", "maxProperties", "x-kubernetes-validations"):  # fmt: skip
        assert f'"{word}"' in whole
