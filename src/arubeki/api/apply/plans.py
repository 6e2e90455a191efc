"""Which fields a value has, found by plans that are made once for each shape.

Objects of a kind are alike: their maps have the same keys with values of the same types again and
again, and what they own follows from that alone. So for each schema node and shape (keys and types
of a map) a plan is made: the set of all its steps, ready and in the order of the wire, and which of
them hold containers that must be looked into. A map of scalars costs one look-up then, and its set
is shared by all who have it.

Three questions differ in what an empty or a named thing counts as: `said` is what an applier speaks
of, `whole` a value that came or went with all that is in it, `made` a new object as an update sees
it.

Part of server-side apply; pure but for the plans kept with the nodes, which are bounded.
Source: structured-merge-diff typed/tofieldset.go, typed/compare.go.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from arubeki.api.apply.check import check
from arubeki.api.apply.fieldset import MEMBER, FieldSet, steps_in_order
from arubeki.api.apply.shape import DEDUCED, entry_schema, is_atomic_map, list_steps
from arubeki.api.schema import Schema

_PLANS_KEPT = 256
"""Shapes remembered for one node; a map with names for keys may have as many as there are objects."""
_KEYS_MAX = 64
"""A larger map's shape is hardly met again, and would take long to compare."""

_Below = tuple[tuple[str, str, Schema, Any], ...]


class _Plan(NamedTuple):
    """What a shape comes to.

    `fields` has every step, in order; those of `below` (key, step, node, and what its question
    needs to know) are yet to be looked into. `doubtful`: a value is not of its node's type.
    """

    fields: FieldSet
    below: _Below
    doubtful: bool = False


def said(value: dict[str, Any], schema: Schema) -> tuple[FieldSet, bool]:
    """Return the paths that an applied object speaks of, in order, and whether it surely fits.

    Where this sees nothing odd, `check` finds nothing.
    Raises: UntypedError for a list item without its key.
    """
    doubts: list[str] = []
    return _said_map(value, schema, doubts, own=False), not doubts


def whole(value: Any, schema: Schema) -> FieldSet:
    """Return a value that came or went whole: itself and everything below, in order."""
    if not value:
        return MEMBER
    if value.__class__ is dict:
        if is_atomic_map(schema):
            return MEMBER
        plan = _plan(value, schema, "whole", _plan_whole)
        if not plan.below:
            return plan.fields
        result = dict(plan.fields)
        for key, step, node, _ in plan.below:
            result[step] = whole(value[key], node)
        return result
    if value.__class__ is list and schema.list_type != "atomic":
        result = {".": MEMBER}
        node = schema.items or entry_schema(schema)
        steps = list_steps(value, schema)
        again = repeated(steps)
        items = dict(zip(steps, value, strict=True))
        for step in steps_in_order(steps):
            result[step] = MEMBER if step in again else whole(items[step], node)
        return result
    return MEMBER


def made(value: dict[str, Any], schema: Schema) -> FieldSet:
    """Return what a new object has, in order: what `compare` tells of it against an empty one.

    Raises: UntypedError for a list item without its key.
    """
    plan = _plan(value, schema, "made", _plan_made)
    if not plan.below:
        return plan.fields
    result = dict(plan.fields)
    for key, step, node, how in plan.below:
        item = value[key]
        if how is not _STRUCT:
            below = whole(item, node)
            if how is _REQUIRED and below:
                # A required list is null, not absent, in an empty Go struct.
                del below["."]
            result[step] = below
        elif is_atomic_map(node):
            if not item:
                del result[step]
        elif below := made(item, node):
            result[step] = below
        else:
            del result[step]
    return result


def is_struct(key: str, node: Schema) -> bool:
    """Whether a built-in kind's field is a Go struct that is no pointer."""
    return key in _STRUCTS and node.raw is None and bool(node.properties)


def repeated(steps: list[str]) -> frozenset[str]:
    """Return the steps that are there more than once."""
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
_STRUCT, _REQUIRED, _NAMED, _WHOLE = "struct", "required", "named", "whole"


def _plan(
    value: dict[str, Any],
    schema: Schema,
    question: str,
    make: Callable[[dict[str, Any], Schema], _Plan],
) -> _Plan:
    if len(value) > _KEYS_MAX:
        return make(value, schema)
    plans = schema.walks.get(question)
    if plans is None:
        plans = schema.walks[question] = {}
    shape = (*value, *map(type, value.values()))
    plan: _Plan | None = plans.get(shape)
    if plan is None:
        if len(plans) >= _PLANS_KEPT:
            plans.clear()
        plan = plans[shape] = make(value, schema)
    return plan


