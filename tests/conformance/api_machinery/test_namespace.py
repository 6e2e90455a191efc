"""Namespaces: their labels, status and finalizers, and what goes with them.

Source: kubernetes test/e2e/apimachinery/namespace.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, named
from tests.conformance.kit.lifecycle import is_newer

FINALIZER = "conformance.example.com/pretended"


@pytest.fixture
def namespaces(api):
    return api.of("v1", "Namespace")


@conformance(
    "[sig-api-machinery] Namespaces should ensure that all services are removed when a namespace "
    "is deleted [Conformance] [Serial]"
)
def test_services_go_with_their_namespace(api, namespaces, namespace):
    api.of("v1", "ServiceAccount", namespace).wait("default")
    services = api.of("v1", "Service", namespace)
    spec = {"selector": {"foo": "bar", "baz": "blah"}, "ports": [{"port": 80, "targetPort": 80}]}
    services.create(named("service", spec=spec))
    namespaces.delete(namespace)
    namespaces.wait_gone(namespace)
    namespaces.create(named(namespace))
    with pytest.raises(Refused) as refused:
        services.get("service")
    assert refused.value.code == 404
    assert services.items() == []


@conformance("[sig-api-machinery] Namespaces should patch a Namespace [Conformance] [Serial]")
def test_a_namespace_is_patched(namespaces, namespace):
    before = namespaces.get(namespace)
    patch = {"metadata": {"labels": {"testLabel": "testValue"}}}
    patched = namespaces.patch(namespace, patch, form="strategic")
    assert is_newer(patched, before)
    assert namespaces.get(namespace)["metadata"]["labels"]["testLabel"] == "testValue"


@conformance(
    "[sig-api-machinery] Namespaces should apply changes to a namespace status "
    "[Conformance] [Serial]"
)
def test_the_status_of_a_namespace_is_patched_and_updated(namespaces, namespace):
    assert namespaces.get(namespace, "status")["status"]["phase"] == "Active"
    condition = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "patched"}
    patch = {
        "metadata": {"annotations": {"patched-status": namespace}},
        "status": {"conditions": [condition]},
    }
    patched = namespaces.patch(namespace, patch, "status")
    assert patched["metadata"]["annotations"]["patched-status"] == namespace
    assert condition.items() <= patched["status"]["conditions"][-1].items()

    more = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "updated"}
    updated = namespaces.change(
        namespace, lambda obj: obj["status"]["conditions"].append(dict(more)), "status"
    )
    assert more.items() <= updated["status"]["conditions"][-1].items()
    assert [one["type"] for one in updated["status"]["conditions"]] == [
        "StatusPatch",
        "StatusUpdate",
    ]
    assert namespaces.get(namespace)["status"] == updated["status"]


@conformance(
    "[sig-api-machinery] Namespaces should apply an update to a Namespace [Conformance] [Serial]"
)
def test_a_namespace_is_updated(namespaces, namespace):
    updated = namespaces.change(
        namespace, lambda obj: obj["metadata"]["labels"].update({namespace: "updated"})
    )
    assert updated["metadata"]["labels"][namespace] == "updated"
    assert namespaces.get(namespace) == updated


@conformance(
    "[sig-api-machinery] Namespaces should apply a finalizer to a Namespace [Conformance] [Serial]"
)
def test_a_finalizer_of_a_namespace_comes_and_goes(namespaces, namespace):
    added = namespaces.change(
        namespace, lambda obj: obj["spec"]["finalizers"].append(FINALIZER), "finalize"
    )
    assert FINALIZER in added["spec"]["finalizers"]
    assert FINALIZER in namespaces.get(namespace)["spec"]["finalizers"]
    removed = namespaces.change(
        namespace, lambda obj: obj["spec"]["finalizers"].remove(FINALIZER), "finalize"
    )
    assert FINALIZER not in removed["spec"]["finalizers"]
    assert namespaces.get(namespace)["spec"] == removed["spec"]
