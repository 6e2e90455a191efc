"""Rules of webhook configurations, and of what webhooks and admission policies match.

CEL expressions are not compiled here: an expression that is there is taken as it is.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/admissionregistration/validation/validation.go, apiserver
pkg/util/webhook/validation.go.
"""

from collections.abc import Sequence
from typing import Any

from arubeki.api import names, urls
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
CONDITIONS_MAX = 64
STATIC = ".static.k8s.io"
RESERVED = (
    f'names ending with "{STATIC}" are reserved for static manifest-based configurations and'
    " cannot be managed via the API"
)
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_SIDE_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
_NO_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_REVIEWS = ("v1", "v1beta1")


def validating_webhooks(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a ValidatingWebhookConfiguration."""
    _webhooks(new, old, faults, mutating=False)


def mutating_webhooks(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a MutatingWebhookConfiguration."""
    _webhooks(new, old, faults, mutating=True)


def static_name(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """A new configuration may not be called as if it lay in a file."""
    name = new["metadata"].get("name", "")
    if old is None and name.endswith(STATIC):
        faults.append(FieldError.invalid("metadata.name", name, RESERVED))


def rule_with_operations(rule: dict[str, Any], path: str, faults: Faults) -> None:
    """Check what a webhook or policy is called for."""
    operations = rule.get("operations") or []
    place = f"{path}.operations"
    if not operations:
        faults.append(FieldError.required(place))
    _alone("*", operations, "if '*' is present, must not specify other operations", place, faults)
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            fault = FieldError.not_supported(f"{place}[{index}]", operation, _OPERATIONS)
            faults.append(fault)
    groups, versions = rule.get("apiGroups") or [], rule.get("apiVersions") or []
    place = f"{path}.apiGroups"
    if not groups:
        faults.append(FieldError.required(place))
    _alone("*", groups, "if '*' is present, must not specify other API groups", place, faults)
    place = f"{path}.apiVersions"
    if not versions:
        faults.append(FieldError.required(place))
    _alone("*", versions, "if '*' is present, must not specify other API versions", place, faults)
    for index, version in enumerate(versions):
        if not version:
            faults.append(FieldError.required(f"{place}[{index}]"))
    _resources(rule.get("resources") or [], f"{path}.resources", faults)
    scope = rule.get("scope")
    if scope is not None and scope not in _SCOPES:
        faults.append(FieldError.not_supported(f"{path}.scope", scope, _SCOPES))


def match_conditions(found: Sequence[dict[str, Any]], path: str, faults: Faults) -> None:
    """Conditions must be named, once each, and have an expression."""
    if len(found) > CONDITIONS_MAX:
        faults.append(FieldError.too_many(path, len(found), CONDITIONS_MAX))
    seen = set()
    for index, condition in enumerate(found):
        place, name = f"{path}[{index}]", condition.get("name", "")
        if not condition.get("expression", "").strip():
            faults.append(FieldError.required(f"{place}.expression"))
        if not name:
            faults.append(FieldError.required(f"{place}.name"))
            continue
        common.named(name, f"{place}.name", faults, names.qualified_name)
        if name in seen:
            faults.append(FieldError.duplicate(f"{place}.name", name))
        seen.add(name)


def service_reference(service: dict[str, Any], path: str, faults: Faults) -> None:
    """Check the Service behind a webhook.

    The names of its two required fields are exchanged where Kubernetes checks them; both are told.
    """
    for field in ("namespace", "name"):
        wrong = "namespace" if field == "name" else "name"
        if not service.get(field):
            faults.append(FieldError.required(f"{path}.{wrong}"))
    port = service.get("port", 0)
    if messages := names.port_number(port):
        fault = f"port is not valid: {', '.join(messages)}"
        faults.append(FieldError.invalid(f"{path}.port", port, fault))
    given = service.get("path", "")
    if given in ("", "/"):
        return
    place = f"{path}.path"
    if given == "//":
        faults.append(FieldError.invalid(place, given, "segment[0] may not be empty"))
        return
    if not given.startswith("/"):
        faults.append(FieldError.invalid(place, given, "must start with a '/'"))
    for index, step in enumerate(given[1:].removesuffix("/").split("/")):
        if not step:
            faults.append(FieldError.invalid(place, given, f"segment[{index}] may not be empty"))
            continue
        for message in names.dns_subdomain(step):
            faults.append(FieldError.invalid(place, given, f"segment[{index}]: {message}"))


def _webhooks(
    new: dict[str, Any], old: dict[str, Any] | None, faults: Faults, *, mutating: bool
) -> None:
    hooks = new.get("webhooks") or []
    was = (old or {}).get("webhooks") or []
    strict = all(one.get("sideEffects") in _NO_SIDE_EFFECTS for one in was)
    reviews = all(_is_reviewed(one) for one in was if one.get("admissionReviewVersions"))
    known = [one.get("name") for one in was]
    unique = len(set(known)) == len(known)
    values = not _had_bad_selectors(was)
    seen = set()
    for index, hook in enumerate(hooks):
        path = f"webhooks[{index}]"
        _webhook(hook, path, faults, strict=strict, values=values)
        if mutating:
            policy = hook.get("reinvocationPolicy")
            if policy is not None and policy not in REINVOCATION_POLICIES:
                place = f"{path}.reinvocationPolicy"
                faults.append(FieldError.not_supported(place, policy, REINVOCATION_POLICIES))
        _client(hook.get("clientConfig") or {}, f"{path}.clientConfig", faults)
        conditions = hook.get("matchConditions") or ()
        match_conditions(conditions, f"{path}.matchConditions", faults)
        given = hook.get("admissionReviewVersions") or []
        _reviews(given, f"{path}.admissionReviewVersions", faults, known=reviews)
        if (name := hook.get("name")) and unique:
            if name in seen:
                faults.append(FieldError.duplicate(f"{path}.name", name))
            seen.add(name)
    static_name(new, old, faults)


def _webhook(
    hook: dict[str, Any], path: str, faults: Faults, *, strict: bool, values: bool
) -> None:
    fully_qualified(hook.get("name", ""), f"{path}.name", faults)
    for index, rule in enumerate(hook.get("rules") or ()):
        rule_with_operations(rule, f"{path}.rules[{index}]", faults)
    for field, words in (("failurePolicy", FAILURE_POLICIES), ("matchPolicy", MATCH_POLICIES)):
        value = hook.get(field)
        if value is not None and value not in words:
            faults.append(FieldError.not_supported(f"{path}.{field}", value, words))
    allowed = _NO_SIDE_EFFECTS if strict else _SIDE_EFFECTS
    effects = hook.get("sideEffects")
    if effects is None:
        needed = f"must specify one of {', '.join(allowed)}"
        faults.append(FieldError.required(f"{path}.sideEffects", needed))
    elif effects not in allowed:
        faults.append(FieldError.not_supported(f"{path}.sideEffects", effects, allowed))
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        fault = "the timeout value must be between 1 and 30 seconds"
        faults.append(FieldError.invalid(f"{path}.timeoutSeconds", seconds, fault))
    for field in ("namespaceSelector", "objectSelector"):
        if (selector := hook.get(field)) is not None:
            common.selector(selector, f"{path}.{field}", faults, values=values)


def fully_qualified(name: str, path: str, faults: Faults) -> None:
    """The name must be a domain of three segments at least."""
    if not name:
        faults.append(FieldError.required(path))
    elif messages := names.dns_subdomain(name):
        faults.append(FieldError.invalid(path, name, ",".join(messages)))
    elif name.count(".") < 2:
        fault = "should be a domain with at least three segments separated by dots"
        faults.append(FieldError.invalid(path, name, fault))


def _client(config: dict[str, Any], path: str, faults: Faults) -> None:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        needed = "exactly one of url or service is required"
        faults.append(FieldError.required(path, needed))
    elif url is not None:
        urls.check_https(url, f"{path}.url", faults)
    elif service is not None:
        service_reference(service, f"{path}.service", faults)


def _reviews(versions: list[str], path: str, faults: Faults, *, known: bool) -> None:
    if not versions:
        faults.append(FieldError.required(path, f"must specify one of {', '.join(_REVIEWS)}"))
        return
    seen = set()
    for index, version in enumerate(versions):
        if version in seen:
            faults.append(FieldError.invalid(f"{path}[{index}]", version, "duplicate version"))
            continue
        seen.add(version)
        common.named(version, f"{path}[{index}]", faults, names.dns1035_label)
    if known and not seen.intersection(_REVIEWS):
        fault = f"must include at least one of {', '.join(_REVIEWS)}"
        faults.append(FieldError.invalid(path, versions, fault))


def _is_reviewed(hook: dict[str, Any]) -> bool:
    return any(one in _REVIEWS for one in hook.get("admissionReviewVersions") or ())


def _had_bad_selectors(hooks: list[dict[str, Any]]) -> bool:
    found: Faults = []
    for hook in hooks:
        for field in ("namespaceSelector", "objectSelector"):
            common.selector(hook.get(field) or {}, "", found)
    return bool(found)


def _alone(word: str, found: list[str], fault: str, path: str, faults: Faults) -> None:
    if len(found) > 1 and word in found:
        faults.append(FieldError.invalid(path, found, fault))


def _resources(found: list[str], path: str, faults: Faults) -> None:
    if not found:
        faults.append(FieldError.required(path))
    whole: set[str] = set()
    everywhere: set[str] = set()
    # As it is written there: the last word decides.
    is_plain = False
    for index, one in enumerate(found):
        place = f"{path}[{index}]"
        if not one:
            faults.append(FieldError.required(place))
            continue
        resource, slash, below = one.partition("/")
        if not slash:
            is_plain = one != "*"
            continue
        if resource in whole:
            fault = f"if '{resource}/*' is present, must not specify {one}"
            faults.append(FieldError.invalid(place, one, fault))
        if below in everywhere:
            fault = f"if '*/{below}' is present, must not specify {one}"
            faults.append(FieldError.invalid(place, one, fault))
        if below == "*":
            whole.add(resource)
        if resource == "*":
            everywhere.add(below)
    _alone("*/*", found, "if '*/*' is present, must not specify other resources", path, faults)
    if "*" in found and is_plain:
        fault = "if '*' is present, must not specify other resources without subresources"
        faults.append(FieldError.invalid(path, found, fault))
