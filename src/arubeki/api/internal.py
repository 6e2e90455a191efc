"""How Kubernetes shows a wrong value that is a struct: as Go writes its own, unversioned form.

Validation there sees structs without JSON tags, so a message has every field, by its Go name, set or
not: `{"Type":"Recreate","RollingUpdate":null}`. Where two specs are compared the message has their
difference, line by line. Objects are kept in their versioned form here, so this is made only for a
message.

Pure: no I/O, no clock; reads the facts of its own package.
Source: apimachinery pkg/util/validation/field/errors.go, pkg/util/diff/diff.go.
"""

import difflib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from arubeki.api import facts

_ZEROS: dict[str, Any] = {"string": "", "int": 0, "float": 0, "bool": False, "port": 0}
_METADATA = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)


class _Field(NamedTuple):
    go: str
    json: str
    shape: str


def of(name: str, value: Mapping[str, Any] | None) -> Any:
    """Return a versioned value (`core.PodSpec`) as a message shows it; None for an absent one."""
    return None if value is None else _struct(name, value)


def difference(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what differs between two values of a struct, as Kubernetes tells it."""
    old, new = (_lines(_struct(name, one)) for one in (before, after))
    # The names of the two files, which have none, are two lines that Go leaves out.
    return "".join([*difflib.unified_diff(old, new)][2:])


def _lines(value: Any) -> list[str]:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return [f"{line}\n" for line in text.split("\n")]


def _struct(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for field in _fields(name):
        if field.go != "-":
            shown[field.go] = _shown(field.shape, value.get(field.json))
        elif field.shape == "json":
            metadata = value.get("metadata", {})
            shown |= {key: metadata[key] for key in _METADATA if metadata.get(key)}
        else:
            shown |= _struct(field.shape, value)
    return shown


def _shown(shape: str, value: Any) -> Any:
    if shape.startswith("*"):
        return None if value is None else _shown(shape[1:], value)
    if shape.startswith("[]"):
        return None if value is None else [_shown(shape[2:], one) for one in value]
    if shape.startswith("{}"):
        if value is None:
            return None
        return {key: _shown(shape[2:], value[key]) for key in sorted(value)}
    if shape == "quantity":
        return "0" if value is None else value
    if value is None:
        return _ZEROS.get(shape) if "." not in shape else _struct(shape, {})
    return _struct(shape, value) if "." in shape else value


@cache
def _fields(name: str) -> tuple[_Field, ...]:
    return tuple(_Field(*line.split(" ")) for line in facts.internal_forms()[name])
