"""Flow schemas and priority levels, as objects.

Source: kubernetes test/e2e/apimachinery/flowcontrol.go.
"""

from tests.conformance.kit import conformance, discovered, life_of

GROUP = "flowcontrol.apiserver.k8s.io/v1"
FAMILY = "[sig-api-machinery] API priority and fairness should support "

FLOW_SCHEMA = {
    "spec": {
        "matchingPrecedence": 10000,
        "priorityLevelConfiguration": {"name": "global-default"},
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": "conformance-nobody"}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }
        ],
    }
}
PRIORITY_LEVEL = {
    "spec": {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}},
    }
}


def check_status(objects, name, **more):
    """Read, patch and update the status of an object, which has conditions by type.

    `more` is what else its conditions must say.
    """
    read = objects.get(name, "status")
    assert (read["apiVersion"], read["kind"]) == (objects.api_version, objects.kind)
    assert read["metadata"]["uid"] == objects.get(name)["metadata"]["uid"]
    condition = {"type": "PatchStatusFailed", "status": "False", "reason": "e2e", **more}
    patched = objects.patch(name, {"status": {"conditions": [condition]}}, "status")
    assert "PatchStatusFailed" in [one["type"] for one in patched["status"]["conditions"]]
    second = {**condition, "type": "StatusUpdateFailed", "reason": "E2E", "message": "set"}
    updated = objects.change(name, lambda obj: obj["status"]["conditions"].append(second), "status")
    assert "StatusUpdateFailed" in [one["type"] for one in updated["status"]["conditions"]]
    assert objects.get(name)["status"] == updated["status"]


@conformance(f"{FAMILY}FlowSchema API operations [Conformance]")
def test_flow_schemas_have_all_verbs(api):
    discovered(api, GROUP, "flowschemas", "flowschemas/status")
    objects = api.of(GROUP, "FlowSchema")
    patch = {"spec": {"matchingPrecedence": 9999}}
    change = {"matchingPrecedence": 9000}
    for one in life_of(
        objects, FLOW_SCHEMA, patch=patch, change=lambda obj: obj["spec"].update(change)
    ):
        assert one["spec"]["matchingPrecedence"] == 9000
        check_status(objects, one["metadata"]["name"])


@conformance(f"{FAMILY}PriorityLevelConfiguration API operations [Conformance]")
def test_priority_levels_have_all_verbs(api):
    discovered(api, GROUP, "prioritylevelconfigurations", "prioritylevelconfigurations/status")
    objects = api.of(GROUP, "PriorityLevelConfiguration")
    patch = {"spec": {"limited": {"nominalConcurrencyShares": 4}}}
    change = {"nominalConcurrencyShares": 6}
    for one in life_of(
        objects,
        PRIORITY_LEVEL,
        patch=patch,
        change=lambda obj: obj["spec"]["limited"].update(change),
    ):
        assert one["spec"]["limited"]["nominalConcurrencyShares"] == 6
        check_status(objects, one["metadata"]["name"])
