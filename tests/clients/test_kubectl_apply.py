"""kubectl apply: conflicts in its words, pruning, kustomizations, and the diff before."""

import json
from pathlib import Path

import pytest

from tests.clients import manifests
from tests.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl


def written(**objects: str) -> str:
    """Return ConfigMaps of one label as a List."""
    items = [manifests.config_map(name, x=value) for name, value in objects.items()]
    for item in items:
        item["metadata"]["labels"] = {"part": "of"}
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def data(kubectl: Kubectl, name: str = "a") -> dict[str, str]:
    found: dict[str, str] = kubectl.json("get", "cm", name).get("data", {})
    return found


def test_a_conflict_is_told_field_by_field(quick: Kubectl) -> None:
    words = ("apply", "--server-side", "--validate=false", "-f", "-")
    one, other = manifests.config_map(x="1", y="1"), manifests.config_map(x="2", y="2")
    quick(*words, "--field-manager=first", stdin=json.dumps(one))
    told = quick.refused(*words, "--field-manager=second", stdin=json.dumps(other))
    assert told.startswith(
        'error: Apply failed with 2 conflicts: conflicts with "first":\n- .data.x\n- .data.y\n'
    )
    assert data(quick) == {"x": "1", "y": "1"}
    quick(*words, "--field-manager=second", "--force-conflicts", stdin=json.dumps(other))
    managed = quick.json("get", "cm", "a", *_managed(quick))["metadata"]["managedFields"]
    assert [(one["manager"], one["operation"]) for one in managed] == [("second", "Apply")]


def _managed(kubectl: Kubectl) -> tuple[str, ...]:
    return ("--show-managed-fields",) if kubectl.minor >= 21 else ()


def test_what_the_client_applied_is_pruned_by_the_server(quick: Kubectl) -> None:
    quick.apply(manifests.web(replicas=0))
    smaller = manifests.web(replicas=0)
    container = smaller["spec"]["template"]["spec"]["containers"][0]
    del container["env"], container["readinessProbe"]
    quick.apply(smaller, "--server-side", "--force-conflicts")
    if quick.minor < 26:
        return  # it hands nothing over, so that what is left out stays
    found = quick.json("get", "deploy", "web", *_managed(quick))
    left = found["spec"]["template"]["spec"]["containers"][0]
    assert "env" not in left
    assert "readinessProbe" not in left
    managers = {one["manager"] for one in found["metadata"]["managedFields"]}
    assert "kubectl-client-side-apply" not in managers


def test_what_is_no_longer_in_the_files_is_pruned(quick: Kubectl) -> None:
    flag = "--prune-allowlist" if quick.minor >= 26 else "--prune-whitelist"
    words = ("apply", "-f", "-", "--validate=false", "--prune", "-l", "part=of")
    quick(*words, f"{flag}=core/v1/ConfigMap", stdin=written(a="1", b="1"))
    said = quick(*words, f"{flag}=core/v1/ConfigMap", stdin=written(a="2"))
    assert said == "configmap/a configured\nconfigmap/b pruned\n"


def test_an_applyset_prunes_by_its_parent(quick: Kubectl) -> None:
    if quick.minor < 27:
        pytest.skip(f"not of version 1.{quick.minor}")
    words = ("apply", "-f", "-", "--server-side", "--prune", "--applyset=set")
    alpha = {"KUBECTL_APPLYSET": "true"}
    made = quick.run(*words, stdin=written(a="1", b="1"), **alpha)
    assert made.returncode == 0, made.stderr
    changed = quick.run(*words, stdin=written(a="2", c="1"), **alpha)
    assert changed.returncode == 0, changed.stderr
    assert "configmap/b pruned" in changed.stdout
    parent = quick.json("get", "secret", "set")["metadata"]
    assert parent["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap"
    label = parent["labels"]["applyset.kubernetes.io/id"]
    members = quick("get", "cm", "-l", f"applyset.kubernetes.io/part-of={label}", "-o", "name")
    assert members.split() == ["configmap/a", "configmap/c"]


def test_a_kustomization_is_applied_and_deleted(quick: Kubectl, tmp_path: Path) -> None:
    folder = tmp_path / "kustomized"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(
        "resources: [web.yaml]\nnamePrefix: my-\nimages: [{name: sh, newTag: new}]\n"
        "configMapGenerator: [{name: c, literals: [a=b]}]\n"
    )
    (folder / "web.yaml").write_text(json.dumps(manifests.deployment(replicas=0)))
    said = quick("apply", "--validate=false", "-k", str(folder))
    assert "deployment.apps/my-web created" in said
    assert quick("get", "-k", str(folder), "-o", "name").split()[-1] == "deployment.apps/my-web"
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert quick("get", "deploy", "my-web", "-o", image) == "sh:new"
    quick("delete", "-k", str(folder), "--timeout=30s")
    assert quick("get", "deploy", "-o", "name") == ""


def test_a_diff_shows_what_the_server_would_make_of_it(quick: Kubectl) -> None:
    quick.apply(manifests.deployment(replicas=0))
    same = quick.run("diff", "-f", "-", stdin=json.dumps(manifests.deployment(replicas=0)))
    assert (same.returncode, same.stdout) == (0, ""), same.stderr
    other = manifests.deployment(replicas=0)
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "bash"
    differs = quick.run("diff", "-f", "-", stdin=json.dumps(other))
    assert differs.returncode == 1, differs.stderr
    changed = [line.replace(" ", "") for line in differs.stdout.splitlines()[2:]]
    assert [line for line in changed if line[:1] in "+-" and "image" in line] in (
        ["--image:sh", "+-image:bash"], ["-image:sh", "+image:bash"],
    )  # fmt: skip
    assert "+generation:2" in changed
    assert quick("get", "deploy", "web", "-o", "jsonpath={.metadata.generation}") == "1"


def test_a_replacement_by_force_is_another_object(quick: Kubectl) -> None:
    quick.apply(manifests.config_map(x="1"))
    before = quick("get", "cm", "a", "-o", "jsonpath={.metadata.uid}")
    manifest = json.dumps(manifests.config_map(x="2"))
    quick("replace", "--validate=false", "--force", "-f", "-", stdin=manifest)
    assert quick("get", "cm", "a", "-o", "jsonpath={.metadata.uid}") != before
    absent = json.dumps(manifests.config_map("absent"))
    told = quick.refused("replace", "--validate=false", "-f", "-", stdin=absent)
    assert 'configmaps "absent" not found' in told


def test_an_edit_that_is_refused_is_kept_for_the_next_try(quick: Kubectl, tmp_path: Path) -> None:
    quick.apply(manifests.deployment(replicas=0))
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nexec sed -i 's/replicas: 0/replicas: -1/' \"$1\"\n")
    editor.chmod(0o755)
    done = quick.run("edit", "--validate=false", "deploy", "web", EDITOR=str(editor))
    assert done.returncode == 1
    assert 'deployments.apps "web" is invalid' in done.stderr
    kept = Path(done.stderr.partition('stored to "')[2].partition('"')[0])
    assert "# * spec.replicas: Invalid value: -1: must be greater than or" in kept.read_text()
    kept.unlink()
    last = quick("apply", "view-last-applied", "deploy/web", "-o", "json")
    assert json.loads(last)["spec"]["replicas"] == 0
