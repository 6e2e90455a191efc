"""What the server writes on Pods: their generation and their class of service.

Source: kubernetes test/e2e/node/pods.go.
"""

import pytest

from tests.conformance.kit import conformance, named
from tests.conformance.kit.workloads import pod_spec


@pytest.fixture
def pods(api, namespace):
    return api.of("v1", "Pod", namespace)


@conformance(
    "[sig-node] Pods Extended (pod generation) Pod Generation custom-set generation on new pods "
    "and graceful delete [Conformance]"
)
def test_the_generation_of_a_pod_is_the_servers(api, pods):
    pod = named("pod", spec=pod_spec())
    pod["metadata"]["generation"] = 100
    assert pods.create(pod)["metadata"]["generation"] == 1
    # A Pod that does not run yet would be deleted at once.
    found = pods.wait("pod", lambda obj: obj["status"].get("phase") == "Running")
    assert found["metadata"]["generation"] == 1
    answer = api.send("DELETE", pods.path("pod"), gracePeriodSeconds=60)
    assert answer.status == 200
    seen = answer.json["metadata"]
    assert (seen["generation"], seen["deletionGracePeriodSeconds"]) == (2, 60)


@conformance(
    "[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource "
    "requests and limits for memory and cpu [Conformance]"
)
def test_a_pod_with_equal_requests_and_limits_is_guaranteed(pods):
    amounts = {"cpu": "100m", "memory": "100Mi"}
    container = {
        "name": "c",
        "image": "pause",
        "resources": {"limits": amounts, "requests": amounts},
    }
    pods.create(named("pod", spec={"containers": [container]}))
    assert pods.get("pod")["status"]["qosClass"] == "Guaranteed"
