"""The demo itself: every step comes true, with kubectl and without, in a sandbox and without."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.conftest import EXAMPLE

STEPS = [
    r"(kubectl|arubeki) apply -f app\.yaml",
    r"what belongs to it: arubeki tree markdownview/hello",
    r"a Pod is killed \(viewer-hello-\w+-\w+\), and comes back",
    r"the ConfigMap is deleted, and comes back",
    r"replicas 1 → 2, one on each node",
    r"the text is edited, and the page changes",
    r"node-\d stops, and its Pod goes elsewhere",
    r"the MarkdownView is deleted, and everything is gone",
]


def demo(path: str, runtime: str, home: Path) -> str:
    """Run the demo and return what it prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLE / "demo.py", "--runtime", runtime],
        # Nothing of this machine's user is to be used or touched.
        env={"PATH": path, "HOME": str(home), "TMPDIR": str(home), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert {one.name for one in home.iterdir()} <= {".kube"}
    assert not (home / ".kube" / "config").exists()  # kubectl's own cache may be there
    return done.stdout


def assert_shows_every_step(said: str) -> None:
    titles = re.findall(r"^== (.*)$", said, re.MULTILINE)
    assert len(titles) == len(STEPS)
    for title, step in zip(titles, STEPS, strict=True):
        assert re.fullmatch(step, title)
    assert len(re.findall(r"^   came true in \d+\.\d\d s$", said, re.MULTILINE)) == len(STEPS) - 1
    assert re.search(r"^every step came true, in ", said, re.MULTILINE)
    assert "   | <h1>Hello</h1>" in said
    assert re.search(r"Pod/viewer-hello-\S+ +Ready 1/1  Status Running", said)
    assert "markdown-view: applied ConfigMap/markdowns-hello, Deployment/viewer-hello" in said
    assert "because ConfigMap default/markdowns-hello DELETED" in said
    assert "Traceback" not in said


def without_kubectl() -> str:
    """Return the PATH without the folders that hold a kubectl."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(one for one in folders if not shutil.which("kubectl", path=one))


@pytest.mark.kubectl
@pytest.mark.sandbox
def test_it_comes_true_with_kubectl(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("not run: kubectl is not installed")
    said = demo(os.environ["PATH"], "auto", tmp_path)
    assert_shows_every_step(said)
    assert "== kubectl apply" in said


def test_it_comes_true_without_kubectl_and_as_plain_processes(tmp_path: Path) -> None:
    said = demo(without_kubectl(), "plain", tmp_path)
    assert_shows_every_step(said)
    assert "== arubeki apply" in said


def test_a_step_that_does_not_come_true_ends_it_with_1(tmp_path: Path) -> None:
    broken = tmp_path / "example"
    shutil.copytree(EXAMPLE, broken, ignore=shutil.ignore_patterns("__pycache__"))
    (broken / "app.yaml").write_text("apiVersion: v1\nkind: Nonsense\nmetadata: {name: hello}\n")
    done = subprocess.run(
        [sys.executable, broken / "demo.py", "--runtime", "plain"],
        env={"PATH": without_kubectl(), "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=150,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED: " in done.stderr
    assert "Nonsense" in done.stderr
    assert "Traceback" not in done.stderr
