"""Rules of PriorityClasses and RuntimeClasses, and of what they say to the scheduler.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/{scheduling,node}/validation/validation.go,
pkg/apis/scheduling/v1/helpers.go.
"""

from typing import Any

from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import affinity, resources

HIGHEST_OF_USERS = 1_000_000_000
SYSTEM_CLASSES = {
    "system-node-critical": 2_000_001_000,
    "system-cluster-critical": 2_000_000_000,
}
"""The priority classes that every cluster has, with their values."""
_SYSTEM = "system-"
_INTERNAL = ("Key", "Operator", "Value", "Effect")
_POLICIES = ("Never", "PreemptLowerPriority")


def priority_class(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a PriorityClass; its value and policy are meant for its life."""
    name, value = new["metadata"].get("name", ""), new.get("value", 0)
    policy = new.get("preemptionPolicy")
    if old is not None:
        if value != old.get("value", 0):
            faults.append(FieldError.forbidden("value", "may not be changed in an update."))
        common.unchanged(policy, old.get("preemptionPolicy"), "preemptionPolicy", faults)
        return
    if name.startswith(_SYSTEM):
        if fault := _system_fault(name, value, is_default=bool(new.get("globalDefault"))):
            reserved = "priority class names with 'system-' prefix are reserved for system use only"
            faults.append(FieldError.forbidden("metadata.name", f"{reserved}. error: {fault}"))
    elif value > HIGHEST_OF_USERS:
        beyond = f"maximum allowed value of a user defined priority is {HIGHEST_OF_USERS}"
        faults.append(FieldError.forbidden("value", beyond))
    if policy == "":
        faults.append(FieldError.required("preemptionPolicy"))
    elif policy is not None and policy not in _POLICIES:
        supported = ("PreemptLowerPriority", "Never")
        faults.append(FieldError.not_supported("preemptionPolicy", policy, supported))


def runtime_class(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a RuntimeClass, whose handler is meant for its life."""
    handler = new.get("handler", "")
    if (overhead := new.get("overhead")) is not None:
        resources.requirements({"limits": overhead.get("podFixed", {})}, set(), "overhead", faults)
    if (scheduling := new.get("scheduling")) is not None:
        common.labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector", faults)
        given = scheduling.get("tolerations") or []
        affinity.tolerations(given, "scheduling.tolerations", faults)
        seen = []
        for index, one in enumerate(given):
            key = tuple(one.get(name, "") for name in ("key", "operator", "value", "effect"))
            if key in seen:
                internal = {
                    **dict(zip(_INTERNAL, key, strict=True)),
                    "TolerationSeconds": one.get("tolerationSeconds"),
                }
                faults.append(FieldError.duplicate(f"scheduling.tolerations[{index}]", internal))
            seen.append(key)
    if old is not None:
        common.kept(handler, old.get("handler", ""), "handler", faults)
        if not handler:
            faults.append(FieldError.required("handler").declared())
    elif not handler:
        faults.append(FieldError.required("handler").declared())
    else:
        common.declared_label(handler, "handler", faults)


def _system_fault(name: str, value: int, *, is_default: bool) -> str:
    known = SYSTEM_CLASSES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if value != known:
        return f"value of {name} PriorityClass must be {known}"
    return f"globalDefault of {name} PriorityClass must be false" if is_default else ""


RULES = {"PriorityClass": priority_class, "RuntimeClass": runtime_class}
