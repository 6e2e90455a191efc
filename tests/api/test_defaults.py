import copy
import json
from pathlib import Path

import pytest

from arubeki.api import defaults, facts, structure
from arubeki.api.defaults import pods
from arubeki.api.objects import GVK

# Objects, and what Kubernetes 1.37's own scheme makes of them (nulls and empty lists left out).
VECTORS = json.loads((Path(__file__).parent / "defaults_vectors.json").read_text())


def gvk_of(obj):
    group, _, version = obj["apiVersion"].rpartition("/")
    return GVK(group, version, obj["kind"])


def filled(obj):
    obj = copy.deepcopy(obj)
    gvk = gvk_of(obj)
    schema = facts.schema_of(gvk)
    assert schema is not None
    assert structure.types(obj, schema, gvk.kind) == ""
    assert structure.prune(obj, schema) == []
    defaults.apply_defaults(gvk, obj)
    return obj


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["obj"]["kind"])
def test_an_object_gets_what_kubernetes_gives_it(vector):
    assert filled(vector["obj"]) == vector["want"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["obj"]["kind"])
def test_what_has_its_defaults_stays_as_it_is(vector):
    assert filled(vector["want"]) == vector["want"]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.2", "IfNotPresent"),
        ("reg.example.com:5000/a/b", "Always"),
        ("reg.example.com:5000/a/b:v1", "IfNotPresent"),
        (f"nginx@sha256:{'0' * 64}", "IfNotPresent"),
        (f"nginx:latest@sha256:{'0' * 64}", "Always"),
        ("", "IfNotPresent"),
        ("Not An Image", "IfNotPresent"),
    ],
)
def test_an_image_is_pulled_always_where_its_tag_is_latest(image, policy):
    assert pods.pull_policy(image) == policy


def test_an_explicit_zero_is_an_answer_where_go_has_a_pointer():
    deployment = {"spec": {"replicas": 0, "progressDeadlineSeconds": 0}}
    defaults.apply_defaults(GVK("apps", "v1", "Deployment"), deployment)
    assert deployment["spec"]["replicas"] == 0
    assert deployment["spec"]["progressDeadlineSeconds"] == 0


def test_a_pod_requests_what_it_limits_and_a_template_does_not():
    container = {"name": "c", "image": "x", "resources": {"limits": {"cpu": "1"}}}
    pod = {"spec": {"containers": [copy.deepcopy(container)]}}
    defaults.apply_defaults(GVK("", "v1", "Pod"), pod)
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1"}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    defaults.apply_defaults(GVK("apps", "v1", "ReplicaSet"), template)
    assert "requests" not in container["resources"]


def test_a_definition_gets_its_names_and_its_stored_version():
    versions = [{"name": "v1", "storage": False}, {"name": "v2", "storage": True}]
    spec = {"names": {"kind": "CronTab", "plural": "crontabs"}, "versions": versions}
    definition = {"spec": spec}
    defaults.apply_defaults(
        GVK("apiextensions.k8s.io", "v1", "CustomResourceDefinition"), definition
    )
    assert spec["names"]["singular"] == "crontab"
    assert spec["names"]["listKind"] == "CronTabList"
    assert spec["conversion"] == {"strategy": "None"}
    assert definition["status"]["storedVersions"] == ["v2"]


def test_a_kind_without_defaults_is_left_alone():
    obj = {"spec": {}}
    defaults.apply_defaults(GVK("example.com", "v1", "Pod"), obj)
    assert obj == {"spec": {}}


@pytest.mark.parametrize("gvk", facts.kinds(), ids=lambda gvk: f"{gvk.group}/{gvk.kind}")
def test_an_empty_object_of_any_kind_can_be_filled(gvk):
    obj = {}
    defaults.apply_defaults(gvk, obj)
    once = copy.deepcopy(obj)
    defaults.apply_defaults(gvk, obj)
    assert obj == once
