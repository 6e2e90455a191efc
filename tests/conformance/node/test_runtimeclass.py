"""RuntimeClasses: as objects, and Pods that ask for one that is not there.

Source: kubernetes test/e2e/common/node/runtimeclass.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, discovered, life_of, named
from tests.conformance.kit.workloads import pod_spec

GROUP = "node.k8s.io/v1"
FAMILY = "[sig-node] RuntimeClass should "


def refuse(api, namespace, name):
    """See a Pod of a runtime class refused."""
    pods = api.of("v1", "Pod", namespace)
    with pytest.raises(Refused) as refused:
        pods.create(named("pod", spec=pod_spec(runtimeClassName=name)))
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert name in refused.value.message
    assert pods.is_gone("pod")


@conformance(
    f"{FAMILY}reject a Pod requesting a non-existent RuntimeClass [Conformance] [NodeConformance]"
)
def test_a_pod_of_no_runtime_class_is_refused(api, namespace):
    refuse(api, namespace, f"{namespace}-nonexistent")


@conformance(
    f"{FAMILY}reject a Pod requesting a deleted RuntimeClass [Conformance] [NodeConformance]"
)
def test_a_pod_of_a_deleted_runtime_class_is_refused(api, namespace):
    classes = api.of(GROUP, "RuntimeClass")
    classes.create({**named(namespace), "handler": "runc"})
    pods = api.of("v1", "Pod", namespace)
    pods.create(named("before", spec=pod_spec(runtimeClassName=namespace)))
    classes.delete(namespace)
    classes.wait_gone(namespace)
    refuse(api, namespace, namespace)


@conformance(f"{FAMILY}support RuntimeClasses API operations [Conformance]")
def test_runtime_classes_have_all_verbs(api, unique):
    discovered(api, GROUP, "runtimeclasses")
    classes = api.of(GROUP, "RuntimeClass")
    classes.create({**named(unique), "handler": "once"})
    with pytest.raises(Refused) as refused:
        classes.create({**named(unique), "handler": "twice"})
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")
    classes.delete(unique)
    with classes.watch() as watch:
        for one in life_of(classes, {"handler": "runc"}):
            assert watch.until("ADDED", one["metadata"]["name"])["handler"] == "runc"
