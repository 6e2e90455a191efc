"""One cluster on a real port, with one Ready node whose Pods are status only."""

import base64
import hashlib
import shutil
import time
from pathlib import Path

import pytest
import yaml

from arubeki.check.local import LocalCluster
from tests.conformance.kit import Api, patience
from tests.conformance.kit.kubectl import Kubectl
from tests.conformance.kit.patience import NOT_YET_SECONDS, USUAL_SECONDS


@pytest.fixture(scope="package")
def served():
    with LocalCluster(serve=True, runtime="fake", nodes=1) as cluster:
        yield cluster


@pytest.fixture(scope="package")
def connected(served):
    entry = yaml.safe_load(Path(served.kubeconfig).read_text())["clusters"][0]["cluster"]
    authority = base64.b64decode(entry["certificate-authority-data"]).decode()
    token = {"Authorization": f"Bearer {served.cluster.token}"}
    api = Api("127.0.0.1", served.cluster.port, authority, token)
    yield api
    api.close()


@pytest.fixture
def api(connected, request):
    """The server, with no more patience for a test than it deserves."""
    seconds = NOT_YET_SECONDS if request.node.get_closest_marker("xfail") else USUAL_SECONDS
    with patience(seconds):
        yield connected


@pytest.fixture
def unique(request):
    """A name that no other test has."""
    words = request.node.name.replace("_", "-").removeprefix("test-")
    drawn = hashlib.sha256(f"{words}{time.monotonic()}".encode()).hexdigest()[:6]
    return f"{words[:30].strip('-')}-{drawn}".lower()


@pytest.fixture
def namespace(api, unique):
    """A namespace of the test's own, which begins to go when the test ends."""
    namespaces = api.of("v1", "Namespace")
    namespaces.create({"metadata": {"name": unique}})
    yield unique
    if not namespaces.is_gone(unique):
        namespaces.delete(unique)


@pytest.fixture(autouse=True)
def official(request, record_property):
    """Write down of which official test each is the port."""
    mark = request.node.get_closest_marker("conformance")
    assert mark is not None, f"{request.node.name} bears no official name"
    record_property("conformance", mark.args[0])


@pytest.fixture
def kubectl(served, namespace, tmp_path):
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("not run: kubectl is not installed")
    return Kubectl(program, served.kubeconfig, namespace, tmp_path)
