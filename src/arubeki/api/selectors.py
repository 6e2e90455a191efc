"""Which objects a request means: selectors over labels and over fields.

A selector is parsed once and then asked for every object of a list and every event of a watch, so
each requirement becomes one small closure when it is built.

Pure: no I/O, no clock.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from arubeki.api import names
from arubeki.api.fields import shown

Test = Callable[[Mapping[str, str]], bool]


class Requirement(NamedTuple):
    """One term of a label selector.

    `operator` is one of `=`, `==`, `!=`, `in`, `notin`, `exists`, `!`, `gt`, `lt`.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        operator = self.operator
        if operator in ("exists", "!"):
            return self.key if operator == "exists" else f"!{self.key}"
        joined = ",".join(sorted(self.values))
        if operator in ("in", "notin"):
            return f"{self.key} {operator} ({joined})"
        return f"{self.key}{ {'gt': '>', 'lt': '<'}.get(operator, operator) }{joined}"


class LabelSelector:
    """A conjunction of requirements on an object's labels; an empty one matches everything.

    Source: apimachinery pkg/labels/selector.go.
    """

    __slots__ = ("matches", "requirements")

    matches: Test
    """Whether an object with these labels is meant."""

    def __init__(self, requirements: Iterable[Requirement] = ()) -> None:
        ordered = sorted(requirements, key=lambda requirement: requirement.key)
        self.requirements: tuple[Requirement, ...] = tuple(ordered)
        self.matches = _all([_label_test(one) for one in ordered])

    @staticmethod
    def parse(text: str) -> "LabelSelector":
        """Return the selector that `text` (`a=b,c in (d,e),!f`) describes.

        Raises: ValueError with Kubernetes' message, to be answered with 400.
        """
        return LabelSelector(_LabelParser(text).parse()) if text else EVERYTHING

    @staticmethod
    def of(selector: Mapping[str, Any] | None) -> "LabelSelector":
        """Return the selector that a `{"matchLabels": {}, "matchExpressions": []}` describes.

        None matches nothing, an empty one everything.
        Raises: ValueError with Kubernetes' message.
        Source: apimachinery pkg/apis/meta/v1/helpers.go LabelSelectorAsSelector.
        """
        if selector is None:
            return NOTHING
        requirements = [
            _checked(key, "=", (value,))
            for key, value in (selector.get("matchLabels") or {}).items()
        ]
        for expression in selector.get("matchExpressions") or ():
            named = expression.get("operator", "")
            operator = _EXPRESSION_OPERATORS.get(named)
            if operator is None:
                raise ValueError(f"{shown(named)} is not a valid label selector operator")
            values = tuple(expression.get("values") or ())
            requirements.append(_checked(expression.get("key", ""), operator, values))
        return LabelSelector(requirements)

    @staticmethod
    def of_labels(labels: Mapping[str, str] | None) -> "LabelSelector":
        """Return the selector of objects that bear all `labels`, as a Service's selector means."""
        return LabelSelector(
            Requirement(key, "=", (value,)) for key, value in (labels or {}).items()
        )

    @property
    def empty(self) -> bool:
        """Whether it has no requirement, thus matches everything."""
        return not self.requirements and self.matches is not _never

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return f"LabelSelector({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelSelector):
            return NotImplemented
        return self.requirements == other.requirements and self.empty == other.empty

    def __hash__(self) -> int:
        return hash(self.requirements)


class FieldRequirement(NamedTuple):
    """One term of a field selector: `operator` is `=` or `!=`."""

    field: str
    operator: str
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{self.operator}{escaped}"


