"""What the tests of both sorts of admission policies share."""

import contextlib

from tests.conformance.kit import named

GROUP = "admissionregistration.k8s.io/v1"
DEPLOYMENTS = {
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "resources": ["deployments"],
}
IN_EXAMPLE = {"matchConstraints": {"resourceRules": [{"operations": ["CREATE"], **DEPLOYMENTS}]}}


@contextlib.contextmanager
def bound(api, sort, namespace, spec):
    """Let a policy of a sort (`Validating`, `Mutating`) hold for Deployments in a namespace."""
    label = {"conformance-policy": namespace}
    api.of("v1", "Namespace").patch(namespace, {"metadata": {"labels": label}})
    selector = {"namespaceSelector": {"matchLabels": label}}
    rules = [{"operations": ["CREATE", "UPDATE"], **DEPLOYMENTS}]
    policies = api.of(GROUP, f"{sort}AdmissionPolicy")
    bindings = api.of(GROUP, f"{sort}AdmissionPolicyBinding")
    name = f"{namespace}.policy.example.com"
    constraints = {**selector, "resourceRules": rules}
    policies.create(named(name, spec={"matchConstraints": constraints, **spec}))
    actions = {"validationActions": ["Deny"]} if sort == "Validating" else {}
    bindings.create(named(name, spec={"policyName": name, "matchResources": selector, **actions}))
    try:
        yield
    finally:
        bindings.delete(name)
        policies.delete(name)
