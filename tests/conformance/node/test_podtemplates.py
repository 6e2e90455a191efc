"""PodTemplates, as objects.

Source: kubernetes test/e2e/common/node/podtemplates.go.
"""

import pytest

from tests.conformance.kit import conformance, named
from tests.conformance.kit.lifecycle import is_newer
from tests.conformance.kit.workloads import pod_spec


@pytest.fixture
def templates(api, namespace):
    return api.of("v1", "PodTemplate", namespace)


@conformance("[sig-node] PodTemplates should run the lifecycle of PodTemplates [Conformance]")
def test_a_pod_template_lives(templates):
    select = {"labelSelector": "podtemplate-static=true"}
    assert templates.everywhere().items(**select) == []
    made = templates.create(
        named("template", {"podtemplate-static": "true"}, template={"spec": pod_spec()})
    )
    assert templates.get("template") == made
    patch = {"metadata": {"labels": {"podtemplate": "patched"}}}
    patched = templates.patch("template", patch, form="strategic")
    assert is_newer(patched, made)
    found = templates.get("template")
    assert found["metadata"]["labels"] == {"podtemplate-static": "true", "podtemplate": "patched"}
    (listed,) = templates.everywhere().items(labelSelector="podtemplate=patched")
    assert listed["metadata"] == found["metadata"]
    templates.delete("template")
    assert templates.everywhere().items(**select) == []


@conformance("[sig-node] PodTemplates should delete a collection of pod templates [Conformance]")
def test_pod_templates_are_deleted_by_label(templates):
    names = [f"template-{number}" for number in (1, 2, 3)]
    for name in names:
        templates.create(named(name, {"podtemplate-set": "true"}, template={"spec": pod_spec()}))
    select = {"labelSelector": "podtemplate-set=true"}
    assert templates.names(**select) == names
    templates.delete_collection(**select)
    assert templates.items(**select) == []


@conformance("[sig-node] PodTemplates should replace a pod template [Conformance]")
def test_a_pod_template_is_replaced(templates):
    templates.create(named("template", template={"spec": pod_spec()}))
    replaced = templates.change(
        "template", lambda obj: obj["metadata"].update(annotations={"updated": "true"})
    )
    assert replaced["metadata"]["annotations"] == {"updated": "true"}
    assert templates.get("template") == replaced
