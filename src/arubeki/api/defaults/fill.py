"""The two ways in which Go's defaulting finds that a field was not set.

Pure: no I/O, no clock.
"""

from typing import Any


def unset(obj: dict[str, Any], name: str, value: Any) -> None:
    """Set a field that is absent: a pointer in Go, where an explicit zero is an answer."""
    if name not in obj:
        obj[name] = value


def empty(obj: dict[str, Any], name: str, value: Any) -> None:
    """Set a field that is absent or zero: a plain value in Go."""
    if not obj.get(name):
        obj[name] = value


def struct(obj: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a field that Go never leaves out, made if need be."""
    found: dict[str, Any] = obj.setdefault(name, {})
    return found
