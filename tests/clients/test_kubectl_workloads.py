"""kubectl, unmodified: what runs is rolled out, scaled, exposed, looked at and moved."""

import pytest

from tests.clients import manifests
from tests.clients.conftest import Kubectl, until

pytestmark = pytest.mark.kubectl


def rolled_out(kubectl: Kubectl, name: str = "web") -> None:
    said = kubectl("rollout", "status", f"deployment/{name}", "--timeout=50s")
    assert "successfully rolled out" in said


def test_a_deployment_rolls_out_restarts_and_is_undone(kubectl: Kubectl) -> None:
    kubectl.apply(manifests.web())
    rolled_out(kubectl)
    kubectl("rollout", "restart", "deployment/web")
    rolled_out(kubectl)
    kubectl("set", "env", "deployment/web", "MARK=two")
    rolled_out(kubectl)
    history = kubectl("rollout", "history", "deployment/web").splitlines()
    assert [line.split()[0] for line in history if line[:1].isdigit()] == ["1", "2", "3"]
    kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    rolled_out(kubectl)
    path = "jsonpath={.spec.template.spec.containers[0].env[?(@.name=='MARK')].value}"
    assert kubectl("get", "deployment", "web", "-o", path) == "one"


def test_a_paused_deployment_waits(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=one")
    kubectl("rollout", "pause", "deployment/web")
    kubectl("set", "image", "deployment/web", "one=two")
    kubectl.wait_for("deployment/web", ".status.observedGeneration", "3")
    assert len(kubectl("get", "replicasets", "-o", "name").split()) == 1
    kubectl("rollout", "resume", "deployment/web")
    until(lambda: len(kubectl("get", "replicasets", "-o", "name").split()) == 2)


def test_a_deployment_is_scaled(kubectl: Kubectl) -> None:
    kubectl.apply(manifests.deployment())
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl.wait_for("deployment/web", ".status.readyReplicas", "3")
    names = kubectl("get", "pods", "-l", "app=web", "-o", "name").split()
    assert len(names) == 3
    refused = kubectl.run("scale", "deployment/web", "--replicas=1", "--current-replicas=2")
    assert "Expected replicas to be 2, was 3" in refused.stderr
    kubectl("scale", "deployment/web", "--replicas=0")
    gone = kubectl.run("wait", *names, "--for=delete", "--timeout=50s")
    # Old ones complain where there is nothing left to wait for.
    assert gone.returncode == 0 or "no matching resources found" in gone.stderr
    until(lambda: kubectl("get", "pods", "-o", "name") == "")


def test_a_pod_is_waited_for_described_and_read(kubectl: Kubectl) -> None:
    kubectl.apply(manifests.pod("once", "echo first; echo second"))
    kubectl.wait_for("pod/once", ".status.phase", "Succeeded")
    assert kubectl("logs", "once") == "first\nsecond\n"
    assert kubectl("logs", "once", "--tail=1") == "second\n"
    assert kubectl("logs", "once", "--limit-bytes=3") == "fir"
    assert kubectl("logs", "-l", "app=once", "--prefix") == (
        "[pod/once/c] first\n[pod/once/c] second\n"
    )
    described = kubectl("describe", "pod", "once")
    assert "Succeeded" in described
    assert "Started" in described  # an Event of the node's
    assert "Completed" in kubectl("get", "pods")


def test_a_log_is_followed_to_its_end(kubectl: Kubectl) -> None:
    words = ("--image=x", "--restart=Never", "--command", "--")
    kubectl("run", "slow", *words, "/bin/sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.2; done")
    until(lambda: kubectl.run("logs", "slow").returncode == 0)
    assert kubectl("logs", "--follow", "slow") == "1\n2\n3\n"


def test_what_cannot_run_says_why(kubectl: Kubectl) -> None:
    kubectl("run", "image", "--image=nginx")
    until(lambda: "CreateContainerConfigError" in kubectl("get", "pod", "image"))
    refused = kubectl.run("logs", "image")
    assert 'container "image" in pod "image" is waiting to start' in refused.stderr
    assert "command" in kubectl("describe", "pod", "image")


def test_expose_makes_a_service_with_endpoints(kubectl: Kubectl) -> None:
    kubectl.apply(manifests.web())
    kubectl("expose", "deployment", "web", "--port=80", "--target-port=8000")
    rolled_out(kubectl)
    address = kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}")

    def endpoints() -> list[tuple[list[str], bool]]:
        label = "kubernetes.io/service-name=web"
        slices = kubectl.json("get", "endpointslices", "-l", label)["items"]
        return [
            (one["addresses"], one["conditions"]["ready"])
            for each in slices
            for one in each["endpoints"] or ()
        ]

    until(lambda: endpoints() == [([address], True)])
    assert f"{address}:8000" in kubectl("describe", "service", "web")


def test_events_are_listed(kubectl: Kubectl) -> None:
    kubectl.apply(manifests.deployment())
    rolled_out(kubectl)
    until(lambda: "ScalingReplicaSet" in kubectl("get", "events"))
    if kubectl.minor >= 26:  # this verb came then
        assert "ScalingReplicaSet" in kubectl("events", "--for", "deployment/web")


def test_a_node_is_cordoned_tainted_and_drained(kubectl: Kubectl) -> None:
    kubectl("cordon", "node-2")
    kubectl.apply(manifests.deployment(replicas=2))
    rolled_out(kubectl)
    where = "jsonpath={.items[*].spec.nodeName}"
    assert kubectl("get", "pods", "-o", where).split() == ["node-1", "node-1"]
    kubectl("uncordon", "node-2")
    kubectl("drain", "node-1", "--timeout=50s", "--pod-selector=app=web")
    rolled_out(kubectl)
    selector = "--field-selector=spec.nodeName=node-2"
    until(lambda: len(kubectl("get", "pods", selector, "-o", "name").split()) == 2)
    kubectl("uncordon", "node-1")
    kubectl("taint", "nodes", "node-1", "k=v:NoSchedule")
    assert "k=v:NoSchedule" in kubectl("describe", "node", "node-1")
    kubectl("taint", "nodes", "node-1", "k-")
