"""Merge patch: say what is to be different; null takes away; lists are replaced whole.

Pure.
Source: RFC 7386; evanphx/json-patch v4 merge.go, whose treatment of nulls is Kubernetes'.
"""

from typing import Any

from arubeki.api.patch.faults import json_kind, nesting_bounded
from arubeki.errors import BadRequest


def merge_patch(doc: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Return `doc` with `patch` merged into it.

    Raises: BadRequest for a patch that is no object.
    """
    if patch is None:
        raise BadRequest("Invalid JSON Patch")
    if not isinstance(patch, dict):
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {json_kind(patch)}"
            " into Go value of type map[string]interface {}"
        )
    with nesting_bounded():
        return _merged(doc, patch)


def _merged(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    result = dict(doc)
    for key, value in patch.items():
        current = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(current, dict):
            result[key] = _merged(current, value) if isinstance(value, dict) else value
        else:
            result[key] = without_nulls(value)
    return result


def without_nulls(value: Any) -> Any:
    """Return a value whose maps have no null entries; nulls in lists stay."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    return value
