"""Owned fields after a schema changed: children of what has become atomic.

A custom resource's definition may turn a granular map or list atomic. Whoever owned something in it
then owns it whole.

Part of server-side apply; pure.
Source: structured-merge-diff typed/reconcile_schema.go.
"""

from dataclasses import replace

from arubeki.api.apply.fieldset import MEMBER, FieldSet
from arubeki.api.apply.managers import Managers
from arubeki.api.apply.shape import DEDUCED, entry_schema, is_atomic_map
from arubeki.api.schema import Schema


def reconcile(managers: Managers, schema: Schema) -> Managers:
    """Return the managers with sets that fit `schema`; the same where they do already.

    The schemas of built-in kinds do not change.
    """
    if schema.raw is None:
        return managers
    result = managers
    for identity, entry in managers.items():
        fields = _fitting(entry.fields, schema)
        if fields is not entry.fields:
            if result is managers:
                result = dict(managers)
            result[identity] = replace(entry, fields=fields, source=None)
    return result


def _fitting(fields: FieldSet, schema: Schema) -> FieldSet:
    result = fields
    properties = schema.properties
    for step, node in fields.items():
        if not node:
            continue
        if step[0] == "f":
            below = properties.get(step[2:]) or entry_schema(schema)
        else:
            below = schema.items or entry_schema(schema)
        if below is DEDUCED:
            continue
        kind = "f:" if next(reversed(node))[:2] == "f:" else "k:"
        whole = is_atomic_map(below) if kind == "f:" else below.list_type == "atomic"
        fitting = MEMBER if whole else _fitting(node, below)
        if fitting is not node:
            if result is fields:
                result = dict(fields)
            result[step] = fitting
    return result
