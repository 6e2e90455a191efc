"""Sets of field paths, in the very form that `managedFields` has on the wire.

A set is a trie of plain dicts (FieldsV1). A key is one step of a path: `f:name` a field,
`k:{"name":"x"}` an item of a map list, `v:"x"` an item of a set list, `i:0` an index. A node that
is empty, or has the key ".", is a member of the set; the root is never one, so `{}` at the root is
the empty set. Because the stored form is the working form, most sets of an object are never
converted or copied: an operation that changes nothing returns its first argument itself.

No function changes its arguments. Part of server-side apply; pure.
Source: structured-merge-diff fieldpath/set.go, fieldpath/serialize.go, fieldpath/serialize-pe.go.
"""

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

FieldSet: TypeAlias = dict[str, Any]
"""A trie: step → node, each node again a trie."""

MEMBER: FieldSet = {}
"""A node that is a member and has nothing below. Shared: never to be changed."""

# Characters that JSON, or Go's JSON for use in HTML, writes otherwise than they are.
_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def value_text(value: Any) -> str:
    """Return a scalar as the text that stands in a step, as Go's JSON writes it."""
    if type(value) is str:
        return f'"{_ESCAPED.sub(_escape, value)}"'
    if type(value) is float and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return msgspec.json.encode(value, order="sorted").decode()


def key_text(pairs: Iterable[tuple[str, Any]]) -> str:
    """Return the step of a map list's item from its keys, sorted by name, and their values."""
    return "k:{" + ",".join(f"{value_text(key)}:{value_text(one)}" for key, one in pairs) + "}"


def is_member(node: FieldSet) -> bool:
    """Whether the field of a node (not the root) is itself in the set."""
    return not node or "." in node


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths in either set."""
    if not left:
        return right
    if not right:
        return left
    result = left
    for step, theirs in right.items():
        ours = left.get(step)
        if ours is None:
            merged = theirs
        elif ours is theirs or step == ".":
            continue
        else:
            merged = _joined(ours, theirs)
            if merged is ours:
                continue
        if result is left:
            result = dict(left)
        result[step] = merged
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths in both sets."""
    result: FieldSet = {}
    for step in right if len(right) < len(left) else left:
        ours, theirs = left.get(step), right.get(step)
        if ours is None or theirs is None or step == ".":
            continue
        below = intersection(ours, theirs)
        if is_member(ours) and is_member(theirs):
            result[step] = {".": MEMBER, **below} if below else MEMBER
        elif below:
            result[step] = below
    return result


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths of `left` that are not in `right`; what is below them is judged for itself.

    The steps that are left keep their order.
    """
    if not right or not left:
        return left
    result: FieldSet | None = None
    for step in right if len(right) < len(left) else left:
        ours, theirs = left.get(step), right.get(step)
        if ours is None or theirs is None or step == ".":
            continue
        below = difference(ours, theirs)
        stays = is_member(ours) and not is_member(theirs)
        if below is ours and stays is is_member(ours):
            continue
        if result is None:
            result = dict(left)
        _put(result, step, below, stays)
    return left if result is None else result


def recursive_difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths of `left` that are neither in `right` nor below a path in it."""
    if not right or not left:
        return left
    result: FieldSet | None = None
    for step, ours in left.items():
        theirs = right.get(step)
        if theirs is None or step == ".":
            continue
        if is_member(theirs):
            below, stays = {}, False
        else:
            below, stays = recursive_difference(ours, theirs), is_member(ours)
        if below is ours and stays is is_member(ours):
            continue
        if result is None:
            result = dict(left)
        _put(result, step, below, stays)
    return left if result is None else result


def has(fields: FieldSet, steps: Iterable[str]) -> bool:
    """Whether the path of `steps` is in the set."""
    node = fields
    for step in steps:
        found = node.get(step)
        if found is None:
            return False
        node = found
    return is_member(node)


def paths(fields: FieldSet) -> Iterator[tuple[str, ...]]:
    """Give each path of the set as its steps: a level's members first, then what is below them."""
    steps = [step for step in fields if step != "."]
    for step in steps:
        if is_member(fields[step]):
            yield (step,)
    for step in steps:
        for below in paths(fields[step]):
            yield (step, *below)


def path_text(steps: Iterable[str]) -> str:
    """Return a path as messages show it: `.spec.containers[name="web"].image`."""
    return "".join(map(_step_text, steps))


def of_steps(steps: Sequence[str]) -> FieldSet:
    """Return the set of one path."""
    node: FieldSet = {}
    for step in reversed(steps):
        node = {step: node}
    return node


def of_paths(dotted: Iterable[str]) -> FieldSet:
    """Return the set of paths of field names, each written `spec.replicas`."""
    result: FieldSet = {}
    for path in dotted:
        result = union(result, of_steps([f"f:{name}" for name in path.split(".")]))
    return result


