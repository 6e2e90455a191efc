"""JSONPath as Kubernetes' printer columns use it: `.status.conditions[?(@.type=="Ready")].status`.

Known: fields (`.a`, `['a']`), indexes and slices (`[0]`, `[-1]`, `[0:2]`), all (`[*]`, `.*`), filters
(`[?(@.a.b=="x")]` with ==, !=, <, <=, >, >= and bare existence), recursive descent (`..a`) and unions
(`[0,1]`, `['a','b']`). A template in braces (`{.spec.replicas}`) is taken without them.

Pure: no I/O, no clock. Source: client-go util/jsonpath.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Step = Callable[[Iterable[Any]], Iterator[Any]]

_FIELD = re.compile(r"(?:[^\\.\[\]'\"\s(){}]|\\.)+")
_INTEGER = re.compile(r"-?\d+\Z")
_FILTER = re.compile(
    r"\A\s*@(?P<left>[^=!<>]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<right>.+?))?\s*\Z"
)
_LENGTH_LIMIT = 4096


class Path:
    """A compiled path. Raises: ValueError for text that is none, with the place."""

    def __init__(self, text: str) -> None:
        if len(text) > _LENGTH_LIMIT:
            raise ValueError(f"the path is longer than {_LENGTH_LIMIT} characters")
        self.text = text
        self._steps = _parsed(text)

    def find(self, value: Any) -> list[Any]:
        """Return everything under `value` that the path leads to, in order."""
        found: Iterable[Any] = (value,)
        for step in self._steps:
            found = step(found)
        return list(found)


def _parsed(text: str) -> list[Step]:
    rest = text.strip()
    if rest.startswith("{") and rest.endswith("}"):
        rest = rest[1:-1].strip()
    rest = rest.removeprefix("$").removeprefix("@")
    steps: list[Step] = []
    while rest:
        if rest.startswith("[") or (rest.startswith(".[") and len(rest) > 1):
            rest = rest.removeprefix(".")
            end = _closing(rest, text)
            steps.append(_bracket(rest[1:end].strip(), text))
            rest = rest[end + 1 :]
            continue
        deep = rest.startswith("..")
        rest = rest.lstrip(".") if deep else rest.removeprefix(".")
        if not rest:
            if deep:
                raise ValueError(f"{text!r} ends in '..'")
            break
        match = _FIELD.match(rest)
        if match is None:
            raise ValueError(f"{text!r}: unexpected {rest[0]!r}")
        name = re.sub(r"\\(.)", r"\1", match.group())
        if deep:
            steps.append(_everywhere)
        steps.append(_all if name == "*" else _field(name))
        rest = rest[match.end() :]
    return steps


def _closing(rest: str, text: str) -> int:
    """Return the index of the bracket that closes `rest`'s first, quotes and nesting skipped."""
    depth, quote = 0, ""
    for index, character in enumerate(rest):
        if quote:
            if character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
            if depth == 0:
                return index
    raise ValueError(f"{text!r}: a bracket is not closed")


def _bracket(inner: str, text: str) -> Step:
    if inner == "*":
        return _all
    if inner.startswith("?(") and inner.endswith(")"):
        return _filter(inner[2:-1], text)
    if "," in inner and not inner.startswith(("'", '"')):
        parts = [_bracket(part.strip(), text) for part in inner.split(",")]
        return _union(parts)
    if len(inner) > 1 and inner[0] in "'\"" and inner[-1] == inner[0]:
        names = re.split(rf"{inner[0]}\s*,\s*{inner[0]}", inner[1:-1])
        return _union([_field(name) for name in names]) if len(names) > 1 else _field(names[0])
    if _INTEGER.match(inner):
        return _index(int(inner))
    if ":" in inner:
        return _slice(inner, text)
    raise ValueError(f"{text!r}: cannot read [{inner}]")


def _field(name: str) -> Step:
    def step(values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            if isinstance(value, dict) and name in value:
                yield value[name]

    return step


def _all(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield from _children(value)


def _everywhere(values: Iterable[Any]) -> Iterator[Any]:
    waiting = list(values)
    while waiting:
        value = waiting.pop(0)
        yield value
        waiting[:0] = _children(value)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _index(number: int) -> Step:
    def step(values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            if isinstance(value, list) and -len(value) <= number < len(value):
                yield value[number]

    return step


def _slice(inner: str, text: str) -> Step:
    try:
        bounds = slice(*(int(part) if part.strip() else None for part in inner.split(":")))
    except (ValueError, TypeError):
        raise ValueError(f"{text!r}: cannot read [{inner}]") from None

    def step(values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            if isinstance(value, list):
                yield from value[bounds]

    return step


def _union(parts: list[Step]) -> Step:
    def step(values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            for part in parts:
                yield from part((value,))

    return step


def _filter(condition: str, text: str) -> Step:
    match = _FILTER.match(condition)
    if match is None:
        raise ValueError(f"{text!r}: cannot read the filter {condition!r}")
    left, operator = Path(match["left"]), match["op"]
    wanted = _literal(match["right"], text) if operator else None

    def holds(item: Any) -> bool:
        found = left.find(item)
        if not operator:
            return bool(found)
        return bool(found) and _compares(found[0], operator, wanted)

    def step(values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            for item in _children(value):
                if holds(item):
                    yield item

    return step


def _literal(text: str, path: str) -> Any:
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise ValueError(f"{path!r}: {text!r} is no value to compare with") from None


def _compares(left: Any, operator: str, right: Any) -> bool:
    if operator == "==":
        return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)
    if operator == "!=":
        return bool(left != right)
    if isinstance(left, str) != isinstance(right, str):
        return False
    try:
        if operator == "<":
            return bool(left < right)
        if operator == "<=":
            return bool(left <= right)
        return bool(left > right) if operator == ">" else bool(left >= right)
    except TypeError:
        return False
