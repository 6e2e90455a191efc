"""kubectl, unmodified: objects are made, read, changed and taken away."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.clients import manifests
from tests.clients.conftest import Kubectl, until

pytestmark = pytest.mark.kubectl

# Every namespace has the cluster's root certificate; these tests look at what they made.
OWN = "--field-selector=metadata.name!=kube-root-ca.crt"


def test_create_get_and_delete(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a", "--from-literal=x=y")
    kubectl("create", "secret", "generic", "b", "--from-literal=p=q")
    kubectl("create", "serviceaccount", "c")
    kubectl("create", "service", "clusterip", "d", "--tcp=80:8080")
    assert kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "y"
    assert kubectl("get", "secret", "b", "-o", "jsonpath={.data.p}") == "cQ=="
    assert "80/TCP" in kubectl("get", "service", "d")
    assert kubectl("get", "cm,secret,sa", OWN, "-o", "name").split() == [
        "configmap/a",
        "secret/b",
        "serviceaccount/c",
        "serviceaccount/default",
    ]
    kubectl("delete", "configmap", "a")
    gone = kubectl.run("get", "configmap", "a")
    assert gone.returncode == 1
    assert gone.stderr == 'Error from server (NotFound): configmaps "a" not found\n'
    again = kubectl.run("create", "secret", "generic", "b")
    assert 'secrets "b" already exists' in again.stderr


def test_apply_creates_then_configures_then_leaves_alone(kubectl: Kubectl) -> None:
    assert "created" in kubectl.apply(manifests.config_map(x="1", y="1"))
    assert "configured" in kubectl.apply(manifests.config_map(x="2"))
    version = kubectl("get", "cm", "a", "-o", "jsonpath={.metadata.resourceVersion}")
    assert "unchanged" in kubectl.apply(manifests.config_map(x="2"))
    found = kubectl.json("get", "cm", "a")
    assert (found["data"], found["metadata"]["resourceVersion"]) == ({"x": "2"}, version)
    assert '"x":"2"' in kubectl("apply", "view-last-applied", "cm/a", "-o", "json").replace(" ", "")


def test_server_side_apply_finds_conflicts(kubectl: Kubectl) -> None:
    kubectl.apply(manifests.config_map(x="1"), "--server-side", "--field-manager=first")
    words = ("apply", "--server-side", "--field-manager=second", "-f", "-")
    other = json.dumps(manifests.config_map(x="2"))
    refused = kubectl.run(*words, stdin=other)
    assert refused.returncode == 1
    assert 'conflict with "first"' in refused.stderr
    kubectl(*words, "--force-conflicts", stdin=other)
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.x}") == "2"


def test_what_was_applied_by_the_client_is_taken_over_by_the_server(kubectl: Kubectl) -> None:
    kubectl.apply(manifests.config_map(x="1", y="1"))
    kubectl.apply(manifests.config_map(x="2"), "--server-side", "--force-conflicts")
    found = kubectl.json("get", "cm", "a")
    # Older kubectls do not hand over what they own, so what is left out stays.
    assert found["data"] == ({"x": "2"} if kubectl.minor >= 26 else {"x": "2", "y": "1"})


def test_patches_of_three_kinds(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a", "--from-literal=x=y")
    kubectl("patch", "cm", "a", "--type=merge", "-p", '{"data":{"m":"1"}}')
    kubectl("patch", "cm", "a", "--type=json", "-p", '[{"op":"add","path":"/data/j","value":"2"}]')
    kubectl("patch", "cm", "a", "-p", '{"data":{"s":"3"}}')
    kubectl("label", "cm", "a", "l=1")
    kubectl("annotate", "cm", "a", "n=1")
    found = kubectl.json("get", "cm", "a")
    assert found["data"] == {"x": "y", "m": "1", "j": "2", "s": "3"}
    assert found["metadata"]["labels"] == {"l": "1"}
    assert found["metadata"]["annotations"] == {"n": "1"}
    kubectl("label", "cm", "a", "l-")
    assert "labels" not in kubectl.json("get", "cm", "a")["metadata"]


def test_a_definition_makes_a_kind(kubectl: Kubectl) -> None:
    group = f"{kubectl.namespace}.example.com"
    kubectl.apply(manifests.definition(group))
    kubectl("wait", f"crd/things.{group}", "--for=condition=Established", "--timeout=20s")
    kubectl.apply(manifests.thing(group, size=3))
    assert kubectl("get", f"things.{group}").split() == ["NAME", "SIZE", "t", "3"]
    kubectl("scale", f"things.{group}/t", "--replicas=5")
    assert kubectl("get", f"things.{group}", "t", "-o", "jsonpath={.spec.size}") == "5"
    refused = kubectl.run(
        "patch", f"things.{group}", "t", "--type=merge", "-p", '{"spec":{"size":-1}}'
    )
    assert "spec.size in body should be greater than or equal to 0" in refused.stderr
    if kubectl.minor >= 24:  # this flag came then
        kubectl("patch", f"things.{group}", "t", "--type=merge", "--subresource=status",
                "-p", '{"status":{"size":5}}')  # fmt: skip
        assert kubectl.json("get", f"things.{group}", "t")["status"] == {"size": 5}
    explained = kubectl("explain", "things.spec", f"--api-version={group}/v1")
    assert {"size", "text"} <= set(explained.split())
    # Refused by the server, or by kubectl itself as the definition has it.
    odd = json.dumps(manifests.thing(group, "odd", size=1, nonsense=1))
    assert "nonsense" in kubectl.run("create", "-f", "-", stdin=odd).stderr
    kubectl("delete", "crd", f"things.{group}")
    assert kubectl.run("get", f"things.{group}").returncode == 1


def test_edit_replace_and_diff(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "configmap", "a", "--from-literal=x=y")
    found = kubectl.json("get", "cm", "a")
    found["data"] = {"x": "z"}
    kubectl("replace", "-f", "-", stdin=json.dumps(found))
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.x}") == "z"
    stale = kubectl.run("replace", "-f", "-", stdin=json.dumps(found))
    assert stale.returncode == 1
    assert "the object has been modified" in stale.stderr
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nexec sed -i 's/x: z/x: edited/' \"$1\"\n")
    editor.chmod(0o755)
    edited = kubectl.run("edit", "cm", "a", EDITOR=str(editor))
    assert edited.returncode == 0, edited.stderr
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.x}") == "edited"
    differs = kubectl.run("diff", "-f", "-", stdin=json.dumps(manifests.config_map(x="new")))
    assert differs.returncode == 1, differs.stderr
    assert "-  x: edited" in differs.stdout
    assert "+  x: new" in differs.stdout
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.x}") == "edited"


def test_what_is_no_longer_in_a_set_is_pruned(kubectl: Kubectl) -> None:
    if kubectl.minor < 27:  # sets of applied objects came then
        pytest.skip("not run: this kubectl knows no sets")
    one, two = manifests.config_map("one", x="1"), manifests.config_map("two", x="1")
    for objects in ([one, two], [one]):
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        words = ("apply", "--prune", "--applyset=set", "-f", "-")
        done = kubectl.run(*words, stdin=listed, KUBECTL_APPLYSET="true")
        assert done.returncode == 0, done.stderr
    assert "configmap/two pruned" in done.stdout
    found = kubectl("get", "cm", "-l", "applyset.kubernetes.io/part-of", "-o", "name").split()
    assert found == ["configmap/one"]


def test_a_watch_shows_what_comes(kubectl: Kubectl) -> None:
    words = kubectl.command("get", "configmaps", OWN, "--watch", "--output=name")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env=kubectl.environment()
    ) as watching:
        assert watching.stdout is not None
        try:
            kubectl("create", "configmap", "a")
            assert watching.stdout.readline() == "configmap/a\n"
            kubectl("label", "configmap", "a", "l=1")
            assert watching.stdout.readline() == "configmap/a\n"
        finally:
            watching.kill()


def test_lists_are_selected_sorted_and_put_in_columns(kubectl: Kubectl) -> None:
    for name, size in (("b", "1"), ("a", "2"), ("c", "0")):
        kubectl("create", "configmap", name, f"--from-literal=size={size}")
        kubectl("label", "configmap", name, f"even={int(size) % 2 == 0}")
    even = kubectl("get", "cm", "-l", "even=True", "-o", "name").split()
    assert even == ["configmap/a", "configmap/c"]
    assert kubectl("get", "cm", "--field-selector=metadata.name=b", "-o", "name").split() == [
        "configmap/b"
    ]
    columns = "custom-columns=N:.metadata.name,S:.data.size"
    rows = kubectl("get", "cm", OWN, "-o", columns, "--sort-by=.data.size").split()
    assert rows == ["N", "S", "c", "0", "b", "1", "a", "2"]
    assert kubectl("get", "cm", "--chunk-size=1", "-L", "even").split()[:4] == [
        "NAME", "DATA", "AGE", "EVEN",
    ]  # fmt: skip
    kubectl("delete", "cm", "--all")
    assert kubectl("get", "cm", OWN, "-o", "name") == ""


def test_a_dry_run_of_the_server_stores_nothing(kubectl: Kubectl) -> None:
    done = kubectl("create", "configmap", "a", "--dry-run=server", "-o", "name")
    assert done == "configmap/a\n"
    assert kubectl("get", "cm", OWN, "-o", "name") == ""


def test_owners_are_deleted_with_or_without_their_dependents(kubectl: Kubectl) -> None:
    for name, cascade in (("goes", "--cascade=foreground"), ("stays", "--cascade=orphan")):
        kubectl.apply(manifests.config_map(name))
        uid = kubectl("get", "cm", name, "-o", "jsonpath={.metadata.uid}")
        child = manifests.config_map(f"{name}-child")
        child["metadata"]["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}
        ]
        kubectl.apply(child)
        kubectl("delete", "cm", name, cascade)
    until(lambda: kubectl("get", "cm", OWN, "-o", "name").split() == ["configmap/stays-child"])
    assert "ownerReferences" not in kubectl.json("get", "cm", "stays-child")["metadata"]


def test_a_namespace_takes_everything_with_it(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-gone"
    kubectl("create", "namespace", name)
    kubectl("create", "configmap", "a", f"--namespace={name}")
    kubectl.apply(manifests.deployment(), f"--namespace={name}")
    kubectl("delete", "namespace", name, "--timeout=50s")
    assert kubectl.run("get", "namespace", name).returncode == 1


def test_the_server_says_what_it_serves(kubectl: Kubectl) -> None:
    served = kubectl("api-resources", "--verbs=list", "-o", "name").split()
    assert {"pods", "deployments.apps", "customresourcedefinitions.apiextensions.k8s.io"} <= set(
        served
    )
    assert {"v1", "apps/v1"} <= set(kubectl("api-versions").split())
    assert kubectl.json("version")["serverVersion"]["major"] == "1"
    assert "https://127.0.0.1:" in kubectl("cluster-info")
    assert kubectl("get", "--raw", "/readyz") == "ok"
    explained = kubectl("explain", "deployment.spec.strategy")
    # Before 1.27 kubectl explained by /openapi/v2, and named no types.
    kind = "RollingUpdateDeployment" if kubectl.minor >= 27 else "Object"
    assert f"rollingUpdate\t<{kind}>" in explained


def test_a_field_is_explained_with_all_that_is_below_it(kubectl: Kubectl) -> None:
    explained = kubectl("explain", "cronjob.spec.jobTemplate.spec.template.spec", "--recursive")
    assert {"containers", "containerPort", "initContainers"} <= set(explained.split())
    if kubectl.minor >= 27:
        assert "containerPort\t<integer> -required-" in explained
        words = ("explain", "pod.spec.containers.ports", "--output=plaintext-openapiv2")
        assert "containerPort\t<integer> -required-" in kubectl(*words)


def test_what_is_not_served_says_so(kubectl: Kubectl) -> None:
    kubectl.apply(manifests.pod("p", "exec sleep 600"))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    for words in (("exec", "p", "--", "true"), ("attach", "p"), ("port-forward", "p", "1:2")):
        refused = kubectl.run(*words)
        assert refused.returncode != 0
        assert "is not served by this server" in refused.stderr
    assert "Metrics API not available" in kubectl.run("top", "pods").stderr
    unknown = kubectl.run("get", "nonsense")
    assert unknown.stderr == 'error: the server doesn\'t have a resource type "nonsense"\n'


def test_bad_input_is_told_as_kubernetes_tells_it(kubectl: Kubectl) -> None:
    bad = manifests.deployment()
    bad["spec"]["selector"]["matchLabels"] = {"app": "other"}
    refused = kubectl.run("apply", "-f", "-", stdin=json.dumps(bad))
    assert refused.returncode == 1
    assert "`selector` does not match template `labels`" in refused.stderr
    assert kubectl.run("get", "deployment", "web").returncode == 1


def test_unknown_fields_are_refused_where_they_are_checked(kubectl: Kubectl) -> None:
    bad = json.dumps({**manifests.config_map(), "nonsense": 1})
    refused = kubectl.run("create", "-f", "-", stdin=bad)
    assert refused.returncode == 1
    if kubectl.reads_v3:
        assert 'strict decoding error: unknown field "nonsense"' in refused.stderr
        warned = kubectl.run("create", "--validate=warn", "-f", "-", stdin=bad)
        assert warned.returncode == 0
        assert 'Warning: unknown field "nonsense"' in warned.stderr
        assert "nonsense" not in kubectl.json("get", "cm", "a")
