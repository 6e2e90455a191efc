"""JSON patch: a list of operations at places named by JSON pointers.

The document is copied along the changed paths only: every container is copied when it is first
changed, and from then on, being ours, changed in place.

Pure.
Source: RFC 6902, RFC 6901; where they leave room, evanphx/json-patch v4 patch.go, which Kubernetes
uses; limits and errors from apiserver pkg/endpoints/handlers/patch.go, pkg/server/config.go.
"""

import re
from typing import Any

import msgspec

from arubeki.api.fields import FieldError, invalid
from arubeki.api.objects import identical, is_too_deep
from arubeki.api.patch.faults import json_kind, nesting_bounded, rejected
from arubeki.errors import BadRequest, RequestEntityTooLarge

OPERATIONS_MAX = 10_000
"""The most operations of one patch."""
COPIED_MAX_BYTES = 3 * 1024 * 1024
"""The most that `copy` operations of one patch may copy, together."""


def json_patch(doc: dict[str, Any], ops: Any) -> dict[str, Any]:
    """Return `doc` after the operations `ops`, a list of `{"op", "path", "from", "value"}`.

    Raises: BadRequest when `ops` is no such list; RequestEntityTooLarge when it is too long;
    Invalid when a `test` fails, a place is not there, or no object is left.
    """
    operations = _checked(ops)
    document = _Document(doc)
    perform = {
        "add": document.add,
        "copy": document.copy,
        "move": document.move,
        "remove": document.remove,
        "replace": document.replace,
        "test": document.test,
    }
    with nesting_bounded():
        for operation in operations:
            perform.get(operation.get("op") or "", document.unknown)(operation)
        # A few copies into themselves nest without bound; what cannot be written is refused here.
        if is_too_deep(document.root):
            raise BadRequest("the object is nested too deeply")
    if not isinstance(document.root, dict):
        detail = (
            f"json: cannot unmarshal {json_kind(document.root)}"
            " into Go value of type map[string]interface {}"
        )
        raise invalid("", "", "", [FieldError.invalid("patch", document.root, detail)])
    return document.root


def _checked(ops: Any) -> list[dict[str, Any]]:
    if ops is None:
        return []
    decoding = "error decoding patch: json: cannot unmarshal"
    if not isinstance(ops, list):
        wanted = "Go value of type []handlers.jsonPatchOp"
        raise BadRequest(f"{decoding} {json_kind(ops)} into {wanted}")
    if len(ops) > OPERATIONS_MAX:
        raise RequestEntityTooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is"
            f" {OPERATIONS_MAX}, got {len(ops)}"
        )
    checked = []
    for operation in ops:
        if operation is None:
            operation = {}
        if not isinstance(operation, dict):
            wanted = "Go value of type handlers.jsonPatchOp"
            raise BadRequest(f"{decoding} {json_kind(operation)} into {wanted}")
        for name in ("op", "path", "from"):
            value = operation.get(name)
            if value is not None and not isinstance(value, str):
                wanted = f"Go struct field jsonPatchOp.{name} of type string"
                raise BadRequest(f"{decoding} {json_kind(value)} into {wanted}")
        checked.append(operation)
    return checked


_INDEX = re.compile(r"[+-]?[0-9]{1,9}")


class _Document:
    """The document in work; methods are named after the operations."""

    def __init__(self, root: Any) -> None:
        self.root = root
        # Containers made here, by identity; held, so that no identity is used twice.
        self.ours: dict[int, Any] = {}
        self.copied_bytes = 0

    def add(self, operation: dict[str, Any]) -> None:
        parent, key = self.parent(operation.get("path"))
        self.insert(parent, key, operation.get("value"))

    def remove(self, operation: dict[str, Any]) -> None:
        parent, key = self.parent(operation.get("path"))
        self.take(parent, key)

    def replace(self, operation: dict[str, Any]) -> None:
        path, value = operation.get("path"), operation.get("value")
        if path == "":
            if not isinstance(value, dict | list):
                raise rejected()
            self.root = value
            return
        parent, key = self.parent(path)
        if isinstance(parent, list):
            parent[_index(parent, key)] = value
        else:
            # An absent key of an object is set as well: Kubernetes' library does not mind.
            parent[key] = value

    def move(self, operation: dict[str, Any]) -> None:
        parent, key = self.parent(operation.get("from"))
        value = self.take(parent, key)
        parent, key = self.parent(operation.get("path"))
        self.insert(parent, key, value)

    def copy(self, operation: dict[str, Any]) -> None:
        # A copy of its own: it may be put into what it was copied from.
        copied = msgspec.json.encode(self.value_at(operation.get("from")))
        parent, key = self.parent(operation.get("path"))
        self.copied_bytes += len(copied)
        if self.copied_bytes > COPIED_MAX_BYTES:
            raise rejected()
        self.insert(parent, key, msgspec.json.decode(copied))

    def test(self, operation: dict[str, Any]) -> None:
        path = operation.get("path")
        found = self.root if path == "" else self.value_at(path)
        if not identical(found, operation.get("value")):
            raise rejected()

    def unknown(self, _operation: dict[str, Any]) -> None:
        raise rejected()

    def value_at(self, path: Any) -> Any:
        """Return what is at a path; null for a key that an object does not have."""
        steps = _steps(path)
        value = self.root
        for step in steps[:-1]:
            value = _entry(value, step)
        return value.get(steps[-1]) if isinstance(value, dict) else _entry(value, steps[-1])

    def parent(self, path: Any) -> tuple[Any, str]:
        """Return the container, made our own, that a path's last step is in, and that step."""
        steps = _steps(path)
        self.root = container = self.own(self.root)
        for step in steps[:-1]:
            child = self.own(_entry(container, step))
            if isinstance(container, list):
                container[_index(container, step)] = child
            else:
                container[step] = child
            container = child
        return container, steps[-1]

    def own(self, container: Any) -> Any:
        if id(container) in self.ours:
            return container
        if isinstance(container, dict):
            made: Any = dict(container)
        elif isinstance(container, list):
            made = list(container)
        else:
            raise rejected()
        self.ours[id(made)] = made
        return made

    @staticmethod
    def insert(parent: Any, key: str, value: Any) -> None:
        if isinstance(parent, dict):
            parent[key] = value
        elif key == "-":
            parent.append(value)
        else:
            parent.insert(_index(parent, key, 1), value)

    @staticmethod
    def take(parent: Any, key: str) -> Any:
        if isinstance(parent, list):
            return parent.pop(_index(parent, key))
        if key not in parent:
            raise rejected()
        return parent.pop(key)


def _steps(path: Any) -> list[str]:
    if not isinstance(path, str) or "/" not in path:
        raise rejected()
    steps = path.split("/")[1:]
    return [step.replace("~1", "/").replace("~0", "~") for step in steps] if "~" in path else steps


def _entry(container: Any, step: str) -> Any:
    if isinstance(container, list):
        return container[_index(container, step)]
    if isinstance(container, dict) and step in container:
        return container[step]
    raise rejected()


def _index(items: list[Any], step: str, more: int = 0) -> int:
    """Return a step as an index of `items`, or of one more; negative ones count from the end."""
    if not _INDEX.fullmatch(step):
        raise rejected()
    index, size = int(step), len(items) + more
    if not -size <= index < size:
        raise rejected()
    return index + size if index < 0 else index
