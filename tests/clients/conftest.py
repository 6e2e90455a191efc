"""One real cluster on a real port, with Pods that run, for the field's own clients."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from arubeki.check.local import LocalCluster


@pytest.fixture(scope="module")
def served() -> Iterator[LocalCluster]:
    with LocalCluster(serve=True, runtime="auto", nodes=2) as cluster:
        yield cluster


class Kubectl:
    """The kubectl of this machine, each namespace a test's own."""

    def __init__(self, program: str, kubeconfig: str, namespace: str, home: Path) -> None:
        self.program = program
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.home = home

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl and return what became of it."""
        return subprocess.run(
            [
                self.program,
                f"--kubeconfig={self.kubeconfig}",
                f"--namespace={self.namespace}",
                *words,
            ],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            # A home of its own: kubectl keeps what it discovers on disk, by host and port.
            env={"HOME": str(self.home), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            check=False,
        )

    def __call__(self, *words: str, stdin: str = "") -> str:
        """Run kubectl, see that it succeeds, and return its output."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def kubectl(
    served: LocalCluster, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Kubectl]:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("not run: kubectl is not installed")
    name = request.node.name.replace("_", "-")[:50].strip("-").lower()
    tool = Kubectl(program, served.kubeconfig, name, tmp_path)
    tool("create", "namespace", name)
    yield tool
    tool("delete", "namespace", name, "--wait=false")
