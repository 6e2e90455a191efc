"""ReplicationControllers: what they let go, and what they tell.

Source: kubernetes test/e2e/apps/rc.go.
"""

import pytest

from tests.conformance.kit import conformance, eventually, named, not_yet
from tests.conformance.kit.workloads import replicated

FAMILY = "[sig-apps] ReplicationController should "
NO_CONTROLLER = "there is no controller of ReplicationControllers"


@pytest.fixture
def controllers(api, namespace):
    return api.of("v1", "ReplicationController", namespace)


def controller(name, replicas):
    labels = {"name": name}
    return replicated(name, labels, replicas, selector=labels)


def failures(obj):
    conditions = obj.get("status", {}).get("conditions", [])
    return [one for one in conditions if one["type"] == "ReplicaFailure"]


@conformance(
    f"{FAMILY}surface a failure condition on a common issue like exceeded quota [Conformance]"
)
@not_yet(NO_CONTROLLER)
def test_a_controller_tells_that_a_quota_is_exceeded(api, namespace, controllers):
    quotas = api.of("v1", "ResourceQuota", namespace)
    quotas.create(named("condition-test", spec={"hard": {"pods": "2"}}))
    quotas.wait(
        "condition-test", lambda obj: obj.get("status", {}).get("hard", {}).get("pods") == "2"
    )
    controllers.create(controller("condition-test", 3))

    def is_observed(obj):
        status = obj.get("status", {})
        return status.get("observedGeneration", 0) >= obj["metadata"]["generation"]

    found = controllers.wait("condition-test", lambda obj: is_observed(obj) and failures(obj))
    assert failures(found)[0]["status"] == "True"
    assert "exceeded quota" in failures(found)[0]["message"]
    controllers.change("condition-test", lambda obj: obj["spec"].update(replicas=2))
    controllers.wait("condition-test", lambda obj: is_observed(obj) and not failures(obj))


@conformance(f"{FAMILY}release no longer matching pods [Conformance]")
@not_yet(NO_CONTROLLER)
def test_a_pod_that_no_longer_matches_is_released(api, namespace, controllers):
    pods = api.of("v1", "Pod", namespace)
    made = controllers.create(controller("pod-release", 1))
    (pod,) = eventually(pods.items)
    name, uid = pod["metadata"]["name"], made["metadata"]["uid"]
    assert [one["uid"] for one in pod["metadata"]["ownerReferences"]] == [uid]
    patch = {"metadata": {"labels": {"name": "not-matching-name"}}}
    pods.patch(name, patch, form="strategic")

    def is_free(obj):
        return uid not in [one["uid"] for one in obj["metadata"].get("ownerReferences", [])]

    pods.wait(name, is_free)
    eventually(lambda: len(pods.items()) == 2)
