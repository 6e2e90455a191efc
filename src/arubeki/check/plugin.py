"""The pytest plugin: fixtures that give a test a cluster of its own.

Loaded in every pytest run of the environment, so nothing heavy is imported before a fixture is used.

    def test_a_view_gets_a_deployment(cluster):
        cluster.run(app)                       # your controllers, in the same process
        cluster.apply("view.yaml")
        cluster.settle()                       # until nothing is queued; in virtual time, no sleep
        assert cluster.get("deployment/viewer-hello").spec.replicas == 1
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from arubeki.check.local import LocalCluster


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        "cluster(nodes=1, runtime='fake', serve=False, **options): what the fixture `cluster` is",
    )


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> "Iterator[LocalCluster]":
    """A fresh cluster in this process, in memory, with Kubernetes' own controllers and a fake node.

    `@pytest.mark.cluster(serve=True)` gives it a real port and a kubeconfig, for clients in any
    language; `runtime="sandbox"` runs Pods. Without these, time is virtual.
    """
    from arubeki.check.local import LocalCluster

    mark = request.node.get_closest_marker("cluster")
    with LocalCluster(**(mark.kwargs if mark else {})) as found:
        yield found
