"""A cluster for the verbs, and a shell in a namespace of its own."""

import re

import pytest

from arubeki.check.local import LocalCluster
from tests.cli.kit import Shell


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(serve=True, runtime="auto", nodes=2) as found:
        yield found


@pytest.fixture
def shell(cluster, request, capsys, tmp_path):
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())
    namespace = words[:50].strip("-")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    cluster.wait(lambda: cluster.exists("serviceaccount/default", namespace=namespace))
    return Shell(cluster, namespace, capsys, tmp_path)
