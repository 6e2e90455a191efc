"""Whether an intent fits its schema, as far as ownership must know: types and declared fields.

Kubernetes refuses an apply with a field that the schema does not declare, whatever the request's
fieldValidation says, because nobody could own it.

Part of server-side apply; pure.
Source: structured-merge-diff typed/validate.go, typed/helpers.go (ValidationErrors).
"""

from collections.abc import Sequence
from typing import Any

from arubeki.api.apply.fieldset import path_text
from arubeki.api.apply.shape import UntypedError, list_steps
from arubeki.api.fields import shown
from arubeki.api.schema import Schema

_NO_FAULTS: Sequence[str] = ()
_TEXT = frozenset({str})
_EMBEDDED = frozenset({"apiVersion", "kind", "metadata"})


def check(value: Any, schema: Schema) -> Sequence[str]:
    """Return what does not fit, each as `.spec.replicas: expected ...`; empty when all does."""
    kind = value.__class__
    wanted = schema.type
    if kind is str:
        if wanted in ("string", "") or _is_any_scalar(schema):
            return _NO_FAULTS
    elif kind is dict:
        if wanted in ("object", ""):
            return _check_map(value, schema)
    elif kind is list:
        if wanted in ("array", ""):
            return _check_list(value, schema)
    elif value is None or not wanted:
        return _NO_FAULTS
    elif kind is bool:
        if wanted == "boolean" or _is_any_scalar(schema):
            return _NO_FAULTS
    elif wanted in ("integer", "number") or _is_any_scalar(schema):
        return _NO_FAULTS
    return [f": expected {_EXPECTED.get(wanted, wanted)}, got {shown(value)}"]


_EXPECTED = {
    "array": "list",
    "integer": "numeric (int or float)",
    "number": "numeric (int or float)",
    "object": "map",
}


def _is_any_scalar(schema: Schema) -> bool:
    return schema.int_or_string or schema.format in ("quantity", "int-or-string")


def _check_map(value: dict[str, Any], schema: Schema) -> Sequence[str]:
    properties = schema.properties
    other = schema.additional
    faults: list[str] | None = None
    for key, item in value.items():
        node = properties.get(key) or other
        if node is not None:
            if item.__class__ is str and node.type == "string":
                continue
            found = check(item, node)
        elif _is_open(schema) or (schema.embedded and key in _EMBEDDED):
            continue
        else:
            found = [": field not declared in schema"]
        if found:
            faults = faults or []
            faults += [f".{key}{fault}" for fault in found]
    return faults or _NO_FAULTS


def _is_open(schema: Schema) -> bool:
    """Whether a map may have entries that its node does not know."""
    if schema.preserve_unknown or schema.type != "object":
        return True
    # An object of a built-in kind without any property is one whose fields nobody knows.
    return not schema.properties and schema.raw is None


def _check_list(value: list[Any], schema: Schema) -> Sequence[str]:
    node = schema.items
    if schema.list_type == "atomic":
        if node is None or (node.type == "string" and set(map(type, value)) <= _TEXT):
            return _NO_FAULTS
        return [
            f"[{index}]{fault}" for index, item in enumerate(value) for fault in check(item, node)
        ]
    try:
        steps = list_steps(value, schema)
    except UntypedError as error:
        return [str(error)]
    seen: set[str] = set()
    faults: list[str] = []
    for step, item in zip(steps, value, strict=True):
        if step in seen:
            faults.append(f": duplicate entries for key {path_text([step])}")
        seen.add(step)
        if node is not None:
            faults += [f"{path_text([step])}{fault}" for fault in check(item, node)]
    return faults