def _plan_whole(value: dict[str, Any], schema: Schema) -> _Plan:
    properties = schema.properties
    fields: FieldSet = {".": MEMBER}
    below = []
    for key in sorted(value):
        step = f"f:{key}"
        fields[step] = MEMBER
        if value[key].__class__ in (dict, list):
            below.append((key, step, properties.get(key) or entry_schema(schema), None))
    return _Plan(fields, tuple(below))


def _plan_made(value: dict[str, Any], schema: Schema) -> _Plan:
    properties = schema.properties
    fields: FieldSet = {}
    below: list[tuple[str, str, Schema, Any]] = []
    for key in sorted(value):
        item, step = value[key], f"f:{key}"
        node = properties.get(key) or entry_schema(schema)
        if is_struct(key, node) and item.__class__ is dict:
            below.append((key, step, node, _STRUCT))
        elif item is None and not (node.raw is not None or node.preserve_unknown):
            continue  # to a built-in kind an absent field and a null one are the same
        elif item.__class__ in (dict, list):
            is_required = key in schema.required and item.__class__ is list and node.raw is None
            below.append((key, step, node, _REQUIRED if is_required else None))
        fields[step] = MEMBER
    return _Plan(fields, tuple(below))


def _said_map(value: dict[str, Any], schema: Schema, doubts: list[str], *, own: bool) -> FieldSet:
    if own:
        plan = _plan(value, schema, "said of one", _plan_said_of_one)
    else:
        plan = _plan(value, schema, "said", _plan_said)
    if plan.doubtful:
        doubts.append("")
    if not plan.below:
        return plan.fields
    result = dict(plan.fields)
    for key, step, node, how in plan.below:
        item = value[key]
        if how is _WHOLE:
            if check(item, node):
                doubts.append(key)
            continue
        # An entry of a map is owned itself; a struct's named field only through what it holds.
        own = how is not _NAMED
        if item.__class__ is list:
            found = _said_list(item, node, doubts, own=own)
        elif item:
            found = _said_map(item, node, doubts, own=own)
        else:
            continue
        if found:
            result[step] = MEMBER if own and len(found) == 1 else found
        else:
            del result[step]
    return result


def _said_list(items: list[Any], schema: Schema, doubts: list[str], *, own: bool) -> FieldSet:
    result: FieldSet = {".": MEMBER} if own else {}
    steps = list_steps(items, schema)
    node = schema.items or entry_schema(schema)
    again = repeated(steps)
    if again:
        doubts.append("")
    found = dict(zip(steps, items, strict=True))
    for step in steps_in_order(steps):
        result[step] = MEMBER
        for item in items if again else (found[step],):
            if node.type not in _FITTING[item.__class__] and check(item, node):
                doubts.append(step)
        item = found[step]
        if item.__class__ is not dict or step in again:
            continue
        if is_atomic_map(node):
            if check(item, node):
                doubts.append(step)
        elif len(below := _said_map(item, node, doubts, own=True)) > 1:
            result[step] = below
    return result


def _plan_said_of_one(value: dict[str, Any], schema: Schema) -> _Plan:
    plan = _plan_said(value, schema)
    return plan._replace(fields={".": MEMBER, **plan.fields})


def _plan_said(value: dict[str, Any], schema: Schema) -> _Plan:
    properties, other = schema.properties, schema.additional
    fields: FieldSet = {}
    below: list[tuple[str, str, Schema, Any]] = []
    doubtful = False
    for key in sorted(value):
        item, step = value[key], f"f:{key}"
        kind = item.__class__
        node = properties.get(key) or other or DEDUCED
        if key not in properties and other is None and not schema.preserve_unknown:
            doubtful = True
        if node.type not in _FITTING[kind]:
            # Whether a scalar fits depends on its type alone, whose plan this is.
            doubtful = doubtful or kind in (dict, list) or bool(check(item, node))
        if (kind is dict and is_atomic_map(node)) or (kind is list and node.list_type == "atomic"):
            below.append((key, step, node, _WHOLE))
        elif kind in (dict, list):
            below.append((key, step, node, _NAMED if key in properties else None))
        fields[step] = MEMBER
    return _Plan(fields, tuple(below), doubtful)
