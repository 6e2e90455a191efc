"""Endpoints follow the slices, and go with their Service."""

from arubeki.check.local import LocalCluster

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: web}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8000}]}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {l: "1"}}
spec: {selector: {app: web}, ports: [{name: p, port: 80, targetPort: http}]}
"""


def test_ready_pods_are_listed_by_port(cluster: LocalCluster) -> None:
    cluster.apply(POD % "one" + "---" + POD % "two" + "---" + SERVICE)
    cluster.settle()
    endpoints = cluster.get("endpoints/web")
    (subset,) = endpoints.subsets
    pods = sorted(pod.status.podIP for pod in cluster.list("pods"))
    assert [one.ip for one in subset.addresses] == pods
    assert [(port.name, port.port, port.protocol) for port in subset.ports] == [("p", 8000, "TCP")]
    assert not subset.notReadyAddresses
    assert endpoints.labels["l"] == "1"


def test_a_pod_that_is_not_ready_is_listed_apart(cluster: LocalCluster) -> None:
    gated = POD.replace("spec: {", "spec: {readinessGates: [{conditionType: example.com/x}], ")
    cluster.apply(gated % "one" + "---" + SERVICE)
    cluster.settle()
    (subset,) = cluster.get("endpoints/web").subsets
    assert len(subset.notReadyAddresses) == 1
    assert not subset.addresses


def test_they_go_with_the_service_and_with_the_pods(cluster: LocalCluster) -> None:
    cluster.apply(POD % "one" + "---" + SERVICE)
    cluster.settle()
    cluster.delete("pod/one")
    cluster.wait(lambda: not cluster.get("endpoints/web").subsets)
    cluster.delete("service/web")
    cluster.wait(lambda: not cluster.exists("endpoints/web"))


def test_those_of_others_are_left_alone(cluster: LocalCluster) -> None:
    cluster.apply(SERVICE.replace("selector: {app: web}, ", ""))
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "web"},
            "subsets": [{"addresses": [{"ip": "127.9.9.9"}], "ports": [{"port": 1}]}],
        }
    )
    cluster.settle()
    assert cluster.get("endpoints/web").subsets[0].addresses[0].ip == "127.9.9.9"
    cluster.delete("service/web")
    cluster.settle()
    assert cluster.exists("endpoints/web")
