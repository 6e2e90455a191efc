"""Reading objects by their shape: which fields one has, and how two differ.

`fields_of` is what an applied intent owns; `compare` is what an update changed. Both return sets in
the form of `fieldset`. `compare` never looks into subtrees that are equal.

Part of server-side apply; pure.
Source: structured-merge-diff typed/tofieldset.go, typed/compare.go.
"""

from collections import Counter
from typing import Any, NamedTuple

from arubeki.api.apply.check import check
from arubeki.api.apply.fieldset import MEMBER, FieldSet
from arubeki.api.apply.shape import DEDUCED, entry_schema, is_atomic_map, list_steps
from arubeki.api.objects import identical
from arubeki.api.schema import Schema


class Comparison(NamedTuple):
    """How a new object differs from an old one: three sets of paths, no path in two of them."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet


def fields_of(value: dict[str, Any], schema: Schema) -> tuple[FieldSet, bool]:
    """Return the paths that an applied object speaks of, thus owns, and whether it surely fits.

    One walk does both: where this sees nothing odd, `check` finds nothing.
    Raises: UntypedError for a list item without its key.
    """
    doubts: list[str] = []
    return _map_fields(value, schema, {}, doubts), not doubts


def compare(old: dict[str, Any], new: dict[str, Any], schema: Schema) -> Comparison:
    """Return how `new` differs from `old`.

    Raises: UntypedError for a list item without its key.
    """
    difference = Comparison({}, {}, {})
    _compare_maps(old, new, schema, difference)
    return difference


# The types of schema nodes that a JSON value of each class fits without a second look.
_FITTING: dict[type, tuple[str, ...]] = {
    bool: ("boolean", ""),
    dict: ("object", ""),
    float: ("number", ""),
    int: ("integer", "number", ""),
    list: ("array", ""),
    str: ("string", ""),
    type(None): ("array", "boolean", "integer", "number", "object", "string", ""),
}


def _map_fields(
    value: dict[str, Any], schema: Schema, result: FieldSet, doubts: list[str]
) -> FieldSet:
    properties = schema.properties
    other = schema.additional
    for key, item in value.items():
        kind = item.__class__
        node = properties.get(key)
        named = node is not None
        if node is None:
            node = other
            if node is None:
                node = DEDUCED
                if not schema.preserve_unknown:
                    doubts.append(key)
        if kind is str and node.type == "string":
            result[f"f:{key}"] = MEMBER
            continue
        if node.type not in _FITTING[kind] and check(item, node):
            doubts.append(key)
        # An entry of a map is owned itself; a struct's named field only through what it holds.
        if kind is dict and item:
            if is_atomic_map(node):
                result[f"f:{key}"] = MEMBER
                if check(item, node):
                    doubts.append(key)
                continue
            below = _map_fields(item, node, {} if named else {".": MEMBER}, doubts)
        elif kind is list and node.list_type != "atomic":
            below = _list_fields(item, node, {} if named else {".": MEMBER}, doubts)
        else:
            result[f"f:{key}"] = MEMBER
            if kind is list and check(item, node):
                doubts.append(key)
            continue
        if not named and len(below) == 1:
            below = MEMBER
        if below or not named:
            result[f"f:{key}"] = below
    return result


def _list_fields(items: list[Any], schema: Schema, result: FieldSet, doubts: list[str]) -> FieldSet:
    steps = list_steps(items, schema)
    node = schema.items or entry_schema(schema)
    repeated = _repeated(steps)
    if repeated:
        doubts.append("")
    for step, item in zip(steps, items, strict=True):
        result[step] = MEMBER
        kind = item.__class__
        if node.type not in _FITTING[kind] and check(item, node):
            doubts.append(step)
        if kind is not dict or step in repeated:
            continue
        if is_atomic_map(node):
            if check(item, node):
                doubts.append(step)
            continue
        below = _map_fields(item, node, {".": MEMBER}, doubts)
        if len(below) > 1:
            result[step] = below
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
        "podSelector",
        "resources",
        "scaleTargetRef",
        "source",
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
        elif theirs is not None or node.raw is not None or node.preserve_unknown:
            # To a built-in kind an absent field and a null one are the same.
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
    # In a custom resource types may be open, and true would pass for 1 in a plain comparison.
    open_types = schema.preserve_unknown or schema.raw is not None
    if identical(old, new) if open_types else old == new:
        return
    ours, theirs = _container(old, schema), _container(new, schema)
    if ours is not None and ours.__class__ is theirs.__class__:
        if not (ours or theirs):
            return
        below = Comparison({}, {}, {})
        if ours.__class__ is dict:
            _compare_maps(ours, theirs, schema, below)
        else:
            _compare_lists(ours, theirs, schema, below)
    else:
        # Null beside something granular is an empty one of its kind; else a value is replaced, and
        # what the two hold comes and goes besides.
        below = Comparison(_parts(ours, schema), {}, _parts(theirs, schema))
        replaced = not (ours and new is None) and not (theirs and old is None)
        if replaced and not _same_number(old, new):
            below = below._replace(modified={".": MEMBER})
    for whole, part in zip(out, below, strict=True):
        if part:
            whole[step] = MEMBER if part.keys() == {"."} else part


def _container(value: Any, schema: Schema) -> Any:
    """Return a value that is a granular map or list, None for any other."""
    kind = value.__class__
    if kind is dict:
        return None if is_atomic_map(schema) else value
    return value if kind is list and schema.list_type != "atomic" else None


def _parts(container: Any, schema: Schema) -> FieldSet:
    """Return everything below a container that came or went, without itself."""
    fields = _all_fields(container, schema) if container else {}
    return {step: node for step, node in fields.items() if step != "."}


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
