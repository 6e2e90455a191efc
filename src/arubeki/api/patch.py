"""Changing an object by a patch: JSON patch, merge patch, strategic merge patch.

Each returns a new value that shares unchanged subtrees with its arguments, which stay as they are.

Pure: no I/O, no clock.
"""

from typing import Any

from arubeki.errors import BadRequest


def merge_patch(doc: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Return `doc` with `patch` merged into it: null deletes, lists are replaced whole.

    Raises: BadRequest for a patch that is no object.
    Source: RFC 7386.
    """
    if not isinstance(patch, dict):
        raise BadRequest("error decoding patch: json: cannot unmarshal into Go value of type map")
    return _merged(doc, patch)


def _merged(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    result = dict(doc)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = doc.get(key)
            result[key] = _merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result
