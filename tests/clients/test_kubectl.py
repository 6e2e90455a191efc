"""kubectl, unmodified, through the verbs that people use every day."""

import json
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl

SERVER = "import http.server, os; http.server.HTTPServer((os.environ['POD_IP'], 8000), http.server.SimpleHTTPRequestHandler).serve_forever()"


def deployment(replicas: int = 1, mark: str = "one") -> str:
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {
                        "terminationGracePeriodSeconds": 1,
                        "containers": [
                            {
                                "name": "web",
                                "image": "python",
                                "command": [sys.executable, "-c", SERVER],
                                "env": [
                                    {"name": "MARK", "value": mark},
                                    {
                                        "name": "POD_IP",
                                        "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
                                    },
                                ],
                                "ports": [{"containerPort": 8000}],
                                "readinessProbe": {"httpGet": {"port": 8000}, "periodSeconds": 1},
                            }
                        ],
                    },
                },
            },
        }
    )


def apply(kubectl: Kubectl, manifest: str, *more: str) -> str:
    return kubectl("apply", "--validate=false", *more, "-f", "-", stdin=manifest)


def test_create_get_and_delete(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a", "--from-literal=x=y")
    kubectl("create", "secret", "generic", "b", "--from-literal=p=q")
    kubectl("create", "serviceaccount", "c")
    assert kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "y"
    assert kubectl("get", "secret", "b", "-o", "jsonpath={.data.p}") == "cQ=="
    assert "a" in kubectl("get", "configmaps")
    kubectl("delete", "configmap", "a")
    gone = kubectl.run("get", "configmap", "a")
    assert (gone.returncode, "NotFound" in gone.stderr) == (1, True)


def test_apply_creates_then_configures_then_leaves_alone(kubectl: Kubectl) -> None:
    manifest = '{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{}}}'
    assert "created" in apply(kubectl, manifest.format('{"x":"1","y":"1"}'))
    assert "configured" in apply(kubectl, manifest.format('{"x":"2"}'))
    assert "unchanged" in apply(kubectl, manifest.format('{"x":"2"}'))
    assert json.loads(kubectl("get", "cm", "a", "-o", "json"))["data"] == {"x": "2"}


def test_server_side_apply_finds_conflicts(kubectl: Kubectl) -> None:
    manifest = (
        '{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{{"x":"{}"}}}}'
    )
    apply(kubectl, manifest.format(1), "--server-side", "--field-manager=first")
    other = ("apply", "--validate=false", "--server-side", "--field-manager=second", "-f", "-")
    refused = kubectl.run(*other, stdin=manifest.format(2))
    assert refused.returncode == 1
    assert 'conflict with "first"' in refused.stderr
    kubectl(*other, "--force-conflicts", stdin=manifest.format(2))
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.x}") == "2"


def test_patches_of_three_kinds(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a", "--from-literal=x=y")
    kubectl("patch", "cm", "a", "--type=merge", "-p", '{"data":{"m":"1"}}')
    kubectl("patch", "cm", "a", "--type=json", "-p", '[{"op":"add","path":"/data/j","value":"2"}]')
    kubectl("patch", "cm", "a", "-p", '{"data":{"s":"3"}}')
    kubectl("label", "cm", "a", "l=1")
    kubectl("annotate", "cm", "a", "n=1")
    found = json.loads(kubectl("get", "cm", "a", "-o", "json"))
    assert found["data"] == {"x": "y", "m": "1", "j": "2", "s": "3"}
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]) == (
        {"l": "1"},
        {"n": "1"},
    )


def test_a_deployment_rolls_out_restarts_and_is_undone(kubectl: Kubectl) -> None:
    apply(kubectl, deployment())
    assert "successfully rolled out" in kubectl(
        "rollout", "status", "deployment/web", "--timeout=50s"
    )
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    kubectl("set", "env", "deployment/web", "MARK=two")
    kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    history = kubectl("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == [
        "1",
        "2",
        "3",
    ]
    kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    path = "jsonpath={.spec.template.spec.containers[0].env[?(@.name=='MARK')].value}"
    assert kubectl("get", "deployment", "web", "-o", path) == "one"


