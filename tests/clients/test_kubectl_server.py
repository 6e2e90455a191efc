"""kubectl's questions to the server itself: who am I, what may I, what is there."""

import base64
import json
import subprocess

import pytest

from tests.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl


def test_who_one_is_and_what_one_may(quick: Kubectl) -> None:
    assert quick("auth", "can-i", "create", "pods") == "yes\n"
    assert "*.*" in quick("auth", "can-i", "--list")
    unknown = quick.run("auth", "can-i", "fly", "nonsense")
    assert unknown.stdout == "yes\n"
    assert "the server doesn't have a resource type 'nonsense'" in unknown.stderr
    if quick.minor >= 28:
        assert "system:masters" in quick("auth", "whoami")


def test_roles_are_reconciled(quick: Kubectl) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "r", "namespace": quick.namespace}, "rules": rules,
    }  # fmt: skip
    assert "reconciled" in quick("auth", "reconcile", "-f", "-", stdin=json.dumps(role))
    role["rules"] = [{**rules[0], "verbs": ["list"]}]
    quick("auth", "reconcile", "-f", "-", stdin=json.dumps(role))
    verbs = quick("get", "role", "r", "-o", "jsonpath={.rules[*].verbs}")
    assert verbs == '["get"] ["list"]'


def test_what_is_served(quick: Kubectl) -> None:
    wide = quick("api-resources", "--namespaced=false", "-o", "wide")
    assert ("nodes", "no", "v1", "false", "Node") in [
        tuple(line.split()[:5]) for line in wide.splitlines()
    ]
    apps = quick("api-resources", "--api-group=apps", "-o", "name", "--sort-by=name").split()
    assert apps == [
        "controllerrevisions.apps", "daemonsets.apps", "deployments.apps", "replicasets.apps",
        "statefulsets.apps",
    ]  # fmt: skip
    assert "batch/v1" in quick("api-versions").split()
    assert json.loads(quick("get", "--raw", "/version"))["major"] == "1"
    assert "is running at" in quick("cluster-info")


def test_fields_are_explained(quick: Kubectl) -> None:
    told = quick("explain", "deployment.spec.strategy")
    assert "rollingUpdate" in told
    assert "Deployment" in told
    assert "nope" in quick.refused("explain", "deployment.spec.nope")
    assert "containers" in quick("explain", "pods.spec", "--recursive")


def test_a_certificate_is_approved_and_another_denied(quick: Kubectl) -> None:
    key = ("openssl", "req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", "/dev/null")
    try:
        asked = subprocess.run((*key, "-subj", "/CN=x"), capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("not run: openssl is not installed")
    names = [f"{quick.namespace}-{what}" for what in ("yes", "no")]
    for name in names:
        csr = {
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {
                "request": base64.b64encode(asked).decode(), "signerName": "example.com/s",
                "usages": ["client auth"],
            },
        }  # fmt: skip
        quick("create", "--validate=false", "-f", "-", stdin=json.dumps(csr))
    assert "Pending" in quick("get", "csr", names[0])
    assert "approved" in quick("certificate", "approve", names[0])
    assert "denied" in quick("certificate", "deny", names[1])
    assert "Approved" in quick("get", "csr", names[0])
    assert "Denied" in quick("get", "csr", names[1])
    quick("delete", "csr", *names)


def test_measurements_are_not_there(quick: Kubectl) -> None:
    for what in ("pods", "nodes"):
        told = quick.refused("top", what)
        assert "Metrics API not available" in told
