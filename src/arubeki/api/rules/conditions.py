"""Rules of conditions, the form of status that all newer kinds share.

Pure: no I/O, no clock.
Source: apimachinery pkg/apis/meta/v1/validation/validation.go ValidateConditions.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

STATUSES = ("False", "True", "Unknown")
REASON_MAX_BYTES = 1024
MESSAGE_MAX_BYTES = 32 * 1024


def check(found: Iterable[Mapping[str, Any]] | None, path: str, faults: Faults) -> None:
    """Conditions must be whole, and of a type each."""
    seen = set()
    for index, condition in enumerate(found or ()):
        place = f"{path}[{index}]"
        kind = condition.get("type", "")
        if kind in seen:
            faults.append(FieldError.duplicate(place, kind))
        seen.add(kind)
        _condition(condition, place, faults)


_ORDER = ("type", "status", "observedGeneration", "lastTransitionTime", "reason", "message")


def as_go(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a condition with its members in the order in which Go writes them."""
    return {name: condition[name] for name in _ORDER if name in condition}


def _condition(condition: Mapping[str, Any], place: str, faults: Faults) -> None:
    if kind := condition.get("type"):
        common.named(kind, f"{place}.type", faults, names.qualified_name)
    else:
        faults.append(FieldError.required(f"{place}.type", "is required"))
    common.one_of(condition.get("status"), STATUSES, f"{place}.status", faults)
    generation = condition.get("observedGeneration", 0)
    if generation < 0:
        fault = "must be greater than or equal to zero"
        faults.append(FieldError.invalid(f"{place}.observedGeneration", generation, fault))
    if not condition.get("lastTransitionTime"):
        faults.append(FieldError.required(f"{place}.lastTransitionTime"))
    if reason := condition.get("reason"):
        common.named(reason, f"{place}.reason", faults, names.condition_reason)
        if len(reason.encode()) > REASON_MAX_BYTES:
            faults.append(FieldError.too_long(f"{place}.reason", REASON_MAX_BYTES))
    else:
        faults.append(FieldError.required(f"{place}.reason"))
    if len(condition.get("message", "").encode()) > MESSAGE_MAX_BYTES:
        faults.append(FieldError.too_long(f"{place}.message", MESSAGE_MAX_BYTES))
