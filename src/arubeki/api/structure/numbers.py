"""Bounds of numbers, as kube-openapi checks and words them.

Pure: no I/O, no clock.
Source: kube-openapi pkg/validation/validate/{validator,values}.go, errors/schema.go.
"""

import math
from collections.abc import Callable
from typing import Any

from arubeki.api.fields import FieldError, shown
from arubeki.api.schema import Schema

_INT32 = 1 << 31
_INT64 = 1 << 63


def checks(node: Schema, raw: dict[str, Any]) -> list[Callable[[Any, str, list[FieldError]], None]]:
    """Return the checks that a number must pass, [] when every number does."""
    factor = raw.get("multipleOf")
    least, most = node.minimum, node.maximum
    above, below = bool(raw.get("exclusiveMinimum")), bool(raw.get("exclusiveMaximum"))
    integer = node.type == "integer"
    bound = _INT32 if integer and node.format == "int32" else _INT64

    def number(value: float, path: str, faults: list[FieldError]) -> None:
        place = path.removeprefix(".")
        if integer and not (-bound <= value < bound and value == int(value)):
            kind = f"with format {node.format}" if node.format else "(default format)"
            words = f"Checked value must be of type integer {kind} in {path}"
            # Kubernetes has no path for this one, and prints Go's nil for it.
            faults.append(FieldError.invalid("<nil>", "", words))
        # Go makes an integer of a bound when the value is one.
        whole = isinstance(value, int)
        if factor is not None and not _is_multiple(value, factor):
            words = f"{path} in body should be a multiple of {_told(factor, whole)}"
            faults.append(FieldError.invalid(place, value, words))
        upper = int(most) if whole and most is not None else most
        if upper is not None and (value >= upper if below else value > upper):
            words = "less than" if below else "less than or equal to"
            told = f"{path} in body should be {words} {_told(upper, whole)}"
            faults.append(FieldError.invalid(place, value, told))
        lower = int(least) if whole and least is not None else least
        if lower is not None and (value <= lower if above else value < lower):
            words = "greater than" if above else "greater than or equal to"
            told = f"{path} in body should be {words} {_told(lower, whole)}"
            faults.append(FieldError.invalid(place, value, told))

    bounded = factor is not None or least is not None or most is not None
    return [number] if bounded or integer else []


def _told(bound: float, whole: bool) -> str:
    return str(int(bound)) if whole else shown(float(bound))


def _is_multiple(value: float, factor: float) -> bool:
    if factor <= 0:
        return False
    if isinstance(value, int) and float(factor).is_integer():
        return value % int(factor) == 0
    ratio = value * (1 / factor) if factor < 1 else value / factor
    # A quotient may be beyond a float's range though its parts are not.
    return math.isfinite(ratio) and abs(ratio - round(ratio)) < 1e-9
