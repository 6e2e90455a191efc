"""Rules of a Job's policies: which failures end it, which indexes are enough.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/batch/validation/validation.go (validatePodFailurePolicy and below).
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, indexes
from arubeki.api.rules.common import Faults

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_RULES_MAX = 20
_PATTERNS_MAX = 20
_EXIT_CODES_MAX = 255
_INDEXES_MAX_BYTES = 64 * 1024


def failure(policy: Mapping[str, Any], spec: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check what is done where a Pod fails."""
    rules = policy.get("rules", ())
    if len(rules) > _RULES_MAX:
        faults.append(FieldError.too_many(f"{path}.rules", len(rules), _RULES_MAX))
    inner = spec.get("template", {}).get("spec", {})
    known = {
        one.get("name")
        for field in ("containers", "initContainers")
        for one in inner.get(field, ())
    }
    for index, rule in enumerate(rules):
        _failure_rule(rule, spec, known, f"{path}.rules[{index}]", faults)


def success(policy: Mapping[str, Any], spec: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check which indexes are enough, of an Indexed Job."""
    rules, where = policy.get("rules", ()), f"{path}.rules"
    if not rules:
        needed = "at least one rules must be specified when the successPolicy is specified"
        faults.append(FieldError.required(where, needed))
    if len(rules) > _RULES_MAX:
        faults.append(FieldError.too_many(where, len(rules), _RULES_MAX))
    # Kubernetes panics without completions, which it has just asked for.
    for index, rule in enumerate(rules):
        _success_rule(rule, spec.get("completions", 0), f"{where}[{index}]", faults)


def replacement(spec: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check when a Pod is replaced."""
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return
    known: tuple[str, ...] = ("Failed",) if "podFailurePolicy" in spec else _REPLACEMENTS
    if policy not in known:
        faults.append(FieldError.not_supported(path, policy, known))


def _listed(words: Sequence[str]) -> str:
    return "valid values: [" + " ".join(f'"{word}"' for word in words) + "]"


def _failure_rule(
    rule: Mapping[str, Any],
    spec: Mapping[str, Any],
    known: set[Any],
    path: str,
    faults: Faults,
) -> None:
    action = rule.get("action", "")
    if not action:
        faults.append(FieldError.required(f"{path}.action", _listed(_ACTIONS)))
    elif action == "FailIndex":
        if "backoffLimitPerIndex" not in spec:
            fault = "requires the backoffLimitPerIndex to be set"
            faults.append(FieldError.invalid(f"{path}.action", action, fault))
    elif action not in _ACTIONS:
        faults.append(FieldError.not_supported(f"{path}.action", action, _ACTIONS))
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions", ())
    if codes is not None:
        _exit_codes(codes, known, f"{path}.onExitCodes", faults)
    if conditions:
        _conditions(conditions, f"{path}.onPodConditions", faults)
    if codes is not None and conditions:
        fault = "specifying both OnExitCodes and OnPodConditions is not supported"
        faults.append(FieldError.invalid_omitted(path, fault))
    if codes is None and not conditions:
        fault = "specifying one of OnExitCodes and OnPodConditions is required"
        faults.append(FieldError.invalid_omitted(path, fault))


def _conditions(patterns: Sequence[Mapping[str, Any]], path: str, faults: Faults) -> None:
    if len(patterns) > _PATTERNS_MAX:
        faults.append(FieldError.too_many(path, len(patterns), _PATTERNS_MAX))
    for index, pattern in enumerate(patterns):
        place, status = f"{path}[{index}]", pattern.get("status", "")
        common.named(pattern.get("type", ""), f"{place}.type", faults, names.qualified_name)
        if not status:
            faults.append(FieldError.required(f"{place}.status", _listed(_STATUSES)))
        elif status not in _STATUSES:
            faults.append(FieldError.not_supported(f"{place}.status", status, _STATUSES))


def _exit_codes(codes: Mapping[str, Any], known: set[Any], path: str, faults: Faults) -> None:
    operator, values = codes.get("operator", ""), codes.get("values", [])
    if not operator:
        faults.append(FieldError.required(f"{path}.operator", _listed(_OPERATORS)))
    elif operator not in _OPERATORS:
        faults.append(FieldError.not_supported(f"{path}.operator", operator, _OPERATORS))
    container = codes.get("containerName")
    if container is not None and container not in known:
        fault = "must be one of the container or initContainer names in the pod template"
        faults.append(FieldError.invalid(f"{path}.containerName", container, fault))
    if not values:
        shown = values if "values" in codes else None
        fault = "at least one value is required"
        faults.append(FieldError.invalid(f"{path}.values", shown, fault))
    elif len(values) > _EXIT_CODES_MAX:
        faults.append(FieldError.too_many(f"{path}.values", len(values), _EXIT_CODES_MAX))
    seen: set[int] = set()
    for index, value in enumerate(values):
        place = f"{path}.values[{index}]"
        if operator == "In" and value == 0:
            faults.append(FieldError.invalid(place, value, "must not be 0 for the In operator"))
        if value in seen:
            faults.append(FieldError.duplicate(place, value))
        seen.add(value)
    if any(first > second for first, second in itertools.pairwise(values)):
        faults.append(FieldError.invalid(f"{path}.values", values, "must be ordered"))


def _success_rule(rule: Mapping[str, Any], completions: int, path: str, faults: Faults) -> None:
    enough, named = rule.get("succeededCount"), rule.get("succeededIndexes")
    if enough is None and named is None:
        needed = "at least one of succeededCount or succeededIndexes must be specified"
        faults.append(FieldError.required(path, needed))
    total = 0
    if named is not None:
        place = f"{path}.succeededIndexes"
        if len(named.encode()) > _INDEXES_MAX_BYTES:
            faults.append(FieldError.too_long(place, _INDEXES_MAX_BYTES))
        try:
            total = indexes.count(named, completions)
        except ValueError as error:
            fault = f"error parsing succeededIndexes: {error}"
            faults.append(FieldError.invalid(place, named, fault))
    if enough is None:
        return
    place = f"{path}.succeededCount"
    common.not_negative(rule, ("succeededCount",), path, faults)
    if enough > completions:
        fault = f"must be less than or equal to {completions} (the number of specified completions)"
        faults.append(FieldError.invalid(place, enough, fault))
    if named is not None and enough > total:
        fault = (
            f"must be less than or equal to {total}"
            " (the number of indexes in the specified succeededIndexes field)"
        )
        faults.append(FieldError.invalid(place, enough, fault))
