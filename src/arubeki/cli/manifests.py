"""Objects from files, folders and standard input, as `-f` gives them.

Outside the ring.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from arubeki.api import documents
from arubeki.errors import ConfigError

SUFFIXES = (".json", ".yaml", ".yml")


def read(names: Sequence[str], *, recursive: bool = False) -> list[dict[str, Any]]:
    """Return the objects of all files, in order; the items of a `List` count as objects.

    Raises: ConfigError for what cannot be read, is not YAML or JSON, or is no object.
    """
    found: list[dict[str, Any]] = []
    for name in names:
        for origin, text in _texts(name, recursive=recursive):
            found += _objects(origin, text)
    if not found:
        raise ConfigError(f"no objects in {', '.join(names)}")
    return found


def _texts(name: str, *, recursive: bool) -> Iterator[tuple[str, str]]:
    if name == "-":
        yield "standard input", sys.stdin.read()
        return
    path = Path(name)
    if path.is_dir():
        pattern = "**/*" if recursive else "*"
        for one in sorted(path.glob(pattern)):
            if one.suffix in SUFFIXES and one.is_file():
                yield str(one), _text(one)
        return
    yield name, _text(path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path} cannot be read: {why}") from error


def _objects(origin: str, text: str) -> Iterator[dict[str, Any]]:
    try:
        found = documents.load_all(text)
    except ValueError as error:
        why = " ".join(str(error).split())
        raise ConfigError(f"{origin} is neither YAML nor JSON: {why}") from error
    for document in found:
        if not isinstance(document, dict):
            raise ConfigError(f"{origin} holds something that is no object")
        items = document.get("items")
        if not str(document.get("kind") or "").endswith("List") or not isinstance(items, list):
            items = [document]
        for obj in items:
            yield _checked(origin, obj)


def _checked(origin: str, obj: Any) -> dict[str, Any]:
    """Return what has the marks of an object. Raises: ConfigError."""
    for field in ("kind", "apiVersion"):
        if not isinstance(obj, dict) or not isinstance(obj.get(field), str) or not obj[field]:
            raise ConfigError(f"{origin} holds something that is no object: it has no {field}")
    found: dict[str, Any] = obj
    return found
