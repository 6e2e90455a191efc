"""kubectl, from version to proxy.

Source: kubernetes test/e2e/kubectl/kubectl.go.
"""

import http.client
import json
import re
import socket

import pytest

from tests.conformance.kit import conformance

FAMILY = "[sig-cli] Kubectl client "
pytestmark = pytest.mark.kubectl

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: httpd-deployment
spec:
  replicas: 1
  selector: {matchLabels: {app: httpd}}
  template:
    metadata: {labels: {app: httpd}}
    spec: {containers: [{name: httpd, image: "example.com/agnhost:2.52"}]}
"""


@conformance(
    f"{FAMILY}Kubectl api-versions should check if v1 is in available api versions [Conformance]"
)
def test_v1_is_among_the_versions(kubectl):
    assert "v1" in kubectl("api-versions").splitlines()


@conformance(
    f"{FAMILY}Kubectl cluster-info should check if Kubernetes control plane services is included "
    "in cluster-info [Conformance]"
)
def test_the_control_plane_is_in_the_information(kubectl, api):
    # It may be coloured.
    output = re.sub(r"\x1b\[[0-9;]*m", "", kubectl("cluster-info"))
    assert f"Kubernetes control plane is running at https://127.0.0.1:{api.port}" in output


@conformance(f"{FAMILY}Kubectl version should check is all data is printed [Conformance]")
def test_both_versions_are_told(kubectl):
    output = kubectl("version")
    for whose in ("Client Version: ", "Server Version: "):
        old = r'version.Info\{Major:"\d", Minor:"\d+\+?", GitVersion:"v\d\.\d+\.[\w\-.+]+"'
        assert re.search(f"{whose}({old}|" + r"v\d\.\d+\.[\w\-.+]+)", output), output


@conformance(
    f"{FAMILY}Kubectl diff should check if kubectl diff finds a difference for Deployments "
    "[Conformance]"
)
def test_a_different_image_is_a_difference(kubectl):
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    changed = DEPLOYMENT.replace("agnhost:2.52", "busybox:1.37")
    done = kubectl.run("diff", "-f", "-", stdin=changed)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert any(one.startswith("-") and "example.com/agnhost:2.52" in one for one in lines)
    assert any(one.startswith("+") and "example.com/busybox:1.37" in one for one in lines)
    kubectl("delete", "-f", "-", stdin=DEPLOYMENT)


@conformance(
    f"{FAMILY}Kubectl server-side dry-run should check if kubectl can dry-run update Pods "
    "[Conformance]"
)
def test_a_dry_run_changes_nothing(kubectl, api, namespace):
    name = "agnhost-pod"
    kubectl("run", name, "--image=example.com/agnhost:2.53", f"--labels=run={name}")
    pods = api.of("v1", "Pod", namespace)
    assert pods.names(labelSelector=f"run={name}") == [name]
    patch = {"spec": {"containers": [{"name": name, "image": "example.com/busybox:1.37"}]}}
    kubectl("patch", "pod", name, "-p", json.dumps(patch), "--dry-run=server")
    (container,) = pods.get(name)["spec"]["containers"]
    assert container["image"] == "example.com/agnhost:2.53"
    kubectl("delete", "pods", name, "--grace-period=0", "--force")


@conformance(f"{FAMILY}Proxy server should support proxy with --port 0 [Conformance]")
def test_a_proxy_serves_on_a_port_of_its_choice(kubectl):
    with kubectl.proxy("-p", "0", "--disable-filter") as proxy:
        check_versions(http.client.HTTPConnection("127.0.0.1", proxy.port(), timeout=10))


@conformance(f"{FAMILY}Proxy server should support --unix-socket=/path [Conformance]")
def test_a_proxy_serves_on_a_socket_in_the_file_system(kubectl, tmp_path):
    path = str(tmp_path / "proxy")
    with kubectl.proxy(f"--unix-socket={path}") as proxy:
        assert path in proxy.said()
        connection = http.client.HTTPConnection("unused", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        check_versions(connection)


def check_versions(connection):
    """See at least one version of the API through a connection."""
    try:
        connection.request("GET", "/api/", headers={"Host": "localhost"})
        assert json.loads(connection.getresponse().read())["versions"]
    finally:
        connection.close()
