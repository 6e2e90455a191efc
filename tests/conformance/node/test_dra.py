"""What devices are asked for and offered with, as objects.

Source: kubernetes test/e2e/dra/dra.go.
"""

from tests.conformance.kit import conformance, named
from tests.conformance.kit.crud import Crud

GROUP = "resource.k8s.io/v1"
FAMILY = f"[sig-node] [DRA] CRUD Tests {GROUP} "
LABEL = "test.dra.example.com"
CLAIM = {
    "devices": {"requests": [{"name": "req-0", "exactly": {"deviceClassName": "dra.example.com"}}]}
}
# The spec of claims is immutable: a label changes instead.
LABELLED = {"metadata": {"labels": {LABEL: "test"}}}
LABELLING = [{"op": "add", "path": f"/metadata/labels/{LABEL}", "value": "test"}]


@conformance(f"{FAMILY}DeviceClass [Conformance]")
def test_device_classes_have_all_verbs(api, unique):
    def selecting(expression):
        return {"spec": {"selectors": [{"cel": {"expression": expression}}]}}

    Crud(
        api.of(GROUP, "DeviceClass"),
        named(unique, **selecting("false")),
        part=selecting("1 == 0"),
        operations=[
            {"op": "replace", "path": "/spec/selectors/0/cel/expression", "value": "1 == 0"}
        ],
    ).run()


@conformance(f"{FAMILY}DeviceTaintRule [Conformance]")
def test_device_taint_rules_have_all_verbs(api, unique):
    condition = {
        "type": "Testing",
        "status": "True",
        "reason": "E2E_test_running",
        "message": "This condition can be ignored.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    Crud(
        api.of(GROUP, "DeviceTaintRule"),
        named(unique, spec={"taint": {"key": "testing", "effect": "None"}}),
        part={"spec": {"taint": {"effect": "NoExecute"}}},
        operations=[{"op": "replace", "path": "/spec/taint/effect", "value": "NoExecute"}],
        status_part={"status": {"conditions": [condition]}},
        status_operations=[{"op": "add", "path": "/status/conditions", "value": [condition]}],
    ).run()


@conformance(f"{FAMILY}ResourceClaim [Conformance]")
def test_resource_claims_have_all_verbs(api, namespace):
    # That nothing is allocated is an allocation too.
    Crud(
        api.of(GROUP, "ResourceClaim", namespace),
        named("claim", spec=CLAIM),
        part=LABELLED,
        operations=LABELLING,
        status_part={"status": {"allocation": {}}},
        status_operations=[{"op": "add", "path": "/status/allocation", "value": {}}],
    ).run()


@conformance(f"{FAMILY}ResourceClaimTemplate [Conformance]")
def test_resource_claim_templates_have_all_verbs(api, namespace):
    Crud(
        api.of(GROUP, "ResourceClaimTemplate", namespace),
        named("template", spec={"spec": CLAIM}),
        part=LABELLED,
        operations=LABELLING,
    ).run()


@conformance(f"{FAMILY}ResourceSlice [Conformance]")
def test_resource_slices_have_all_verbs(api, unique):
    pool = {"name": "cluster", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "dra.example.com", "pool": pool, "nodeName": "no-such-node"}
    devices = [{"name": "device-0"}]
    Crud(
        api.of(GROUP, "ResourceSlice"),
        named(unique, spec=spec),
        part={"spec": {"devices": devices}},
        operations=[{"op": "add", "path": "/spec/devices", "value": devices}],
    ).run()
