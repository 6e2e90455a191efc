"""What a manager applied last, read back from the live object.

Nothing else remembers an intent: a controller that has just started compares what it wants with
this, to know whether it must apply again.

Part of server-side apply; used by runtime/ through the client, so it needs no schema; pure.
Source: apimachinery pkg/util/managedfields/extract.go.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from arubeki.api.apply.fieldset import FieldSet, key_text, value_text
from arubeki.api.apply.managers import APPLY, decode
from arubeki.api.apply.shape import text_step


def extract(live: Mapping[str, Any], manager: str, subresource: str = "") -> dict[str, Any]:
    """Return the fields of `live` that `manager`'s Apply entry owns, as an intent.

    It has apiVersion, kind, name and namespace, and nothing more when there is no such entry. A map
    that is owned without any of its entries comes back whole if nobody else owns a part of it: from
    the entry alone, an atomic map and one applied as `{}` look alike.
    """
    metadata = live.get("metadata") or {}
    managers = decode(metadata.get("managedFields"))
    entry = managers.get((manager, APPLY, "", subresource))
    mine = entry.fields if entry else {}
    others = [one.fields for one in managers.values()]
    found = _map_part(live, mine, others)
    named = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
    identity: dict[str, Any] = {key: live[key] for key in ("apiVersion", "kind") if key in live}
    return {**identity, **found, "metadata": {**named, **(found.get("metadata") or {})}}


def _part(value: Any, fields: FieldSet, others: list[FieldSet]) -> Any:
    """Return what `fields` says of a value that it names; `others` are everybody's sets there."""
    steps = [step for step in fields if step != "."]
    if not steps:
        if isinstance(value, dict) and any(key != "." for one in others for key in one):
            return {}
        return value
    if isinstance(value, dict) and steps[0][0] == "f":
        return _map_part(value, fields, others)
    if isinstance(value, list):
        return _list_part(value, fields, steps, others)
    return value


def _map_part(value: Mapping[str, Any], fields: FieldSet, others: list[FieldSet]) -> dict[str, Any]:
    result = {}
    for key, item in value.items():
        below = fields.get(f"f:{key}")
        if below is not None:
            result[key] = _part(item, below, _below(others, f"f:{key}"))
    return result


def _list_part(
    items: list[Any], fields: FieldSet, steps: list[str], others: list[FieldSet]
) -> list[Any]:
    result = []
    names = _key_names(steps)
    for item in items:
        if isinstance(item, dict):
            step = _step_of(item, fields, steps, names)
            if step:
                result.append(_item_part(item, fields[step], step, _below(others, step)))
        elif f"v:{value_text(item)}" in fields:
            result.append(item)
    return result


def _key_names(steps: list[str]) -> list[str]:
    return list(msgspec.json.decode(steps[0][2:])) if steps[0][0] == "k" else []


def _step_of(item: dict[str, Any], fields: FieldSet, steps: list[str], names: list[str]) -> str:
    """Return the step that means an item, "" for none."""
    if len(names) == 1 and isinstance(name := item.get(names[0]), str):
        step = text_step(names[0], name)
    elif all(name in item for name in names):
        step = key_text([(name, item[name]) for name in names])
    else:
        step = ""
    if step in fields:
        return step
    # Else it leaves a key to its default, or keys differ from step to step.
    for step in steps:
        keys = msgspec.json.decode(step[2:]) if step[0] == "k" else {}
        unlike = list(keys) != names or not all(name in item for name in keys)
        if keys and unlike and all(item.get(name, one) == one for name, one in keys.items()):
            return step
    return ""


def _item_part(
    item: dict[str, Any], fields: FieldSet, step: str, others: list[FieldSet]
) -> dict[str, Any]:
    if not any(name != "." for one in (fields, *others) for name in one):
        # Nobody owns a part of it: it is atomic, as an ownerReference is, and owned as one piece.
        return item
    part = _map_part(item, fields, others)
    if part:
        return part
    # An item that is owned only as a whole is known by its keys.
    return {name: item[name] for name in msgspec.json.decode(step[2:]) if name in item}


def _below(sets: list[FieldSet], step: str) -> list[FieldSet]:
    return [one[step] for one in sets if one.get(step)]
