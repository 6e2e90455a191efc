"""Rules of FlowSchemas and PriorityLevelConfigurations.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/flowcontrol/validation/validation.go, apiserver
pkg/util/shufflesharding.
"""

import math
from collections.abc import Mapping
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

PRECEDENCE_MAX = 10000
QUEUES_MAX = 10_000_000
HASH_BITS = 60
_DISTINGUISHERS = ("ByNamespace", "ByUser")
_SUBJECTS = ("Group", "ServiceAccount", "User")
_VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch",
)  # fmt: skip
_TYPES = ("Exempt", "Limited")
_RESPONSES = ("Queue", "Reject")
_FIELDS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
_MAY_BE_ALL = "each member of this list must be '*' or a DNS-1123 label; "


def flow_schema(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a FlowSchema."""
    del old
    name, spec = new["metadata"].get("name", ""), new.get("spec", {})
    precedence, path = spec.get("matchingPrecedence", 0), "spec.matchingPrecedence"
    if precedence <= 0:
        faults.append(FieldError.invalid(path, precedence, "must be a positive value"))
    if precedence > PRECEDENCE_MAX:
        beyond = f"must not be greater than {PRECEDENCE_MAX}"
        faults.append(FieldError.invalid(path, precedence, beyond))
    if precedence == 1 and name != "exempt":
        fault = "only the schema named 'exempt' may have matchingPrecedence 1"
        faults.append(FieldError.invalid(path, precedence, fault))
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _DISTINGUISHERS:
        place, internal = "spec.distinguisherMethod.type", {"Type": method.get("type", "")}
        faults.append(FieldError.not_supported(place, internal, _DISTINGUISHERS))
    level = spec.get("priorityLevelConfiguration", {}).get("name", "")
    path = "spec.priorityLevelConfiguration.name"
    if level:
        common.named(level, path, faults, names.dns_subdomain)
    else:
        faults.append(FieldError.required(path, "must reference a priority level"))
    for index, rule in enumerate(spec.get("rules") or ()):
        _rule(rule, f"spec.rules[{index}]", faults)
    _status(new, faults)


def priority_level(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a PriorityLevelConfiguration."""
    del old
    name, spec = new["metadata"].get("name", ""), new.get("spec", {})
    kind, limited, exempt = spec.get("type", ""), spec.get("limited"), spec.get("exempt")
    if (name == "exempt") != (kind == "Exempt"):
        fault = "must be 'Exempt' if and only if `name` is 'exempt'"
        faults.append(FieldError.invalid("spec.type", kind, fault))
    if exempt is not None and kind != "Exempt":
        faults.append(FieldError.forbidden("spec.exempt", "").declared())
    if limited is not None and kind != "Limited":
        faults.append(FieldError.forbidden("spec.limited", "").declared())
    if kind == "Exempt":
        _shares(exempt or {}, "spec.exempt", faults)
    elif kind == "Limited" and limited is None:
        faults.append(FieldError.required("spec.limited").declared())
    elif kind == "Limited":
        _limited(limited or {}, "spec.limited", faults)
    elif kind:
        faults.append(FieldError.not_supported("spec.type", kind, _TYPES))
    else:
        faults.append(FieldError.required("spec.type").declared())
    _status(new, faults)


def _rule(rule: dict[str, Any], path: str, faults: Faults) -> None:
    for index, subject in enumerate(rule.get("subjects") or ()):
        _subject(subject, f"{path}.subjects[{index}]", faults)
    if not rule.get("subjects"):
        needed = "subjects must contain at least one value"
        faults.append(FieldError.required(f"{path}.subjects", needed))
    resources, others = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resources and not others:
        needed = "at least one of resourceRules and nonResourceRules has to be non-empty"
        faults.append(FieldError.required(path, needed))
    for index, one in enumerate(resources):
        _resource_rule(one, f"{path}.resourceRules[{index}]", faults)
    for index, one in enumerate(others):
        _other_rule(one, f"{path}.nonResourceRules[{index}]", faults)


def _subject(subject: dict[str, Any], path: str, faults: Faults) -> None:
    kind = subject.get("kind", "")
    if kind not in _SUBJECTS:
        faults.append(FieldError.not_supported(f"{path}.kind", kind, _SUBJECTS))
        return
    field = _FIELDS[kind]
    place, found = f"{path}.{field}", subject.get(field)
    if found is None:
        needed = f"{field} is required when subject kind is '{kind}'"
        faults.append(FieldError.required(place, needed))
    elif kind == "ServiceAccount":
        _account(found, place, faults)
    elif not found.get("name"):
        faults.append(FieldError.required(f"{place}.name"))
    for other, name in _FIELDS.items():
        if other != kind and subject.get(name) is not None:
            unwanted = f"{name} is forbidden when subject kind is not '{other}'"
            faults.append(FieldError.forbidden(f"{path}.{name}", unwanted))


def _account(found: dict[str, Any], path: str, faults: Faults) -> None:
    name, namespace = found.get("name", ""), found.get("namespace", "")
    if not name:
        faults.append(FieldError.required(f"{path}.name"))
    elif name != "*":
        common.named(name, f"{path}.name", faults, names.dns_subdomain)
    if namespace:
        common.named(namespace, f"{path}.namespace", faults)
    else:
        needed = "must specify namespace for service account"
        faults.append(FieldError.required(f"{path}.namespace", needed))


def _verbs(verbs: list[str], path: str, faults: Faults) -> None:
    if not verbs:
        faults.append(FieldError.required(path, "verbs must contain at least one value"))
    elif "*" in verbs:
        if len(verbs) > 1:
            fault = "if '*' is present, must not specify other verbs"
            faults.append(FieldError.invalid(path, verbs, fault))
    elif not set(verbs) <= set(_VERBS):
        faults.append(FieldError.not_supported(path, verbs, _VERBS))


def _resource_rule(rule: dict[str, Any], path: str, faults: Faults) -> None:
    _verbs(rule.get("verbs") or [], f"{path}.verbs", faults)
    for field, one, many in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        found, place = rule.get(field) or [], f"{path}.{field}"
        if not found:
            needed = f"resource rules must supply at least one {one}"
            faults.append(FieldError.required(place, needed))
        elif len(found) > 1 and "*" in found:
            fault = f"if '*' is present, must not specify other {many}"
            faults.append(FieldError.invalid(place, found, fault))
    found, place = rule.get("namespaces") or [], f"{path}.namespaces"
    if not found and not rule.get("clusterScope"):
        needed = "resource rules that are not cluster scoped must supply at least one namespace"
        faults.append(FieldError.required(place, needed))
    elif "*" in found:
        if len(found) > 1:
            fault = "if '*' is present, must not specify other namespaces"
            faults.append(FieldError.invalid(place, found, fault))
    else:
        for index, one in enumerate(found):
            for message in names.dns_label(one):
                fault = f"{_MAY_BE_ALL}{message}"
                faults.append(FieldError.invalid(f"{place}[{index}]", one, fault))


def _other_rule(rule: dict[str, Any], path: str, faults: Faults) -> None:
    _verbs(rule.get("verbs") or [], f"{path}.verbs", faults)
    found, place = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    if not found:
        needed = "nonResourceURLs must contain at least one value"
        faults.append(FieldError.required(place, needed))
    elif "*" in found:
        if len(found) > 1:
            fault = "if '*' is present, must not specify other non-resource URLs"
            faults.append(FieldError.invalid(place, found, fault))
    else:
        for index, one in enumerate(found):
            if fault := _url_fault(one):
                faults.append(FieldError.invalid(f"{place}[{index}]", one, fault))


def _url_fault(path: str) -> str:
    if not path:
        return "must not be empty"
    if path == "/":
        return ""
    if not path.startswith("/"):
        return "must start with slash"
    if " " in path:
        return "must not contain white-space"
    if "//" in path:
        return "must not contain double slash"
    stars = path.count("*")
    if stars > 1 or (stars == 1 and not path.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def _shares(found: Mapping[str, Any], path: str, faults: Faults) -> None:
    shares = found.get("nominalConcurrencyShares", 0)
    if shares < 0:
        fault = "must be a non-negative integer"
        faults.append(FieldError.invalid(f"{path}.nominalConcurrencyShares", shares, fault))
    if "limitResponse" in found:
        _response(found["limitResponse"], f"{path}.limitResponse", faults)
    lendable = found.get("lendablePercent")
    if lendable is not None and not 0 <= lendable <= 100:
        fault = "must be between 0 and 100, inclusive"
        faults.append(FieldError.invalid(f"{path}.lendablePercent", lendable, fault))


def _limited(found: Mapping[str, Any], path: str, faults: Faults) -> None:
    _shares({"limitResponse": {}, **found}, path, faults)
    limit = found.get("borrowingLimitPercent")
    if limit is not None and limit < 0:
        fault = "if specified, must be a non-negative integer"
        faults.append(FieldError.invalid(f"{path}.borrowingLimitPercent", limit, fault))


def _response(found: Mapping[str, Any], path: str, faults: Faults) -> None:
    kind, queuing = found.get("type", ""), found.get("queuing")
    if queuing is not None and kind != "Queue":
        faults.append(FieldError.forbidden(f"{path}.queuing", "").declared())
    if kind == "Queue" and queuing is None:
        faults.append(FieldError.required(f"{path}.queuing").declared())
    elif kind == "Queue":
        _queuing(queuing or {}, f"{path}.queuing", faults)
    elif kind and kind not in _RESPONSES:
        faults.append(FieldError.not_supported(f"{path}.type", kind, _RESPONSES))
    elif not kind:
        faults.append(FieldError.required(f"{path}.type").declared())


def _queuing(found: Mapping[str, Any], path: str, faults: Faults) -> None:
    length, queues, hand = (
        found.get(name, 0) for name in ("queueLengthLimit", "queues", "handSize")
    )
    if length <= 0:
        faults.append(FieldError.invalid(f"{path}.queueLengthLimit", length, "must be positive"))
    if queues <= 0:
        faults.append(FieldError.invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > QUEUES_MAX:
        beyond = f"must not be greater than {QUEUES_MAX}"
        faults.append(FieldError.invalid(f"{path}.queues", queues, beyond))
    place = f"{path}.handSize"
    if hand <= 0:
        faults.append(FieldError.invalid(place, hand, "must be positive"))
    elif hand > queues:
        beyond = f"should not be greater than queues ({queues})"
        faults.append(FieldError.invalid(place, hand, beyond))
    elif _entropy_bits(queues, hand) > HASH_BITS:
        beyond = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater"
            f" than {HASH_BITS}"
        )
        faults.append(FieldError.invalid(place, hand, beyond))


def _entropy_bits(deck: int, hand: int) -> int:
    """Return how many bits of chance dealing a hand takes."""
    return math.ceil(sum(math.log2(deck - dealt) for dealt in range(hand)))


def _status(new: dict[str, Any], faults: Faults) -> None:
    seen = set()
    for index, condition in enumerate(new.get("status", {}).get("conditions") or ()):
        place, kind = f"status.conditions[{index}].type", condition.get("type", "")
        if kind in seen:
            faults.append(FieldError.duplicate(place, kind))
        seen.add(kind)
        if not kind:
            faults.append(FieldError.required(place))


RULES = {"FlowSchema": flow_schema, "PriorityLevelConfiguration": priority_level}
