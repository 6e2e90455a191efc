"""kubectl set, patch, label and what else changes what is there."""

import json

import pytest

from tests.clients import manifests
from tests.clients.conftest import Kubectl, until

pytestmark = pytest.mark.kubectl


@pytest.fixture
def web(quick: Kubectl) -> Kubectl:
    """A Deployment of no Pods."""
    quick.apply(manifests.deployment(replicas=0))
    return quick


def template(kubectl: Kubectl) -> dict[str, object]:
    found: dict[str, object] = kubectl.json("get", "deploy", "web")["spec"]["template"]["spec"]
    return found


def test_labels_and_annotations(web: Kubectl) -> None:
    web("label", "deploy", "web", "a=b")
    assert "'a' already has a value (b), and --overwrite is false" in web.refused(
        "label", "deploy", "web", "a=c"
    )
    web("label", "deploy", "web", "a=c", "--overwrite")
    web("annotate", "deploy", "--all", "n=1")
    assert web("get", "deploy", "-l", "a=c", "-o", "name") == "deployment.apps/web\n"
    bad = web.refused("label", "deploy", "web", "bad_key!=x")
    assert "bad_key!" in bad
    web("label", "deploy", "web", "a-")
    metadata = web.json("get", "deploy", "web")["metadata"]
    assert (metadata["labels"], metadata["annotations"]["n"]) == ({"app": "web"}, "1")


def test_set_changes_a_template(web: Kubectl) -> None:
    web("set", "image", "deploy/web", "c=other")
    web("set", "env", "deploy/web", "A=b")
    web("set", "resources", "deploy", "web", "--limits=cpu=200m,memory=64Mi")
    web("set", "serviceaccount", "deploy", "web", "sa")
    spec = template(web)
    [container] = spec["containers"]
    assert container["image"] == "other"
    assert container["env"] == [{"name": "A", "value": "b"}]
    assert container["resources"] == {"limits": {"cpu": "200m", "memory": "64Mi"}}
    assert spec["serviceAccountName"] == "sa"
    assert "unable to find container named" in web.refused("set", "image", "deploy/web", "no=x")
    web("expose", "deploy", "web", "--port=80")
    web("set", "selector", "svc", "web", "app=z")
    assert web("get", "svc", "web", "-o", "jsonpath={.spec.selector.app}") == "z"
    web("create", "rolebinding", "rb", "--role=r", "--user=u")
    web("set", "subject", "rolebinding", "rb", "--user=v")
    names = "jsonpath={.subjects[*].name}"
    assert web("get", "rolebinding", "rb", "-o", names).split() == ["u", "v"]


def test_a_subresource_is_read_and_patched(web: Kubectl) -> None:
    if web.minor < 24:
        pytest.skip(f"not of version 1.{web.minor}")
    web("patch", "deploy", "web", "--subresource=scale", "--type=merge",
        "-p", '{"spec":{"replicas":2}}')  # fmt: skip
    assert web("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "2"
    shown = web("get", "deploy", "web", "--subresource=scale").split()
    assert shown[:6] == ["NAME", "DESIRED", "AVAILABLE", "AGE", "web", "2"]
    web("create", "configmap", "c")
    none = web.refused("patch", "cm", "c", "--subresource=status", "-p", "{}")
    assert "the server could not find the requested resource" in none


def test_a_patch_that_cannot_be_is_told(web: Kubectl) -> None:
    words = ("patch", "deploy", "web")
    low = web.refused(*words, "--type=merge", "-p", '{"spec":{"replicas":-1}}')
    assert low == (
        'The Deployment "web" is invalid: spec.replicas: Invalid value: -1: '
        "must be greater than or equal to 0\n"
    )
    path = '[{"op":"replace","path":"/spec/nope/x","value":4}]'
    assert "The request is invalid" in web.refused(*words, "--type=json", "-p", path)
    same = web(*words, "-p", '{"spec":{"minReadySeconds":0}}')
    assert same == "deployment.apps/web patched (no change)\n"
    assert "nil" not in web("patch", "deploy", "web", "-p", '{"spec":{"paused":true}}')


def test_an_autoscaler_is_made_by_its_older_version(web: Kubectl) -> None:
    web("autoscale", "deploy", "web", "--min=1", "--max=3", "--cpu-percent=80")
    shown = web("get", "hpa", "web")
    assert "Deployment/web" in shown
    assert "<unknown>/80%" in shown
    assert "80%" in web("describe", "hpa", "web")


def test_a_pod_is_run_waited_for_and_taken_away(quick: Kubectl) -> None:
    quick("run", "p", "--image=i", "--labels=a=b", "--env=A=b", "--port=80", "--expose")
    quick("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    assert quick("get", "svc", "p", "-o", "jsonpath={.spec.selector.a}") == "b"
    quick("set", "image", "pod/p", "p=j")
    fixed = quick.refused(
        "patch", "pod", "p", "-p", '{"spec":{"containers":[{"name":"p","command":["x"]}]}}'
    )
    assert "pod updates may not change fields other than" in fixed
    late = quick.refused("wait", "pod/p", "--for=condition=Nope", "--timeout=1s")
    assert "timed out waiting for the condition" in late
    if quick.minor >= 23:
        quick("wait", "pod/p", "--for=jsonpath={.status.phase}=Running", "--timeout=30s")
    quick("delete", "pod", "p", "--grace-period=0", "--force")
    quick.run("wait", "pod/p", "--for=delete", "--timeout=30s")
    until(lambda: quick("get", "pods", "-o", "name") == "")


def test_a_wait_for_what_is_yet_to_come(quick: Kubectl) -> None:
    if quick.minor < 31:
        pytest.skip(f"not of version 1.{quick.minor}")
    never = quick.refused("wait", "cm/c", "--for=create", "--timeout=1s")
    assert "timed out waiting for the condition" in never
    quick("create", "configmap", "c")
    quick("wait", "cm/c", "--for=create", "--timeout=30s")


def test_deletion_in_its_ways(web: Kubectl) -> None:
    web("scale", "deploy", "web", "--replicas=1")
    until(lambda: web("get", "rs", "-o", "jsonpath={.items[*].status.readyReplicas}") == "1")
    web("delete", "deploy", "web", "--cascade=orphan")
    assert len(web("get", "rs,pods", "-o", "name").split()) == 2
    web("delete", "rs", "--all", "--cascade=foreground", "--timeout=30s")
    until(lambda: web("get", "pods", "-o", "name") == "")
    assert 'deployments.apps "absent" not found' in web.refused("delete", "deploy", "absent")
    assert web("delete", "deploy", "absent", "--ignore-not-found") == ""
    two = [manifests.config_map(name) for name in ("a", "b")]
    files = json.dumps({"apiVersion": "v1", "kind": "List", "items": two})
    web("create", "--validate=false", "-f", "-", stdin=files)
    gone = web("delete", "-f", "-", "--wait=false", stdin=files).splitlines()
    assert [line.split()[:3] for line in gone] == [
        ["configmap", '"a"', "deleted"], ["configmap", '"b"', "deleted"],
    ]  # fmt: skip
