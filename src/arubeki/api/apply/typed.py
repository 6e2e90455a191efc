"""Reading objects by their shape: which fields one has, and how two differ.

`fields_of` is what an applied intent owns; `compare` is what an update changed. Both return sets in
the form of `fieldset`. `compare` never looks into subtrees that are equal.

Part of server-side apply; pure.
Source: structured-merge-diff typed/tofieldset.go, typed/compare.go.
"""

from collections import Counter
from typing import Any, NamedTuple

from arubeki.api.apply.fieldset import MEMBER, FieldSet
from arubeki.api.apply.shape import entry_schema, is_atomic_map, list_steps
from arubeki.api.objects import identical
from arubeki.api.schema import Schema


class Comparison(NamedTuple):
    """How a new object differs from an old one: three sets of paths, no path in two of them."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet


def fields_of(value: dict[str, Any], schema: Schema) -> FieldSet:
    """Return the paths that an applied object speaks of, thus owns.

    Raises: UntypedError for a list item without its key.
    """
    return _map_fields(value, schema, {})


def compare(old: dict[str, Any], new: dict[str, Any], schema: Schema) -> Comparison:
    """Return how `new` differs from `old`.

    Raises: UntypedError for a list item without its key.
    """
    difference = Comparison({}, {}, {})
    _compare_maps(old, new, schema, difference)
    return difference


def _map_fields(value: dict[str, Any], schema: Schema, result: FieldSet) -> FieldSet:
    properties = schema.properties
    for key, item in value.items():
        kind = item.__class__
        if kind is str:
            result[f"f:{key}"] = MEMBER
            continue
        node = properties.get(key)
        if node is None:
            # An entry of a map is owned itself; a struct's named field only through what it holds.
            below = _value_fields(item, entry_schema(schema), {".": MEMBER})
            result[f"f:{key}"] = below if len(below) > 1 else MEMBER
        elif kind is dict and item and not is_atomic_map(node):
            if below := _map_fields(item, node, {}):
                result[f"f:{key}"] = below
        elif kind is list and node.list_type != "atomic":
            if below := _list_fields(item, node, {}):
                result[f"f:{key}"] = below
        else:
            result[f"f:{key}"] = MEMBER
    return result


def _list_fields(items: list[Any], schema: Schema, result: FieldSet) -> FieldSet:
    steps = list_steps(items, schema)
    node = schema.items or entry_schema(schema)
    repeated = _repeated(steps)
    for step, item in zip(steps, items, strict=True):
        below = MEMBER if step in repeated else _value_fields(item, node, {".": MEMBER})
        result[step] = below if len(below) > 1 else MEMBER
    return result


def _value_fields(value: Any, schema: Schema, result: FieldSet) -> FieldSet:
    """Fill `result` with what is below a value that is neither atomic nor a scalar."""
    kind = value.__class__
    if kind is dict and value and not is_atomic_map(schema):
        return _map_fields(value, schema, result)
    if kind is list and schema.list_type != "atomic":
        return _list_fields(value, schema, result)
    return result


def _repeated(steps: list[str]) -> frozenset[str]:
    if len(set(steps)) == len(steps):
        return frozenset()
    return frozenset(step for step, count in Counter(steps).items() if count > 1)


# Go structs that are no pointers are always there, if empty: their owner is whoever owns what is in
# them. Where a built-in kind's object lacks one of these, it counts as {}.
# Source: k8s.io/api types.go of the built-in groups.
_STRUCTS = frozenset(
    {
        "daemonEndpoints",
        "jobTemplate",
        "kubeletEndpoint",
        "loadBalancer",
        "metadata",
        "nodeInfo",
        "resources",
        "spec",
        "status",
        "strategy",
        "template",
        "updateStrategy",
    }
)


def _is_struct(key: str, node: Schema) -> bool:
    return key in _STRUCTS and node.raw is None and bool(node.properties)


def _compare_maps(
    old: dict[str, Any], new: dict[str, Any], schema: Schema, out: Comparison
) -> None:
    properties = schema.properties
    for key, theirs in new.items():
        node = properties.get(key) or entry_schema(schema)
        if key in old:
            ours = old[key]
            if ours is not theirs:
                _compare_values(f"f:{key}", ours, theirs, node, out)
        elif _is_struct(key, node):
            _compare_values(f"f:{key}", {}, theirs, node, out)
        else:
            below = _all_fields(theirs, node)
            if below and key in schema.required and theirs.__class__ is list and node.raw is None:
                # A required list is null, not absent, in an empty Go struct.
                del below["."]
            out.added[f"f:{key}"] = below
    for key, ours in old.items():
        if key not in new:
            node = properties.get(key) or entry_schema(schema)
            if _is_struct(key, node):
                _compare_values(f"f:{key}", ours, {}, node, out)
            else:
                out.removed[f"f:{key}"] = _all_fields(ours, node)


def _compare_values(step: str, old: Any, new: Any, schema: Schema, out: Comparison) -> None:
    """Put the differences of two values that are both there under `step`."""
    kind = new.__class__
    if old.__class__ is kind and kind is not dict and kind is not list:
        if old != new:
            out.modified[step] = MEMBER
        return
    # Where the schema does not fix the types, true would pass for 1 in a plain comparison.
    if identical(old, new) if schema.preserve_unknown else old == new:
        return
    old_map, new_map = _as_map(old, schema), _as_map(new, schema)
    old_list, new_list = _as_list(old, schema), _as_list(new, schema)
    if not (old_map or new_map or old_list or new_list):
        if not _same_number(old, new):
            out.modified[step] = MEMBER
        return
    below = Comparison({}, {}, {})
    if old_map or new_map:
        _compare_maps(old_map or {}, new_map or {}, schema, below)
    if old_list or new_list:
        _compare_lists(old_list or [], new_list or [], schema, below)
    for whole, part in zip(out, below, strict=True):
        if part:
            whole[step] = part
    # Of two values of different types the one that is no container is a leaf by itself.
    if not (old_map or old_list or _is_empty(old)) or not (new_map or new_list or _is_empty(new)):
        found = out.modified.get(step)
        out.modified[step] = {".": MEMBER, **found} if found else MEMBER


def _as_map(value: Any, schema: Schema) -> dict[str, Any] | None:
    return value if value.__class__ is dict and not is_atomic_map(schema) else None


def _as_list(value: Any, schema: Schema) -> list[Any] | None:
    return value if value.__class__ is list and schema.list_type != "atomic" else None


def _is_empty(value: Any) -> bool:
    return value is None or value in ({}, [])


def _same_number(old: Any, new: Any) -> bool:
    numbers = (int, float)
    return old.__class__ in numbers and new.__class__ in numbers and bool(old == new)


def _compare_lists(old: list[Any], new: list[Any], schema: Schema, out: Comparison) -> None:
    node = schema.items or entry_schema(schema)
    before: dict[str, list[Any]] = {}
    for step, item in zip(list_steps(old, schema), old, strict=True):
        before.setdefault(step, []).append(item)
    after: dict[str, list[Any]] = {}
    for step, item in zip(list_steps(new, schema), new, strict=True):
        after.setdefault(step, []).append(item)
    for step in {**before, **after}:
        _compare_items(step, before.get(step, []), after.get(step, []), node, out)


def _compare_items(
    step: str, old: list[Any], new: list[Any], node: Schema, out: Comparison
) -> None:
    """Compare the items that share a step; of several with one key only the step is owned."""
    if len(old) == 1 and len(new) == 1:
        if old[0] is not new[0]:
            _compare_values(step, old[0], new[0], node, out)
    elif len(old) > 1 and len(new) > 1:
        if not identical(old, new):
            out.modified[step] = MEMBER
    elif len(old) > 1:
        out.removed[step] = MEMBER
        if new:
            out.added[step] = _all_fields(new[0], node)
    elif len(new) > 1:
        out.added[step] = MEMBER
        if old:
            out.removed[step] = _all_fields(old[0], node)
    elif new:
        out.added[step] = _all_fields(new[0], node)
    else:
        out.removed[step] = _all_fields(old[0], node)


def _all_fields(value: Any, schema: Schema) -> FieldSet:
    """Return a value that came or went whole: itself and everything below."""
    if value.__class__ is dict and value and not is_atomic_map(schema):
        result: FieldSet = {".": MEMBER}
        properties = schema.properties
        for key, item in value.items():
            if item.__class__ is str:
                result[f"f:{key}"] = MEMBER
            else:
                result[f"f:{key}"] = _all_fields(item, properties.get(key) or entry_schema(schema))
        return result
    if value.__class__ is list and value and schema.list_type != "atomic":
        result = {".": MEMBER}
        node = schema.items or entry_schema(schema)
        steps = list_steps(value, schema)
        repeated = _repeated(steps)
        for step, item in zip(steps, value, strict=True):
            result[step] = MEMBER if step in repeated else _all_fields(item, node)
        return result
    return {}
