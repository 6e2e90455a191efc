"""Rules of PodDisruptionBudgets.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/policy/validation/validation.go.
"""

from typing import Any

from arubeki.api.fields import FieldError
from arubeki.api.rules import common, conditions
from arubeki.api.rules.common import Faults

_EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def disruption_budget(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a PodDisruptionBudget."""
    spec = new.get("spec", {})
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        internal = {
            "MinAvailable": least,
            "Selector": spec.get("selector"),
            "MaxUnavailable": most,
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        both = "minAvailable and maxUnavailable cannot be both set"
        faults.append(FieldError.invalid("spec", internal, both))
    for name in ("minAvailable", "maxUnavailable"):
        if name in spec:
            common.int_or_percent(spec[name], f"spec.{name}", faults)
            common.at_most_all(spec[name], f"spec.{name}", faults)
    if (selector := spec.get("selector")) is not None:
        was = old.get("spec", {}).get("selector", {}) if old is not None else None
        common.lenient_selector(selector, was, "spec.selector", faults)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTION_POLICIES:
        path = "spec.unhealthyPodEvictionPolicy"
        faults.append(FieldError.not_supported(path, policy, _EVICTION_POLICIES))
    status = new.get("status", {})
    conditions.check(status.get("conditions"), "status.conditions", faults)
    common.not_negative(status, _COUNTS, "status", faults)


RULES = {"PodDisruptionBudget": disruption_budget}
