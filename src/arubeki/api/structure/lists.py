"""Lists whose items, or whose items' keys, may be there only once.

A second walk of its own, as in Kubernetes, where the paths of map values are written differently
(`spec[key][1]`).

Pure: no I/O, no clock.
Source: apiextensions-apiserver pkg/apiserver/schema/listtype/validation.go.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from arubeki.api.fields import FieldError
from arubeki.api.schema import Schema

_Walk = Callable[[Any, str, list[FieldError]], None]


def repeated(obj: dict[str, Any], schema: Schema) -> list[FieldError]:
    """Return the items that repeat another one, in lists of type `set` and `map`."""
    faults: list[FieldError] = []
    if (walk := _walk(schema)) is not None:
        walk(obj, "", faults)
    return faults


def _walk(node: Schema) -> _Walk | None:
    """Return what walks a value; None where there is no such list below."""
    if "lists" not in node.walks:
        # A schema of a custom resource is a tree: nothing in it refers to itself.
        node.walks["lists"] = None
        node.walks["lists"] = _compile(node)
    walk: _Walk | None = node.walks["lists"]
    return walk


def _compile(node: Schema) -> _Walk | None:
    named = {name: each for name, one in node.properties.items() if (each := _walk(one))}
    others = None if node.additional is None else _walk(node.additional)
    items = None if node.items is None else _walk(node.items)
    once = node.list_type in ("set", "map")
    if not (named or others or items or once):
        return None

    def walk(value: Any, path: str, faults: list[FieldError]) -> None:
        if isinstance(value, dict):
            for name, one in value.items():
                if inner := named.get(name):
                    inner(one, f"{path}.{name}" if path else name, faults)
                elif others:
                    others(one, f"{path}[{name}]", faults)
        elif isinstance(value, list):
            if once:
                faults.extend(_repeated(value, node, path))
            if items:
                for index, one in enumerate(value):
                    items(one, f"{path}[{index}]", faults)

    return walk


def _repeated(value: list[Any], node: Schema, path: str) -> list[FieldError]:
    if node.list_type == "map":
        for index, one in enumerate(value):
            if one is not None and not isinstance(one, dict):
                fault = "must be an object for an array of list-type map"
                return [FieldError.invalid(f"{path}[{index}]", one, fault)]
    faults = []
    seen: dict[bytes, int] = {}
    for index, one in enumerate(value):
        identity = one
        if node.list_type == "map":
            identity = {key: one[key] for key in node.list_keys if key in one} if one else {}
        mark = msgspec.json.encode(identity, order="deterministic")
        seen[mark] = seen.get(mark, 0) + 1
        # The first repetition is told, further ones are not.
        if seen[mark] == 2:
            faults.append(FieldError.duplicate(f"{path}[{index}]", identity))
    return faults
