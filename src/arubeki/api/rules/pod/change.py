"""Rules of what may become of a Pod: its images, deadline, tolerations and gates, hardly more.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidatePodUpdate).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arubeki.api import internal
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import affinity, security
from arubeki.api.rules.pod import spec as specs

Object = Mapping[str, Any]
_UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_NO_DELETIONS = "only additions are allowed (no mutations or deletions)"


def pod_update(new: Object, old: Object, faults: Faults) -> None:
    """Check a changed Pod."""
    after, before = new.get("spec", {}), old.get("spec", {})
    if after != before or new["metadata"] != old["metadata"]:
        specs.whole(new, faults)
        annotations(new, old, faults)
    if after == before:
        return
    for field in ("containers", "initContainers"):
        if len(after.get(field, ())) != len(before.get(field, ())):
            fault = "pod updates may not add or remove containers"
            faults.append(FieldError.forbidden(f"spec.{field}", fault))
            return
    if not _deadline(after, before, faults):
        return
    _tolerations(after, before, faults)
    _gates(after, before, faults)
    munged = _munged(after, before)
    if before.get("schedulingGates"):
        _held_back(munged, before, faults)
    if munged != before:
        fault = f"pod updates may not change fields other than {','.join(_UPDATABLE)}"
        shown = internal.difference("core.PodSpec", before, munged)
        faults.append(FieldError.forbidden("spec", f"{fault}\n{shown}"))


def annotations(new: Object, old: Object, faults: Faults) -> None:
    """Check the annotations that only the node agent, or nobody, may change."""
    path = "metadata.annotations"
    after = new["metadata"].get("annotations") or {}
    before = old["metadata"].get("annotations") or {}
    for changed, what in (
        ([key for key in before if after.get(key) != before[key]], "remove or update"),
        ([key for key in after if key not in before], "add"),
    ):
        for key in changed:
            if key.startswith(security.APPARMOR):
                fault = f"may not {what} AppArmor annotations"
                faults.append(FieldError.forbidden(f"{path}[{key}]", fault))
            elif key == security.MIRROR:
                fault = f"may not {what} mirror pod annotation"
                faults.append(FieldError.forbidden(f"{path}[{key}]", fault))


def _deadline(after: Object, before: Object, faults: Faults) -> bool:
    """Check the deadline; tell whether to go on."""
    path = "spec.activeDeadlineSeconds"
    new, old = after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if new is None:
        if old is not None:
            fault = "must not update from a positive integer to nil value"
            faults.append(FieldError.invalid(path, None, fault))
        return True
    if not 0 <= new <= common.INT32_MAX:
        fault = f"must be between 0 and {common.INT32_MAX}, inclusive"
        faults.append(FieldError.invalid(path, new, fault))
        return False
    if old is not None and new > old:
        fault = "must be less than or equal to previous value"
        faults.append(FieldError.invalid(path, new, fault))
        return False
    return True


def _tolerations(after: Object, before: Object, faults: Faults) -> None:
    def lasting(one: Object) -> tuple[Any, ...]:
        return tuple(one.get(name, "") for name in ("key", "operator", "value", "effect"))

    found = after.get("tolerations", ())
    kept = {lasting(one) for one in found}
    if any(lasting(one) not in kept for one in before.get("tolerations", ())):
        fault = "existing toleration can not be modified except its tolerationSeconds"
        faults.append(FieldError.forbidden("spec.tolerations", fault))
    else:
        affinity.tolerations(found, "spec.tolerations", faults)


def _gates(after: Object, before: Object, faults: Faults) -> None:
    known = {gate.get("name") for gate in before.get("schedulingGates", ())}
    places = {gate.get("name"): at for at, gate in enumerate(after.get("schedulingGates", ()))}
    for name, index in places.items():
        if name not in known:
            fault = f"only deletion is allowed, but found new scheduling gate '{name}'"
            faults.append(FieldError.forbidden(f"spec.schedulingGates[{index}].name", fault))


def _munged(after: Object, before: Object) -> dict[str, Any]:
    """Return the new spec with what may change put back."""
    munged = {**after}
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        _put_back(munged, before, field)
    for field in ("containers", "initContainers"):
        if field in after:
            munged[field] = [
                {**one, "image": was["image"]} if "image" in was else one
                for one, was in zip(after[field], before[field], strict=True)
            ]
    grace = before.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        munged["terminationGracePeriodSeconds"] = grace
    return munged


def _held_back(munged: dict[str, Any], before: Object, faults: Faults) -> None:
    """A Pod that is held back may still be told more closely where to go."""
    after, was = munged.get("nodeSelector", {}), before.get("nodeSelector", {})
    if any(after.get(key) != value for key, value in was.items()):
        fault = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        faults.append(FieldError.invalid("spec.nodeSelector", after or None, fault))
    _put_back(munged, before, "nodeSelector")
    nodes = munged.get("affinity", {}).get("nodeAffinity")
    were = before.get("affinity", {}).get("nodeAffinity")
    if nodes == were:
        return
    _node_affinity(nodes or {}, were or {}, faults)
    kept = {key: one for key, one in munged.get("affinity", {}).items() if key != "nodeAffinity"}
    if were is not None:
        kept["nodeAffinity"] = were
    munged.pop("affinity", None)
    if kept or "affinity" in before:
        munged["affinity"] = kept


def _node_affinity(nodes: Object, were: Object, faults: Faults) -> None:
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    terms: Sequence[Object] = nodes.get(_REQUIRED, {}).get("nodeSelectorTerms", [])
    old: Sequence[Object] = were.get(_REQUIRED, {}).get("nodeSelectorTerms", [])
    if old and len(terms) != len(old):
        fault = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        shown = [internal.of("core.NodeSelectorTerm", term) for term in terms] or None
        faults.append(FieldError.invalid(path, shown, fault))
        return
    for index, term in enumerate(old):
        if not _only_adds(terms[index], term):
            shown = internal.of("core.NodeSelectorTerm", terms[index])
            faults.append(FieldError.invalid(f"{path}[{index}]", shown, _NO_DELETIONS))


def _only_adds(new: Object, old: Object) -> bool:
    if not old.get("matchExpressions") and not old.get("matchFields"):
        return not new.get("matchExpressions") and not new.get("matchFields")
    return all(
        new.get(name, [])[: len(old.get(name, ()))] == old.get(name, [])
        for name in ("matchExpressions", "matchFields")
    )


def _put_back(target: dict[str, Any], source: Object, name: str) -> None:
    target.pop(name, None)
    if name in source:
        target[name] = source[name]
