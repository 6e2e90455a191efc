"""Whether an intent says the same as the one that a live object tells of.

The server stores what it is given in a form of its own: quantities are made canonical, and inside a
value that is owned as a whole (a `fieldRef`, say) its defaults are ours as well. So an intent is
brought into that form before it is held against our fields of the live object, and compared at the
places it speaks of. What it leaves to others is not filled in: giving up a field is a change.

On the ring: [reconcile > **intents** > client].
"""

from typing import Any

import msgspec

from arubeki.api.objects import GVK
from arubeki.api.schema import Schema


def is_same(intent: bytes, told: dict[str, Any], uid: str) -> bool:
    """Whether applying `intent` to the object `uid` would change nothing.

    `told` is what we own of it: apiVersion, kind, metadata and our fields.
    """
    said: dict[str, Any] = msgspec.json.decode(intent)
    # A precondition, which nobody owns.
    if said.get("metadata", {}).pop("uid", uid) != uid:
        return False
    if said == told:
        return True
    from arubeki.api import defaults, facts, structure

    group, _, version = str(said.get("apiVersion", "")).rpartition("/")
    gvk = GVK(group, version, str(said.get("kind", "")))
    schema = facts.schema_of(gvk)
    if schema is None:
        return False
    stored: dict[str, Any] = msgspec.json.decode(intent)
    if structure.types(stored, schema, gvk.kind):
        return False  # the server will say what is wrong with it
    structure.prune(stored, schema)
    defaults.apply_defaults(gvk, stored)
    return _is_same(said, stored, told, schema)


def _is_same(said: Any, stored: Any, told: Any, node: Schema | None) -> bool:
    """Compare what was `said`, as it is `stored`, with what is `told`."""
    if isinstance(said, dict) and isinstance(stored, dict) and isinstance(told, dict):
        if node is None or node.map_type == "atomic":
            return stored == told
        if not told.keys() <= said.keys():
            return False
        for name, one in said.items():
            if name not in stored or name not in told:
                if name in stored or name in told:
                    return False
                continue  # said, but nothing that is stored: an empty list, an unknown field
            below = node.properties.get(name) or node.additional
            if not _is_same(one, stored[name], told[name], below):
                return False
        return True
    if isinstance(said, list) and isinstance(stored, list) and isinstance(told, list):
        if node is None or node.list_type == "atomic" or not len(said) == len(stored) == len(told):
            return stored == told
        pairs = zip(said, stored, told, strict=True)
        return all(_is_same(*each, node.items) for each in pairs)
    return bool(stored == told)
