"""Rules of where a Pod may and should run: affinities, tolerations, spreading.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validateAffinity, ValidateTolerations,
validateTopologySpreadConstraints).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_POLICIES = ("Honor", "Ignore")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"


def affinity(found: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check the affinities of a Pod, to nodes and to other Pods."""
    if (nodes := found.get("nodeAffinity")) is not None:
        _node_affinity(nodes, f"{path}.nodeAffinity", faults)
    for name in ("podAffinity", "podAntiAffinity"):
        one, place = found.get(name, {}), f"{path}.{name}"
        for index, term in enumerate(one.get(_REQUIRED, ())):
            _pod_term(term, f"{place}.{_REQUIRED}[{index}]", faults)
        for index, weighted in enumerate(one.get(_PREFERRED, ())):
            where, weight = f"{place}.{_PREFERRED}[{index}]", weighted.get("weight", 0)
            if not 0 < weight <= 100:
                faults.append(FieldError.invalid(f"{where}.weight", weight, _WEIGHT))
            _pod_term(weighted.get("podAffinityTerm", {}), f"{where}.podAffinityTerm", faults)


def node_selector(selector: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check a selector of nodes: terms of which one must hold."""
    terms = selector.get("nodeSelectorTerms", ())
    if not terms:
        needed = "must have at least one node selector term"
        faults.append(FieldError.required(f"{path}.nodeSelectorTerms", needed))
    for index, term in enumerate(terms):
        _node_term(term, f"{path}.nodeSelectorTerms[{index}]", faults, values=True)


def tolerations(found: Sequence[Mapping[str, Any]], path: str, faults: Faults) -> None:
    """Check tolerations."""
    for index, one in enumerate(found):
        place = f"{path}[{index}]"
        key, operator = one.get("key", ""), one.get("operator", "")
        value, effect = one.get("value", ""), one.get("effect", "")
        if key:
            common.named(key, f"{place}.key", faults, names.label_key)
        elif operator != "Exists":
            fault = (
                "operator must be Exists when `key` is empty, which means"
                ' "match all values and all keys"'
            )
            faults.append(FieldError.invalid(f"{place}.operator", operator, fault))
        if "tolerationSeconds" in one and effect != "NoExecute":
            fault = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            faults.append(FieldError.invalid(f"{place}.effect", effect, fault))
        if operator in ("", "Equal"):
            if messages := names.label_value(value):
                faults.append(FieldError.invalid(f"{place}.operator", value, ";".join(messages)))
        elif operator == "Exists":
            if value:
                fault = "value must be empty when `operator` is 'Exists'"
                faults.append(FieldError.invalid(f"{place}.operator", value, fault))
        else:
            known: tuple[str, ...] = ("Equal", "Exists")
            if operator in ("Lt", "Gt"):
                known = (*known, "Lt", "Gt")
            faults.append(FieldError.not_supported(f"{place}.operator", operator, known))
        if effect and effect not in TAINT_EFFECTS:
            fault_ = FieldError.not_supported(f"{place}.effect", effect, TAINT_EFFECTS)
            faults.append(fault_)


def spreading(found: Sequence[Mapping[str, Any]], path: str, faults: Faults) -> None:
    """Check topology spread constraints."""
    pairs = [(one.get("topologyKey", ""), one.get("whenUnsatisfiable", "")) for one in found]
    for index, one in enumerate(found):
        place, (key, action) = f"{path}[{index}]", pairs[index]
        skew, domains = one.get("maxSkew", 0), one.get("minDomains")
        if skew <= 0:
            fault = common.NOT_POSITIVE
            faults.append(FieldError.invalid(f"{place}.maxSkew", skew, fault))
        if not key:
            faults.append(FieldError.required(f"{place}.topologyKey", "can not be empty"))
        if action not in _UNSATISFIABLE:
            where = f"{place}.whenUnsatisfiable"
            faults.append(FieldError.not_supported(where, action, _UNSATISFIABLE))
        if pairs[index] in pairs[index + 1 :]:
            where = f"{place}.{{topologyKey, whenUnsatisfiable}}"
            faults.append(FieldError.duplicate(where, f"{{{key}, {action}}}"))
        if domains is not None and domains <= 0:
            fault = common.NOT_POSITIVE
            faults.append(FieldError.invalid(f"{place}.minDomains", domains, fault))
        if domains is not None and action != "DoNotSchedule":
            fault = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            faults.append(FieldError.invalid(f"{place}.minDomains", domains, fault))
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = one.get(name)
            if policy is not None and policy not in _POLICIES:
                faults.append(FieldError.not_supported(f"{place}.{name}", policy, _POLICIES))
        selector = one.get("labelSelector")
        _label_keys(one, selector, place, faults)
        if selector is not None:
            common.selector(selector, f"{place}.labelSelector", faults)


def _node_affinity(nodes: Mapping[str, Any], path: str, faults: Faults) -> None:
    if (needed := nodes.get(_REQUIRED)) is not None:
        node_selector(needed, f"{path}.{_REQUIRED}", faults)
    for index, term in enumerate(nodes.get(_PREFERRED, ())):
        place, weight = f"{path}.{_PREFERRED}[{index}]", term.get("weight", 0)
        if not 0 < weight <= 100:
            faults.append(FieldError.invalid(f"{place}.weight", weight, _WEIGHT))
        _node_term(term.get("preference", {}), f"{place}.preference", faults, values=False)


def _node_term(term: Mapping[str, Any], path: str, faults: Faults, *, values: bool) -> None:
    for index, one in enumerate(term.get("matchExpressions", ())):
        _node_requirement(one, f"{path}.matchExpressions[{index}]", faults, values=values)
    for index, one in enumerate(term.get("matchFields", ())):
        _field_requirement(one, f"{path}.matchFields[{index}]", faults)


def _node_requirement(one: Mapping[str, Any], path: str, faults: Faults, *, values: bool) -> None:
    operator, given = one.get("operator", ""), one.get("values", ())
    if operator in ("In", "NotIn"):
        if not given:
            needed = "must be specified when `operator` is 'In' or 'NotIn'"
            faults.append(FieldError.required(f"{path}.values", needed))
    elif operator in ("Exists", "DoesNotExist"):
        if given:
            unwanted = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            faults.append(FieldError.forbidden(f"{path}.values", unwanted))
    elif operator in ("Gt", "Lt"):
        if len(given) != 1:
            needed = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            faults.append(FieldError.required(f"{path}.values", needed))
    else:
        wrong = "not a valid selector operator"
        faults.append(FieldError.invalid(f"{path}.operator", operator, wrong))
    common.named(one.get("key", ""), f"{path}.key", faults, names.label_key)
    for index, value in enumerate(given if values else ()):
        common.named(value, f"{path}.values[{index}]", faults, names.label_value)


def _field_requirement(one: Mapping[str, Any], path: str, faults: Faults) -> None:
    operator, given, key = one.get("operator", ""), one.get("values", ()), one.get("key", "")
    if operator not in ("In", "NotIn"):
        wrong = "not a valid selector operator"
        faults.append(FieldError.invalid(f"{path}.operator", operator, wrong))
    elif len(given) != 1:
        needed = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        faults.append(FieldError.required(f"{path}.values", needed))
    if key != "metadata.name":
        fault = "not a valid field selector key"
        faults.append(FieldError.invalid(f"{path}.key", key, fault))
        return
    for index, value in enumerate(given):
        common.named(value, f"{path}.values[{index}]", faults, names.dns_subdomain)


def _pod_term(term: Mapping[str, Any], path: str, faults: Faults) -> None:
    for name in ("labelSelector", "namespaceSelector"):
        if (selector := term.get(name)) is not None:
            common.selector(selector, f"{path}.{name}", faults)
    for name in term.get("namespaces", ()):
        common.named(name, f"{path}.namespace", faults)
    _label_keys(term, term.get("labelSelector"), path, faults)
    if not (key := term.get("topologyKey", "")):
        faults.append(FieldError.required(f"{path}.topologyKey", "can not be empty"))
    common.named(key, f"{path}.topologyKey", faults, names.label_key)


def _label_keys(
    term: Mapping[str, Any], selector: Mapping[str, Any] | None, path: str, faults: Faults
) -> None:
    """Keys whose values the Pod itself gives must not be in the selector too."""
    matched, unmatched = term.get("matchLabelKeys", ()), term.get("mismatchLabelKeys", ())
    if not matched and not unmatched:
        return
    for name, keys in (("matchLabelKeys", matched), ("mismatchLabelKeys", unmatched)):
        if keys and selector is None:
            unwanted = "must not be specified when labelSelector is not set"
            faults.append(FieldError.forbidden(f"{path}.{name}", unwanted))
        elif keys:
            for index, key in enumerate(keys):
                common.named(key, f"{path}.{name}[{index}]", faults, names.label_key)
    seen = set((selector or {}).get("matchLabels", {}))
    for one in (selector or {}).get("matchExpressions", ()):
        key = one.get("key", "")
        if key in matched and key in seen:
            fault = "exists in both matchLabelKeys and labelSelector"
            at = len(matched) - 1 - list(reversed(matched)).index(key)
            faults.append(FieldError.invalid(f"{path}[{at}]", key, fault))
        seen.add(key)
    for index, key in enumerate(matched):
        if key in unmatched:
            fault = "exists in both matchLabelKeys and mismatchLabelKeys"
            faults.append(FieldError.invalid(f"{path}.matchLabelKeys[{index}]", key, fault))
