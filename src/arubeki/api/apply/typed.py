"""How two objects differ: what an update has changed, as sets of fields.

Subtrees that are equal are never looked into.

Part of server-side apply; pure.
Source: structured-merge-diff typed/compare.go.
"""

from typing import Any, NamedTuple

from arubeki.api.apply.fieldset import MEMBER, FieldSet
from arubeki.api.apply.plans import is_struct, whole
from arubeki.api.apply.shape import entry_schema, is_atomic_map, list_steps
from arubeki.api.objects import identical
from arubeki.api.schema import Schema


class Comparison(NamedTuple):
    """How a new object differs from an old one: three sets of paths, no path in two of them."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet


def compare(old: dict[str, Any], new: dict[str, Any], schema: Schema) -> Comparison:
    """Return how `new` differs from `old`.

    Raises: UntypedError for a list item without its key.
    """
    difference = Comparison({}, {}, {})
    _compare_maps(old, new, schema, difference)
    return difference


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
        elif is_struct(key, node):
            _compare_values(f"f:{key}", {}, theirs, node, out)
        elif theirs is not None or node.raw is not None or node.preserve_unknown:
            # To a built-in kind an absent field and a null one are the same.
            below = whole(theirs, node)
            if below and key in schema.required and theirs.__class__ is list and node.raw is None:
                # A required list is null, not absent, in an empty Go struct.
                del below["."]
            out.added[f"f:{key}"] = below
    for key, ours in old.items():
        if key not in new:
            node = properties.get(key) or entry_schema(schema)
            if is_struct(key, node):
                _compare_values(f"f:{key}", ours, {}, node, out)
            else:
                out.removed[f"f:{key}"] = whole(ours, node)


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
    for kept, part in zip(out, below, strict=True):
        if part:
            kept[step] = MEMBER if part.keys() == {"."} else part


def _container(value: Any, schema: Schema) -> Any:
    """Return a value that is a granular map or list, None for any other."""
    kind = value.__class__
    if kind is dict:
        return None if is_atomic_map(schema) else value
    return value if kind is list and schema.list_type != "atomic" else None


def _parts(container: Any, schema: Schema) -> FieldSet:
    """Return everything below a container that came or went, without itself."""
    fields = whole(container, schema) if container else {}
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
            out.added[step] = whole(new[0], node)
    elif len(new) > 1:
        out.added[step] = MEMBER
        if old:
            out.removed[step] = whole(old[0], node)
    elif new:
        out.added[step] = whole(new[0], node)
    else:
        out.removed[step] = whole(old[0], node)
