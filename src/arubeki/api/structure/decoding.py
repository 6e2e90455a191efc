"""Whether an object of a built-in kind could be decoded into Go's structs, and Go's words if not.

Nearly every object can, so each schema node is compiled to a function that only says yes or no.
Where one says no, a second, slow walk in document order finds what Go would have complained about:
the first value of a wrong type, unless a type that reads JSON by itself (a time, a quantity, base64)
fails anywhere, which ends Go's decoding at once.

Pure: no I/O, no clock.
Source: sigs.k8s.io/json internal/golang/encoding/json/decode.go, apimachinery meta/v1/time.go.
"""

import binascii
import functools
import re
from collections.abc import Callable
from typing import Any

import msgspec

from arubeki.api import facts, quantity
from arubeki.api.schema import Schema
from arubeki.api.structure.times import time_fault

Rule = Callable[[Any], bool] | type[Any] | None
"""Whether a value fits: a function, the one type it must have, or None for anything."""

TOO_DEEP = "exceeded max depth"
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_INT32 = range(-(1 << 31), 1 << 31)
_INT64 = range(-(1 << 63), 1 << 63)


class _Custom(Exception):
    """A type's own decoder failed; Go stops there."""


def types(obj: dict[str, Any], schema: Schema, kind: str) -> str:
    """Return Go's decode error for an object of `kind`, "" when all types are right.

    For example `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of
    type int32`. Nulls and unknown fields are not looked at.
    """
    try:
        if _fits(obj, _rule(schema)):
            return ""
        wrong: list[str] = []
        _explain(obj, schema, kind, "", wrong)
    except _Custom as error:
        return str(error)
    except RecursionError:
        return TOO_DEEP
    # The two walks must agree; an object that only the first one refuses is still refused.
    return wrong[0] if wrong else f"json: cannot unmarshal object into Go value of type {kind}"


def _fits(value: Any, rule: Rule) -> bool:
    if rule is None or rule is type(value) or value is None:
        return True
    return not isinstance(rule, type) and rule(value)


def _rule(node: Schema) -> Rule:
    if "types" not in node.walks:
        _compile(node)
    rule: Rule = node.walks["types"]
    return rule


def _compile(node: Schema) -> None:
    if node.int_or_string:
        node.walks["types"] = _is_int_or_string
    elif node.go_type in SCHEMA_UNIONS:
        node.walks["types"] = _is_schema_union
    elif node.type == "object" and node.properties:
        rules: dict[str, Rule] = {}
        # Known before its fields are: a definition may refer to itself.
        node.walks["types"] = _object_rule(rules)
        for key, child in node.properties.items():
            if (rule := _rule(child)) is not None:
                rules[key] = rule
    elif node.type == "object" and node.additional is not None:
        node.walks["types"] = _map_rule(_rule(node.additional))
    elif node.type == "object":
        node.walks["types"] = None if node.preserve_unknown else dict
    elif node.type == "array":
        node.walks["types"] = _list_rule(None if node.items is None else _rule(node.items))
    elif node.go_type.endswith("MicroTime"):
        node.walks["types"] = _is_micro_time
    elif node.type == "string":
        node.walks["types"] = _TEXTS.get(node.format, str)
    elif node.type == "integer":
        node.walks["types"] = _is_int32 if node.format == "int32" else _is_int64
    elif node.type == "number":
        node.walks["types"] = _is_number
    else:
        node.walks["types"] = bool if node.type == "boolean" else None


