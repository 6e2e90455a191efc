"""A custom resource held against its schema: types, required fields, bounds, formats, lists.

Each node is compiled once to a function that appends every fault it finds. The words are those of
kube-openapi's validator with apiextensions' translation, which the API server answers with; where
it walks Go's maps in random order, this walks in the schema's order.

Pure: no I/O, no clock.
Source: kube-openapi pkg/validation/{validate,errors}, apiextensions-apiserver
pkg/apiserver/validation/validation.go and pkg/apiserver/schema/listtype/validation.go.
"""

import math
from collections.abc import Callable
from typing import Any

import msgspec

from arubeki.api.fields import FieldError, shown
from arubeki.api.schema import Schema
from arubeki.api.structure import formats, lists, numbers
from arubeki.errors import BadRequest

Check = Callable[[Any, str, list[FieldError]], None]
"""Appends the faults of a value at a path."""

_TYPES: dict[type[Any], str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
}


def check(obj: dict[str, Any], schema: Schema) -> list[FieldError]:
    """Return everything that the schema finds wrong with an object, [] for a valid one.

    Meant for custom resources; a built-in's schema has structure only, its rules are in
    `api.rules`. Raises: BadRequest when nested too deep.
    """
    faults: list[FieldError] = []
    try:
        _checker(schema)(obj, "", faults)
        faults += lists.repeated(obj, schema)
    except RecursionError:
        raise BadRequest("the object is nested too deeply") from None
    return faults


def _checker(node: Schema) -> Check:
    found: Check | None = node.walks.get("check")
    if found is None:

        def later(value: Any, path: str, faults: list[FieldError]) -> None:
            node.walks["check"](value, path, faults)

        # Known before what is below is: a built-in definition may refer to itself.
        node.walks["check"] = later
        node.walks["check"] = found = _compile(node)
    return found


def _compile(node: Schema) -> Check:
    raw = node.raw or {}
    expected = ("integer", "string") if node.int_or_string else (node.type,) if node.type else ()
    checks: list[Check] = []
    if alternatives := _alternatives(raw):
        checks.append(alternatives)
    by_type: dict[type[Any], list[Check]] = {
        str: _text_checks(node, raw),
        int: numbers.checks(node, raw),
        float: numbers.checks(node, raw),
        list: _list_checks(node, raw),
    }
    by_type[dict] = _object_checks(node, raw)
    enum = _enum_check(node)
    format_ = _known_format(node)
    nullable = node.nullable or not expected

    def run(value: Any, path: str, faults: list[FieldError]) -> None:
        if value is None:
            if not nullable:
                faults.append(_wrong_type(path, ",".join(expected), "null"))
            if enum:
                enum(value, path, faults)
            return
        kind = type(value)
        if expected and not _is(kind, value, expected, format_):
            faults.append(_type_fault(path, expected, format_, kind))
        for one in checks:
            one(value, path, faults)
        for one in by_type.get(kind, ()):
            one(value, path, faults)
        if enum:
            enum(value, path, faults)

    return run


_PLAIN = {"string": str, "boolean": bool}
_CONSTRAINTS = frozenset(
    ("maxLength", "minLength", "pattern", "allOf", "anyOf", "oneOf", "not", "enum")
)


def _plain(node: Schema) -> type[Any] | None:
    """Return the type whose every value is valid, for fields with no rule but their type."""
    if node.enum or node.int_or_string or _known_format(node) or _CONSTRAINTS & {*(node.raw or ())}:
        return None
    return _PLAIN.get(node.type)


def _is(kind: type[Any], value: Any, expected: tuple[str, ...], format_: str) -> bool:
    name = _TYPES[kind]
    if name in expected:
        return True
    if kind is float:
        return "integer" in expected and value.is_integer()
    if kind is int:
        return "number" in expected
    # Kubernetes leaves a text (or list) with a format to the format's own check.
    return bool(format_) and kind in (str, list) and expected[0] not in ("integer", "number")


def _type_fault(path: str, expected: tuple[str, ...], format_: str, kind: type[Any]) -> FieldError:
    if format_ and kind not in (str, list):
        found = {int: "int64", float: "float64"}.get(kind, "")
        return _wrong_type(path, format_, found)
    return _wrong_type(path, ",".join(expected), _TYPES[kind])


def _wrong_type(path: str, expected: str, found: str) -> FieldError:
    place = path.removeprefix(".")
    message = f"{path} in body must be of type {expected}: {shown(found)}"
    return FieldError.type_invalid(place, found, message)


def invalid(path: str, value: Any, what: str) -> FieldError:
    """Return the fault of a value that is of the right type but against a rule."""
    return FieldError.invalid(path.removeprefix("."), value, f"{path} in body {what}")


def _text_checks(node: Schema, raw: dict[str, Any]) -> list[Check]:
    longest, shortest, pattern = raw.get("maxLength"), raw.get("minLength"), raw.get("pattern")
    format_ = _known_format(node)
    matches = formats.pattern(pattern) if isinstance(pattern, str) and pattern else None
    valid = formats.KNOWN.get(format_.replace("-", ""))

    def text(value: str, path: str, faults: list[FieldError]) -> None:
        if longest is not None and len(value) > longest:
            faults.append(FieldError.too_long(path.removeprefix("."), longest))
        elif shortest is not None and len(value) < shortest:
            faults.append(invalid(path, value, f"should be at least {shortest} chars long"))
        elif matches and not matches(value):
            faults.append(invalid(path, value, f"should match '{pattern}'"))
        if valid and not valid(value):
            message = f"{path} in body must be of type {format_}: {shown(value)}"
            faults.append(FieldError.type_invalid(path.removeprefix("."), value, message))

    return [text] if longest is not None or shortest is not None or matches or valid else []


