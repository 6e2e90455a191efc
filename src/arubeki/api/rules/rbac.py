"""Rules of Roles, ClusterRoles and their bindings.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/rbac/validation/validation.go.
"""

from typing import Any

from arubeki.api import names, selectors
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def role(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a Role."""
    del old
    _rules(new, faults, namespaced=True)


def cluster_role(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a ClusterRole."""
    _rules(new, faults, namespaced=False)
    if (aggregation := new.get("aggregationRule")) is None:
        return
    path = "aggregationRule.clusterRoleSelectors"
    found = aggregation.get("clusterRoleSelectors") or ()
    if not found:
        needed = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        faults.append(FieldError.required(path, needed))
    was = ((old or {}).get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
    before: Faults = []
    for one in was:
        common.selector(one, "", before)
    for index, one in enumerate(found):
        place = f"{path}[{index}]"
        common.selector(one, place, faults, values=not before)
        try:
            selectors.LabelSelector.of(one)
        except ValueError:
            faults.append(FieldError.invalid(place, None, "invalid label selector."))


def role_binding(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a RoleBinding."""
    _binding(new, old, ("Role", "ClusterRole"), faults, namespaced=True)


def cluster_role_binding(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a ClusterRoleBinding."""
    _binding(new, old, ("ClusterRole",), faults, namespaced=False)


def _rules(new: dict[str, Any], faults: Faults, *, namespaced: bool) -> None:
    for index, one in enumerate(new.get("rules") or ()):
        _rule(one, f"rules[{index}]", faults, namespaced=namespaced)


def _rule(one: dict[str, Any], path: str, faults: Faults, *, namespaced: bool) -> None:
    if not one.get("verbs"):
        faults.append(FieldError.required(f"{path}.verbs").declared())
    if urls := one.get("nonResourceURLs"):
        place = f"{path}.nonResourceURLs"
        if namespaced:
            fault = "namespaced rules cannot apply to non-resource URLs"
            faults.append(FieldError.invalid(place, urls, fault))
        if one.get("apiGroups") or one.get("resources") or one.get("resourceNames"):
            fault = "rules cannot apply to both regular resources and non-resource URLs"
            faults.append(FieldError.invalid(place, urls, fault))
        return
    if not one.get("apiGroups"):
        needed = "resource rules must supply at least one api group"
        faults.append(FieldError.required(f"{path}.apiGroups", needed))
    if not one.get("resources"):
        needed = "resource rules must supply at least one resource"
        faults.append(FieldError.required(f"{path}.resources", needed))


def _binding(
    new: dict[str, Any],
    old: dict[str, Any] | None,
    kinds: tuple[str, ...],
    faults: Faults,
    *,
    namespaced: bool,
) -> None:
    reference = new.get("roleRef", {})
    if (group := reference.get("apiGroup", "")) != GROUP:
        faults.append(FieldError.not_supported("roleRef.apiGroup", group, (GROUP,)))
    if (kind := reference.get("kind", "")) not in kinds:
        faults.append(FieldError.not_supported("roleRef.kind", kind, kinds))
    # What a declared rule says of the name is not heard where the reference may not change at all.
    segment = common.declared_segment if old is None else common.segment
    segment(reference.get("name", ""), "roleRef.name", faults)
    for index, subject in enumerate(new.get("subjects") or ()):
        _subject(subject, f"subjects[{index}]", faults, namespaced=namespaced)
    if old is not None and reference != old.get("roleRef", {}):
        internal = {
            "APIGroup": reference.get("apiGroup", ""),
            "Kind": reference.get("kind", ""),
            "Name": reference.get("name", ""),
        }
        faults.append(FieldError.invalid("roleRef", internal, common.IMMUTABLE))


def _subject(subject: dict[str, Any], path: str, faults: Faults, *, namespaced: bool) -> None:
    name, kind, group = (subject.get(field, "") for field in ("name", "kind", "apiGroup"))
    if not name:
        faults.append(FieldError.required(f"{path}.name").declared())
    if kind == "ServiceAccount":
        if name:
            common.named(name, f"{path}.name", faults, names.dns_subdomain)
        if group:
            faults.append(FieldError.not_supported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            faults.append(FieldError.required(f"{path}.namespace"))
    elif kind in _SUBJECTS:
        if group != GROUP:
            faults.append(FieldError.not_supported(f"{path}.apiGroup", group, (GROUP,)))
    else:
        faults.append(FieldError.not_supported(f"{path}.kind", kind, _SUBJECTS))


RULES = {
    "ClusterRole": cluster_role,
    "ClusterRoleBinding": cluster_role_binding,
    "Role": role,
    "RoleBinding": role_binding,
}