def _object_rule(rules: dict[str, Rule]) -> Rule:
    def fits(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for key, one in value.items():
            rule = rules.get(key)
            if rule is None or rule is type(one) or one is None:
                continue
            if type(rule) is type or not rule(one):
                return False
        return True

    return fits


def _map_rule(rule: Rule) -> Rule:
    def fits(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for one in value.values():
            if rule is None or rule is type(one) or one is None:
                continue
            if type(rule) is type or not rule(one):
                return False
        return True

    return fits


def _list_rule(rule: Rule) -> Rule:
    def fits(value: Any) -> bool:
        if type(value) is not list:
            return False
        for one in value:
            if rule is None or rule is type(one) or one is None:
                continue
            if type(rule) is type or not rule(one):
                return False
        return True

    return fits


def _is_int32(value: Any) -> bool:
    return type(value) is int and value in _INT32


def _is_int64(value: Any) -> bool:
    return type(value) is int and value in _INT64


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _is_int_or_string(value: Any) -> bool:
    return type(value) is str or (type(value) is int and value in _INT32)


def _is_time(value: Any) -> bool:
    return type(value) is str and not time_fault(value, micro=False)


def _is_micro_time(value: Any) -> bool:
    return type(value) is str and not time_fault(value, micro=True)


def _is_base64(value: Any) -> bool:
    return type(value) is str and _base64_fault(value) is None


def _is_quantity(value: Any) -> bool:
    return type(value) in (str, int, float) and _quantity_fault(value) == ""


def schema_of_schemas() -> Schema:
    """Return the node of JSONSchemaProps."""
    return facts.definition(
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    )


def _is_schema_union(value: Any) -> bool:
    """Whether the schemas in a "schema, or schemas, or something else" fit."""
    rule = _rule(schema_of_schemas())
    inner = value if type(value) is list else [value]
    return all(type(one) is not dict or _fits(one, rule) for one in inner)


SCHEMA_UNIONS = frozenset(
    f"v1.JSONSchemaPropsOr{other}" for other in ("Array", "Bool", "StringArray")
)
"""Go types that read a schema, or something simpler."""

_TEXTS: dict[str, Rule] = {"date-time": _is_time, "byte": _is_base64, "quantity": _is_quantity}


def _explain(value: Any, node: Schema, struct: str, path: str, wrong: list[str]) -> None:
    """Append what is wrong in document order, in Go's words. Raises: _Custom."""
    if value is None or (node.type in ("", "object") and _rule(node) is None):
        return
    if node.int_or_string:
        if not _is_int_or_string(value):
            raise _Custom(_unmarshal(value, "int32", struct, path))
    elif node.go_type in SCHEMA_UNIONS:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                _explain(one, schema_of_schemas(), struct, path, wrong)
    elif node.type == "object":
        _explain_object(value, node, struct, path, wrong)
    elif node.type == "array":
        if not isinstance(value, list):
            wrong.append(_unmarshal(value, node.go_type, struct, path))
        elif node.items is not None:
            for one in value:
                _explain(one, node.items, struct, path, wrong)
    elif node.type == "string" and node.format:
        _explain_text(value, node, struct, path, wrong)
    elif not _fits(value, _rule(node)):
        wrong.append(_unmarshal(value, node.go_type, struct, path))


def _explain_object(value: Any, node: Schema, struct: str, path: str, wrong: list[str]) -> None:
    if not isinstance(value, dict):
        wrong.append(_unmarshal(value, node.go_type, struct, path))
    elif node.additional is not None and not node.properties:
        for one in value.values():
            _explain(one, node.additional, struct, path, wrong)
    else:
        within = node.go_type.rpartition(".")[2] or struct
        for key, one in value.items():
            child = node.properties.get(key)
            if child is not None:
                inner = f"{child.inlined}.{key}" if child.inlined else key
                _explain(one, child, within, f"{path}.{inner}" if path else inner, wrong)


def _explain_text(value: Any, node: Schema, struct: str, path: str, wrong: list[str]) -> None:
    if node.format == "quantity":
        if fault := _quantity_fault(value):
            raise _Custom(fault)
    elif not isinstance(value, str):
        go_type = "[]uint8" if node.format == "byte" else "string"
        fault = _unmarshal(value, go_type, struct, path)
        if node.format == "date-time":
            raise _Custom(fault)
        wrong.append(fault)
    elif node.format == "byte":
        if (offset := _base64_fault(value)) is not None:
            raise _Custom(f"illegal base64 data at input byte {offset}")
    elif node.format == "date-time" and (
        fault := time_fault(value, micro=node.go_type.endswith("MicroTime"))
    ):
        raise _Custom(fault)


def _unmarshal(value: Any, go_type: str, struct: str, path: str) -> str:
    if isinstance(value, bool):
        what = "bool"
    elif isinstance(value, str):
        what = "string"
    elif isinstance(value, list):
        what = "array"
    elif isinstance(value, dict):
        what = "object"
    else:
        # Only where a number was expected does Go show which one it was.
        is_number = go_type.startswith(("int", "uint", "float")) and "." not in go_type
        what = f"number {msgspec.json.encode(value).decode()}" if is_number else "number"
    where = f"struct field {struct}.{path}" if path else "value"
    return f"json: cannot unmarshal {what} into Go {where} of type {go_type}"


def _quantity_fault(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return quantity_form(text)[1]


def quantity_form(text: str) -> tuple[str, str]:
    """Return (how Go writes the quantity again, why it could not read it)."""
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _quantity_form(text)


def _quantity_form(text: str) -> tuple[str, str]:
    try:
        return quantity.canonical(text), ""
    except ValueError as error:
        return text, str(error)


# The same few amounts stand in every Pod, each is read twice, and reading one is slow.
_REMEMBERED_LENGTH = 24
_remembered = functools.lru_cache(maxsize=4096)(_quantity_form)


def _base64_fault(value: str) -> int | None:
    """Return where Go's decoder stops, None when `value` is base64; line ends are allowed."""
    text = value.replace("\n", "").replace("\r", "")
    found = _BASE64.match(text)
    end = found.end() if found else 0
    if end < len(text):
        return end
    if len(text) % 4:
        return len(text) - len(text) % 4
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return max(len(text) - 4, 0)
    return None