def _known_format(node: Schema) -> str:
    """Return a node's format, "" where it has none or one that Kubernetes does not know."""
    if node.type in ("", "string") and not node.int_or_string:
        return node.format if node.format.replace("-", "") in formats.KNOWN else ""
    known = {"integer": ("int32", "int64"), "number": ("float", "double")}.get(node.type, ())
    return node.format if node.format in known else ""


def _list_checks(node: Schema, raw: dict[str, Any]) -> list[Check]:
    most, least = raw.get("maxItems"), raw.get("minItems")
    items = None if node.items is None else _checker(node.items)
    plain = None if node.items is None else _plain(node.items)

    def each(value: list[Any], path: str, faults: list[FieldError]) -> None:
        if items:
            for index, one in enumerate(value):
                if type(one) is not plain:
                    items(one, f"{path}[{index}]", faults)
        if least is not None and len(value) < least:
            faults.append(invalid(path, len(value), f"should have at least {least} items"))
        if most is not None and len(value) > most:
            faults.append(FieldError.too_many(path.removeprefix("."), len(value), most))

    return [each]


def _object_checks(node: Schema, raw: dict[str, Any]) -> list[Check]:
    most, least = raw.get("maxProperties"), raw.get("minProperties")
    named = {name: _checker(child) for name, child in node.properties.items()}
    plain = {name: _plain(child) for name, child in node.properties.items()}
    others = None if node.additional is None else _checker(node.additional)
    other = None if node.additional is None else _plain(node.additional)
    required = node.required

    def each(value: dict[str, Any], path: str, faults: list[FieldError]) -> None:
        if least is not None and len(value) < least:
            faults.append(invalid(path, len(value), f"should have at least {least} properties"))
        if most is not None and len(value) > most:
            faults.append(FieldError.too_many(path.removeprefix("."), len(value), most))
        above = f"{path}." if path else ""
        for name, one in value.items():
            if plain.get(name, other) is type(one):
                continue
            if inner := named.get(name):
                inner(one, above + name, faults)
            elif others:
                others(one, f"{path}.{name}", faults)
        for name in required:
            if name not in value:
                faults.append(FieldError.required(f"{path}.{name}".removeprefix(".")))

    return [each]


def _enum_check(node: Schema) -> Check | None:
    if not node.enum:
        return None
    allowed = {msgspec.json.encode(one, order="deterministic") for one in node.enum}
    words = [one if isinstance(one, str) else shown(one) for one in node.enum]

    def enum(value: Any, path: str, faults: list[FieldError]) -> None:
        # Go makes an integer of the value where the word is one, whatever is lost.
        whole = int(value) if isinstance(value, float) and math.isfinite(value) else value
        marks = {msgspec.json.encode(one, order="deterministic") for one in (value, whole)}
        if not marks & allowed:
            faults.append(FieldError.not_supported(path.removeprefix("."), value, words))

    return enum


def _alternatives(raw: dict[str, Any]) -> Check | None:
    """Return the check of allOf, anyOf, oneOf and not; they hold value rules only."""
    from arubeki.api.schema import parse

    def compiled(name: str) -> list[Check]:
        found = raw.get(name)
        return [_checker(parse(one)) for one in found] if isinstance(found, list) else []

    every, some, one_of = compiled("allOf"), compiled("anyOf"), compiled("oneOf")
    never = _checker(parse(raw["not"])) if isinstance(raw.get("not"), dict) else None
    if not (every or some or one_of or never):
        return None

    def run(value: Any, path: str, faults: list[FieldError]) -> None:
        quoted = shown(path)
        if some:
            results = [_faults(one, value, path) for one in some]
            if all(results):
                faults.append(_composite(f"{quoted} must validate at least one schema (anyOf)"))
                faults.extend(_fewest(results))
        if one_of:
            results = [_faults(one, value, path) for one in one_of]
            valid = sum(not result for result in results)
            if valid != 1:
                found = f"Found {valid} valid alternatives" if valid else "Found none valid"
                words = f"{quoted} must validate one and only one schema (oneOf). {found}"
                faults.append(_composite(words))
                if not valid:
                    faults.extend(_fewest(results))
        if every:
            results = [_faults(one, value, path) for one in every]
            for result in results:
                faults.extend(result)
            if any(results):
                more = ". None validated" if all(results) else ""
                words = f"{quoted} must validate all the schemas (allOf){more}"
                faults.append(_composite(words))
        if never and not _faults(never, value, path):
            faults.append(_composite(f"{quoted} must not validate the schema (not)"))

    return run


def _faults(one: Check, value: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    one(value, path, found)
    return found


def _fewest(results: list[list[FieldError]]) -> list[FieldError]:
    fewest = results[0]
    for result in results:
        if len(result) < len(fewest):
            fewest = result
    return fewest


def _composite(message: str) -> FieldError:
    # Kubernetes has no path for these, and prints Go's nil for it.
    return FieldError.invalid("<nil>", "", message)
