"""One real cluster on a real port, with Pods that run, for the field's own clients."""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arubeki.check.local import LocalCluster
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta

LIMIT_SECONDS = 120


@pytest.fixture(scope="module")
def served() -> Iterator[LocalCluster]:
    with LocalCluster(serve=True, runtime="auto", nodes=2) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def quiet() -> Iterator[LocalCluster]:
    """A cluster whose Pods are status only, for what does not care."""
    with LocalCluster(serve=True) as cluster:
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
    with _namespace(served, request.node.name) as name:
        yield name


@contextlib.contextmanager
def _namespace(cluster: LocalCluster, test: str) -> Iterator[str]:
    words = test.replace("_", "-").removeprefix("test-")
    name = f"{words[:20].strip('-')}-{hashlib.sha256(words.encode()).hexdigest()[:6]}".lower()
    made = core.Namespace(metadata=meta.ObjectMeta(name=name))
    cluster.call(lambda client: client.create(made))
    yield name
    cluster.call(lambda client: client.delete(core.Namespace, name))


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

    @functools.cached_property
    def minor(self) -> int:
        """Its minor version: 20 for v1.20."""
        client = json.loads(self("version", "--client", "-o", "json"))["clientVersion"]
        # One that was built from a checkout may not know; it is taken for the newest.
        return int(client["minor"].rstrip("+") or 99)

    @property
    def reads_v3(self) -> bool:
        """Whether it checks manifests and dry runs by /openapi/v3; older ones read v2."""
        return self.minor >= 29

    def command(self, *words: str) -> list[str]:
        """Return the whole command of some words."""
        # Behind the verb: some versions take what comes before it for a plugin's name.
        place = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return [self.program, words[0], *place, *words[1:]]

    def environment(self) -> dict[str, str]:
        """Return its environment, with a home of its own: it keeps what it discovers on disk."""
        home = str(self.home)
        path = "/usr/local/bin:/usr/bin:/bin"
        return {"HOME": home, "TMPDIR": home, "PATH": path, "EDITOR": "false"}

    def run(
        self, *words: str, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl and return what became of it."""
        return subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment() | variables,
            check=False,
        )

    def apply(self, manifest: dict[str, Any], *more: str) -> str:
        """Apply an object and return what kubectl says."""
        return self("apply", *more, "-f", "-", stdin=json.dumps(manifest))

    def json(self, *words: str) -> Any:
        """Run kubectl for JSON and return it, parsed."""
        return json.loads(self(*words, "-o", "json"))

    def refused(self, *words: str, stdin: str = "") -> str:
        """Run kubectl, see that it fails, and return what it complains of."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(words)}: {done.stdout}"
        return done.stderr

    def wait_for(self, what: str, path: str, value: str) -> None:
        """Wait until what lies under a JSONPath is a value."""
        if self.minor >= 23:
            self("wait", what, f"--for=jsonpath={{{path}}}={value}", "--timeout=50s")
        else:
            until(lambda: self("get", what, "-o", f"jsonpath={{{path}}}") == value, 50)

    def __call__(self, *words: str, stdin: str = "") -> str:
        """Run kubectl, see that it succeeds, and return its output."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def kubectl(served: LocalCluster, namespace: str, tmp_path: Path) -> Kubectl:
    return Kubectl(_program(), served.kubeconfig, namespace, tmp_path)


@pytest.fixture
def quick(quiet: LocalCluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kubectl]:
    """The same on the quiet cluster."""
    program = _program()
    with _namespace(quiet, request.node.name) as name:
        yield Kubectl(program, quiet.kubeconfig, name, tmp_path)


def _program() -> str:
    """Return the kubectl of this run: what ARUBEKI_KUBECTL names, else the one on PATH."""
    program = os.environ.get("ARUBEKI_KUBECTL") or shutil.which("kubectl")
    if program is None:
        pytest.skip("not run: kubectl is not installed")
    return program