def test_a_deployment_is_scaled(kubectl: Kubectl) -> None:
    apply(kubectl, deployment())
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=50s")
    names = kubectl("get", "pods", "-l", "app=web", "-o", "name").split()
    assert len(names) == 3
    kubectl("scale", "deployment/web", "--replicas=0")
    kubectl("wait", *names, "--for=delete", "--timeout=50s")


def test_wait_describe_and_logs(kubectl: Kubectl) -> None:
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once"},
        "spec": {"restartPolicy": "Never", "containers": [
            {"name": "c", "image": "x", "command": ["/bin/sh", "-c", "echo first; echo second"]}]},
    }  # fmt: skip
    apply(kubectl, json.dumps(pod))
    kubectl("wait", "pod/once", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    assert kubectl("logs", "once") == "first\nsecond\n"
    assert kubectl("logs", "once", "--tail=1") == "second\n"
    described = kubectl("describe", "pod", "once")
    assert "Succeeded" in described
    assert "Started" in described  # an event of the node's
    assert "Completed" in kubectl("get", "pods")


def test_expose_makes_a_service_with_endpoints(kubectl: Kubectl) -> None:
    apply(kubectl, deployment())
    kubectl("expose", "deployment", "web", "--port=80", "--target-port=8000")
    kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    slices = json.loads(
        kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "json")
    )["items"]
    (endpoint,) = slices[0]["endpoints"]
    address = kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}")
    assert endpoint["addresses"] == [address]
    assert endpoint["conditions"]["ready"] is True
    assert "80/TCP" in kubectl("get", "service", "web")


def test_a_definition_makes_a_kind(kubectl: Kubectl) -> None:
    group = f"{kubectl.namespace[:20].strip('-')}.example.com"
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing", "shortNames": ["th"]},
            "versions": [{
                "name": "v1", "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}},
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            }],
        },
    }  # fmt: skip
    apply(kubectl, json.dumps(definition))
    kubectl("wait", f"crd/things.{group}", "--for=condition=Established", "--timeout=20s")
    thing = {
        "apiVersion": f"{group}/v1",
        "kind": "Thing",
        "metadata": {"name": "t"},
        "spec": {"size": 3},
    }
    apply(kubectl, json.dumps(thing))
    table = kubectl("get", f"things.{group}")
    assert table.split() == ["NAME", "SIZE", "t", "3"]
    kubectl("delete", "crd", f"things.{group}")
    assert kubectl.run("get", f"things.{group}").returncode == 1


def test_edit_replace_and_diff(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "configmap", "a", "--from-literal=x=y")
    found = json.loads(kubectl("get", "cm", "a", "-o", "json"))
    found["data"] = {"x": "z"}
    kubectl("replace", "--validate=false", "-f", "-", stdin=json.dumps(found))
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.x}") == "z"
    stale = kubectl.run("replace", "--validate=false", "-f", "-", stdin=json.dumps(found))
    assert stale.returncode == 1
    assert "the object has been modified" in stale.stderr


def test_a_namespace_takes_everything_with_it(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace[:40]}-gone"
    kubectl("create", "namespace", name)
    kubectl("-n", name, "create", "configmap", "a")
    apply(kubectl, deployment(), "-n", name)
    kubectl("delete", "namespace", name, "--timeout=50s")
    assert kubectl.run("get", "namespace", name).returncode == 1


def test_what_is_not_served_says_so(kubectl: Kubectl) -> None:
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "x", "command": ["/bin/sleep", "600"]}]},
    }  # fmt: skip
    apply(kubectl, json.dumps(pod))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    refused = kubectl.run("exec", "p", "--", "true")
    assert refused.returncode != 0
    assert (
        "not served" in refused.stderr or "NotServed" in refused.stderr or "exec" in refused.stderr
    )


def test_events_are_listed(kubectl: Kubectl) -> None:
    apply(kubectl, deployment())
    kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    assert "ScalingReplicaSet" in kubectl("get", "events")


def test_bad_input_is_told_as_kubernetes_tells_it(kubectl: Kubectl) -> None:
    bad = json.loads(deployment())
    bad["spec"]["selector"]["matchLabels"] = {"app": "other"}
    refused = kubectl.run("apply", "--validate=false", "-f", "-", stdin=json.dumps(bad))
    assert refused.returncode == 1
    assert "`selector` does not match template `labels`" in refused.stderr
    assert kubectl.run("get", "deployment", "web").returncode == 1
