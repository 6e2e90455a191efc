"""Mutating admission policies: as objects, and what they change.

Source: kubernetes test/e2e/apimachinery/mutatingadmissionpolicy.go.
"""

from tests.conformance.api_machinery.policies import GROUP, IN_EXAMPLE, bound
from tests.conformance.kit import conformance, discovered, eventually, life_of, not_yet
from tests.conformance.kit.workloads import replicated

FAMILY = "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should "
NO_EXPRESSIONS = "expressions of admission policies are not evaluated"


def applies(expression):
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def check_policy(api, namespace, expression, is_mutated):
    """See Deployments changed as soon as a policy holds."""
    deployments = api.of("apps/v1", "Deployment", namespace)
    spec = {"mutations": [applies(expression)], "reinvocationPolicy": "Never"}

    def mutated():
        made = deployments.create(replicated("marker", {"app": "nginx"}, 1))
        deployments.delete("marker")
        return is_mutated(made)

    with bound(api, "Mutating", namespace, spec):
        eventually(mutated)


@conformance(f"{FAMILY}mutate a Deployment [Conformance]")
@not_yet(NO_EXPRESSIONS)
def test_a_deployment_is_changed_by_an_expression(api, namespace):
    check_policy(
        api,
        namespace,
        "Object{spec: Object.spec{replicas: 1337}}",
        lambda obj: obj["spec"]["replicas"] == 1337,
    )


@conformance(f"{FAMILY}mutate a Deployment with annotations [Conformance]")
@not_yet(NO_EXPRESSIONS)
def test_a_deployment_is_annotated_by_an_expression(api, namespace):
    check_policy(
        api,
        namespace,
        'Object{metadata: Object.metadata{annotations: {"mutated-by": "admission-policy"}}}',
        lambda obj: obj["metadata"].get("annotations", {}).get("mutated-by") == "admission-policy",
    )


@conformance(f"{FAMILY}support MutatingAdmissionPolicy API operations [Conformance]")
def test_mutating_policies_have_all_verbs(api):
    discovered(api, GROUP, "mutatingadmissionpolicies")
    mutation = applies("Object{spec: Object.spec{replicas: 100}}")
    for one in life_of(
        api.of(GROUP, "MutatingAdmissionPolicy"),
        {"spec": {**IN_EXAMPLE, "reinvocationPolicy": "Never", "mutations": [mutation]}},
        patch={"spec": {"reinvocationPolicy": "IfNeeded"}},
        change=lambda obj: obj["spec"].update(reinvocationPolicy="Never"),
    ):
        assert one["spec"]["reinvocationPolicy"] == "Never"


@conformance(f"{FAMILY}support MutatingAdmissionPolicyBinding API operations [Conformance]")
def test_bindings_of_mutating_policies_have_all_verbs(api):
    discovered(api, GROUP, "mutatingadmissionpolicybindings")
    name = "replica-limit.example.com"
    for one in life_of(
        api.of(GROUP, "MutatingAdmissionPolicyBinding"),
        {"spec": {"policyName": name}},
        patch={"spec": {"policyName": "new.example.com"}},
        change=lambda obj: obj["spec"].update(policyName=name),
    ):
        assert one["spec"]["policyName"] == name
