"""Unknown fields out, defaults in, values in the form in which they are kept.

A built-in kind's object becomes what Go would write after reading it: unknown fields go, and so do
empty values of fields that are left out when empty (`paused: false`, `env: []`); fields that are
always written appear (`resources: {}`); times and quantities take their own form (`cpu: 0.5` is
`500m`). So two ways of saying the same are one, and writing it again is no write. A custom resource
loses what its structural schema does not specify; the schema of a whole object (one without a
definition's name) keeps apiVersion, kind and metadata, as does an embedded resource.

Pure: no I/O, no clock.
Source: apiextensions-apiserver pkg/apiserver/schema/{pruning,defaulting}.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from arubeki.api.schema import UNSET_DEFAULT, Schema
from arubeki.api.structure.decoding import SCHEMA_UNIONS, quantity_form, schema_of_schemas
from arubeki.api.structure.times import canonical_time
from arubeki.errors import BadRequest

# A place is a chain of (place above, key or index), spelled out only when something is unknown.
_Place = tuple[Any, ...] | None
_Walk = Callable[[Any, _Place, list[str]], None]

_ABOUT = frozenset(("apiVersion", "kind", "metadata"))
_REPORTED = 100
"""Go stops counting unknown fields here."""


def prune(obj: dict[str, Any], schema: Schema) -> list[str]:
    """Remove, in place, the fields that the schema does not know; return their paths.

    An object of a built-in kind also takes the form in which Go writes it, see above. Built-in kinds are told in document order (`spec.containers[0].bar`), custom resources sorted.
    Raises: BadRequest when nested too deep.
    """
    unknown: list[str] = []
    try:
        if schema.name:
            if (walk := _walk(schema)) is not None:
                walk(obj, None, unknown)
            return unknown[:_REPORTED]
        _prune(obj, schema, None, unknown, keep=True)
    except RecursionError:
        raise BadRequest("the object is nested too deeply") from None
    return sorted(unknown)


def default(obj: dict[str, Any], schema: Schema) -> None:
    """Fill in, in place, the defaults that a custom resource's schema has.

    A null where null is not allowed is an absent field: it is defaulted, or goes.
    Raises: BadRequest when nested too deep.
    """
    try:
        _default(obj, schema)
    except RecursionError:
        raise BadRequest("the object is nested too deeply") from None


def _spell(place: _Place, key: str) -> str:
    parts = [key]
    while place is not None:
        place, step = place
        parts.append(f"[{step}]" if isinstance(step, int) else str(step))
    text = ""
    for part in reversed(parts):
        text += part if not text or part.startswith("[") else f".{part}"
    return text


def _walk(node: Schema) -> _Walk | None:
    """Return what walks a built-in's value; None where nothing below could change."""
    if "prune" not in node.walks:
        _compile(node)
    walk: _Walk | None = node.walks["prune"]
    return walk


def _compile(node: Schema) -> None:
    if node.go_type in SCHEMA_UNIONS:
        node.walks["prune"] = _union_walk
        return
    if node.type == "object" and (node.properties or not node.additional):
        _compile_object(node)
        return
    below = node.items if node.type == "array" else node.additional
    node.walks["prune"] = None
    if below is None:
        return
    form = _FORMS.get(_form(below))
    walk = None if form else _walk(below)
    if node.type == "array":
        node.walks["prune"] = _list_walk(walk, _zero(below))
    elif walk is not None or form is not None:
        node.walks["prune"] = _map_walk(walk, form)


def _compile_object(node: Schema) -> None:
    node.walks["prune"] = None
    if node.preserve_unknown:
        return
    rules: dict[str, Any] = {}
    omitted: set[str] = set()
    always: list[tuple[str, Any]] = []
    # Known before its fields are: a definition may refer to itself.
    node.walks["prune"] = _object_walk(rules, omitted, always)
    for key, child in node.properties.items():
        rules[key] = _FORMS.get(_form(child)) or _walk(child)
        if child.presence == "nonzero":
            omitted.add(key)
        elif child.presence == "always":
            always.append((key, _zero(child)))


def _form(node: Schema) -> str:
    return "micro" if node.go_type.endswith("MicroTime") else node.format


def _zero(node: Schema) -> Any:
    """Return what Go writes for a value that was not set; for a struct, what walks an empty one."""
    if node.int_or_string or node.type in ("integer", "number"):
        return 0
    if node.type == "boolean":
        return False
    if node.type == "string":
        return "0" if node.format == "quantity" else ""
    return _walk(node) or _nothing


def _nothing(_: Any, __: _Place, ___: list[str]) -> None:
    """Walk a struct in which nothing could change."""


