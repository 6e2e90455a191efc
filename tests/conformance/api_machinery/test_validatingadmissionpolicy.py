"""Validating admission policies: as objects, and what they refuse.

Source: kubernetes test/e2e/apimachinery/validatingadmissionpolicy.go.
"""

from tests.conformance.api_machinery.policies import GROUP, IN_EXAMPLE, bound
from tests.conformance.api_machinery.test_flowcontrol import check_status
from tests.conformance.kit import conformance, discovered, eventually, life_of, not_yet
from tests.conformance.kit.workloads import replicated

FAMILY = "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should "
NO_EXPRESSIONS = "expressions of admission policies are not evaluated"
LABELS = {"app": "nginx"}


def check_policy(api, namespace, spec, replicas):
    """See one replica refused, so many let through, and other kinds left alone."""
    deployments = api.of("apps/v1", "Deployment", namespace)
    replica_sets = api.of("apps/v1", "ReplicaSet", namespace)
    with bound(api, "Validating", namespace, spec):
        # Each try is made in earnest, and taken back: policies hold after a moment.
        def refused():
            body = deployments.typed(replicated("marker", LABELS, 1))
            answer = api.send("POST", deployments.path(), body)
            if answer.status == 201:
                deployments.delete("marker")
            return answer if answer.status == 422 else None

        answer = eventually(refused)
        assert answer.json["reason"] == "Invalid"
        deployments.create(replicated("replicated", LABELS, replicas))
        replica_sets.create(replicated("non-replicated", LABELS, 1))
        return answer.json["message"]


@conformance(f"{FAMILY}validate against a Deployment [Conformance]")
@not_yet(NO_EXPRESSIONS)
def test_a_deployment_is_refused_by_an_expression(api, namespace):
    spec = {
        "validations": [
            {
                "expression": "object.spec.replicas > 1",
                "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
            },
            {
                "expression": f"namespaceObject.metadata.name == '{namespace}'",
                "message": "another namespace",
            },
        ]
    }
    check_policy(api, namespace, spec, 2)


@conformance(f"{FAMILY}allow expressions to refer variables. [Conformance]")
@not_yet(NO_EXPRESSIONS)
def test_expressions_refer_to_variables(api, namespace):
    spec = {
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        "validations": [
            {"expression": "variables.replicas > 1"},
            {"expression": "variables.oddReplicas"},
        ],
    }
    check_policy(api, namespace, spec, 3)


@conformance(f"{FAMILY}support ValidatingAdmissionPolicy API operations [Conformance]")
def test_validating_policies_have_all_verbs(api):
    discovered(api, GROUP, "validatingadmissionpolicies", "validatingadmissionpolicies/status")
    template = {
        "spec": {**IN_EXAMPLE, "validations": [{"expression": "object.spec.replicas <= 100"}]}
    }
    objects = api.of(GROUP, "ValidatingAdmissionPolicy")
    for one in life_of(
        objects,
        template,
        patch={"spec": {"failurePolicy": "Ignore"}},
        change=lambda obj: obj["spec"].update(failurePolicy="Fail"),
    ):
        assert one["spec"]["failurePolicy"] == "Fail"
        told = {"message": "Set from a test", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        check_status(objects, one["metadata"]["name"], **told)


@conformance(f"{FAMILY}support ValidatingAdmissionPolicyBinding API operations [Conformance]")
def test_bindings_of_validating_policies_have_all_verbs(api):
    discovered(api, GROUP, "validatingadmissionpolicybindings")
    name = "replica-limit.example.com"
    for one in life_of(
        api.of(GROUP, "ValidatingAdmissionPolicyBinding"),
        {"spec": {"policyName": name, "validationActions": ["Deny"]}},
        patch={"spec": {"policyName": "new.example.com"}},
        change=lambda obj: obj["spec"].update(policyName=name),
    ):
        assert one["spec"]["policyName"] == name