def ordered(fields: FieldSet) -> FieldSet:
    """Return the set with its steps in Kubernetes' order, which is that on the wire."""
    return {
        step: ordered(fields[step]) if fields[step] else MEMBER for step in steps_in_order(fields)
    }


def steps_in_order(steps: Collection[str]) -> Sequence[str]:
    """Return the steps of one level in Kubernetes' order, each once."""
    if len(steps) < 2:
        return tuple(steps)
    # The same few names stand in every object's lists, and sorting numbers is slow.
    return _remembered(tuple(steps)) if len(steps) <= _REMEMBERED_STEPS else _sorted(steps)


def _sorted(steps: Iterable[str]) -> tuple[str, ...]:
    found = sorted(set(steps))
    # As texts, ports and numbers sort wrongly; everything else comes out right.
    if found[-1][:2] in ("k:", "v:", "i:"):
        found.sort(key=_step_order)
    return tuple(found)


_REMEMBERED_STEPS = 64
_remembered = functools.lru_cache(maxsize=2048)(_sorted)


def normalized(fields: Any) -> FieldSet:
    """Return a set that a client sent in the one form in which sets compare.

    Steps of an unknown type are dropped, as Kubernetes does.
    Raises: ValueError when it is no set.
    """
    if not isinstance(fields, dict):
        raise ValueError("fieldsV1 is not an object")
    return ordered(_normalized(fields, 0))


def _put(fields: FieldSet, step: str, below: FieldSet, member: bool) -> None:
    """Set a node, in place, of which `below` (a "." in it does not count) and itself are left."""
    if below.keys() <= {"."}:
        if member:
            fields[step] = MEMBER
        else:
            del fields[step]
    elif member is ("." in below):
        fields[step] = below
    elif member:
        fields[step] = {".": MEMBER, **below}
    else:
        fields[step] = {key: node for key, node in below.items() if key != "."}


def _joined(ours: FieldSet, theirs: FieldSet) -> FieldSet:
    if not theirs:
        return ours if is_member(ours) else {".": MEMBER, **ours}
    if not ours:
        return theirs if is_member(theirs) else {".": MEMBER, **theirs}
    return union(ours, theirs)


_DEPTH_MAX = 256
"""Deeper than any object, shallower than Python's recursion limit."""


def _normalized(fields: FieldSet, depth: int) -> FieldSet:
    if depth > _DEPTH_MAX:
        raise ValueError("fieldsV1 is nested too deeply")
    result: FieldSet = {}
    for step, node in fields.items():
        if step == ".":
            result["."] = MEMBER
            continue
        canonical = _canonical_step(step)
        if canonical is None:
            continue
        if not isinstance(node, dict):
            raise ValueError(f"fieldsV1 has no object at {step}")
        below = _normalized(node, depth + 1)
        if below.keys() == {"."}:
            below = MEMBER
        result[canonical] = _joined(result[canonical], below) if canonical in result else below
    return result


def _canonical_step(step: str) -> str | None:
    if len(step) < 2 or step[1] != ":":
        raise ValueError(f"{step} is no path element")
    kind, text = step[0], step[2:]
    if kind == "f":
        return step
    if kind == "i":
        return f"i:{int(text)}"
    if kind not in "kv":
        return None
    value = msgspec.json.decode(text)
    if kind == "v":
        return f"v:{value_text(value)}"
    if not isinstance(value, dict):
        raise ValueError(f"{step} is no key")
    return key_text(sorted(value.items()))


def _step_text(step: str) -> str:
    kind, text = step[0], step[2:]
    if kind == "f":
        return f".{text}"
    if kind == "v":
        return f"[={text}]"
    if kind == "k":
        pairs = msgspec.json.decode(text).items()
        return "[" + ",".join(f"{name}={_shown(value)}" for name, value in pairs) + "]"
    return f"[{text}]"


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# The order of values of different types. Source: structured-merge-diff value/value.go Compare.
_TYPE_ORDER = {float: 0, int: 0, str: 1, bool: 2, list: 3, dict: 4, type(None): 5}


def _step_order(step: str) -> tuple[Any, ...]:
    kind, text = step[0], step[2:]
    if kind == "k":
        return (2, [(name, *_value_order(one)) for name, one in msgspec.json.decode(text).items()])
    if kind == "v":
        return (3, *_value_order(msgspec.json.decode(text)))
    if kind == "i":
        return (4, int(text))
    return (0, "") if kind == "." else (1, text)


def _value_order(value: Any) -> tuple[int, Any]:
    comparable = value if isinstance(value, str | int | float) else str(value)
    return _TYPE_ORDER[type(value)], comparable


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT_ESCAPES.get(character) or f"\\u{ord(character):04x}"
