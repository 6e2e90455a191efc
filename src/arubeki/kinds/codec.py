"""Bytes to typed objects and back: JSON, plain dicts, YAML.

Decoding is as lenient as Kubernetes' own: a `null` where the type has none is an absent field, an
unknown field is ignored, base64 may be broken into lines. A number where text is expected (a
quantity written as `cpu: 1`) is taken as text. The fast path knows nothing of this: only an object
that does not fit is gone over, once for each kind of misfit.

On the ring: called wherever bytes meet a reconciler.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from arubeki.errors import Invalid

T = TypeVar("T")

MISFIT_LIMIT = 100
"""Kinds of misfit (distinct paths) that are mended in one object before it is called invalid."""

_MISFIT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key in )?`?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\.\.\.|\d+)\]")


def decode(cls: type[T], data: bytes | str | msgspec.Raw) -> T:
    """Return the typed object that JSON `data` describes.

    Raises: Invalid when the data do not fit the class, naming the field, or are no JSON.
    """
    try:
        if issubclass(cls, dict):
            return cls(msgspec.json.decode(data, type=dict))
        return msgspec.json.decode(data, type=cls)
    except msgspec.ValidationError as error:
        return _mended(cls, msgspec.json.decode(data), error)
    except msgspec.DecodeError as error:
        raise Invalid(f"{cls.__name__}: {error}") from error


def encode(obj: Any) -> bytes:
    """Return the JSON of an object: what was said, nothing else; apiVersion and kind come first."""
    return msgspec.json.encode(obj)


def from_dict(cls: type[T], value: Mapping[str, Any]) -> T:
    """Return the typed object of plain parsed JSON, which is left unchanged.

    Raises: Invalid as `decode` does.
    """
    if issubclass(cls, dict):
        return cls(value)
    try:
        return msgspec.convert(value, type=cls)
    except msgspec.ValidationError as error:
        return _mended(cls, msgspec.json.decode(msgspec.json.encode(value)), error)


def to_dict(obj: Any) -> dict[str, Any]:
    """Return an object as plain JSON values, shaped as `encode` writes it."""
    value: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(obj))
    return value


def from_yaml(cls: type[T], text: str | bytes) -> T:
    """Return the typed object of one YAML document.

    Raises: Invalid when the text is no YAML mapping or does not fit the class.
    """
    from arubeki.api import documents

    try:
        found = documents.load(text)
    except ValueError as error:
        raise Invalid(f"{cls.__name__}: {error}") from error
    if not isinstance(found, dict):
        raise Invalid(f"{cls.__name__}: expected a YAML mapping")
    return from_dict(cls, found)


def to_yaml(obj: Any) -> str:
    """Return an object as YAML text, fields in the order of the wire."""
    from arubeki.api import documents

    return documents.dump(to_dict(obj))


def _mended(cls: type[T], value: Any, error: msgspec.ValidationError) -> T:
    """Convert `value`, our own copy, mending each kind of misfit as it is met."""
    for _ in range(MISFIT_LIMIT):
        if not _mend(value, str(error)):
            break
        try:
            return msgspec.convert(value, type=cls)
        except msgspec.ValidationError as another:
            error = another
    raise _invalid(cls, value, error) from error


def _mend(value: Any, message: str) -> bool:
    """Mend all the places of `value` that the message's path means; tell whether any changed."""
    match = _MISFIT.match(message)
    if match is None or match["path"] is None:
        return False
    what = match["what"]
    fix: Callable[[Any], Any]
    if what.endswith("got `null`"):
        fix = _drop_null
    elif what.startswith("Invalid base64"):
        fix = _join_lines
    elif what.startswith("Expected `str`") and what.endswith(("got `int`", "got `float`")):
        fix = _number_to_text
    else:
        return False
    # All items of a list and all values of a map have one type: an index means every index.
    steps = [name or "[...]" for name, _ in _STEP.findall(match["path"])]
    return bool(steps) and _apply(value, steps, fix)


_DROP = object()
"""What a fix returns when the value shall be as if it had never been there."""


def _apply(value: Any, steps: list[str], fix: Callable[[Any], Any]) -> bool:
    step, rest = steps[0], steps[1:]
    changed = False
    for key in _keys(value, step):
        if rest:
            changed |= _apply(value[key], rest, fix)
            continue
        fixed = fix(value[key])
        if fixed is _DROP:
            del value[key]
            changed = True
        elif fixed is not value[key]:
            value[key] = fixed
            changed = True
    return changed


def _keys(value: Any, step: str) -> list[Any]:
    """Return the keys or indices of `value` that `step` means, the last index first."""
    if isinstance(value, dict):
        return list(value) if step == "[...]" else [step] if step in value else []
    if isinstance(value, list) and step == "[...]":
        return list(range(len(value) - 1, -1, -1))
    return []


def _drop_null(value: Any) -> Any:
    return _DROP if value is None else value


def _join_lines(value: Any) -> Any:
    """Go's base64 decoder skips line breaks; a YAML block scalar ends with one."""
    if isinstance(value, str) and ("\n" in value or "\r" in value):
        return value.replace("\n", "").replace("\r", "")
    return value


def _number_to_text(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return msgspec.json.encode(value).decode()
    return value


def _invalid(cls: type, value: Any, error: msgspec.ValidationError) -> Invalid:
    """Return the error that names the object and the field; never its value (it may be a secret)."""
    match = _MISFIT.match(str(error))
    path = (match["path"] or "").lstrip(".") if match else ""
    what = match["what"] if match else str(error)
    metadata = value.get("metadata") if isinstance(value, dict) else None
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    return Invalid(
        f'{cls.__name__} "{name}" does not fit its class: {path or "object"}: {what}',
        details={
            "name": name,
            "kind": cls.__name__,
            "causes": [{"reason": "FieldValueInvalid", "message": what, "field": path}],
        },
    )
