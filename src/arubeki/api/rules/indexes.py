"""The indexes of an Indexed Job as text, `1,3-5,7`, and the conditions of Jobs.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/batch/validation/validation.go (validateIndexesFormat and below).
"""

from collections.abc import Mapping
from typing import Any

_INT64_MAX = (1 << 63) - 1


def count(text: str, completions: int) -> int:
    """Return how many indexes a text names.

    Raises: ValueError with Kubernetes' message.
    """
    total, last = 0, None
    if not text:
        return 0
    for part in text.split(","):
        low, high = interval(part, completions)
        if last is not None and last >= low:
            raise ValueError(f"non-increasing order, previous: {last}, current: {low}")
        total += high - low + 1
        last = high
    return total


def interval(text: str, completions: int) -> tuple[int, int]:
    """Return the first and last index of `3` or `3-5`.

    Raises: ValueError with Kubernetes' message.
    """
    limits = text.split("-")
    if len(limits) > 2:
        raise ValueError(
            f'the fragment "{text}" violates the requirement that an index interval can have at'
            " most two parts separated by '-'"
        )
    low = _index(limits[0], completions)
    if len(limits) == 1:
        return low, low
    high = _index(limits[1], completions)
    if low >= high:
        raise ValueError(f"non-increasing order, previous: {low}, current: {high}")
    return low, high


def overlap(completed: str, failed: str, completions: int) -> int | None:
    """Return the first index that has both completed and failed; what is malformed is passed over."""
    if not completed or not failed:
        return None
    ours, theirs = _intervals(completed, completions), _intervals(failed, completions)
    mine = its = 0
    while mine < len(ours) and its < len(theirs):
        (low, high), (first, last) = ours[mine], theirs[its]
        if low <= last and first <= high:
            return max(low, first)
        if low <= first:
            mine += 1
        else:
            its += 1
    return None


def has_condition(status: Mapping[str, Any], kind: str, value: str = "True") -> bool:
    """Tell whether a Job's status has a condition of that value."""
    return any(
        one.get("type") == kind and one.get("status") == value
        for one in status.get("conditions", ())
    )


def _intervals(text: str, completions: int) -> list[tuple[int, int]]:
    found = []
    for part in text.split(","):
        try:
            found.append(interval(part, completions))
        except ValueError:
            continue
    return found


def _index(text: str, completions: int) -> int:
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or int(digits[:30]) > _INT64_MAX:
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    number = int(digits)
    if number >= completions:
        raise ValueError(f'too large index: "{text}"')
    return number
