"""What is said of a patch that cannot be carried out.

Pure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from arubeki.errors import BadRequest, Invalid


def rejected() -> Invalid:
    """Return the error for a well-formed patch that this object does not take.

    Kubernetes does not say more than this of a failed test or a missing path.
    Source: apiserver pkg/endpoints/handlers/patch.go; apimachinery errors.NewGenericServerResponse.
    """
    return Invalid("the server rejected our request due to an error in our request")


def json_kind(value: Any) -> str:
    """Return a JSON value's kind as Go's decoder names it in errors."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


@contextmanager
def nesting_bounded() -> Iterator[None]:
    """Refuse what is nested more deeply than Python calls can be, about five hundred levels."""
    try:
        yield
    except RecursionError:
        raise BadRequest("the object is nested too deeply") from None