class FieldSelector:
    """A conjunction of equalities and inequalities of an object's selectable fields.

    A field that an object does not have counts as "". Which fields a resource has is the server's
    knowledge. Source: apimachinery pkg/fields/selector.go.
    """

    __slots__ = ("requirements",)

    def __init__(self, requirements: Iterable[FieldRequirement] = ()) -> None:
        self.requirements: tuple[FieldRequirement, ...] = tuple(requirements)

    @staticmethod
    def parse(text: str) -> "FieldSelector":
        """Return the selector that `text` (`metadata.name=a,status.phase!=Running`) describes.

        Raises: ValueError with Kubernetes' message, to be answered with 400.
        """
        if not text:
            return EVERY_FIELD
        terms = sorted(_FIELD_TERM.findall(text))
        return FieldSelector(_field_requirement(text, term) for term in terms if term)

    @property
    def empty(self) -> bool:
        """Whether it has no requirement, thus matches everything."""
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object with these selectable fields is meant."""
        for field, operator, value in self.requirements:
            if (fields.get(field, "") == value) is not (operator == "="):
                return False
        return True

    def exact(self, field: str) -> str | None:
        """Return the one value that `field` must have, None when it may have several."""
        for name, operator, value in self.requirements:
            if name == field and operator == "=":
                return value
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return f"FieldSelector({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FieldSelector):
            return NotImplemented
        return self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self.requirements)


_EXPRESSION_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def _checked(key: str, operator: str, values: Sequence[str], key_path: str = "key") -> Requirement:
    """Return the requirement, all of its faults raised as one ValueError (labels.NewRequirement)."""
    faults = _key_faults(key, key_path)
    listed = shown(list(values))
    if operator in ("in", "notin") and not values:
        detail = "for 'in', 'notin' operators, values set can't be empty"
        faults.append(f"values: Invalid value: {listed}: {detail}")
    elif operator in ("exists", "!") and values:
        detail = "values set must be empty for exists and does not exist"
        faults.append(f"values: Invalid value: {listed}: {detail}")
    elif operator in ("gt", "lt"):
        detail = "for 'Gt', 'Lt' operators, the value must be an integer"
        faults += [
            f"values[{index}]: Invalid value: {shown(value)}: {detail}"
            for index, value in enumerate(values)
            if _int64(value) is None
        ]
    for index, value in enumerate(values):
        if wrong := names.label_value(value):
            joined = "; ".join(wrong)
            faults.append(f"values[{index}][{key}]: Invalid value: {shown(value)}: {joined}")
    if faults:
        unique = list(dict.fromkeys(faults))
        raise ValueError(unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
    return Requirement(key, operator, tuple(values))


def _key_faults(key: str, path: str) -> list[str]:
    wrong = names.label_key(key)
    return [f"{path}: Invalid value: {shown(key)}: {'; '.join(wrong)}"] if wrong else []


def _int64(text: str) -> int | None:
    if not re.fullmatch(r"[+-]?[0-9]+", text) or len(text) > 40:
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None


def _all(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(labels: Mapping[str, str]) -> bool:
        for one in tests:  # noqa: SIM110 - a generator would double the time
            if not one(labels):
                return False
        return True

    return test


def _label_test(requirement: Requirement) -> Test:
    key, operator, values = requirement
    if operator in ("=", "==", "in"):
        if len(values) == 1:
            only = values[0]
            # A label's value is text, so an absent one (None) equals no value asked for.
            return lambda labels: labels.get(key) == only
        allowed = frozenset(values)
        return lambda labels: labels.get(key) in allowed
    if operator in ("!=", "notin"):
        excluded = frozenset(values)
        return lambda labels: labels.get(key) not in excluded
    if operator == "exists":
        return lambda labels: key in labels
    if operator == "!":
        return lambda labels: key not in labels
    return _ordering_test(key, operator, _int64(values[0]) or 0)


def _ordering_test(key: str, operator: str, limit: int) -> Test:
    def test(labels: Mapping[str, str]) -> bool:
        number = _int64(labels.get(key, ""))
        if number is None:
            return False
        return number > limit if operator == "gt" else number < limit

    return test


class _LabelParser:
    """The grammar of labels.Parser: tokens first, then one requirement after the other."""

    # One token: a run of symbols that is an operator (longest first), or a word.
    _TOKEN = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^=!(),<> \t\r\n]+|\Z))")
    _OPERATORS = {"in": "in", "notin": "notin", "=": "=", "==": "==", "!=": "!="} | {
        ">": "gt",
        "<": "lt",
    }

    def __init__(self, text: str) -> None:
        # A NUL ends the text, as it does in Go's lexer. A token is (literal, is it a word).
        text = text.partition("\0")[0]
        self.tokens: list[tuple[str, bool]] = [
            (symbol or word, bool(word)) for symbol, word in self._TOKEN.findall(text)
        ]
        self.tokens.append(("", False))
        self.position = 0

    def parse(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        while True:
            literal, word = self.tokens[self.position]
            if not word and literal != "!":
                if literal:
                    expected = "!, identifier, or 'end of string'"
                    raise ValueError(f"found '{literal}', expected: {expected}")
                return requirements
            try:
                requirements.append(self.requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            literal, word = self.take()
            if word or literal not in ("", ","):
                raise ValueError(f"found '{literal}', expected: ',' or 'end of string'")
            if not literal:
                return requirements
            literal, word = self.tokens[self.position]
            if not word and literal != "!":
                raise ValueError(f"found '{literal}', expected: identifier after ','")

    def take(self) -> tuple[str, bool]:
        token = self.tokens[self.position]
        self.position = min(self.position + 1, len(self.tokens) - 1)
        return token

    def requirement(self) -> Requirement:
        literal, word = self.take()
        absent = literal == "!" and not word
        if absent:
            literal, word = self.take()
        if not word:
            raise ValueError(f"found '{literal}', expected: identifier")
        # "<nil>" is how Go prints the field path that a query parameter does not have.
        if faults := _key_faults(literal, "<nil>"):
            raise ValueError(faults[0])
        if absent:
            return _checked(literal, "!", ())
        if self.tokens[self.position] in (("", False), (",", False)):
            return _checked(literal, "exists", ())
        operator = self.operator()
        values = self.values() if operator in ("in", "notin") else self.exact_value()
        return _checked(literal, operator, sorted(values))

    def operator(self) -> str:
        literal, _ = self.take()
        operator = self._OPERATORS.get(literal)
        if operator is None:
            raise ValueError(f"found '{literal}', expected: in, notin, =, ==, !=, gt, lt")
        return operator

    def exact_value(self) -> set[str]:
        if self.tokens[self.position] in (("", False), (",", False)):
            return {""}
        literal, word = self.take()
        if not word:
            raise ValueError(f"found '{literal}', expected: identifier")
        return {literal}

    def values(self) -> set[str]:
        literal, word = self.take()
        if literal != "(" or word:
            raise ValueError(f"found '{literal}' expected: '('")
        literal, word = self.tokens[self.position]
        if literal == ")" and not word:
            self.take()
            return {""}
        if not word and literal != ",":
            raise ValueError(f"found '{literal}', expected: ',', ')' or identifier")
        found: set[str] = set()
        while True:
            literal, word = self.take()
            following = self.tokens[self.position]
            if word:
                found.add(literal)
                if following == (")", False):
                    break
                if following != (",", False):
                    raise ValueError(f"found '{following[0]}', expected: ',' or ')'")
            elif literal == ",":
                # An empty value stands before a leading comma, between two, after a trailing one.
                if not found or following in ((")", False), (",", False)):
                    found.add("")
                if following == (")", False):
                    break
                if following == (",", False):
                    self.take()
            else:
                raise ValueError(f"found '{literal}', expected: ',', or identifier")
        self.take()
        return found


# A term: anything up to a comma that no backslash precedes.
_FIELD_TERM = re.compile(r"(?:\\.|[^\\,]|\\\Z)*", re.DOTALL)
_FIELD_OPERATOR = re.compile(r"!=|==|=")
_FIELD_ESCAPE = re.compile(r"\\(.?)|([,=])", re.DOTALL)


def _field_requirement(selector: str, term: str) -> FieldRequirement:
    found = _FIELD_OPERATOR.search(term)
    if found is None:
        raise ValueError(f"invalid selector: '{selector}'; can't understand '{term}'")
    value = _FIELD_ESCAPE.sub(_unescaped, term[found.end() :])
    operator = "!=" if found.group() == "!=" else "="
    return FieldRequirement(term[: found.start()], operator, value)


def _unescaped(found: re.Match[str]) -> str:
    bare = found.group(2)
    if bare:
        # Go prints the rune as its number.
        raise ValueError(f"invalid field selector: unescaped character in value: {ord(bare)}")
    escaped = found.group(1)
    if escaped in ("\\", ",", "="):
        return escaped
    raise ValueError(f"invalid field selector: invalid escape sequence: \\{escaped}")


def _never(_labels: Mapping[str, str]) -> bool:
    return False


EVERYTHING = LabelSelector()
"""Matches every object."""
EVERY_FIELD = FieldSelector()
"""Matches every object."""
NOTHING = LabelSelector()
"""Matches no object."""
NOTHING.matches = _never
