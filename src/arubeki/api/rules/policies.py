"""Rules of admission policies and their bindings, and the table of their group.

CEL expressions are not compiled here: an expression that is there is taken as it is.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/admissionregistration/validation/validation.go.
"""

import re
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, conditions, webhooks
from arubeki.api.rules.common import Faults

ANNOTATIONS_MAX = 20
ANNOTATION_MAX_BYTES = 5 * 1024
_ACTIONS = ("Audit", "Deny", "Warn")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_PATCHES = ("ApplyConfiguration", "JSONPatch")
_MUTATING = ("*", "CONNECT", "CREATE", "UPDATE")
_ABSENT_ACTIONS = ("Deny", "Allow")
_is_identifier = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII).fullmatch
_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


def validating_policy(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a ValidatingAdmissionPolicy."""
    spec = new.get("spec", {})
    _policy(spec, old, faults)
    for index, variable in enumerate(spec.get("variables") or ()):
        _variable(variable, f"spec.variables[{index}]", faults)
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        needed = "validations or auditAnnotations must contain at least one item"
        for name in ("validations", "auditAnnotations"):
            faults.append(FieldError.required(f"spec.{name}", needed))
    for index, one in enumerate(validations):
        _validation(one, f"spec.validations[{index}]", faults)
    _annotations(annotations, new["metadata"].get("name", ""), faults)
    status = new.get("status", {})
    warnings = (status.get("typeChecking") or {}).get("expressionWarnings") or ()
    for index, one in enumerate(warnings):
        path = f"status.typeChecking.expressionWarnings[{index}]"
        for name in ("warning", "fieldRef"):
            if not one.get(name, "").strip():
                faults.append(FieldError.required(f"{path}.{name}"))
    conditions.check(status.get("conditions"), "status.conditions", faults)
    webhooks.static_name(new, old, faults)


def mutating_policy(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a MutatingAdmissionPolicy."""
    spec = new.get("spec", {})
    _policy(spec, old, faults, mutating=True)
    for index, variable in enumerate(spec.get("variables") or ()):
        _variable(variable, f"spec.variables[{index}]", faults)
    mutations = spec.get("mutations") or []
    if not mutations:
        needed = "mutations must contain at least one item"
        faults.append(FieldError.required("spec.mutations", needed))
    for index, one in enumerate(mutations):
        _mutation(one, f"spec.mutations[{index}]", faults)
    policies = webhooks.REINVOCATION_POLICIES
    common.one_of(spec.get("reinvocationPolicy"), policies, "spec.reinvocationPolicy", faults)
    webhooks.static_name(new, old, faults)


def validating_binding(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a ValidatingAdmissionPolicyBinding."""
    webhooks.static_name(new, old, faults)
    spec = new.get("spec", {})
    _binding(spec, faults, declared=True)
    actions, path = spec.get("validationActions") or [], "spec.validationActions"
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            faults.append(FieldError.not_supported(f"{path}[{index}]", action, _ACTIONS))
        if action in actions[:index]:
            faults.append(FieldError.duplicate(f"{path}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        both = (
            "must not contain both Deny and Warn (repeating the same validation failure"
            " information in the API response and headers serves no purpose)"
        )
        faults.append(FieldError.invalid(path, actions, both))
    if not actions:
        faults.append(FieldError.required(path).declared())


def mutating_binding(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a MutatingAdmissionPolicyBinding."""
    webhooks.static_name(new, old, faults)
    spec = new.get("spec", {})
    _binding(spec, faults, declared=False)
    if (resources := spec.get("matchResources")) is not None:
        _mutable(resources, "spec.matchResources", faults)


def _policy(
    spec: dict[str, Any], old: dict[str, Any] | None, faults: Faults, *, mutating: bool = False
) -> None:
    policy = spec.get("failurePolicy")
    if policy is None:
        faults.append(FieldError.required("spec.failurePolicy"))
    elif policy not in webhooks.FAILURE_POLICIES:
        path = "spec.failurePolicy"
        faults.append(FieldError.not_supported(path, policy, webhooks.FAILURE_POLICIES))
    if (kind := spec.get("paramKind")) is not None:
        _param_kind(kind, "spec.paramKind", faults)
    path = "spec.matchConstraints"
    if (resources := spec.get("matchConstraints")) is None:
        faults.append(FieldError.required(path))
    else:
        _match_resources(resources, path, faults)
        if not resources.get("resourceRules"):
            faults.append(FieldError.required(f"{path}.resourceRules"))
        if mutating:
            _mutable(resources, path, faults)
    was = (old or {}).get("spec", {})
    same = all(spec.get(name) == was.get(name) for name in ("paramKind", "matchConditions"))
    if old is None or not same:
        found = spec.get("matchConditions") or ()
        webhooks.match_conditions(found, "spec.matchConditions", faults)


def _mutable(resources: dict[str, Any], path: str, faults: Faults) -> None:
    for rule in resources.get("resourceRules") or ():
        for operation in rule.get("operations") or ():
            if operation not in _MUTATING:
                place = f"{path}.resourceRules.operations"
                faults.append(FieldError.not_supported(place, operation, _MUTATING))


def _param_kind(found: dict[str, Any], path: str, faults: Faults) -> None:
    version, place = found.get("apiVersion", ""), f"{path}.apiVersion"
    group, _, last = version.rpartition("/")
    if not version:
        faults.append(FieldError.required(place))
    elif version.count("/") > 1:
        fault = f"unexpected GroupVersion string: {version}"
        faults.append(FieldError.invalid(place, version, fault))
    else:
        if group and (messages := names.dns_subdomain(group)):
            faults.append(FieldError.invalid(place, group, ",".join(messages)))
        if not last:
            faults.append(FieldError.invalid(place, version, "version must be specified"))
        elif messages := names.dns1035_label(last):
            faults.append(FieldError.invalid(place, last, ",".join(messages)))
    kind = found.get("kind", "")
    if not kind:
        faults.append(FieldError.required(f"{path}.kind"))
    elif messages := names.dns1035_label(kind.lower()):
        fault = f"may have mixed case, but should otherwise match: {','.join(messages)}"
        faults.append(FieldError.invalid(f"{path}.kind", kind, fault))


def _match_resources(found: dict[str, Any], path: str, faults: Faults) -> None:
    policy = found.get("matchPolicy")
    if policy is None:
        faults.append(FieldError.required(f"{path}.matchPolicy"))
    elif policy not in webhooks.MATCH_POLICIES:
        place = f"{path}.matchPolicy"
        faults.append(FieldError.not_supported(place, policy, webhooks.MATCH_POLICIES))
    for field in ("namespaceSelector", "objectSelector"):
        if (selector := found.get(field)) is None:
            faults.append(FieldError.required(f"{path}.{field}"))
        else:
            common.selector(selector, f"{path}.{field}", faults)
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(found.get(field) or ()):
            _named_rule(rule, f"{path}.{field}[{index}]", faults)


def _named_rule(rule: dict[str, Any], path: str, faults: Faults) -> None:
    seen = set()
    for index, name in enumerate(rule.get("resourceNames") or ()):
        place = f"{path}.resourceNames[{index}]"
        common.named(name, place, faults, names.path_segment)
        if name in seen:
            faults.append(FieldError.duplicate(place, name))
        seen.add(name)
    webhooks.rule_with_operations(rule, path, faults)


def _variable(variable: dict[str, Any], path: str, faults: Faults) -> None:
    name = variable.get("name", "")
    if not name.strip():
        faults.append(FieldError.required(f"{path}.name", "name is not specified"))
    elif not _is_identifier(name) or name in _RESERVED:
        fault = "must be a valid CEL identifier"
        faults.append(FieldError.invalid(f"{path}.name", name, fault))
    if not variable.get("expression", "").strip():
        faults.append(FieldError.required(f"{path}.expression", "expression is not specified"))


def _validation(one: dict[str, Any], path: str, faults: Faults) -> None:
    if not one.get("expression", "").strip():
        faults.append(FieldError.required(f"{path}.expression", "expression is not specified"))
    for name in ("messageExpression", "message"):
        given = one.get(name, "")
        if given and not given.strip():
            fault = "must be non-empty if specified"
            faults.append(FieldError.invalid(f"{path}.{name}", given, fault))
    message = one.get("message", "")
    if any(end in message.strip() for end in "\r\n"):
        fault = "must not contain line breaks"
        faults.append(FieldError.invalid(f"{path}.message", message, fault))
    reason = one.get("reason")
    if reason is not None and reason not in _REASONS:
        faults.append(FieldError.not_supported(f"{path}.reason", reason, _REASONS))


def _annotations(found: list[dict[str, Any]], name: str, faults: Faults) -> None:
    path = "spec.auditAnnotations"
    if len(found) > ANNOTATIONS_MAX:
        internal = [
            {"Key": one.get("key", ""), "ValueExpression": one.get("valueExpression", "")}
            for one in found
        ]
        fault = f"must not have more than {ANNOTATIONS_MAX} auditAnnotations"
        faults.append(FieldError.invalid(path, internal, fault))
    seen = set()
    for index, one in enumerate(found):
        place, key = f"{path}[{index}]", one.get("key", "")
        common.named(f"{name}/{key}", f"{place}.key", faults, names.qualified_name)
        expression = one.get("valueExpression", "").strip()
        if not expression:
            needed = "valueExpression is not specified"
            faults.append(FieldError.required(f"{place}.valueExpression", needed))
        elif len(expression.encode()) > ANNOTATION_MAX_BYTES:
            needed = f"must not exceed {ANNOTATION_MAX_BYTES} bytes in length"
            faults.append(FieldError.required(f"{place}.valueExpression", needed))
        if key in seen:
            faults.append(FieldError.duplicate(f"{place}.key", key))
        seen.add(key)


def _mutation(one: dict[str, Any], path: str, faults: Faults) -> None:
    kind = one.get("patchType", "")
    if not kind:
        faults.append(FieldError.required(f"{path}.patchType"))
        return
    if kind not in _PATCHES:
        faults.append(FieldError.not_supported(f"{path}.patchType", kind, _PATCHES))
        return
    own, other = "jsonPatch", "applyConfiguration"
    if kind == "ApplyConfiguration":
        own, other = other, own
    if (patch := one.get(own)) is None:
        needed = f"must be specified when patchType is {kind}"
        faults.append(FieldError.required(f"{path}.{own}", needed))
    elif not patch.get("expression", "").strip():
        faults.append(FieldError.required(f"{path}.{own}.expression"))
    if other in one:
        fault = f"must not be specified when patchType is {kind}"
        faults.append(FieldError.invalid(f"{path}.{other}", f"{{{other}}}", fault))


def _binding(spec: dict[str, Any], faults: Faults, *, declared: bool) -> None:
    if name := spec.get("policyName"):
        common.named(name, "spec.policyName", faults, names.dns_subdomain)
    else:
        needed = FieldError.required("spec.policyName")
        faults.append(needed.declared() if declared else needed)
    if (reference := spec.get("paramRef")) is not None:
        _param_ref(reference, "spec.paramRef", faults)
    if (resources := spec.get("matchResources")) is not None:
        _match_resources(resources, "spec.matchResources", faults)


def _param_ref(reference: dict[str, Any], path: str, faults: Faults) -> None:
    name, selector = reference.get("name", ""), reference.get("selector")
    both = "name and selector are mutually exclusive"
    if name:
        common.named(name, f"{path}.name", faults, names.path_segment)
        if selector is not None:
            faults.append(FieldError.forbidden(f"{path}.name", both))
    if selector is not None:
        common.selector(selector, f"{path}.selector", faults)
        if name:
            faults.append(FieldError.forbidden(f"{path}.selector", both))
    if not name and selector is None:
        faults.append(FieldError.required(path, "one of name or selector must be specified"))
    action = reference.get("parameterNotFoundAction")
    common.one_of(action, _ABSENT_ACTIONS, f"{path}.parameterNotFoundAction", faults)


RULES = {
    "MutatingAdmissionPolicy": mutating_policy,
    "MutatingAdmissionPolicyBinding": mutating_binding,
    "MutatingWebhookConfiguration": webhooks.mutating_webhooks,
    "ValidatingAdmissionPolicy": validating_policy,
    "ValidatingAdmissionPolicyBinding": validating_binding,
    "ValidatingWebhookConfiguration": webhooks.validating_webhooks,
}
