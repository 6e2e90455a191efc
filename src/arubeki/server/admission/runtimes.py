"""What a RuntimeClass makes of the Pods that name it.

On the ring: [HTTP > **server** > storage].
Source: kubernetes plugin/pkg/admission/runtimeclass/admission.go, pkg/util/tolerations.
"""

from typing import Any

Object = dict[str, Any]


def apply_class(runtime: Object | None, spec: Object) -> None:
    """Change a new Pod's spec as its RuntimeClass says; None where it names none.

    Raises: ValueError that says why the two do not fit.
    """
    given = spec.get("overhead") or {}
    overhead = (runtime or {}).get("overhead")
    if overhead is None:
        if given:
            raise ValueError(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
    else:
        fixed = overhead.get("podFixed") or {}
        if given not in ({}, fixed):
            raise ValueError(
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            )
        if fixed:
            spec["overhead"] = fixed
    if (scheduling := (runtime or {}).get("scheduling")) is not None:
        _schedule(scheduling, spec)


def _schedule(scheduling: Object, spec: Object) -> None:
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.get(key, value) != value:
            raise ValueError(
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}"
            )
        selector[key] = value
    if selector:
        spec["nodeSelector"] = selector
    merged = [*(spec.get("tolerations") or ()), *(scheduling.get("tolerations") or ())]
    kept: list[Object] = []
    for index, one in enumerate(merged):
        later = merged[index + 1 :]
        covered = any(_covers(other, one) for other in kept)
        if not covered and not any(_covers(other, one) and other != one for other in later):
            kept.append(one)
    if kept:
        spec["tolerations"] = kept


def _covers(wide: Object, narrow: Object) -> bool:
    """Tell whether whatever one toleration tolerates, the other does too.

    Source: pkg/util/tolerations/tolerations.go isSuperset.
    """
    if wide == narrow:
        return True
    whole = not wide.get("key") and wide.get("operator") == "Exists"
    if not whole and wide.get("key", "") != narrow.get("key", ""):
        return False
    if wide.get("effect", "") not in ("", narrow.get("effect", "")):
        return False
    if wide.get("effect") == "NoExecute":
        seconds = wide.get("tolerationSeconds")
        own = narrow.get("tolerationSeconds")
        if seconds is not None and (own is None or own > seconds):
            return False
    if wide.get("operator", "Equal") == "Exists":
        return True
    return narrow.get("operator") == "Equal" and wide.get("value", "") == narrow.get("value", "")
