"""One real cluster on a real port, with Pods that run, for the field's own clients."""

import hashlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arubeki.check.local import LocalCluster
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta

LIMIT_SECONDS = 120


@pytest.fixture(scope="module")
def served() -> Iterator[LocalCluster]:
    with LocalCluster(serve=True, runtime="auto", nodes=2) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """End a test that hangs: not every client gives up by itself."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"the test took more than {LIMIT_SECONDS} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LIMIT_SECONDS)
    yield
    signal.alarm(0)


@pytest.fixture
def namespace(served: LocalCluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, which begins to go when the test ends."""
    words = request.node.name.replace("_", "-").removeprefix("test-")
    name = f"{words[:20].strip('-')}-{hashlib.sha256(words.encode()).hexdigest()[:6]}".lower()
    made = core.Namespace(metadata=meta.ObjectMeta(name=name))
    served.call(lambda client: client.create(made))
    yield name
    served.call(lambda client: client.delete(core.Namespace, name))


def until(holds: Callable[[], object], timeout_seconds: float = 30.0) -> None:
    """Wait until something holds. Raises: AssertionError."""
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come true in {timeout_seconds:g} s"
        time.sleep(0.03)


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
