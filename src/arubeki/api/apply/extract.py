"""What a manager applied last, read back from the live object.

Nothing else remembers an intent: a controller that has just started compares what it wants with
this, to know whether it must apply again.

Part of server-side apply; used by runtime/ through the client, so it needs no schema; pure.
Source: apimachinery pkg/util/managedfields/extract.go.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from arubeki.api.apply.fieldset import FieldSet, value_text
from arubeki.api.apply.managers import APPLY


def extract(live: Mapping[str, Any], manager: str, subresource: str = "") -> dict[str, Any]:
    """Return the fields of `live` that `manager`'s Apply entry owns, as an intent.

    It has apiVersion, kind, name and namespace, and nothing more when there is no such entry. A map
    that is owned without any of its entries comes back whole if nobody else owns a part of it: from
    the entry alone, an atomic map and one applied as `{}` look alike.
    """
    metadata = live.get("metadata") or {}
    entries = [one for one in metadata.get("managedFields") or () if isinstance(one, dict)]
    mine: FieldSet = {}
    for entry in entries:
        if (
            entry.get("manager") == manager
            and entry.get("operation") == APPLY
            and (entry.get("subresource") or "") == subresource
        ):
            mine = entry.get("fieldsV1") or {}
    others = [one.get("fieldsV1") or {} for one in entries]
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
    keyed = [(step, msgspec.json.decode(step[2:])) for step in steps if step[0] == "k"]
    result = []
    for item in items:
        if isinstance(item, dict):
            for step, keys in keyed:
                if all(item.get(name, one) == one for name, one in keys.items()):
                    result.append(_item_part(item, fields[step], keys, _below(others, step)))
                    break
        elif f"v:{value_text(item)}" in fields:
            result.append(item)
    return result


def _item_part(
    item: dict[str, Any], fields: FieldSet, keys: dict[str, Any], others: list[FieldSet]
) -> dict[str, Any]:
    if not any(step != "." for one in (fields, *others) for step in one):
        return item  # nobody owns a part of it: it is atomic, as an ownerReference is
    part = _map_part(item, fields, others)
    # An item that is owned only as a whole is known by its keys.
    return part or {name: item[name] for name in keys if name in item}


def _below(sets: list[FieldSet], step: str) -> list[FieldSet]:
    return [one[step] for one in sets if one.get(step)]
