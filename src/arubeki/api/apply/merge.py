"""Writing objects by their shape: lay an intent over the live object, take away what is dropped.

Both return a new object that shares every unchanged subtree with their arguments, and the very
argument when nothing changes.

Part of server-side apply; pure.
Source: structured-merge-diff typed/merge.go, typed/remove.go, merge/update.go (prune).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from arubeki.api.apply.fieldset import FieldSet, is_member
from arubeki.api.apply.shape import UntypedError, entry_schema, is_atomic_map, list_steps
from arubeki.api.objects import identical
from arubeki.api.schema import Schema

Emptied = list[tuple[dict[str, Any], str]]
"""Places whose last item was taken away: containers and keys in them, still there as null."""


def merge(live: dict[str, Any], intent: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """Return `live` with everything that `intent` says.

    Raises: UntypedError for a list item without its key.
    """
    result = live
    properties = schema.properties
    for key, wanted in intent.items():
        current = live.get(key, _ABSENT)
        if current is wanted:
            continue
        merged = wanted
        if wanted.__class__ is str:
            if current == wanted:
                continue
        elif current is not _ABSENT:
            node = properties.get(key) or entry_schema(schema)
            try:
                merged = _merge_values(current, wanted, node)
            except UntypedError as error:
                raise UntypedError(f".{key}{error}") from None
            if merged is current:
                continue
        if result is live:
            result = dict(live)
        result[key] = merged
    return result


_ABSENT: Any = object()


def _merge_values(live: Any, wanted: Any, schema: Schema) -> Any:
    kind = wanted.__class__
    closed_types = schema.raw is None and not schema.preserve_unknown
    if closed_types and live == wanted and live.__class__ is kind:
        return live
    if kind is dict and not is_atomic_map(schema):
        if live.__class__ is dict and (live or not wanted):
            return merge(live, wanted, schema)
        return wanted
    if kind is list and schema.list_type != "atomic":
        if live.__class__ is list and (live or not wanted):
            return _merge_lists(live, wanted, schema)
        return wanted
    if wanted is None and live:
        # Null says nothing about a granular map or list that has something in it.
        granular_map = live.__class__ is dict and not is_atomic_map(schema)
        granular_list = live.__class__ is list and schema.list_type != "atomic"
        if granular_map or granular_list:
            return live
    return live if identical(live, wanted) else wanted


def _merge_lists(live: list[Any], wanted: list[Any], schema: Schema) -> list[Any]:
    live_steps, wanted_steps = list_steps(live, schema), list_steps(wanted, schema)
    node = schema.items or entry_schema(schema)
    ours: dict[str, Any] = {}
    for step, item in zip(live_steps, live, strict=True):
        # Several items with one key are no item to merge into.
        ours[step] = None if step in ours else item
    theirs = dict(zip(wanted_steps, wanted, strict=True))
    result = []
    for step, index in _merged_order(live_steps, wanted_steps):
        if index >= 0:
            result.append(live[index])
        elif step not in ours:
            result.append(theirs[step])
        else:
            try:
                result.append(_merge_values(ours[step], theirs[step], node))
            except UntypedError as error:
                raise UntypedError(f"{step}{error}") from None
    same = len(result) == len(live) and all(map(_is, result, live))
    return live if same else result


def _is(left: Any, right: Any) -> bool:
    return left is right


def _merged_order(live: list[str], wanted: list[str]) -> Iterator[tuple[str, int]]:
    """Give each step of the merged list once, with its index in `live`, or -1 where it is wanted.

    What is wanted keeps its order; what only the live list has stays behind its neighbour.
    """
    if live == wanted:
        yield from ((step, -1) for step in wanted)
        return
    known, asked = set(live), set(wanted)
    shared = iter([step for step in wanted if step in known])
    following = next(shared, None)
    done: set[str] = set()
    left = right = 0
    while left < len(live) or right < len(wanted):
        if left < len(live):
            step = live[left]
            if step not in asked:
                yield step, left
                left += 1
                continue
            if right == len(wanted):
                left += 1
                continue
            if step == wanted[right]:
                left += 1
            elif following not in (None, step):
                # Shared, but its turn comes after another's.
                left += 1
                continue
            elif step in done:
                left += 1
        if right < len(wanted):
            step = wanted[right]
            done.add(step)
            yield step, -1
            right += 1
            if step == following:
                following = next(shared, None)


@dataclass(frozen=True, slots=True)
class Dropped:
    """What an applier no longer says at a place, and what decides whether it goes.

    `fields` are those no longer said, `last` all that it owned before, `owned` all that anybody
    owns now. `was_ours`: a place above was in `last`; `doomed`: one above has lost its last owner.
    """

    fields: FieldSet
    last: FieldSet
    owned: FieldSet
    was_ours: bool = False
    doomed: bool = False

    def below(self, step: str, named: bool) -> "tuple[bool, Dropped]":
        """Return whether the place at `step` goes, and the same facts of what is below it.

        A named field counts as in a set when anything below it is.
        """
        last, owned = self.last[step], self.owned.get(step)
        in_last = named or is_member(last)
        in_owned = owned is not None and (named or is_member(owned))
        inner = Dropped(
            self.fields[step],
            last,
            owned or {},
            self.was_ours or in_last,
            self.doomed or (self.was_ours and not in_owned),
        )
        return in_last and (self.doomed or not in_owned), inner


def prune(
    merged: dict[str, Any], schema: Schema, dropped: Dropped, emptied: Emptied
) -> dict[str, Any]:
    """Return `merged` without what was dropped and nobody owns.

    A struct goes whole when nobody owns anything in it, also with what was defaulted there. A map
    or list whose last entry goes is left as null, and noted in `emptied`, so that it compares as
    present.
    """
    result = merged
    for step in dropped.fields:
        key = step[2:]
        if step[0] != "f" or key not in merged:
            continue
        value = merged[key]
        named = key in schema.properties
        node = schema.properties.get(key) or entry_schema(schema)
        gone, inner = dropped.below(step, named)
        kept = value if gone else _prune_value(value, node, inner, emptied)
        if kept is value and not (gone and not (named and _says_nothing(value, node))):
            continue
        if result is merged:
            result = dict(merged)
        if gone or (kept and named and _says_nothing(kept, node)):
            del result[key]
        elif kept:
            result[key] = kept
        else:
            result[key] = None
            emptied.append((result, key))
    return result


def _prune_list(value: list[Any], schema: Schema, dropped: Dropped, emptied: Emptied) -> list[Any]:
    result = []
    node = schema.items or entry_schema(schema)
    for step, item in zip(list_steps(value, schema), value, strict=True):
        kept = item
        if step in dropped.fields:
            gone, inner = dropped.below(step, named=False)
            if gone:
                continue
            kept = _prune_value(item, node, inner, emptied)
        result.append(kept)
    same = len(result) == len(value) and all(map(_is, result, value))
    return value if same else result


def _prune_value(value: Any, schema: Schema, dropped: Dropped, emptied: Emptied) -> Any:
    if not dropped.fields or not value:
        return value
    if value.__class__ is dict and not is_atomic_map(schema):
        return prune(value, schema, dropped, emptied)
    if value.__class__ is list and schema.list_type != "atomic":
        return _prune_list(value, schema, dropped, emptied)
    return value


def _says_nothing(value: Any, schema: Schema) -> bool:
    """Whether a named field's value has no field to own: an empty granular list, or only such."""
    if value.__class__ is list:
        return not value and schema.list_type != "atomic"
    if value.__class__ is not dict or not value or is_atomic_map(schema):
        return False
    nodes = [schema.properties.get(key) for key in value]
    return all(
        node is not None and _says_nothing(item, node)
        for node, item in zip(nodes, value.values(), strict=True)
    )
