import copy
import json
from pathlib import Path

import pytest

from arubeki.api import defaults, facts, rules, structure
from arubeki.api.objects import GVK

# Objects with faults, and what Kubernetes 1.37's own validation says: "path|reason|message".
VECTORS = json.loads((Path(__file__).parent / "rules_vectors.json").read_text())
POD = GVK("", "v1", "Pod")
DEPLOYMENT = GVK("apps", "v1", "Deployment")


def ready(obj):
    obj = copy.deepcopy(obj)
    group, _, version = obj["apiVersion"].rpartition("/")
    gvk = GVK(group, version, obj["kind"])
    schema = facts.schema_of(gvk)
    assert schema is not None
    structure.prune(obj, schema)
    defaults.apply_defaults(gvk, obj)
    return gvk, obj


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["faults"][0][:60])
def test_faults_are_told_as_kubernetes_tells_them(vector):
    gvk, obj = ready(vector["obj"])
    if "old" in vector:
        faults = rules.validate_update(gvk, obj, ready(vector["old"])[1])
    else:
        faults = rules.validate(gvk, obj)
    # Kubernetes adds a diff of Go values below the first line.
    told = {f"{one.path}|{one.reason}|{one.body.splitlines()[0]}" for one in faults}
    assert sorted(told) == vector["faults"]


def pod(**spec):
    container = {"name": "c", "image": "nginx"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [container], **spec},
    }


def test_a_good_object_has_no_faults():
    gvk, obj = ready(pod())
    assert rules.validate(gvk, obj) == []
    assert rules.validate_update(gvk, obj, copy.deepcopy(obj)) == []


def test_a_pods_image_deadline_and_tolerations_may_change():
    old = ready(pod(activeDeadlineSeconds=20, tolerations=[{"operator": "Exists"}]))[1]
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "nginx:2"
    new["spec"]["activeDeadlineSeconds"] = 10
    new["spec"]["tolerations"].append({"key": "a", "operator": "Exists"})
    assert rules.validate_update(POD, new, old) == []


def test_nothing_else_of_a_pod_may_change_and_the_difference_is_shown():
    old = ready(pod())[1]
    new = copy.deepcopy(old)
    new["spec"]["hostname"] = "x"
    (fault,) = rules.validate_update(POD, new, old)
    assert fault.message.startswith("spec: Forbidden: pod updates may not change fields other than")
    assert '\n- "Hostname": "",\n+ "Hostname": "x",\n' in fault.body


def test_a_pod_that_is_held_back_may_be_told_where_to_go():
    old = ready(pod(schedulingGates=[{"name": "g"}]))[1]
    new = copy.deepcopy(old)
    new["spec"]["nodeSelector"] = {"a": "b"}
    new["spec"].pop("schedulingGates")
    assert rules.validate_update(POD, new, old) == []


def test_a_selector_must_match_the_template_and_stays():
    template = {"metadata": {"labels": {"app": "x"}}, "spec": pod()["spec"]}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"app": "y"}}, "template": template},
    }
    obj = ready(body)[1]
    assert [one.message for one in rules.validate(DEPLOYMENT, obj)] == [
        'spec.template.metadata.labels: Invalid value: {"app":"x"}:'
        " `selector` does not match template `labels`"
    ]
    changed = copy.deepcopy(obj)
    changed["spec"]["selector"] = {"matchLabels": {"app": "x"}}
    (fault,) = rules.validate_update(DEPLOYMENT, changed, obj)
    assert fault.message.endswith('{"matchLabels":{"app":"x"}}: field is immutable')


def test_a_loopback_address_is_an_endpoint_here():
    found = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "s"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.1.2"]}],
    }
    gvk, obj = ready(found)
    assert rules.validate(gvk, obj) == []


def test_a_sealed_secret_stays_and_its_value_is_not_shown():
    body = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "c2VjcmV0"}, "immutable": True}
    gvk, old = ready(body)
    new = copy.deepcopy(old)
    new["data"]["a"] = "b3RoZXI="
    new["immutable"] = False
    faults = rules.validate_update(gvk, new, old)
    assert [one.path for one in faults] == ["immutable", "data"]
    assert not any("b3RoZXI" in one.message for one in faults)


def test_too_much_data_is_refused():
    gvk, obj = ready({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "x" * 1048577}})
    (fault,) = rules.validate(gvk, obj)
    assert fault.body == "Too long: may not be more than 1048576 bytes"


def test_a_kind_without_rules_has_no_faults():
    assert rules.validate(GVK("example.com", "v1", "X"), {}) == []
    assert rules.validate_update(GVK("example.com", "v1", "X"), {}, {}) == []
