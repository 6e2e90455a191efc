"""`get`, `apply`, `delete`, `logs`, `tree` against a cluster; where there is kubectl, beside it."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from arubeki import cli
from arubeki.check.local import LocalCluster
from arubeki.kinds import core_v1 as core

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: %s, labels: {app: %s}}
data: {k: v}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: none, command: [sh, -c, "echo hello; echo from web; exec sleep 1000"]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8080}]}
"""
CUSTOM = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.%(group)s}
spec:
  group: %(group)s
  scope: Namespaced
  names: {kind: Foo, plural: foos, singular: foo, shortNames: [fo], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: %(group)s/v1
kind: Foo
metadata: {name: f}
spec: {a: 1}
"""
TWO_CONTAINERS = """\
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  initContainers: [{name: i, image: none, command: [echo, from init]}]
  containers:
  - {name: a, image: none, command: [sh, -c, "echo from a; exec sleep 1000"]}
  - {name: b, image: none, command: [sh, -c, "echo from b; exec sleep 1000"]}
"""


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(serve=True, runtime="auto", nodes=2) as found:
        yield found


class Shell:
    """Runs our verbs, and kubectl's, in a namespace of the test's own."""

    def __init__(self, cluster, namespace, capsys, home):
        self.cluster = cluster
        self.namespace = namespace
        self.home = home
        self._capsys = capsys
        self._kubectl = shutil.which("kubectl")

    def run(self, *words):
        """Return (status, output, errors)."""
        self._capsys.readouterr()
        options = [f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={self.namespace}"]
        try:
            status = cli.main([words[0], *options, *map(str, words[1:])])
        except SystemExit as ended:
            status = ended.code
        return status, *self._capsys.readouterr()

    def __call__(self, *words):
        """Run, see that it succeeds without a word of complaint, and return the output."""
        status, output, errors = self.run(*words)
        assert (status, errors) == (0, ""), (words, status, output, errors)
        return output

    def fails(self, *words, status=1):
        """Run, see that it fails in good form, and return what is said."""
        found, output, errors = self.run(*words)
        assert found == status, (words, output, errors)
        lines = errors.splitlines()
        assert lines[0].startswith("error: "), errors
        assert all(line.startswith(("error: ", "help: ", "note: ")) for line in lines), errors
        return errors

    def kubectl(self, *words):
        options = [f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={self.namespace}"]
        done = subprocess.run(
            [self._kubectl, *options, *words],
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def same(self, *words):
        """See that kubectl, if there is one, prints the same; return what ours printed."""
        status, output, errors = self.run(*words)
        if self._kubectl is not None:
            theirs = self.kubectl(*words)
            assert ageless(output) == ageless(theirs[1]), words
            assert status == theirs[0], words
            assert bool(errors) == bool(theirs[2]), (words, errors, theirs[2])
        return output

    def manifest(self, text):
        path = self.home / f"{len(list(self.home.iterdir()))}.yaml"
        path.write_text(text)
        return path

    def apply(self, text):
        return self("apply", "-f", self.manifest(text))


def ageless(text):
    """Leave out what a second changes: ages, and the spaces that they take."""
    return re.sub(r" +", " ", re.sub(r"\b(\d+[smhd])+\b", "AGE", text))


@pytest.fixture
def shell(cluster, request, capsys, tmp_path):
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())
    namespace = words[:50].strip("-")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    cluster.wait(lambda: cluster.exists("serviceaccount/default", namespace=namespace))
    return Shell(cluster, namespace, capsys, tmp_path)


def running(shell, count):
    def holds():
        pods = shell.cluster.list(core.Pod, shell.namespace)
        ready = [
            one for one in pods for c in one.status.conditions or ()
            if c.type == "Ready" and c.status == "True"
        ]  # fmt: skip
        return len(ready) == count

    shell.cluster.wait(holds)


# get


def test_tables_look_as_kubectl_makes_them(shell):
    shell.apply(DEPLOYMENT)
    shell.apply(CONFIG_MAP % ("a", "x"))
    running(shell, 2)
    for text in (
        "get pods", "get pods -o wide", "get all", "get deploy,svc", "get deploy web -o wide",
        "get cm --show-labels", "get cm -l app=x", "get cm -l app!=x", "get nodes -o wide",
        "get pods --no-headers", "get deployments.apps", "get deploy.v1.apps", "get ns default",
        "get pods,rs,endpointslices", "get cm a --show-kind", "get deploy/web cm/a svc/web",
        "get pods -A --field-selector metadata.namespace=none", "get svc -A",
        "get cm --field-selector metadata.name=a", "get endpointslices.discovery -o wide",
        "get pods,deploy -o name", "get all -o name", "get cm a -o json", "get deploy web -o yaml",
        "get cm a -o yaml --show-managed-fields", "get pods -o yaml", "get cm,svc -o json",
        "get cm -l none=x -o yaml", "get cm -l none=x -o name", "get pods -l none=x",
        "get leases -n default", "get cm nothing --ignore-not-found",
        "get cm a nothing -o name --ignore-not-found",
    ):  # fmt: skip
        shell.same(*text.split())


def test_what_is_not_there_is_told_and_the_rest_is_shown(shell):
    shell.apply(CONFIG_MAP % ("a", "x"))
    assert shell.fails("get", "cm", "nope") == 'error: configmaps "nope" not found\n'
    status, output, errors = shell.run("get", "cm", "nope", "a", "-o", "name")
    assert (status, output) == (1, "configmap/a\n")
    assert errors == 'error: configmaps "nope" not found\n'
    shell.same("get", "cm", "nope", "a")
    assert shell.fails("get", "nopes") == (
        'error: the server doesn\'t have a resource type "nopes"\n'
    )
    assert "name" in shell.fails("get", "cm", "a", "-l", "x=y", status=2)
    assert "namespaces" in shell.fails("get", "cm", "a", "-A", status=2)
    assert "watch" in shell.fails("get", "cm,svc", "-w", status=2)
    assert "mixed" in shell.fails("get", "cm/a", "svc", status=2)
    assert "expected: ','" in shell.fails("get", "cm", "-l", "a=b=c")
    assert "not a known field selector" in shell.fails("get", "cm", "--field-selector", "spec.x=1")


def test_nothing_found_is_said_beside_the_output(shell):
    for text in ("get cm -l none=x", "get pods", "get pods -A -l none=x", "get nodes -l none=x"):
        status, output, errors = shell.run(*text.split())
        assert (status, output) == (0, "")
        assert errors.startswith("No resources found")
        if shell._kubectl:
            assert errors == shell.kubectl(*text.split())[2]


def test_many_objects_are_read_in_pages(shell):
    items = [yaml.safe_load(CONFIG_MAP % (f"c{n:04}", "x")) for n in range(501)]
    for one in items:
        one["metadata"]["namespace"] = shell.namespace
    shell.cluster.apply(items)
    assert len(shell("get", "cm", "-l", "app=x", "--no-headers").splitlines()) == 501
    assert len(json.loads(shell("get", "cm", "-l", "app=x", "-o", "json"))["items"]) == 501


def test_text_that_looks_like_something_else_stays_text(shell):
    data = {
        "yes": "yes", "one": "1", "float": "1.5", "exponent": "1e3", "empty": "", "colon": "a: b",
        "lines": "one\ntwo\n", "open": "one\ntwo", "date": "2020-01-01", "space": " a", "null": "~",
        "hex": "0x1f", "dash": "- x", "hash": "#c", "japanese": "あ", "quote": "'", "n": "n",
        "brace": "{", "time": "12:30", "tab": "a\tb", "nan": ".nan",
    }  # fmt: skip
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}, "data": data}
    shell.apply(json.dumps(obj))
    output = shell.same("get", "cm", "odd", "-o", "yaml")
    assert yaml.safe_load(output)["data"] == data
    assert json.loads(shell.same("get", "cm", "odd", "-o", "json"))["data"] == data


@pytest.mark.parametrize("form", ["", "name", "json", "yaml"])
def test_a_watch_goes_on_showing_changes(shell, form):
    shell.apply(CONFIG_MAP % ("before", "x"))
    process = subprocess.Popen(
        [
            sys.executable, "-m", "arubeki", "get", "cm", "-w", "-l", "app=x",
            *(["-o", form] if form else []),
            "-n", shell.namespace, "--kubeconfig", shell.cluster.kubeconfig,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        timer = threading.Timer(30, process.kill)
        timer.start()
        seen = [process.stdout.readline()]  # it watches from here on
        while "before" not in seen[-1]:
            seen.append(process.stdout.readline())
            assert seen[-1], process.stderr.read()
        shell.apply(CONFIG_MAP % ("after", "x"))
        while "after" not in seen[-1]:
            seen.append(process.stdout.readline())
            assert seen[-1], process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        timer.cancel()
    finally:
        process.kill()
        process.communicate()
    text = "".join(seen)
    assert "Traceback" not in errors
    assert process.returncode == 130
    if not form:
        assert text.count("NAME") == 1
        rows = [line.split() for line in text.splitlines()]
        assert [row[0] for row in rows] == ["NAME", "before", "after"]
        assert text.splitlines()[1].index("1") == text.splitlines()[2].index("1"), "aligned"
    if form == "name":
        assert text == "configmap/before\nconfigmap/after\n"


def test_a_watch_of_nothing_yet_shows_heads_with_the_first_row(shell):
    # A watch of a Pod's whole life: more than one row, one line of heads.
    process = subprocess.Popen(
        [
            sys.executable, "-m", "arubeki", "get", "pods", "--watch-only",
            "-n", shell.namespace, "--kubeconfig", shell.cluster.kubeconfig,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    timer = threading.Timer(30, process.kill)
    timer.start()
    try:
        lines = []

        def made():
            """Make Pods until one is seen: when a watch begins, nobody is told."""
            name = f"p{len(shell.cluster.list(core.Pod, shell.namespace))}"
            container = {"name": "c", "image": "none", "command": ["sleep", "1000"]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
            shell.cluster.apply(
                pod | {"spec": {"containers": [container]}}, namespace=shell.namespace
            )

        reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")))
        reader.start()
        for _ in range(100):
            if len(lines) > 2:
                break
            made()
            shell.cluster.advance(0.2)
        process.send_signal(signal.SIGINT)
        reader.join()
    finally:
        timer.cancel()
        process.kill()
        process.communicate()
    assert len(lines) > 2
    assert lines[0].startswith("NAME")
    assert not any(line.startswith("NAME") for line in lines[1:])


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


# logs


def test_logs_show_what_was_printed(shell):
    shell.apply(DEPLOYMENT)
    shell.apply(TWO_CONTAINERS)
    running(shell, 3)
    status, output, errors = shell.run("logs", "two")
    assert (status, output) == (0, "from a\n")
    assert errors == 'Defaulted container "a" out of: a, b, i (init)\n'
    for text in (
        "logs two", "logs two -c b", "logs two b", "logs pod/two -c a --tail 0", "logs two i",
        "logs deploy/web --tail=1", "logs deploy/web", "logs svc/web", "logs two -c nope",
        "logs two -p", "logs nope", "logs deploy/nope", "logs two --limit-bytes=4",
        "logs deployment.apps/web --since=1h", "logs two -c a --timestamps",
        "logs two -c a --since-time=2020-01-01T00:00:00Z",
    ):  # fmt: skip
        shell.same(*text.split())
    assert shell("logs", "two", "b") == "from b\n"
    assert shell("logs", "pod/two", "-c", "a", "--tail=0") == ""
    web = shell.run("logs", "deploy/web")
    assert web[:2] == (0, "hello\nfrom web\n")
    assert web[2].startswith("Found 2 pods, using pod/web-")
    assert 'pods "nope" not found' in shell.fails("logs", "nope")
    assert "does not select Pods" in shell.fails("logs", "ns/default")
    assert "no duration" in shell.fails("logs", "two", "--since=1day", status=2)
    assert "together" in shell.fails(
        "logs", "two", "--since=1s", "--since-time=2020-01-01T00:00:00Z", status=2
    )


def test_logs_are_followed_until_the_container_ends(shell):
    command = "for i in 1 2 3; do echo line $i; sleep 0.2; done"
    container = {"name": "c", "image": "none", "command": ["sh", "-c", command]}
    spec = {"restartPolicy": "Never", "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "brief"}, "spec": spec}
    shell.cluster.apply(pod, namespace=shell.namespace)
    shell.cluster.wait(
        lambda: shell.cluster.get("pod/brief", namespace=shell.namespace).status.phase == "Running"
    )
    assert shell("logs", "brief", "-f") == "line 1\nline 2\nline 3\n"


# tree


def test_tree_shows_an_object_and_what_belongs_to_it(shell):
    shell.apply(DEPLOYMENT)
    running(shell, 2)
    shell.cluster.wait(lambda: "Available 2" in shell("tree", "deploy/web"))
    lines = shell("tree", "deploy/web").splitlines()
    assert re.fullmatch(r"Deployment/web +Ready 2/2 +Up-to-date 2 +Available 2", lines[0])
    assert re.fullmatch(r"└─ ReplicaSet/web-\S+ +Desired 2 +Current 2 +Ready 2", lines[1])
    for line, branch in zip(lines[2:], ("├─", "└─"), strict=True):
        assert re.fullmatch(
            rf"   {branch} Pod/web-\S+ +Ready 1/1 +Status Running +Restarts 0", line
        )
    assert shell("tree", "deploy", "web").splitlines()[1:] == lines[1:]
    service = shell("tree", "svc/web").splitlines()
    assert service[0].startswith("Service/web")
    assert "EndpointSlice/web-" in service[1]
    assert "not found" in shell.fails("tree", "deploy/nope")
    assert "say which one" in shell.fails("tree", "deploy", status=2)
    assert "resource type" in shell.fails("tree", "nope/x")


# connections


def test_a_kubeconfig_that_is_wrong_is_told(shell, tmp_path, capsys):
    def fails(*words):
        assert cli.main([*words, "get", "pods"]) == 1
        errors = capsys.readouterr().err
        assert errors.startswith("error: ")
        return errors

    assert "there is no kubeconfig" in fails("--kubeconfig", str(tmp_path / "nope"))
    broken = tmp_path / "broken"
    broken.write_text("{")
    assert "is no YAML" in fails("--kubeconfig", str(broken))
    broken.write_text("[]")
    assert "is no kubeconfig" in fails("--kubeconfig", str(broken))
    own = shell.cluster.kubeconfig
    assert "no context 'nope'" in fails("--kubeconfig", own, "--context", "nope")
    document = yaml.safe_load(Path(own).read_text())
    server = document["clusters"][0]["cluster"]

    def changed(**user):
        document["users"][0]["user"] = user
        broken.write_text(yaml.safe_dump(document))
        return "--kubeconfig", str(broken)

    errors = fails(*changed(token="wrong"))
    assert errors.splitlines()[0] == "error: Unauthorized"
    assert errors.splitlines()[1].startswith("help: ")
    jane = shell.cluster.cluster._identity
    from arubeki.client.kubeconfig import user_entry
    from arubeki.net.message import User

    errors = fails(*changed(**user_entry(pair=jane.client(User("jane", ())))))
    assert 'User "jane" cannot' in errors
    server["server"] = "https://127.0.0.1:9"
    errors = fails(*changed())
    assert "127.0.0.1:9" in errors and "arubeki up" in errors
    server["server"] = shell.cluster.url
    server.pop("certificate-authority-data")
    errors = fails(*changed())
    assert "certificate" in errors.lower()


def test_a_reader_that_leaves_is_no_failure(shell):
    """As in `arubeki get cm -o json | head -1`."""
    items = [yaml.safe_load(CONFIG_MAP % (f"c{n}", "x")) for n in range(300)]
    for one in items:
        one["data"]["v"] = "x" * 1000
    shell.cluster.apply(items, namespace=shell.namespace)

    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "arubeki", "get", "cm", "-o", "json", "-n", shell.namespace,
            "--kubeconfig", shell.cluster.kubeconfig,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await process.stdout.readline()
        process._transport.get_pipe_transport(1).close()
        errors = await process.stderr.read()
        assert (await process.wait(), errors) == (0, b"")

    asyncio.run(main())
