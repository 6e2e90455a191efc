"""`apply` and `delete` against a cluster; where there is kubectl, beside it."""

import json

import pytest
import yaml

from arubeki.cli.apply import outcome
from arubeki.kinds import core_v1 as core
from tests.cli.kit import CONFIG_MAP, CUSTOM, DEPLOYMENT, TWO_CONTAINERS, running

# apply


def test_apply_says_what_became_of_each_object(shell):
    path = shell.manifest(CONFIG_MAP % ("a", "x") + "---\n" + DEPLOYMENT)
    created = "configmap/a created\ndeployment.apps/web created\nservice/web created\n"
    assert shell("apply", "-f", path) == created
    assert shell("apply", "-f", path) == created.replace("created", "unchanged")
    path.write_text(path.read_text().replace("replicas: 2", "replicas: 1"))
    trial = shell("apply", "-f", path, "--dry-run=server").splitlines()
    assert trial == [
        "configmap/a unchanged (server dry run)",
        "deployment.apps/web configured (server dry run)",
        "service/web unchanged (server dry run)",
    ]
    changed = shell("apply", "-f", path).splitlines()
    assert changed[1] == "deployment.apps/web configured"
    assert shell("apply", "-f", path, "-o", "name") == (
        "configmap/a\ndeployment.apps/web\nservice/web\n"
    )
    listed = json.loads(shell("apply", "-f", path, "-o", "json"))
    assert (listed["kind"], len(listed["items"])) == ("List", 3)
    alone = shell.manifest(CONFIG_MAP % ("a", "x"))
    assert yaml.safe_load(shell("apply", "-f", alone, "-o", "yaml"))["metadata"]["name"] == "a"


def test_manifests_come_from_files_folders_lists_and_standard_input(shell, monkeypatch, tmp_path):
    folder = tmp_path / "manifests"
    (folder / "inner").mkdir(parents=True)
    (folder / "one.yaml").write_text(CONFIG_MAP % ("one", "x") + "---\n---\n# nothing\n")
    listed = [yaml.safe_load(CONFIG_MAP % (name, "x")) for name in ("two", "three")]
    (folder / "list.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": listed})
    )
    (folder / "inner" / "four.yml").write_text(CONFIG_MAP % ("four", "x"))
    (folder / "README.md").write_text("not: a manifest")
    applied = shell("apply", "-f", folder, "-o", "name").split()
    assert applied == ["configmap/two", "configmap/three", "configmap/one"]
    assert "configmap/four" in shell("apply", "-f", folder, "-R", "-o", "name").split()
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(CONFIG_MAP % ("piped", "x")))
    assert shell("apply", "-f", "-") == "configmap/piped created\n"
    several = shell("get", "-f", folder, "-f", folder / "inner", "-o", "name")
    assert several.split() == [*applied, "configmap/four"]
    deleted = shell("delete", "-f", folder, "-R")
    assert deleted.count("deleted") == 4


def test_a_definition_and_its_objects_may_come_together(shell):
    group = f"{shell.namespace}.example.com"
    applied = shell.apply(CUSTOM % {"group": group})
    assert applied.splitlines()[1] == f"foo.{group}/f created"
    shell.same("get", f"foos.{group}")
    shell.same("get", f"fo.{group}", "f", "-o", "json")
    assert f"foo.{group}/f" in shell.same("get", "all")
    assert shell("tree", f"foo.{group}/f") == "Foo/f\n"
    shell("delete", "crd", f"foos.{group}")


def test_one_object_that_is_refused_does_not_keep_the_others(shell):
    wrong = (CONFIG_MAP % ("Wrong_Name", "x")) + "---\n" + (CONFIG_MAP % ("right", "x"))
    unknown = "---\napiVersion: x.example.com/v1\nkind: Nope\nmetadata: {name: n}\n"
    status, output, errors = shell.run("apply", "-f", shell.manifest(wrong + unknown))
    assert (status, output) == (1, "configmap/right created\n")
    first, second, advice = errors.splitlines()
    assert first.startswith('error: ConfigMap "Wrong_Name" is invalid: metadata.name')
    assert second == 'error: Nope/n: no matches for kind "Nope" in version "x.example.com/v1"'
    assert advice.startswith("help: its CustomResourceDefinition")


def test_a_field_of_somebody_else_is_not_taken_without_force(shell):
    path = shell.manifest(CONFIG_MAP % ("a", "x"))
    shell("apply", "-f", path, "--field-manager", "other")
    path.write_text(path.read_text().replace("k: v", "k: mine"))
    errors = shell.fails("apply", "-f", path)
    assert "Apply failed with 1 conflict" in errors
    assert "help: --force-conflicts" in errors
    shell("apply", "-f", path, "--force-conflicts")
    assert json.loads(shell("get", "cm", "a", "-o", "json"))["data"] == {"k": "mine"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: b: c", "is neither YAML nor JSON"),
        ("{", "is neither YAML nor JSON"),
        ("- a\n- b\n", "no object"),
        ("kind: ConfigMap\n", "no apiVersion"),
        ("apiVersion: v1\n", "no kind"),
        ("just text", "no object"),
        ("", "no objects in"),
        ("apiVersion: v1\nkind: List\nitems: [1]\n", "no object"),
        ("apiVersion: v1\nkind: ConfigMap\n", "no metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: text\n", "no metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 1}\n", "no metadata.name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n", "no metadata.name"),
        (CONFIG_MAP % ("a", "x") + "date: {}\n", "field not declared"),
        ((CONFIG_MAP % ("a", "x")).replace("{k: v}", "[]"), "data"),
        ((CONFIG_MAP % ("a", "x")).replace("name: a", "name: a, namespace: b"), "--namespace says"),
    ],
)
def test_a_broken_manifest_is_refused(shell, text, told):
    assert told in shell.fails("apply", "-f", shell.manifest(text))
    assert "No resources found" in shell.run("get", "cm", "-l", "app=x")[2]