def _object_walk(rules: dict[str, Any], omitted: set[str], always: list[tuple[str, Any]]) -> _Walk:
    forms = _FORM_SET

    def walk(value: Any, place: _Place, unknown: list[str]) -> None:
        if type(value) is not dict:
            return
        gone: list[str] = []
        for key, one in value.items():
            rule = rules.get(key, _UNKNOWN)
            if not one and key in omitted:
                gone.append(key)
            elif rule is None or one is None:
                continue
            elif rule is _UNKNOWN:
                gone.append(key)
                unknown.append(_spell(place, key))
            elif rule in forms:
                value[key] = rule(one)
            else:
                rule(one, (place, key), unknown)
        for key in gone:
            del value[key]
        for key, zero in always:
            if value.get(key) is None:
                if callable(zero):
                    value[key] = {}
                    zero(value[key], None, [])
                else:
                    value[key] = zero

    return walk


def _map_walk(walk: _Walk | None, form: Callable[[Any], Any] | None) -> _Walk:
    def each(value: Any, place: _Place, unknown: list[str]) -> None:
        if type(value) is dict:
            for key, one in value.items():
                if one is None:
                    continue
                if form is not None:
                    value[key] = form(one)
                elif walk is not None:
                    walk(one, (place, key), unknown)

    return each


def _list_walk(walk: _Walk | None, zero: Any) -> _Walk:
    def each(value: Any, place: _Place, unknown: list[str]) -> None:
        if type(value) is not list:
            return
        if None in value:
            # Go makes a zero value of a null that has a place in a list.
            value[:] = [({} if callable(zero) else zero) if one is None else one for one in value]
        if walk is not None:
            for index, one in enumerate(value):
                walk(one, (place, index), unknown)

    return each


def _union_walk(value: Any, _: _Place, __: list[str]) -> None:
    """Prune the schemas in a "schema or something else"; Go does not tell what it drops there."""
    walk = _walk(schema_of_schemas())
    for one in value if type(value) is list else [value]:
        if walk is not None and type(one) is dict:
            walk(one, None, [])


def _quantity(value: Any) -> Any:
    if isinstance(value, str):
        return quantity_form(value)[0]
    if type(value) in (int, float):
        return quantity_form(msgspec.json.encode(value).decode())[0]
    return value


def _time_form(value: Any) -> Any:
    return canonical_time(value, micro=False) if isinstance(value, str) else value


def _micro_time_form(value: Any) -> Any:
    return canonical_time(value, micro=True) if isinstance(value, str) else value


_UNKNOWN = object()
_FORMS: dict[str, Callable[[Any], Any]] = {
    "quantity": _quantity,
    "date-time": _time_form,
    "micro": _micro_time_form,
}
_FORM_SET = frozenset(_FORMS.values())


def _prune(
    value: Any, node: Schema | None, place: _Place, unknown: list[str], *, keep: bool = False
) -> None:
    """Prune a custom resource's value; `node` None means that nothing is specified."""
    if isinstance(value, list):
        items = None if node is None else node.items
        for index, one in enumerate(value):
            if isinstance(one, dict | list):
                if node is not None and node.preserve_unknown and items is None:
                    continue
                _prune(one, items, (place, index), unknown)
        return
    if not isinstance(value, dict):
        return
    keep = keep or (node is not None and node.embedded)
    lenient = node is not None and node.preserve_unknown
    for key, one in list(value.items()):
        if keep and key in _ABOUT:
            continue
        child = None if node is None else node.properties.get(key, node.additional)
        if child is not None:
            if isinstance(one, dict | list):
                _prune(one, child, (place, key), unknown)
        elif not lenient:
            unknown.append(_spell(place, key))
            del value[key]


def _default(value: Any, node: Schema) -> None:
    if isinstance(value, dict):
        for key, child in node.properties.items():
            absent = key not in value or (value[key] is None and not child.nullable)
            if absent and child.default is not UNSET_DEFAULT and child.default is not None:
                value[key] = _copy(child.default)
        for key, one in list(value.items()):
            below = node.properties.get(key, node.additional)
            if below is None:
                continue
            if one is None and not below.nullable:
                one = _copy(below.default)
                if one is None or one is UNSET_DEFAULT:
                    del value[key]
                    continue
                value[key] = one
            if isinstance(one, dict | list):
                _default(one, below)
    elif isinstance(value, list) and node.items is not None:
        for index, one in enumerate(value):
            if one is None and not node.items.nullable and node.items.default is not UNSET_DEFAULT:
                value[index] = one = _copy(node.items.default)
            if isinstance(one, dict | list):
                _default(one, node.items)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_copy(one) for one in value]
    return value
