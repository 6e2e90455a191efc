"""Strategic merge patch: a merge patch that knows how each list of a built-in kind is merged.

A kind's schema says which lists are merged, by which key. Directives in the patch say the rest:

- `$patch: replace` takes the map (or list) as it is in the patch, `$patch: delete` takes away.
- `$deleteFromPrimitiveList/args: [x]` takes scalars out of the list `args`.
- `$setElementOrder/containers: [{name: a}]` orders the merged list.
- `$retainKeys: [a, b]` takes away every key of the map that is not named.

Pure.
Source: apimachinery pkg/util/strategicpatch/patch.go (mergeMap, mergeSlice, normalizeElementOrder),
pkg/util/mergepatch/errors.go; apiserver pkg/endpoints/handlers/patch.go for the codes.
"""

from collections.abc import Iterable
from typing import Any

from arubeki.api.patch.faults import nesting_bounded, rejected
from arubeki.api.patch.mergepatch import without_nulls
from arubeki.api.schema import Schema
from arubeki.errors import BadRequest

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"

Map = dict[str, Any]


def strategic_merge(doc: Map, patch: Any, schema: Schema) -> Map:
    """Return `doc` with `patch` merged into it, as the lists' merge keys in `schema` say.

    Raises: BadRequest for a malformed patch, Invalid for one that does not fit.
    """
    if not isinstance(patch, dict):
        raise BadRequest("invalid JSON document")
    with nesting_bounded():
        return _merge_map(doc, patch, schema)


def _merge_map(original: Map, patch: Map, schema: Schema) -> Map:
    if (directive := patch.get(_PATCH, _NONE)) is not _NONE:
        if directive == "replace":
            return {key: _bare(value) for key, value in patch.items() if key != _PATCH}
        if directive == "delete":
            return {}
        raise BadRequest(f"unknown patch type: {_go(directive)} in map: {_go(patch)}")
    result, rest = dict(original), dict(patch)
    if _RETAIN in rest:
        result = _retained(result, rest, rest.pop(_RETAIN))
    for key in [key for key in patch if key.startswith(_ORDER)]:
        order = rest.pop(key)
        _merge_ordered(result, rest, _field_of(key, _ORDER), order, schema)
    for key, value in rest.items():
        removing = key.startswith(_DELETE)
        field = _field_of(key, _DELETE) if removing else key
        if value is None:
            result.pop(field, None)
            continue
        current: Any = result.get(field)
        if _go_kind(current) != _go_kind(value) or not isinstance(value, dict | list):
            if not removing:
                _set(result, field, value)
            continue
        node = _child(schema, field)
        replaced = "replace" in node.merge_strategy
        if isinstance(value, dict):
            result[field] = _bare(value) if replaced else _merge_map(current, value, node)
        elif removing or "merge" in node.merge_strategy:
            result[field] = _merge_list(current, value, node, removing=removing)
        else:
            result[field] = _bare(value)
    return result


_NONE: Any = object()


def _set(result: Map, field: str, value: Any) -> None:
    bare = _without_directives(without_nulls(value))
    if bare is _NONE:
        result.pop(field, None)
    else:
        result[field] = bare


def _without_directives(value: Any) -> Any:
    """Return a value that is new in the object without directives, `_NONE` when it is one."""
    if isinstance(value, dict):
        if _PATCH in value:
            return _NONE
        pairs = ((key, _without_directives(one)) for key, one in value.items())
        return {key: one for key, one in pairs if one is not _NONE and not _is_directive(key)}
    if isinstance(value, list):
        return [one for one in map(_without_directives, value) if one is not _NONE]
    return value


def _bare(value: Any) -> Any:
    """Return a value that is taken as it is, but for the directives themselves in it."""
    if isinstance(value, dict):
        return {key: _bare(one) for key, one in value.items() if not _is_directive(key)}
    return [_bare(one) for one in value] if isinstance(value, list) else value


def _is_directive(key: str) -> bool:
    return key in (_PATCH, _RETAIN) or key.startswith((f"{_ORDER}/", f"{_DELETE}/"))


def _retained(result: Map, patch: Map, keep: Any) -> Map:
    if not isinstance(keep, list) or not all(isinstance(key, str) for key in keep):
        raise BadRequest("invalid patch format of retainKeys")
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE, _ORDER)) and key not in keep:
            raise BadRequest("invalid patch format of retainKeys")
    return {key: value for key, value in result.items() if key in keep}


def _field_of(key: str, prefix: str) -> str:
    head, slash, field = key.partition("/")
    if head != prefix or not slash:
        what = "primitive list" if prefix == _DELETE else "setElementOrder list"
        raise BadRequest(f"invalid patch format of {what}")
    return field


def _child(schema: Schema, field: str) -> Schema:
    node = schema.properties.get(field) or schema.additional
    if node is None:
        name = schema.name.rpartition(".")[2] or "map"
        raise BadRequest(f'unable to find api field in struct {name} for the json field "{field}"')
    return node


def _merge_ordered(result: Map, patch: Map, field: str, order: Any, schema: Schema) -> None:
    """Merge one list, in place in `result`, in the order its directive asks for."""
    if not isinstance(order, list):
        raise BadRequest(f"expected a []interface {{}}, but received a {_go_type(order)}")
    current, wanted = result.get(field, _NONE), patch.get(field, _NONE)
    for value in (current, wanted):
        if value is not _NONE and not isinstance(value, list):
            raise BadRequest(f"expected a []interface {{}}, but received a {_go_type(value)}")
    node = _child(schema, field)
    key = node.merge_key
    if wanted is not _NONE:
        _check_order(wanted, order, key)
    if current is _NONE and wanted is _NONE:
        return
    if wanted is _NONE:
        merged = current
    elif current is _NONE:
        merged = _without_directives(wanted)
    elif "merge" in node.merge_strategy:
        merged = _merge_list(current, wanted, node)
    else:
        merged = wanted
    known = [] if current is _NONE else current
    if key and known and wanted is not _NONE:
        known = _overwritten(known, wanted, key)
    result[field] = _in_order(merged, order, known, key)
    patch.pop(field, None)


