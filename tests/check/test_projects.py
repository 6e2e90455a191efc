"""The fixture in other people's projects: in parallel, several at once, without a network."""

import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from arubeki.check.local import LocalCluster
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta

PROJECT = '''
import os
import sys

import pytest

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: once}
spec:
  restartPolicy: Never
  containers: [{name: c, image: sh, command: [/bin/sh, -c, "echo $POD_IP"], env: [
    {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]}]
"""


@pytest.mark.parametrize("number", range(4))
def test_virtual(cluster, number):
    cluster.apply(DEPLOYMENT)
    cluster.settle()
    cluster.advance(3600)
    assert cluster.get("deployment/web").status.readyReplicas == 3
    assert len(cluster.list("pods")) == 3


async def said(client):
    return b"".join([piece async for piece in client.logs("once", "default")]).decode()


@pytest.mark.parametrize("number", range(4))
@pytest.mark.cluster(serve=True, runtime="plain", nodes=2)
def test_served(cluster, number):
    cluster.apply(POD)
    cluster.wait(lambda: cluster.get("pod/once").status.phase == "Succeeded")
    address = cluster.get("pod/once").status.podIP
    assert cluster.call(said) == address + "\\n"
    with open(os.path.join(os.environ["NOTES"], "addresses"), "a") as file:
        file.write(cluster.url + "\\n")


def test_failing(cluster):
    cluster.apply(DEPLOYMENT)
    assert not cluster.exists("deployment/web"), "as it should be"
'''


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_project_of_its_own_with_and_without_workers(workers: str, tmp_path: Path) -> None:
    (tmp_path / "test_project.py").write_text(PROJECT)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "NOTES": str(tmp_path), "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "8 passed" in done.stdout, done.stdout + done.stderr
    assert "1 failed" in done.stdout
    assert "as it should be" in done.stdout
    urls = (tmp_path / "addresses").read_text().split()
    assert len(urls) == 4
    assert all(re.fullmatch(r"https://127\.0\.0\.1:\d+", url) for url in urls)
    # A cluster that has ended leaves neither files nor kubeconfigs.
    assert [one.name for one in temporary.glob("arubeki*")] == []


def config_map(name: str) -> core.ConfigMap:
    return core.ConfigMap(metadata=meta.ObjectMeta(name=name))


def test_two_clusters_at_once_do_not_know_each_other(cluster: LocalCluster) -> None:
    with LocalCluster() as other, LocalCluster(serve=True) as served:
        for number, one in enumerate((cluster, other, served)):
            one.apply(config_map(f"only-{number}"))
        other.advance(10_000)
        for number, one in enumerate((cluster, other, served)):
            found = {each.name for each in one.list("configmaps")} - {"kube-root-ca.crt"}
            assert found == {f"only-{number}"}
            assert one.cluster.unready() == ""
        cluster.advance(60)  # its nodes beat on, whatever the time is elsewhere
        ready = {each.type: each.status for each in cluster.get("node/node-1").status.conditions}
        assert ready["Ready"] == "True"
    assert cluster.exists("configmap/only-0")


def test_one_after_the_other_begins_anew() -> None:
    for _ in range(3):
        with LocalCluster() as one:
            assert one.list("configmaps") == []
            one.apply(config_map("a"))


def test_what_serves_leaves_no_thread_and_no_port() -> None:
    before = threading.active_count()
    with LocalCluster(serve=True) as served:
        port = served.cluster.port
        assert threading.active_count() > before
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("there is no network")

    for name in ("bind", "connect", "connect_ex", "listen"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("127.0.0.1", 9), 1)
    with LocalCluster(nodes=3) as cluster:
        cluster.apply(config_map("a"))
        cluster.settle()
        assert cluster.exists("configmap/a")
        assert len(cluster.list("nodes")) == 3
