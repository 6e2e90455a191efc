"""Documents as protobuf: the messages of gnostic, in which Go's clients ask for them.

The tables say which key of JSON is which field of a message. The kind of a field is a scalar, a
message, or one with a word before it: `list`, or `named` for a map, which becomes a list of names
with values. A message of one field is in the tables as that field alone, one that is a choice as a

function that chooses. What begins with `x-` goes to the message's extensions, as YAML. A document is
written in parts, one for each piece: protobuf merges a message that comes more than once.

On the ring: [HTTP > **server**].
Source: github.com/google/gnostic-models openapiv2/OpenAPIv2.proto, openapiv3/OpenAPIv3.proto.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from arubeki.server.openapi.documents import Piece
from arubeki.server.openapi.yamltext import write

Field = tuple[int, str]


class Tables(NamedTuple):
    """The messages of one version of OpenAPI, and in which field each has its extensions."""

    messages: Mapping[str, Mapping[str, Field]]
    extensions: Mapping[str, int]
    single: Mapping[str, Field]
    choices: Mapping[str, Callable[[Any], Field]]


def encode(pieces: Iterable[Piece], tables: Tables) -> Iterator[bytes]:
    """Write a document, a piece at a time."""
    writer = _Writer(tables)
    for section, name, node in pieces:
        part: Any = {name: node}
        for word in reversed(section):
            part = {word: part}
        yield writer.message("Document", part)


class _Writer:
    """Writes the messages of one version."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def message(self, kind: str, value: Any) -> bytes:
        """Return a message's fields."""
        if single := self._tables.single.get(kind):
            return self._field(*single, value, always=True)
        if choose := self._tables.choices.get(kind):
            number, chosen = choose(value)
            return self._field(number, chosen, value, always=True) if number else b""
        fields = self._tables.messages[kind]
        parts = []
        for key, one in value.items():
            if key in fields:
                parts.append(self._field(*fields[key], one))
            elif key.startswith("x-"):
                any_value = _bytes(1, key.encode()) + _bytes(2, _any(one))
                parts.append(_bytes(self._tables.extensions[kind], any_value))
            else:
                raise KeyError(f"{kind} has no {key}")
        return b"".join(parts)

    def _field(self, number: int, kind: str, value: Any, *, always: bool = False) -> bytes:
        """Return a field with its tag; "" for a zero, unless the field is one of a choice."""
        word, _, inner = kind.rpartition(" ")
        if word == "list":
            return b"".join([self._field(number, inner, one, always=True) for one in value])
        if word == "named":
            return b"".join(
                [
                    _bytes(number, _bytes(1, name.encode()) + self._field(2, inner, one))
                    for name, one in value.items()
                ]
            )
        if kind not in _SCALARS:
            return _bytes(number, self.message(kind, value))
        return _SCALARS[kind](number, value) if value or always or kind == "any" else b""


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    if value < 0x80:
        return _ONE_BYTE[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_ONE_BYTE = [bytes((one,)) for one in range(0x80)]


def _any(value: Any) -> bytes:
    return _bytes(2, write(value).encode())


_SCALARS: Mapping[str, Callable[[int, Any], bytes]] = {
    "text": lambda number, value: _bytes(number, value.encode()),
    "bool": lambda number, value: _varint(number << 3) + (b"\x01" if value else b"\x00"),
    "int": lambda number, value: _varint(number << 3) + _varint(int(value) & 0xFFFFFFFFFFFFFFFF),
    "double": lambda number, value: _varint(number << 3 | 1) + struct.pack("<d", value),
    "any": lambda number, value: _bytes(number, _any(value)),
}


def _default(value: Any) -> Field:
    """Choose the field of a default in v3, which knows of no objects and lists."""
    if isinstance(value, bool):
        return (2, "bool")
    if isinstance(value, int | float):
        return (1, "double")
    return (3, "text") if isinstance(value, str) else (0, "")


def _or_reference(kind: str, name: str) -> Callable[[Any], Field]:
    return lambda value: (2, name) if "$ref" in value else (1, kind)


def _or_bool(kind: str) -> Callable[[Any], Field]:
    return lambda value: (2, "bool") if isinstance(value, bool) else (1, kind)


_SECURITY: Mapping[str, Field] = {
    "type": (1, "text"), "name": (2, "text"), "in": (3, "text"), "description": (4, "text"),
}  # fmt: skip
_DOCS: Mapping[str, Field] = {"description": (1, "text"), "url": (2, "text")}

VERSION_3 = Tables(
    {
        "Document": {
            "openapi": (1, "text"), "info": (2, "Info"), "paths": (4, "Paths"),
            "components": (5, "Components"),
        },
        "Info": {"title": (1, "text"), "description": (2, "text"), "version": (6, "text")},
        "Components": {"schemas": (1, "SchemasOrReferences"),
        "securitySchemes": (7, "SecuritySchemesOrReferences")},
        "SecurityScheme": {
            "type": (1, "text"), "description": (2, "text"), "name": (3, "text"),
            "in": (4, "text"),
        },
        "PathItem": {
            "get": (4, "Operation"), "put": (5, "Operation"), "post": (6, "Operation"),
            "delete": (7, "Operation"), "options": (8, "Operation"), "head": (9, "Operation"),
            "patch": (10, "Operation"), "parameters": (13, "list ParameterOrReference"),
        },
        "Operation": {
            "tags": (1, "list text"), "description": (3, "text"), "operationId": (5, "text"),
            "parameters": (6, "list ParameterOrReference"),
            "requestBody": (7, "RequestBodyOrReference"),
            "responses": (8, "Responses"),
        },
        "Parameter": {
            "name": (1, "text"), "in": (2, "text"), "description": (3, "text"),
            "required": (4, "bool"), "schema": (10, "SchemaOrReference"),
        },
        "RequestBody": {
            "description": (1, "text"), "content": (2, "MediaTypes"), "required": (3, "bool"),
        },
        "Response": {"description": (1, "text"), "content": (3, "MediaTypes")},
        "MediaType": {"schema": (1, "SchemaOrReference")},
        "Reference": {"$ref": (1, "text")},
        "ExternalDocs": _DOCS,
        "Schema": {
            "nullable": (1, "bool"), "externalDocs": (6, "ExternalDocs"), "example": (7, "any"),
            "title": (9, "text"), "multipleOf": (10, "double"), "maximum": (11, "double"),
            "exclusiveMaximum": (12, "bool"), "minimum": (13, "double"),
            "exclusiveMinimum": (14, "bool"), "maxLength": (15, "int"), "minLength": (16, "int"),
            "pattern": (17, "text"), "maxItems": (18, "int"), "minItems": (19, "int"),
            "uniqueItems": (20, "bool"), "maxProperties": (21, "int"),
            "minProperties": (22, "int"), "required": (23, "list text"), "enum": (24, "list any"),
            "type": (25, "text"), "allOf": (26, "list SchemaOrReference"),
            "oneOf": (27, "list SchemaOrReference"),
            "anyOf": (28, "list SchemaOrReference"), "not": (29, "Schema"),
            "items": (30, "ItemsItem"),
            "properties": (31, "Properties"),
            "additionalProperties": (32, "AdditionalPropertiesItem"),
            "default": (33, "DefaultType"), "description": (34, "text"), "format": (35, "text"),
        },
    },
    {"Operation": 13, "Schema": 36},
    {
        "Paths": (1, "named PathItem"),
        "SchemasOrReferences": (1, "named SchemaOrReference"),
        "SecuritySchemesOrReferences": (1, "named SecuritySchemeOrReference"),
        "Responses": (2, "named ResponseOrReference"),
        "MediaTypes": (1, "named MediaType"),
        "Properties": (1, "named SchemaOrReference"),
        "ItemsItem": (1, "SchemaOrReference"),
    },
    {
        "ParameterOrReference": _or_reference("Parameter", "Reference"),
        "RequestBodyOrReference": _or_reference("RequestBody", "Reference"),
        "ResponseOrReference": _or_reference("Response", "Reference"),
        "SchemaOrReference": _or_reference("Schema", "Reference"),
        "SecuritySchemeOrReference": _or_reference("SecurityScheme", "Reference"),
        "AdditionalPropertiesItem": _or_bool("SchemaOrReference"),
        "DefaultType": _default,
    },
)  # fmt: skip
"""The messages of OpenAPI v3, so far as our documents need them."""

_PRIMITIVE: Mapping[str, Field] = {
    "required": (1, "bool"), "in": (2, "text"), "description": (3, "text"), "name": (4, "text"),
}  # fmt: skip

VERSION_2 = Tables(
    {
        "Document": {
            "swagger": (1, "text"), "info": (2, "Info"), "paths": (8, "Paths"),
            "definitions": (9, "Definitions"), "parameters": (10, "ParameterDefinitions"),
            "security": (12, "list SecurityRequirement"),
            "securityDefinitions": (13, "SecurityDefinitions"),
        },
        "Info": {"title": (1, "text"), "version": (2, "text"), "description": (3, "text")},
        "PathItem": {
            "get": (2, "Operation"), "put": (3, "Operation"), "post": (4, "Operation"),
            "delete": (5, "Operation"), "options": (6, "Operation"), "head": (7, "Operation"),
            "patch": (8, "Operation"), "parameters": (9, "list ParametersItem"),
        },
        "Operation": {
            "tags": (1, "list text"), "description": (3, "text"), "operationId": (5, "text"),
            "produces": (6, "list text"), "consumes": (7, "list text"),
            "parameters": (8, "list ParametersItem"), "responses": (9, "Responses"),
            "schemes": (10, "list text"),
        },
        "BodyParameter": {
            "description": (1, "text"), "name": (2, "text"), "in": (3, "text"),
            "required": (4, "bool"), "schema": (5, "Schema"),
        },
        "QueryParameterSubSchema": {**_PRIMITIVE, "type": (6, "text"), "uniqueItems": (20, "bool")},
        "PathParameterSubSchema": {**_PRIMITIVE, "type": (5, "text"), "uniqueItems": (19, "bool")},
        "Response": {"description": (1, "text"), "schema": (2, "SchemaItem")},
        "JsonReference": {"$ref": (1, "text")},
        "ApiKeySecurity": _SECURITY,
        "ExternalDocs": _DOCS,
        "Schema": {
            "$ref": (1, "text"), "format": (2, "text"), "title": (3, "text"),
            "description": (4, "text"), "multipleOf": (6, "double"), "maximum": (7, "double"),
            "exclusiveMaximum": (8, "bool"), "minimum": (9, "double"),
            "exclusiveMinimum": (10, "bool"), "maxLength": (11, "int"), "minLength": (12, "int"),
            "pattern": (13, "text"), "maxItems": (14, "int"), "minItems": (15, "int"),
            "uniqueItems": (16, "bool"), "maxProperties": (17, "int"),
            "minProperties": (18, "int"), "required": (19, "list text"), "enum": (20, "list any"),
            "additionalProperties": (21, "AdditionalPropertiesItem"), "type": (22, "TypeItem"),
            "items": (23, "ItemsItem"), "properties": (25, "Properties"),
            "externalDocs": (29, "ExternalDocs"), "example": (30, "any"),
        },
    },
    {"Operation": 13, "Schema": 31},
    {
        "Paths": (2, "named PathItem"),
        "Definitions": (1, "named Schema"),
        "ParameterDefinitions": (1, "named Parameter"),
        "SecurityDefinitions": (1, "named SecurityDefinitionsItem"),
        "SecurityDefinitionsItem": (2, "ApiKeySecurity"),
        "SecurityRequirement": (1, "named StringArray"),
        "StringArray": (1, "list text"),
        "Responses": (1, "named ResponseValue"),
        "ResponseValue": (1, "Response"),
        "SchemaItem": (1, "Schema"),
        "TypeItem": (1, "text"),
        "ItemsItem": (1, "Schema"),
        "Properties": (1, "named Schema"),
    },
    {
        "ParametersItem": _or_reference("Parameter", "JsonReference"),
        "Parameter": lambda value: (
            (1, "BodyParameter") if value["in"] == "body" else (2, "NonBodyParameter")
        ),
        "NonBodyParameter": lambda value: (
            (4, "PathParameterSubSchema")
            if value["in"] == "path"
            else (3, "QueryParameterSubSchema")
        ),
        "AdditionalPropertiesItem": _or_bool("Schema"),
    },
)  # fmt: skip
"""The messages of OpenAPI v2, so far as our document needs them."""