def _overwritten(live: list[Any], wanted: list[Any], key: str) -> list[Any]:
    """Return the live list as Kubernetes sees it after a merge that deletes from it.

    It deletes and appends within the array that the live list still points to, so that new items
    come to stand in the room of the deleted ones. That decides where items that the order does not
    name end up.
    """
    left, fresh = _special_items(live, wanted, key)
    if len(left) == len(live):
        return live
    known = _positions(left, key)
    return (left + [one for one in fresh if _identity(one, key) not in known])[: len(live)]


def _check_order(wanted: list[Any], order: list[Any], key: str) -> None:
    """Refuse a directive that leaves items of the patch out or has them in another order."""
    if not order or not wanted:
        return
    position = 0
    for item in wanted:
        if isinstance(item, dict) and _PATCH in item:
            continue
        identity = _identity(item, key)
        while position < len(order) and _identity(order[position], key) != identity:
            position += 1
        if position == len(order):
            raise BadRequest(
                f"The order in patch list:\n{_go(wanted)}\n doesn't match {_ORDER} list:"
                f"\n{_go(order)}\n"
            )
        position += 1


def _merge_list(
    original: list[Any], patch: list[Any], schema: Schema, *, removing: bool = False
) -> list[Any]:
    kinds = {_go_kind(item) for item in (*original, *patch)}
    if not kinds:
        return original
    if "list" in kinds:
        raise rejected()
    if len(kinds) > 1:
        shown = _go([original, patch])
        raise BadRequest(f"list element types are not identical: {shown}")
    if kinds != {"map"}:
        if removing:
            return [item for item in original if item not in patch]
        return _in_order(list(dict.fromkeys([*original, *patch])), patch, original, "")
    key = schema.merge_key
    if not key:
        raise BadRequest("cannot merge lists without merge key for slice")
    live, wanted = _special_items(original, patch, key)
    current = list(live)
    node = schema.items or schema
    for item in wanted:
        identity = _identity(item, key)
        for index, one in enumerate(current):
            if _identity_or_none(one, key) == identity:
                current[index] = _merge_map(one, item, node)
                break
        else:
            current.append(_bare(item))
    return _in_order(current, wanted, live, key)


def _special_items(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Return the live items that `$patch` items leave, and the patch's ordinary items."""
    wanted, gone = [], []
    replace = False
    for item in patch:
        directive = item.get(_PATCH, _NONE)
        if directive is _NONE:
            wanted.append(item)
        elif directive == "delete":
            gone.append(_identity(item, key))
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise BadRequest(f"unknown patch type: {_go(directive)} in map: {_go(item)}")
    if replace:
        return [_bare(item) for item in wanted], []
    return [item for item in original if _identity_or_none(item, key) not in gone], wanted


def _in_order(merged: list[Any], order: list[Any], live: list[Any], key: str) -> list[Any]:
    """Return `merged` with what `order` names in that order, the rest where it was among it."""
    asked = _positions(order, key)
    known = _positions(live, key)
    ours = [item for item in merged if _identity(item, key) in asked]
    theirs = [item for item in merged if _identity(item, key) not in asked]
    ours.sort(key=lambda item: asked[_identity(item, key)])
    result = []
    for item in ours:
        place = known.get(_identity(item, key), -1)
        while theirs and 0 <= known.get(_identity(theirs[0], key), -1) < place:
            result.append(theirs.pop(0))
        result.append(item)
    return result + theirs


def _positions(items: Iterable[Any], key: str) -> dict[tuple[str, Any], int]:
    positions: dict[tuple[str, Any], int] = {}
    for index, item in enumerate(items):
        identity = _identity_or_none(item, key)
        if identity is not None:
            positions.setdefault(identity, index)
    return positions


def _identity(item: Any, key: str) -> tuple[str, Any]:
    """Return what an item is known by: the value of its merge key, or, a scalar, itself."""
    if key and not isinstance(item, dict):
        wanted = "map[string]interface {}"
        raise BadRequest(f"expected a {wanted}, but received a {_go_type(item)}")
    identity = _identity_or_none(item, key)
    if identity is None:
        raise BadRequest(f"map: {_go(item)} does not contain declared merge key: {key}")
    return identity


def _identity_or_none(item: Any, key: str) -> tuple[str, Any] | None:
    value = item.get(key, _NONE) if key and isinstance(item, dict) else item
    if value is _NONE:
        return None
    if isinstance(value, dict | list):
        raise BadRequest(f"list element types are not identical: {_go(value)}")
    return type(value).__name__, value


def _go_kind(value: Any) -> str:
    if isinstance(value, dict):
        return "map"
    return "list" if isinstance(value, list) else type(value).__name__


def _go_type(value: Any) -> str:
    """Return a value's type as Go names it in messages."""
    if value is None:
        return "<nil>"
    names = {"map": "map[string]interface {}", "list": "[]interface {}", "str": "string"}
    names |= {"int": "int64", "float": "float64"}
    kind = _go_kind(value)
    return names.get(kind, kind)


def _go(value: Any) -> str:
    """Return a value as Go prints it in messages: `map[name:web]`."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)
