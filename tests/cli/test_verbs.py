"""`get`, `logs`, `tree` against a cluster; where there is kubectl, beside it."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from arubeki import cli
from arubeki.client.kubeconfig import user_entry
from arubeki.kinds import core_v1 as core
from arubeki.net.message import User
from tests.cli.kit import CONFIG_MAP, DEPLOYMENT, TWO_CONTAINERS, running

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
        # A run in the background ignores Ctrl-C, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
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
        # A run in the background ignores Ctrl-C, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
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