def test_a_file_that_cannot_be_read_is_told(shell, tmp_path):
    assert "nope.yaml cannot be read: No such file" in shell.fails("apply", "-f", "nope.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in shell.fails("apply", "-f", tmp_path / "binary.yaml")
    (tmp_path / "empty").mkdir()
    assert "no objects in" in shell.fails("apply", "-f", tmp_path / "empty")


# delete


def test_delete_waits_until_things_are_gone(shell):
    shell.apply(TWO_CONTAINERS)
    running(shell, 1)
    assert shell("delete", "pod", "two", "--grace-period=1") == 'pod "two" deleted\n'
    assert not shell.cluster.exists("pod/two", namespace=shell.namespace)
    assert shell.fails("delete", "pod", "two") == 'error: pods "two" not found\n'
    assert shell.run("delete", "pod", "two", "--ignore-not-found") == (0, "", "")


def test_delete_without_wait_comes_back_at_once(shell):
    held = yaml.safe_load(CONFIG_MAP % ("held", "x"))
    held["metadata"]["finalizers"] = ["example.com/hold"]
    path = shell.manifest(json.dumps(held))
    shell("apply", "-f", path)
    assert shell("delete", "cm/held", "--wait=false") == 'configmap "held" deleted\n'
    assert shell.cluster.exists("configmap/held", namespace=shell.namespace)
    errors = shell.fails("delete", "-f", path, "--timeout", "300ms")
    assert "timed out waiting until configmaps/held is gone" in errors
    assert "finalizer" in errors
    held["metadata"]["finalizers"] = []
    path.write_text(json.dumps(held))
    shell("apply", "-f", path)
    assert not shell.cluster.exists("configmap/held", namespace=shell.namespace)


def test_delete_by_selector_or_all_takes_what_is_there(shell):
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        shell.apply(CONFIG_MAP % (name, label))
    assert shell("delete", "cm", "-l", "app=x") == 'configmap "a" deleted\nconfigmap "b" deleted\n'
    assert shell.same("delete", "cm", "-l", "app=x") == "No resources found\n"
    assert "configmap/c\n" in shell("delete", "cm", "--all", "-o", "name")
    assert "say which" in shell.fails("delete", "cm", status=2)
    assert "--all" in shell.fails("delete", "cm", "a", "--all", status=2)
    assert "selector" in shell.fails("delete", "cm", "a", "-l", "app=x", status=2)
    path = shell.manifest(CONFIG_MAP % ("d", "x"))
    assert "not both" in shell.fails("delete", "cm", "-f", path, status=2)


def test_dependents_go_along_or_stay(shell):
    shell.apply(DEPLOYMENT)
    running(shell, 2)
    shell("delete", "deploy", "web", "--cascade=orphan")
    assert shell("get", "rs", "-o", "name").startswith("replicaset.apps/web-")
    assert len(shell("get", "pods", "-o", "name").split()) == 2
    shell("delete", "rs", "--all", "--cascade=foreground")
    shell.cluster.wait(lambda: not shell.cluster.list(core.Pod, shell.namespace))


def test_force_does_not_wait_and_says_so(shell):
    shell.apply(TWO_CONTAINERS)
    running(shell, 1)
    status, output, errors = shell.run("delete", "pod", "two", "--force")
    assert (status, output) == (0, 'pod "two" force deleted\n')
    assert errors.startswith("warning: ")
    for words in (("--force", "--grace-period=3"), ("--now", "--grace-period=3")):
        assert "together" in shell.fails("delete", "pod", "two", *words, status=2)


def test_what_a_controller_wrote_in_between_is_not_what_apply_did():
    entry = {
        "manager": "arubeki",
        "operation": "Apply",
        "time": "2026-01-01T00:00:00Z",
        "fieldsV1": {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:replicas": {}}},
    }
    labels = {"a": "x"}
    before = {
        "metadata": {"resourceVersion": "1", "labels": labels, "managedFields": [entry]},
        "spec": {"replicas": 1},
    }
    other = {"manager": "controller", "operation": "Update", "fieldsV1": {"f:status": {}}}
    meanwhile = {
        "metadata": {
            "resourceVersion": "2",
            "labels": labels,
            "annotations": {"revision": "1"},
            "managedFields": [entry | {"time": "2026-01-01T00:00:09Z"}, other],
        },
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1},
    }
    assert outcome(before, meanwhile, "arubeki") == "unchanged"
    assert outcome(before, {**meanwhile, "spec": {"replicas": 2}}, "arubeki") == "configured"
    relabelled = {**meanwhile["metadata"], "labels": {"a": "y"}}
    assert outcome(before, {**meanwhile, "metadata": relabelled}, "arubeki") == "configured"
    given_up = {**meanwhile["metadata"], "managedFields": [other]}
    assert outcome(before, {**meanwhile, "metadata": given_up}, "arubeki") == "configured"
    assert outcome(None, before, "arubeki") == "created"
